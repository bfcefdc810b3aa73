//! From an archive to a directory, in one pass.

use std::io::{self, BufReader, Read};
use std::path::Path;

use crate::disk::Disk;
use crate::inflated::read_tar_gz;
use crate::reader::read_tar;
use crate::relay::relay;
use crate::watched::Watched;
use crate::{Observer, Options, Quarantine, Summary, UnpackError};

/// Unpacks a `.tar.gz` into the new directory `parent/name`, or leaves nothing.
///
/// The new directory has mode 0700; what is in it 0755 or 0644, whatever the umask. The archive is read and parsed on this thread. One
/// that is longer than a few hundred KiB is written on another, and the observer called on a third.
///
/// # Errors
/// When the archive breaks a rule or cannot be read; when `parent` is a link or no directory, or `name` more than one component; or
/// when the new directory exists already or cannot be written. Nothing is left then, except as [`UnpackError::Residue`] says.
///
/// # Panics
/// When `archive` or `observer` does. Nothing is left then either.
pub fn unpack<O: Observer + Send>(
    mut archive: impl Read,
    parent: &Path,
    name: &str,
    options: &Options,
    observer: &mut O,
) -> Result<Quarantine, UnpackError> {
    let (quarantine, handle) = Quarantine::create(parent, name)?;
    let mut disk = Disk::new(quarantine.path().to_owned(), handle);
    let result = relay(&mut [&mut disk, &mut Watched(observer)], |relay| {
        read_tar_gz(&mut archive, options, relay)
    });
    // Their handles are closed first, so that removing has some. With the archive's closed any earlier, the last ones would have
    // been taken for writing.
    drop((disk, archive));
    match result {
        Ok(summary) => Ok(quarantine.holding(summary)),
        Err(error) => Err(quarantine.refused(error)),
    }
}

/// Decides about a `.tar.gz` as [`unpack`] does, and writes nothing.
///
/// # Errors
/// When the archive breaks a rule or cannot be read.
pub fn check<O: Observer + Send>(
    archive: impl Read,
    options: &Options,
    observer: &mut O,
) -> Result<Summary, UnpackError> {
    relay(&mut [&mut Watched(observer)], |relay| {
        read_tar_gz(archive, options, relay)
    })
}

/// Decides about a bare tar archive, and writes nothing. Compressed bytes are the archive's own.
///
/// # Errors
/// When the archive breaks a rule or cannot be read.
pub fn check_tar<O: Observer>(
    archive: impl Read,
    options: &Options,
    observer: &mut O,
) -> Result<Summary, UnpackError> {
    let mut archive = BufReader::new(Counted { archive, bytes: 0 });
    let summary = read_tar(&mut archive, options, &mut Watched(observer))?;
    let compressed_bytes = archive.into_inner().bytes;
    Ok(Summary {
        compressed_bytes,
        ..summary
    })
}

/// Counts what is read.
struct Counted<R> {
    archive: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.archive.read(buffer)?;
        self.bytes += read as u64;
        Ok(read)
    }
}
