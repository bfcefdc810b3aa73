//! A tar archive of a directory as a stream: nothing of it is in memory but the block at hand.

use std::fs::{File, OpenOptions};
use std::io::{self, Cursor, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::entry::{Entry, Listing};
use crate::PluginError;
use crate::directory::unreadable;

/// Reads as the archive. Whatever is read is written to `to` too.
pub(super) struct Stream<'a, W> {
    dir: &'a Path,
    entries: std::slice::Iter<'a, Entry>,
    current: Part<'a>,
    to: W,
    trouble: Option<PluginError>,
}

/// One entry, or the end of the archive.
struct Part<'a> {
    path: PathBuf,
    bytes: Box<dyn Read + 'a>,
    is_end: bool,
}

impl<'a, W: Write> Stream<'a, W> {
    pub(super) fn new(dir: &'a Path, listing: &'a Listing, to: W) -> Self {
        Self {
            dir,
            entries: listing.iter(),
            current: Part {
                path: dir.to_owned(),
                bytes: Box::new(io::empty()),
                is_end: false,
            },
            to,
            trouble: None,
        }
    }

    /// Says what went wrong on the way, if it was not the archive's fault.
    pub(super) fn finish(mut self) -> Result<(), PluginError> {
        match self.trouble.take() {
            Some(trouble) => Err(trouble),
            None => self
                .to
                .flush()
                .map_err(|source| unwritable(self.dir, source)),
        }
    }

    fn next_part(&mut self) -> Result<(), PluginError> {
        self.current = match self.entries.next() {
            Some(entry) => open(self.dir, entry)?,
            None => Part {
                path: self.dir.to_owned(),
                bytes: Box::new(io::repeat(0).take(1024)),
                is_end: true,
            },
        };
        Ok(())
    }

    fn read_on(&mut self, buffer: &mut [u8]) -> Result<usize, PluginError> {
        loop {
            let count = read(&mut self.current, buffer)?;
            if count > 0 || self.current.is_end || buffer.is_empty() {
                return Ok(count);
            }
            self.next_part()?;
        }
    }
}

impl<W: Write> Read for Stream<'_, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.read_on(buffer).and_then(|count| {
            let written = self.to.write_all(&buffer[..count]);
            written.map_err(|source| unwritable(self.dir, source))?;
            Ok(count)
        });
        read.map_err(|trouble| {
            self.trouble = Some(trouble);
            io::Error::other("the directory or the archive failed")
        })
    }
}

/// The error for a directory that is not what it was a moment ago.
pub(super) fn changed(path: &Path) -> PluginError {
    unreadable(path.to_owned(), changed_meanwhile())
}

fn read(part: &mut Part<'_>, buffer: &mut [u8]) -> Result<usize, PluginError> {
    loop {
        match part.bytes.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read.map_err(|source| unreadable(part.path.clone(), source)),
        }
    }
}

fn open<'a>(dir: &Path, entry: &'a Entry) -> Result<Part<'a>, PluginError> {
    let path = dir.join(&entry.path);
    let bytes = content(&path, entry).map_err(|source| unreadable(path.clone(), source))?;
    Ok(Part {
        path,
        bytes,
        is_end: false,
    })
}

fn content<'a>(path: &Path, entry: &'a Entry) -> io::Result<Box<dyn Read + 'a>> {
    let header = Cursor::new(entry.header()?);
    let Some(size) = entry.size() else {
        return Ok(Box::new(header));
    };
    let padding = io::repeat(0).take(size.next_multiple_of(512) - size);
    Ok(match &entry.content {
        Some(content) => Box::new(header.chain(content.as_slice()).chain(padding)),
        None => Box::new(header.chain(Exact::open(path, size)?).chain(padding)),
    })
}

/// A file that must have as many bytes as its header says.
struct Exact {
    file: File,
    left: u64,
}

impl Exact {
    fn open(path: &Path, size: u64) -> io::Result<Self> {
        let no_follow = OFlags::NOFOLLOW.bits().cast_signed();
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(no_follow)
            .open(path)?;
        Ok(Self { file, left: size })
    }
}

impl Read for Exact {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        let ended_early = count == 0 && !buffer.is_empty() && self.left > 0;
        match self.left.checked_sub(count as u64) {
            Some(left) if !ended_early => self.left = left,
            _ => return Err(changed_meanwhile()),
        }
        Ok(count)
    }
}

fn changed_meanwhile() -> io::Error {
    io::Error::other("it changed while it was packed; try again")
}

fn unwritable(dir: &Path, source: io::Error) -> PluginError {
    PluginError::Io {
        action: "write the archive of",
        path: dir.to_owned(),
        source,
    }
}
