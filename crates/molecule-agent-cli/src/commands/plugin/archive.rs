//! An archive on this machine.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use molecule_plugin::CancelFlag;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::exit::Problem;

/// How long a wait for bytes may be deaf to a signal.
const LOOK_UP: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// A file, or stdin, that is read until somebody cancels.
#[derive(Debug)]
pub(super) struct Archive {
    file: File,
    cancel: CancelFlag,
}

impl Archive {
    /// Opens the file; `-` is stdin.
    ///
    /// # Errors
    /// When it cannot be opened, or is a directory.
    pub(super) fn open(path: &Path, cancel: CancelFlag) -> anyhow::Result<Self> {
        let unusable = || {
            Problem::usage(format!(
                "cannot read the archive {}; name a .tar.gz file, or - for stdin",
                path.display()
            ))
        };
        let file = if path == Path::new("-") {
            File::from(io::stdin().as_fd().try_clone_to_owned()?)
        } else {
            without_waiting(path).with_context(unusable)?
        };
        if file.metadata().with_context(unusable)?.is_dir() {
            return Err(unusable().into());
        }
        Ok(Self { file, cancel })
    }

    /// How many bytes there are, if that is known before they are read.
    pub(super) fn len(&self) -> Option<u64> {
        let metadata = self.file.metadata().ok()?;
        metadata.is_file().then_some(metadata.len())
    }

    /// Whether a read would not block, as far as one short wait can tell.
    fn is_ready(&self) -> io::Result<bool> {
        let mut polled = [PollFd::new(&self.file, PollFlags::IN)];
        match poll(&mut polled, Some(&LOOK_UP)) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// A pipe that nobody writes to yet would hold up `open`, where no signal is heard.
fn without_waiting(path: &Path) -> io::Result<File> {
    File::options()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
}

impl Read for Archive {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.cancel.is_cancelled() {
                return Err(io::Error::other("the installation was cancelled"));
            }
            if !self.is_ready()? {
                continue;
            }
            match self.file.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::thread;

    use super::*;

    #[test]
    fn a_wait_for_bytes_that_do_not_come_ends_when_somebody_cancels() {
        let (reader, _writer) = io::pipe().unwrap();
        let cancel = CancelFlag::default();
        let mut archive = Archive {
            file: File::from(OwnedFd::from(reader)),
            cancel: cancel.clone(),
        };
        assert_eq!(archive.len(), None);
        let waiting = thread::spawn(move || archive.read(&mut [0; 8]));
        cancel.cancel();
        let error = waiting.join().unwrap().unwrap_err();
        assert!(error.to_string().contains("cancelled"), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_named_pipe_is_waited_for_until_somebody_writes_or_cancels() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let cancel = CancelFlag::default();
        let mut archive = Archive::open(&path, cancel.clone()).unwrap();
        let waiting = thread::spawn(move || {
            let mut buffer = [0; 8];
            let count = archive.read(&mut buffer).unwrap();
            (archive, buffer[..count].to_vec())
        });
        let mut writer = File::options().write(true).open(&path).unwrap();
        io::Write::write_all(&mut writer, b"bytes").unwrap();
        let (mut archive, bytes) = waiting.join().unwrap();
        assert_eq!(bytes, b"bytes");
        let waiting = thread::spawn(move || archive.read(&mut [0; 8]));
        cancel.cancel();
        let error = waiting.join().unwrap().unwrap_err();
        assert!(error.to_string().contains("cancelled"), "{error}");
    }
}
