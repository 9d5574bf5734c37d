//! Packing and unpacking, piece by piece.

use std::io::{self, Write};
use std::mem;

use flate2::Compression;
use flate2::write::{GzEncoder, MultiGzDecoder};
use zstd::stream::raw::{DParameter, Decoder};
use zstd::stream::write::Encoder;
use zstd::stream::zio;

use crate::snapshot::Packing;

use super::{Chunks, StoreError};

/// zstd's own default: a good ratio at hundreds of megabytes a second.
const ZSTD_LEVEL: i32 = 3;
/// What a zstd file may ask for while it is unpacked: 2^25 bytes, which is enough for everything but `--ultra` and `--long`.
const ZSTD_WINDOW_LOG: u32 = 25;
/// All that zstd says when it is built small.
const ZSTD_WITHOUT_WORDS: &str = "Error strings stripped";
/// So many bytes tell what a file is.
const MAGIC: usize = 4;

/// Packs what is written to it.
pub(super) enum Packer {
    Plain(Vec<u8>),
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(Encoder<'static, Vec<u8>>),
}

impl Packer {
    pub(super) fn new(packing: Packing) -> io::Result<Self> {
        Ok(match packing {
            Packing::Plain => Self::Plain(Vec::new()),
            Packing::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), Compression::default())),
            Packing::Zstd => {
                let mut encoder = Encoder::new(Vec::new(), ZSTD_LEVEL)?;
                encoder.include_checksum(true)?;
                Self::Zstd(encoder)
            }
        })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(packed) => packed.write_all(bytes),
            Self::Gzip(encoder) => encoder.write_all(bytes),
            Self::Zstd(encoder) => encoder.write_all(bytes),
        }
    }

    /// How many packed bytes can be taken.
    pub(super) fn ready(&self) -> usize {
        match self {
            Self::Plain(packed) => packed.len(),
            Self::Gzip(encoder) => encoder.get_ref().len(),
            Self::Zstd(encoder) => encoder.get_ref().len(),
        }
    }

    /// The packed bytes so far.
    pub(super) fn take(&mut self) -> Vec<u8> {
        mem::take(match self {
            Self::Plain(packed) => packed,
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
        })
    }

    /// The last packed bytes.
    pub(super) fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Plain(packed) => Ok(packed),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

/// Unpacks what is pushed into it, and hands it out at once: however well something is packed, no more than a few kilobytes of
/// it are held. What it is, its first bytes tell.
pub(super) struct Unpacker<'a, 'f, E> {
    file: &'a str,
    packing: Packing,
    /// The first bytes, until they are enough.
    first: Vec<u8>,
    inner: Inner<'a, 'f, E>,
}

enum Inner<'a, 'f, E> {
    Unknown(Out<'a, 'f, E>),
    Plain(Out<'a, 'f, E>),
    Gzip(Box<MultiGzDecoder<Out<'a, 'f, E>>>),
    Zstd(Box<zio::Writer<Out<'a, 'f, E>, Decoder<'static>>>),
    /// Nothing but for a moment.
    Gone,
}

/// Where unpacked bytes go.
struct Out<'a, 'f, E> {
    take: &'a mut Chunks<'f, E>,
    stopped: Option<E>,
    /// A decoder flushes when it is dropped, and nobody wants to hear of that.
    over: bool,
}

impl<E> Write for Out<'_, '_, E> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.over {
            match (self.take)(bytes) {
                Ok(()) => return Ok(bytes.len()),
                Err(error) => {
                    self.stopped = Some(error);
                    self.over = true;
                }
            }
        }
        Err(io::Error::other("stopped"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a, 'f, E: From<StoreError>> Unpacker<'a, 'f, E> {
    pub(super) fn new(file: &'a str, take: &'a mut Chunks<'f, E>) -> Self {
        let out = Out { take, stopped: None, over: false };
        Self { file, packing: Packing::Plain, first: Vec::new(), inner: Inner::Unknown(out) }
    }

    /// Takes the file's next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), E> {
        if matches!(self.inner, Inner::Unknown(_)) {
            self.first.extend_from_slice(bytes);
            return if self.first.len() < MAGIC { Ok(()) } else { self.begin() };
        }
        self.write(bytes)
    }

    /// The end of the file.
    pub(super) fn finish(mut self) -> Result<(), E> {
        if matches!(self.inner, Inner::Unknown(_)) {
            self.begin()?;
        }
        let finished = match &mut self.inner {
            Inner::Gzip(decoder) => decoder.try_finish(),
            Inner::Zstd(decoder) => decoder.finish(),
            Inner::Unknown(_) | Inner::Plain(_) | Inner::Gone => Ok(()),
        };
        finished.map_err(|cause| self.error(cause))
    }

    fn begin(&mut self) -> Result<(), E> {
        if let Inner::Unknown(out) = mem::replace(&mut self.inner, Inner::Gone) {
            self.packing = Packing::of_bytes(&self.first);
            self.inner = match self.packing {
                Packing::Plain => Inner::Plain(out),
                Packing::Gzip => Inner::Gzip(Box::new(MultiGzDecoder::new(out))),
                Packing::Zstd => {
                    let mut decoder = Decoder::new().map_err(|cause| self.error(cause))?;
                    let limit = DParameter::WindowLogMax(ZSTD_WINDOW_LOG);
                    decoder.set_parameter(limit).map_err(|cause| self.error(cause))?;
                    Inner::Zstd(Box::new(zio::Writer::new(out, decoder)))
                }
            };
        }
        let first = mem::take(&mut self.first);
        self.write(&first)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), E> {
        let written = match &mut self.inner {
            Inner::Unknown(out) | Inner::Plain(out) => out.write_all(bytes),
            Inner::Gzip(decoder) => decoder.write_all(bytes),
            Inner::Zstd(decoder) => decoder.write_all(bytes),
            Inner::Gone => Ok(()),
        };
        written.map_err(|cause| self.error(cause))
    }

    /// What stopped it: the one who takes, or the file.
    fn error(&mut self, cause: io::Error) -> E {
        let out = match &mut self.inner {
            Inner::Unknown(out) | Inner::Plain(out) => Some(out),
            Inner::Gzip(decoder) => Some(decoder.get_mut()),
            Inner::Zstd(decoder) => Some(decoder.writer_mut()),
            Inner::Gone => None,
        };
        let stopped = out.and_then(|out| {
            out.over = true;
            out.stopped.take()
        });
        stopped.unwrap_or_else(|| {
            let cause = match self.packing {
                Packing::Zstd if cause.to_string() == ZSTD_WITHOUT_WORDS => {
                    io::Error::other("its content is damaged, or was packed with --ultra or --long")
                }
                _ => cause,
            };
            StoreError::Packed { file: self.file.to_owned(), packing: self.packing, cause }.into()
        })
    }
}
