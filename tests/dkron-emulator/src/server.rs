//! One request from the wire to the wire: journal, faults, route, faults again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, DATE, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request as HttpRequest, Response as HttpResponse, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::core::Core;
use crate::faults::{Fault, Prepared, Stage};
use crate::journal;
use crate::routes::{self, Reply, Request};
use crate::wire::{Broken, Pieces, Socket};

/// Which node a connection reaches.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reach {
    /// Always this one.
    Node(usize),
    /// Each new connection the next one that is up: a Service in front of all.
    NextNode,
}

/// Accepts connections until it is dropped, and its connections with it.
pub(crate) async fn serve(core: Arc<Core>, listener: TcpListener, reach: Reach, open: Arc<AtomicUsize>) {
    let mut connections = JoinSet::new();
    let mut accepted = 0;
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, or the peer has already gone: the next one may do.
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        let node = match reach {
            Reach::Node(node) => node,
            Reach::NextNode => {
                let nodes = &core.lock().cluster.nodes;
                let next = (0..nodes.len()).map(|step| (accepted + step) % nodes.len()).find(|node| !nodes[*node].down);
                accepted += 1;
                match next {
                    Some(node) => node,
                    None => continue,
                }
            }
        };
        connections.spawn(connection(Arc::clone(&core), stream, node, Arc::clone(&open)));
    }
}

async fn connection(core: Arc<Core>, stream: TcpStream, node: usize, open: Arc<AtomicUsize>) {
    // Only a matter of speed.
    let _slower = stream.set_nodelay(true);
    let reset = Arc::new(AtomicBool::new(false));
    let socket = Socket::new(stream, Arc::clone(&reset), open);
    let service = service_fn(move |request| handle(Arc::clone(&core), node, Arc::clone(&reset), request));
    // An error here is a peer that has gone, or a fault's doing.
    let _ended = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(socket), service)
        .await;
}

async fn handle(
    core: Arc<Core>,
    node: usize,
    reset: Arc<AtomicBool>,
    request: HttpRequest<Incoming>,
) -> Result<HttpResponse<Pieces>, Broken> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
    let mut request = Request::read(&head, body, node);
    let (ticket, is_barrier) = {
        let mut state = core.lock();
        if state.cluster.nodes[node].down {
            reset.store(true, Ordering::SeqCst);
            return Err(Broken);
        }
        let is_barrier = request.parent().is_some_and(|parent| state.store.get(parent).is_none());
        let ticket = state.journal.arrived(journal::Request {
            method: request.method.clone(),
            path: request.uri.clone(),
            headers: head
                .headers
                .iter()
                .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
                .collect(),
            body: request.body.clone(),
            job: request.job().map(str::to_owned),
            node,
            at: Instant::now(),
            status: None,
            is_barrier,
        });
        (ticket, is_barrier)
    };
    request.is_barrier = is_barrier;

    if let Some(Fault::Delay(pause)) = request.fault(&core, Stage::Arrival) {
        tokio::time::sleep(pause).await;
    }
    let reply = match request.fault(&core, Stage::Instead) {
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::ResetUnapplied) => {
            reset.store(true, Ordering::SeqCst);
            return Err(Broken);
        }
        Some(Fault::Answer { status, headers, body }) => Reply { status, headers, body: body.into_bytes() },
        Some(Fault::NotAppliedBut500) => Reply::text(500, "context deadline exceeded").from(&core, node),
        Some(Fault::Paused) => Reply::paused().from(&core, node),
        other => {
            request.leaderless = other == Some(Fault::NoLeader);
            routes::answer(&core, &request).await
        }
    };
    request.answer = Prepared { is_success: reply.status < 300, has_body: !reply.body.is_empty() };
    let fault = request.fault(&core, Stage::Answering);
    let is_stored = reply.status == 201;
    let sent = send(reply, fault.as_ref(), &reset, &core, node);
    let answered = sent.as_ref().ok().map(|response| response.status().as_u16());
    core.lock().journal.answered(ticket, answered, is_barrier && !is_stored);
    sent
}

/// The reply as the fault lets it through.
fn send(
    mut reply: Reply,
    fault: Option<&Fault>,
    reset: &AtomicBool,
    core: &Core,
    node: usize,
) -> Result<HttpResponse<Pieces>, Broken> {
    let mut announced = None;
    let body = match fault.cloned() {
        Some(Fault::AppliedBut500) => {
            reply = Reply::text(500, "error reading from server: EOF").from(core, node);
            Pieces::whole(std::mem::take(&mut reply.body))
        }
        Some(Fault::ResetApplied) => {
            reset.store(true, Ordering::SeqCst);
            return Err(Broken);
        }
        Some(Fault::ResetMid { after }) => {
            reset.store(true, Ordering::SeqCst);
            announced = Some(reply.body.len());
            Pieces::broken(reply.body, after)
        }
        Some(Fault::CloseMid { after }) => {
            announced = Some(reply.body.len());
            Pieces::broken(reply.body, after)
        }
        Some(Fault::Cut { to }) => {
            reply.body.truncate(to);
            Pieces::whole(reply.body)
        }
        Some(Fault::Trickle { piece, every }) => Pieces::trickle(&reply.body, piece, every),
        Some(Fault::Gigantic { bytes }) => {
            reply.status = 200;
            Pieces::gigantic(bytes)
        }
        Some(Fault::Flood { bytes }) => Pieces::flood(bytes),
        Some(Fault::ShortList { missing }) => {
            let mut jobs: Vec<serde_json::Value> = serde_json::from_slice(&reply.body).unwrap_or_default();
            jobs.truncate(jobs.len().saturating_sub(missing));
            Pieces::whole(crate::json::encode(&jobs, false))
        }
        Some(Fault::WrongCount { count }) => {
            reply.headers.retain(|(name, _)| name != routes::TOTAL_COUNT);
            reply.headers.push((routes::TOTAL_COUNT.to_owned(), count.to_string()));
            Pieces::whole(reply.body)
        }
        Some(Fault::NoCount) => {
            reply.headers.retain(|(name, _)| name != routes::TOTAL_COUNT);
            Pieces::whole(reply.body)
        }
        _ => Pieces::whole(reply.body),
    };
    let mut response = HttpResponse::new(body);
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in &reply.headers {
        // A job's name may hold any small letter of Unicode, and Dkron writes it into `Location` as it is.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value.as_bytes())) {
            response.headers_mut().insert(name, value);
        }
    }
    let ahead = core.lock().clock_ahead;
    if !ahead.is_zero()
        && let Ok(now) = Timestamp::now().checked_add(ahead)
        && let Ok(date) = DateTimePrinter::new().timestamp_to_rfc9110_string(&now)
        && let Ok(date) = HeaderValue::try_from(date)
    {
        response.headers_mut().insert(DATE, date);
    }
    if let Some(length) = announced {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(response)
}
