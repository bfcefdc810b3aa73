//! The archive's bytes: blocks, bodies and the zeros at its end.

use std::io::{self, BufRead};

use crate::header::{BLOCK, Block};
use crate::{EntryName, Refusal, UnpackError};

/// The most zeros behind the end: GNU tar fills a record, of 10 KiB unless told otherwise.
const PADDING: u64 = 1 << 20;

/// Reads an archive piece by piece.
#[derive(Debug)]
pub(crate) struct Blocks<'a, R> {
    archive: &'a mut R,
    /// What a failure is blamed on.
    entry: Option<EntryName>,
}

impl<'a, R: BufRead> Blocks<'a, R> {
    pub(crate) fn new(archive: &'a mut R) -> Self {
        Self {
            archive,
            entry: None,
        }
    }

    /// From now on this entry is read.
    pub(crate) fn enter(&mut self, entry: &EntryName) {
        self.entry = Some(entry.clone());
    }

    pub(crate) fn block(&mut self) -> Result<Block, UnpackError> {
        let mut block = [0; BLOCK];
        match self.archive.read_exact(&mut block) {
            Ok(()) => Ok(block),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Hands `size` bytes to `take`, in the pieces in which they come, and skips the padding behind them.
    pub(crate) fn data(
        &mut self,
        size: u64,
        mut take: impl FnMut(&[u8]) -> Result<(), UnpackError>,
    ) -> Result<(), UnpackError> {
        self.pieces(size, &mut take)?;
        self.pieces(padding(size), &mut |_| Ok(()))
    }

    /// The body of an extension header.
    pub(crate) fn body(&mut self, size: u64) -> Result<Vec<u8>, UnpackError> {
        let mut body = Vec::new();
        self.data(size, |bytes| {
            body.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok(body)
    }

    /// Reads to the end of the input, which may hold some more zeros.
    pub(crate) fn finish(&mut self) -> Result<(), UnpackError> {
        let mut zeros = 0;
        loop {
            let bytes = self.fill()?;
            if bytes.is_empty() {
                return Ok(());
            }
            if bytes.iter().any(|byte| *byte != 0) {
                return Err(Refusal::TrailingData.into());
            }
            let read = bytes.len();
            zeros += read as u64;
            if zeros > PADDING {
                return Err(Refusal::TooMuchPadding { limit: PADDING }.into());
            }
            self.archive.consume(read);
        }
    }

    fn pieces(
        &mut self,
        mut left: u64,
        take: &mut impl FnMut(&[u8]) -> Result<(), UnpackError>,
    ) -> Result<(), UnpackError> {
        while left > 0 {
            let bytes = self.fill()?;
            if bytes.is_empty() {
                return Err(UnpackError::truncated(self.entry.as_ref()));
            }
            let piece = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
            take(&bytes[..piece])?;
            self.archive.consume(piece);
            left -= piece as u64;
        }
        Ok(())
    }

    fn fill(&mut self) -> Result<&[u8], UnpackError> {
        loop {
            match self.archive.fill_buf() {
                Ok([]) => return Ok(&[]),
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
        // What was read above is still there. Returning it from the loop would borrow it for the next round.
        let entry = self.entry.as_ref();
        self.archive
            .fill_buf()
            .map_err(|error| UnpackError::from_read(error, entry))
    }

    fn failed(&self, error: io::Error) -> UnpackError {
        UnpackError::from_read(error, self.entry.as_ref())
    }
}

/// How many bytes fill up the last block.
fn padding(size: u64) -> u64 {
    let block = BLOCK as u64;
    (block - size % block) % block
}
