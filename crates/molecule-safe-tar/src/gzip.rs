//! One gzip member, and nothing after it.

use std::io::{ErrorKind, Read};

use flate2::Crc;
use zlib_rs::{Inflate, InflateFlush, Status};

use crate::{Limits, Refusal, UnpackError};

/// Bytes of the archive that are read at once.
const READ_BYTES: usize = 64 << 10;
/// Bytes that a gzip header may take, with the extra field, name and comment that nobody needs.
const HEADER_BYTES: u64 = 64 << 10;
/// The largest window that deflate has, as a power of two.
const WINDOW_BITS: u8 = 15;

const DEFLATE: u8 = 8;
const HEADER_CRC: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

/// Inflates a gzip stream of one member (RFC 1952). Its checksum and length are checked at its end, where the source must
/// end too.
pub(crate) struct Gunzip<R> {
    source: Source<R>,
    inflate: Inflate,
    blocks: u32,
    crc: Crc,
    limits: Limits,
    in_body: bool,
}

/// What [`Gunzip::fill`] reached.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Filled {
    /// There may be more.
    More,
    /// The archive is complete, after so many compressed bytes.
    End(u64),
}

impl<R: Read> Gunzip<R> {
    /// Nothing is read yet.
    pub(crate) fn new(read: R, limits: &Limits) -> Self {
        Self {
            source: Source::new(read, limits.compressed_bytes),
            inflate: Inflate::new(false, WINDOW_BITS),
            blocks: 0,
            crc: Crc::new(),
            limits: limits.clone(),
            in_body: false,
        }
    }

    /// Inflates, in place of what the chunk holds, until its capacity is full or the archive ends. What was inflated before an
    /// error is in the chunk.
    pub(crate) fn fill(&mut self, chunk: &mut Vec<u8>) -> Result<Filled, UnpackError> {
        chunk.resize(chunk.capacity(), 0);
        let mut filled = 0;
        let result = self.fill_slice(chunk, &mut filled);
        chunk.truncate(filled);
        result
    }

    fn fill_slice(&mut self, chunk: &mut [u8], filled: &mut usize) -> Result<Filled, UnpackError> {
        if !self.in_body {
            self.header()?;
            self.in_body = true;
        }
        while *filled < chunk.len() {
            if self.inflate_block(chunk, filled)? == Status::StreamEnd {
                self.trailer()?;
                return Ok(Filled::End(self.source.taken()));
            }
        }
        Ok(Filled::More)
    }

    /// Inflates to the end of a block at most.
    fn inflate_block(
        &mut self,
        chunk: &mut [u8],
        filled: &mut usize,
    ) -> Result<Status, UnpackError> {
        let input = self
            .source
            .fill()?
            .ok_or(Refusal::Truncated { entry: None })?;
        let room = &mut chunk[*filled..];
        let (taken, given) = (self.inflate.total_in(), self.inflate.total_out());
        let result = self.inflate.decompress(input, room, InflateFlush::Block);
        // No more than there was input and room for, which fits.
        let taken = (self.inflate.total_in() - taken) as usize;
        let given = (self.inflate.total_out() - given) as usize;
        let stopped = taken < input.len() && given < room.len();
        self.crc.update(&room[..given]);
        *filled += given;
        self.source.consume(taken);
        self.check_ratio()?;
        if stopped {
            self.count_block()?;
        }
        Ok(result.map_err(|_| Refusal::GzipCorrupt)?)
    }

    /// With input and room left, only the end of a block stops the inflating. A block whose bits were read before neither takes
    /// nor yields a byte, which counts all the same, so that standing still comes to an end.
    fn count_block(&mut self) -> Result<(), Refusal> {
        self.blocks += 1;
        if self.blocks > self.limits.deflate_blocks {
            return Err(Refusal::TooManyBlocks {
                limit: self.limits.deflate_blocks,
            });
        }
        Ok(())
    }

    fn check_ratio(&self) -> Result<(), Refusal> {
        let unpacked = self.inflate.total_out();
        let allowed = self.source.taken().saturating_mul(self.limits.ratio);
        if unpacked > self.limits.ratio_floor && unpacked > allowed {
            return Err(Refusal::Ratio {
                limit: self.limits.ratio,
            });
        }
        Ok(())
    }

    fn header(&mut self) -> Result<(), UnpackError> {
        let mut crc = Crc::new();
        let fixed: [u8; 10] = self.header_array(&mut crc)?;
        let flags = fixed[3];
        if fixed[..2] != [0x1f, 0x8b] {
            return Err(Refusal::NotGzip.into());
        }
        if fixed[2] != DEFLATE || flags & RESERVED != 0 {
            return Err(Refusal::GzipHeader.into());
        }
        if flags & EXTRA != 0 {
            for _ in 0..u16::from_le_bytes(self.header_array(&mut crc)?) {
                self.header_byte(&mut crc)?;
            }
        }
        for text in [NAME, COMMENT] {
            if flags & text != 0 {
                while self.header_byte(&mut crc)? != 0 {}
            }
        }
        if flags & HEADER_CRC != 0 {
            self.check_header_crc(crc.sum())?;
        }
        Ok(())
    }

    /// The field holds the lower half of the checksum.
    fn check_header_crc(&mut self, sum: u32) -> Result<(), UnpackError> {
        let stored: [u8; 2] = self.source.array()?;
        if sum.to_le_bytes()[..2] != stored {
            return Err(Refusal::GzipHeader.into());
        }
        Ok(())
    }

    fn header_array<const N: usize>(&mut self, crc: &mut Crc) -> Result<[u8; N], UnpackError> {
        let mut bytes = [0; N];
        for byte in &mut bytes {
            *byte = self.header_byte(crc)?;
        }
        Ok(bytes)
    }

    fn header_byte(&mut self, crc: &mut Crc) -> Result<u8, UnpackError> {
        let [byte] = self.source.array()?;
        if self.source.taken() > HEADER_BYTES {
            return Err(Refusal::GzipHeader.into());
        }
        crc.update(&[byte]);
        Ok(byte)
    }

    fn trailer(&mut self) -> Result<(), UnpackError> {
        if self.source.array()? != self.crc.sum().to_le_bytes() {
            return Err(Refusal::GzipChecksum.into());
        }
        let stored: [u8; 4] = self.source.array()?;
        // RFC 1952 stores the length modulo 2^32.
        if stored != self.inflate.total_out().to_le_bytes()[..4] {
            return Err(Refusal::GzipLength.into());
        }
        match self.source.fill()? {
            Some(_) => Err(Refusal::GzipTrailing.into()),
            None => Ok(()),
        }
    }
}

/// The compressed bytes, counted.
struct Source<R> {
    read: R,
    buffer: Box<[u8]>,
    /// The part of the buffer that was read and is not consumed yet.
    start: usize,
    end: usize,
    received: u64,
    limit: u64,
}

impl<R: Read> Source<R> {
    fn new(read: R, limit: u64) -> Self {
        Self {
            read,
            buffer: vec![0; READ_BYTES].into(),
            start: 0,
            end: 0,
            received: 0,
            limit,
        }
    }

    /// The next bytes, at least one; `None` at the end.
    fn fill(&mut self) -> Result<Option<&[u8]>, UnpackError> {
        if self.start == self.end {
            self.end = self.receive()?;
            self.start = 0;
        }
        let rest = &self.buffer[self.start..self.end];
        Ok((!rest.is_empty()).then_some(rest))
    }

    fn receive(&mut self) -> Result<usize, UnpackError> {
        let bytes = loop {
            match self.read.read(&mut self.buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => break result.map_err(UnpackError::Source)?,
            }
        };
        self.received += bytes as u64;
        if self.received > self.limit {
            return Err(Refusal::CompressedBytes { limit: self.limit }.into());
        }
        Ok(bytes)
    }

    /// No more than `fill` lent.
    fn consume(&mut self, bytes: usize) {
        self.start += bytes;
    }

    /// Bytes consumed so far.
    fn taken(&self) -> u64 {
        self.received - (self.end - self.start) as u64
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], UnpackError> {
        let mut bytes = [0; N];
        for byte in &mut bytes {
            *byte = self.fill()?.ok_or(Refusal::Truncated { entry: None })?[0];
            self.consume(1);
        }
        Ok(bytes)
    }
}
