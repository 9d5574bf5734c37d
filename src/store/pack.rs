//! Packing and unpacking.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::{GzEncoder, MultiGzDecoder};
use zstd::stream::raw::{DParameter, Decoder};
use zstd::stream::write::Encoder;
use zstd::stream::zio;

use crate::snapshot::Packing;

use super::{LONGEST_FILE, StoreError};

/// zstd's own default: a good ratio at hundreds of megabytes a second.
const ZSTD_LEVEL: i32 = 3;
/// What a zstd file may ask for while it is unpacked: 2^25 bytes, which is enough for everything but `--ultra` and `--long`.
const ZSTD_WINDOW_LOG: u32 = 25;
/// All that zstd says when it is built small.
const ZSTD_WITHOUT_WORDS: &str = "Error strings stripped";

/// Packs lines.
pub(super) fn pack<'l>(packing: Packing, lines: impl IntoIterator<Item = &'l [u8]>) -> io::Result<Vec<u8>> {
    let mut lines = lines.into_iter();
    match packing {
        Packing::Plain => Ok(lines.collect::<Vec<_>>().concat()),
        Packing::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            lines.try_for_each(|line| encoder.write_all(line))?;
            encoder.finish()
        }
        Packing::Zstd => {
            let mut encoder = Encoder::new(Vec::new(), ZSTD_LEVEL)?;
            encoder.include_checksum(true)?;
            lines.try_for_each(|line| encoder.write_all(line))?;
            encoder.finish()
        }
    }
}

/// Unpacks a file. What it is, its first bytes tell.
pub(super) fn unpack(file: &str, bytes: Vec<u8>) -> Result<Vec<u8>, StoreError> {
    let packing = Packing::of_bytes(&bytes);
    let unpacked = match packing {
        Packing::Plain => return Ok(bytes),
        Packing::Gzip => gzip(&bytes),
        Packing::Zstd => zstd(&bytes),
    };
    unpacked.map_err(|cause| match cause.kind() {
        io::ErrorKind::FileTooLarge => StoreError::TooLong { file: file.to_owned(), limit: LONGEST_FILE },
        _ => StoreError::Packed { file: file.to_owned(), packing, cause },
    })
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut decoder = MultiGzDecoder::new(Bounded(Vec::new()));
    decoder.write_all(bytes)?;
    decoder.finish().map(|Bounded(text)| text)
}

fn zstd(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut decoder = Decoder::new()?;
    decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG))?;
    let mut writer = zio::Writer::new(Bounded(Vec::new()), decoder);
    let unpacked = writer.write_all(bytes).and_then(|()| writer.finish());
    let (Bounded(text), _) = writer.into_inner();
    match unpacked {
        Err(cause) if cause.to_string() == ZSTD_WITHOUT_WORDS => {
            Err(io::Error::other("its content is damaged, or was packed with --ultra or --long"))
        }
        unpacked => unpacked.map(|()| text),
    }
}

/// What was unpacked: however well something is packed, it does not fill the memory.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LONGEST_FILE {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
