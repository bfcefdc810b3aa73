//! Files that somebody watches.

use crate::sink::Sink;
use crate::{FileEntry, Observer, UnpackError};

/// Shows files to an observer on their way to a sink.
pub(crate) struct Observed<'a, O, S> {
    pub(crate) observer: &'a mut O,
    pub(crate) sink: &'a mut S,
}

impl<O: Observer, S: Sink> Sink for Observed<'_, O, S> {
    fn directory(&mut self, path: &str) -> Result<(), UnpackError> {
        self.sink.directory(path)
    }

    fn file(&mut self, path: &str, size: u64, executable: bool) -> Result<(), UnpackError> {
        self.sink.file(path, size, executable)?;
        self.observer.begin(FileEntry {
            path,
            size,
            executable,
        });
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), UnpackError> {
        self.observer.data(bytes);
        self.sink.data(bytes)
    }

    fn close(&mut self) -> Result<(), UnpackError> {
        self.observer.end();
        self.sink.close()
    }
}
