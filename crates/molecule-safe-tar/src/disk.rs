//! Accepted entries, written below a new directory.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::Mode;
use rustix::io::Errno;

use crate::UnpackError;
use crate::dir::{Cursor, create_file_in, parent_and_name};
use crate::sink::Sink;

const PLAIN: Mode = Mode::from_raw_mode(0o644);
const EXECUTABLE: Mode = Mode::from_raw_mode(0o755);
const DIRECTORY: Mode = Mode::from_raw_mode(0o755);

/// Writes below a directory that holds nothing yet, through handles: what was made is what is written to.
#[derive(Debug)]
pub(crate) struct Disk {
    /// For errors only.
    root: PathBuf,
    cursor: Cursor,
    file: Option<File>,
    /// The file's path.
    path: String,
}

impl Disk {
    pub(crate) fn new(root: PathBuf, handle: OwnedFd) -> Self {
        Self {
            root,
            cursor: Cursor::new(handle),
            file: None,
            path: String::new(),
        }
    }

    fn create(&mut self, path: &str, mode: Mode) -> Result<OwnedFd, Errno> {
        let (parent, name) = parent_and_name(path.as_bytes());
        create_file_in(self.cursor.enter(parent)?, name, mode)
    }

    fn failed(
        &self,
        action: &'static str,
        path: &str,
        source: impl Into<io::Error>,
    ) -> UnpackError {
        UnpackError::Disk {
            action,
            path: self.root.join(path),
            source: source.into(),
        }
    }
}

impl Sink for Disk {
    fn directory(&mut self, path: &str) -> Result<(), UnpackError> {
        self.cursor
            .create(path.as_bytes(), DIRECTORY)
            .map_err(|error| self.failed("create", path, error))
    }

    fn file(&mut self, path: &str, _: u64, executable: bool) -> Result<(), UnpackError> {
        let mode = if executable { EXECUTABLE } else { PLAIN };
        let file = self
            .create(path, mode)
            .map_err(|error| self.failed("create", path, error))?;
        self.file = Some(file.into());
        self.path.clear();
        self.path.push_str(path);
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), UnpackError> {
        match &mut self.file {
            Some(file) => file.write_all(bytes),
            None => Ok(()),
        }
        .map_err(|error| self.failed("write", &self.path, error))
    }

    fn close(&mut self) -> Result<(), UnpackError> {
        self.file = None;
        Ok(())
    }
}
