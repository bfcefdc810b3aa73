//! What is done with entries, written down to be done later.

use std::mem;

use crate::UnpackError;
use crate::sink::Sink;

/// Bytes of one batch, of contents, names and steps together: enough that handing them over costs little, and they stay in the cache.
pub(crate) const BATCH_BYTES: usize = 256 << 10;

/// Calls of a [`Sink`], in their order.
#[derive(Debug)]
pub(crate) struct Batch {
    steps: Vec<Step>,
    /// Paths, one behind the other.
    paths: String,
    /// Contents, one behind the other.
    bytes: Vec<u8>,
}

/// One call; texts and bytes stand elsewhere, and here are their lengths.
#[derive(Debug)]
enum Step {
    Directory {
        path: usize,
    },
    File {
        path: usize,
        size: u64,
        executable: bool,
    },
    Data {
        bytes: usize,
    },
    Close,
}

impl Batch {
    pub(crate) fn new() -> Self {
        Self {
            steps: Vec::new(),
            paths: String::new(),
            bytes: Vec::with_capacity(BATCH_BYTES),
        }
    }

    /// How many bytes it should still take. A path more does no harm.
    pub(crate) fn room(&self) -> usize {
        let steps = self.steps.len() * mem::size_of::<Step>();
        BATCH_BYTES.saturating_sub(self.bytes.len() + self.paths.len() + steps)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.room() == 0
    }

    pub(crate) fn directory(&mut self, path: &str) {
        self.paths.push_str(path);
        self.steps.push(Step::Directory { path: path.len() });
    }

    pub(crate) fn file(&mut self, path: &str, size: u64, executable: bool) {
        self.paths.push_str(path);
        let path = path.len();
        self.steps.push(Step::File {
            path,
            size,
            executable,
        });
    }

    pub(crate) fn data(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.steps.push(Step::Data { bytes: bytes.len() });
    }

    pub(crate) fn close(&mut self) {
        self.steps.push(Step::Close);
    }

    /// Does what is written down.
    pub(crate) fn replay(&self, sink: &mut dyn Sink) -> Result<(), UnpackError> {
        let (mut paths, mut contents) = (self.paths.as_str(), self.bytes.as_slice());
        let mut next_path = |length| {
            let (path, rest) = paths.split_at(length);
            paths = rest;
            path
        };
        for step in &self.steps {
            match *step {
                Step::Directory { path } => sink.directory(next_path(path)),
                Step::File {
                    path,
                    size,
                    executable,
                } => sink.file(next_path(path), size, executable),
                Step::Data { bytes } => {
                    let (data, rest) = contents.split_at(bytes);
                    contents = rest;
                    sink.data(data)
                }
                Step::Close => sink.close(),
            }?;
        }
        Ok(())
    }

    /// Empties it, to be used again.
    pub(crate) fn clear(&mut self) {
        self.steps.clear();
        self.paths.clear();
        self.bytes.clear();
    }
}
