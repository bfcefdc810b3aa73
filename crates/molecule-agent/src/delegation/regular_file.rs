//! Opening files by names that may stand for something else.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;

/// Opens a regular file, without following a link and without waiting for whoever is at the other end of a pipe. `None` if the
/// name stands for anything else; a file that is created is private.
pub(crate) fn open_regular(path: &Path, flags: OFlags) -> io::Result<Option<File>> {
    let safely = OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    match open(path, flags | safely, Mode::RUSR | Mode::WUSR) {
        Ok(descriptor) => {
            let file = File::from(descriptor);
            Ok(file.metadata()?.is_file().then_some(file))
        }
        Err(Errno::ISDIR | Errno::LOOP | Errno::NXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
