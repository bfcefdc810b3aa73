//! The unpacked archive in chunks, from the thread that inflates to the one that parses and writes.

use std::io::{self, BufRead, Read};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::thread;

use crate::gzip::{Filled, Gunzip};
use crate::reader::read_tar;
use crate::sink::Sink;
use crate::{Observer, Options, Refusal, Summary, UnpackError};

/// Unpacked bytes that travel together: enough that handing them over and writing them costs little, and they stay in the
/// cache.
const CHUNK_BYTES: usize = 256 << 10;
/// Taken before a second thread is started, so that none is for an archive that fits the first chunk: the other is its end.
const CHUNKS_AHEAD: usize = 2;
/// Chunks that may wait. With the one being filled and the one being read this bounds the memory.
const CHUNKS_WAITING: usize = 4;

/// Reads a `.tar.gz` into `observer` and `sink`. The archive is read and inflated on this thread; what is longer than a few
/// chunks is parsed, observed and written on another.
pub(crate) fn read_tar_gz<O: Observer + Send, S: Sink + Send>(
    archive: impl Read,
    options: &Options,
    observer: &mut O,
    sink: &mut S,
) -> Result<Summary, UnpackError> {
    let stopped = AtomicBool::new(false);
    let archive = Stoppable {
        read: archive,
        stopped: &stopped,
    };
    let (spare, spares) = channel();
    let mut chunks = Chunks::new(Gunzip::new(archive, &options.limits), spares);
    let ahead: Vec<_> = chunks.by_ref().take(CHUNKS_AHEAD).collect();
    if chunks.ended {
        return Unpacked::new(ahead.into_iter(), spare).read_tar(options, observer, sink);
    }
    let (sender, receiver) = sync_channel(CHUNKS_WAITING);
    thread::scope(|scope| {
        let stopped = &stopped;
        let parse = move || {
            let _stop = StopOnDrop(stopped);
            Unpacked::new(ahead.into_iter().chain(receiver), spare)
                .read_tar(options, observer, sink)
        };
        let parser = thread::Builder::new()
            .spawn_scoped(scope, parse)
            .map_err(UnpackError::Source)?;
        // The parser is gone when it refused, and says why below.
        let _ = chunks.try_for_each(|chunk| sender.send(chunk));
        drop(sender);
        parser.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// The archive as its caller gave it, until nobody needs more of it.
struct Stoppable<'a, R> {
    read: R,
    stopped: &'a AtomicBool,
}

impl<R: Read> Read for Stoppable<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.read.read(buffer)
    }
}

/// Tells the inflating thread that the parser is done, also when it panics.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A message of the inflating thread. The last one is never `Bytes`, so that a thread that dies is not taken for the end.
#[derive(Debug)]
enum Chunk {
    Bytes(Vec<u8>),
    /// The archive is complete, after so many compressed bytes.
    End(u64),
    Failed(UnpackError),
}

/// Inflates into buffers that come back when they were read.
struct Chunks<R> {
    gunzip: Gunzip<R>,
    spares: Receiver<Vec<u8>>,
    /// What follows the bytes that were just handed out.
    last: Option<Chunk>,
    ended: bool,
}

impl<R: Read> Chunks<R> {
    fn new(gunzip: Gunzip<R>, spares: Receiver<Vec<u8>>) -> Self {
        Self {
            gunzip,
            spares,
            last: None,
            ended: false,
        }
    }

    fn inflate(&mut self) -> Chunk {
        let spare = self.spares.try_recv();
        let mut bytes = spare.unwrap_or_else(|_| Vec::with_capacity(CHUNK_BYTES));
        let last = match self.gunzip.fill(&mut bytes) {
            Ok(Filled::More) => return Chunk::Bytes(bytes),
            Ok(Filled::End(compressed)) => Chunk::End(compressed),
            Err(error) => Chunk::Failed(error),
        };
        self.last = Some(last);
        Chunk::Bytes(bytes)
    }
}

impl<R: Read> Iterator for Chunks<R> {
    type Item = Chunk;

    fn next(&mut self) -> Option<Chunk> {
        if self.ended {
            return None;
        }
        let last = self.last.take();
        self.ended = last.is_some();
        Some(last.unwrap_or_else(|| self.inflate()))
    }
}

/// The unpacked archive as the parser reads it.
struct Unpacked<I> {
    chunks: I,
    spare: Sender<Vec<u8>>,
    bytes: Vec<u8>,
    position: usize,
    /// How many compressed bytes there were, once the archive ended.
    compressed: Option<u64>,
}

impl<I: Iterator<Item = Chunk>> Unpacked<I> {
    fn new(chunks: I, spare: Sender<Vec<u8>>) -> Self {
        Self {
            chunks,
            spare,
            bytes: Vec::new(),
            position: 0,
            compressed: None,
        }
    }

    fn read_tar<O: Observer, S: Sink>(
        mut self,
        options: &Options,
        observer: &mut O,
        sink: &mut S,
    ) -> Result<Summary, UnpackError> {
        let mut summary = read_tar(&mut self, options, observer, sink)?;
        summary.compressed_bytes = self.finish()?;
        Ok(summary)
    }

    /// The compressed bytes, all of which must have been read, so that their checksum was compared.
    fn finish(&mut self) -> Result<u64, UnpackError> {
        let end = |error| UnpackError::from_read(error, None);
        while let bytes @ 1.. = self.fill_buf().map_err(end)?.len() {
            self.consume(bytes);
        }
        Ok(self.compressed.unwrap_or_default())
    }

    fn next_chunk(&mut self) -> io::Result<()> {
        match self.chunks.next() {
            Some(Chunk::Bytes(bytes)) => {
                let used = std::mem::replace(&mut self.bytes, bytes);
                self.position = 0;
                // Nobody takes it back once everything is inflated.
                let _ = self.spare.send(used);
            }
            Some(Chunk::End(compressed)) => self.compressed = Some(compressed),
            // The reader of the tar knows where it was.
            Some(Chunk::Failed(UnpackError::Refused(Refusal::Truncated { .. }))) => {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Some(Chunk::Failed(error)) => return Err(io::Error::other(error)),
            None => return Err(io::ErrorKind::BrokenPipe.into()),
        }
        Ok(())
    }
}

impl<I: Iterator<Item = Chunk>> BufRead for Unpacked<I> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.position == self.bytes.len() && self.compressed.is_none() {
            self.next_chunk()?;
        }
        Ok(&self.bytes[self.position..])
    }

    fn consume(&mut self, bytes: usize) {
        self.position += bytes;
    }
}

impl<I: Iterator<Item = Chunk>> Read for Unpacked<I> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?.read(buffer)?;
        self.consume(bytes);
        Ok(bytes)
    }
}
