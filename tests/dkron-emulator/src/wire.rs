//! Connections and bodies that can be cut, slowed down or reset.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// A connection that ends with a reset once it is told to, and that counts among the open ones while it lives.
pub(crate) struct Socket {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
    open: Arc<AtomicUsize>,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, reset: Arc<AtomicBool>, open: Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::SeqCst);
        Self { stream, reset, open }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.reset.load(Ordering::SeqCst) {
            // Where it fails, the peer has already gone.
            let _gone = self.stream.set_zero_linger();
        }
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.reset.load(Ordering::SeqCst) {
            // A shutdown would end the stream in good order before the reset.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A body in pieces, with a pause before each, and perhaps with a broken end.
pub(crate) struct Pieces {
    left: VecDeque<Bytes>,
    /// Sent over and over between the first piece and the rest: the piece, and the bytes that are left of it.
    filling: (Bytes, u64),
    pause: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    breaks: bool,
    exact: Option<u64>,
}

/// The connection ends here, without a proper end of the answer.
#[derive(Debug)]
pub(crate) struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a fault breaks the connection off")
    }
}

impl std::error::Error for Broken {}

impl Pieces {
    pub(crate) fn whole(body: Vec<u8>) -> Self {
        let exact = body.len() as u64;
        let left = if body.is_empty() { VecDeque::new() } else { VecDeque::from([Bytes::from(body)]) };
        Self { left, filling: (Bytes::new(), 0), pause: Duration::ZERO, sleep: None, breaks: false, exact: Some(exact) }
    }

    /// Only the first bytes, and then a pause that lets them through before the connection breaks.
    pub(crate) fn broken(mut body: Vec<u8>, after: usize) -> Self {
        body.truncate(after);
        let mut pieces = Self { breaks: true, exact: None, ..Self::whole(body) };
        pieces.pause = Duration::from_millis(20);
        pieces
    }

    pub(crate) fn trickle(body: &[u8], piece: usize, pause: Duration) -> Self {
        let left = body.chunks(piece.max(1)).map(Bytes::copy_from_slice).collect();
        Self { left, pause, exact: Some(body.len() as u64), ..Self::whole(Vec::new()) }
    }

    /// `[`, blanks, `]`.
    pub(crate) fn gigantic(bytes: u64) -> Self {
        Self {
            left: VecDeque::from([Bytes::from_static(b"["), Bytes::from_static(b"]")]),
            filling: (Bytes::from(vec![b' '; 1 << 16]), bytes.saturating_sub(2)),
            exact: None,
            ..Self::whole(Vec::new())
        }
    }

    /// Jobs over and over, and one at the end.
    pub(crate) fn flood(bytes: u64) -> Self {
        const JOB: &str = r#"{"name":"x","schedule":"@yearly","executor":"shell"}"#;
        let many = format!("{JOB},").repeat(1 << 10);
        let times = bytes / many.len() as u64;
        Self {
            left: VecDeque::from([Bytes::from_static(b"["), Bytes::from(format!("{JOB}]"))]),
            filling: (Bytes::from(many.clone()), times * many.len() as u64),
            exact: None,
            ..Self::whole(Vec::new())
        }
    }

    fn next_piece(&mut self) -> Option<Bytes> {
        if self.left.len() == 1 && self.filling.1 > 0 {
            let length = self.filling.1.min(self.filling.0.len() as u64);
            self.filling.1 -= length;
            return Some(self.filling.0.slice(..usize::try_from(length).unwrap_or(0)));
        }
        self.left.pop_front()
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if self.left.is_empty() && !self.breaks {
            return Poll::Ready(None);
        }
        if !self.pause.is_zero() {
            let pause = self.pause;
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
            ready!(sleep.as_mut().poll(cx));
            self.sleep = None;
        }
        match self.next_piece() {
            Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece)))),
            None => Poll::Ready(Some(Err(Broken))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.exact.map_or_else(SizeHint::default, SizeHint::with_exact)
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty() && !self.breaks
    }
}
