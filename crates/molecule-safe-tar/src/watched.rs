//! An observer in the place of a sink.

use crate::sink::Sink;
use crate::{FileEntry, Observer, UnpackError};

/// Shows files to an observer.
pub(crate) struct Watched<'a, O>(pub(crate) &'a mut O);

impl<O: Observer> Sink for Watched<'_, O> {
    fn directory(&mut self, _: &str) -> Result<(), UnpackError> {
        Ok(())
    }

    fn file(&mut self, path: &str, size: u64, executable: bool) -> Result<(), UnpackError> {
        self.0.begin(FileEntry {
            path,
            size,
            executable,
        });
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), UnpackError> {
        self.0.data(bytes);
        Ok(())
    }

    fn close(&mut self) -> Result<(), UnpackError> {
        self.0.end();
        Ok(())
    }
}
