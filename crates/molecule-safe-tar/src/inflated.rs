//! The unpacked archive, inflated as it is read.

use std::io::{self, BufRead, Read};

use crate::gzip::{Filled, Gunzip};
use crate::reader::read_tar;
use crate::sink::Sink;
use crate::{Options, Refusal, Summary, UnpackError};

/// Bytes that are inflated at once: enough that it costs little, and they stay in the cache.
const BUFFER_BYTES: usize = 256 << 10;

/// Reads a `.tar.gz` into `sink`.
pub(crate) fn read_tar_gz<S: Sink>(
    archive: impl Read,
    options: &Options,
    sink: &mut S,
) -> Result<Summary, UnpackError> {
    let mut archive = Inflated::new(Gunzip::new(archive, &options.limits));
    let mut summary = read_tar(&mut archive, options, sink)?;
    summary.compressed_bytes = archive.finish()?;
    Ok(summary)
}

struct Inflated<R> {
    gunzip: Gunzip<R>,
    bytes: Vec<u8>,
    position: usize,
    /// What follows these bytes, if that is known.
    last: Option<Result<u64, UnpackError>>,
    /// How many compressed bytes there were, once the archive ended.
    compressed: Option<u64>,
}

impl<R: Read> Inflated<R> {
    fn new(gunzip: Gunzip<R>) -> Self {
        Self {
            gunzip,
            bytes: Vec::with_capacity(BUFFER_BYTES),
            position: 0,
            last: None,
            compressed: None,
        }
    }

    /// The compressed bytes, all of which must have been read, so that their checksum was compared.
    fn finish(&mut self) -> Result<u64, UnpackError> {
        let end = |error| UnpackError::from_read(error, None);
        while let bytes @ 1.. = self.fill_buf().map_err(end)?.len() {
            self.consume(bytes);
        }
        Ok(self.compressed.unwrap_or_default())
    }

    /// More bytes, or the end. What was inflated before a failure is read first.
    fn advance(&mut self) -> io::Result<()> {
        match self.last.take() {
            None => {
                self.inflate();
                Ok(())
            }
            Some(Ok(compressed)) => {
                self.compressed = Some(compressed);
                Ok(())
            }
            // The reader of the tar knows where it was.
            Some(Err(UnpackError::Refused(Refusal::Truncated { .. }))) => {
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            Some(Err(error)) => Err(io::Error::other(error)),
        }
    }

    fn inflate(&mut self) {
        self.position = 0;
        self.last = match self.gunzip.fill(&mut self.bytes) {
            Ok(Filled::More) => None,
            Ok(Filled::End(compressed)) => Some(Ok(compressed)),
            Err(error) => Some(Err(error)),
        };
    }
}

impl<R: Read> BufRead for Inflated<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.position == self.bytes.len() && self.compressed.is_none() {
            self.advance()?;
        }
        Ok(&self.bytes[self.position..])
    }

    fn consume(&mut self, bytes: usize) {
        self.position += bytes;
    }
}

impl<R: Read> Read for Inflated<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?.read(buffer)?;
        self.consume(bytes);
        Ok(bytes)
    }
}
