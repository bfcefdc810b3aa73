//! What can be wrong with a download, on purpose.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};

use axum::body::Body;
use tokio::io::AsyncReadExt as _;

use crate::faults::{Never, Pause, stream};

/// Damage to the archive of a plugin on its way to the client. Offsets count bytes of the compressed archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DownloadFault {
    /// The connection breaks after this many bytes, before the announced length. A slow client may get fewer.
    CutAfter(u64),
    /// Nothing comes after this many bytes, and the connection stays open.
    StallAfter(u64),
    /// All bits of the byte at this offset are wrong, or of the last byte of a shorter archive.
    FlippedAt(u64),
    /// `Content-Length` says this. If it is less than there is, the archive ends there without any other sign.
    WrongLength(u64),
}

/// An archive on its way: the length that is announced, and what is sent.
pub(crate) fn send(archive: File, size: u64, fault: Option<DownloadFault>) -> (u64, Body) {
    let archive = tokio::fs::File::from_std(archive);
    match fault {
        Some(DownloadFault::CutAfter(n)) => (size, stream(archive.take(n).chain(Pause::new()))),
        Some(DownloadFault::StallAfter(n)) => (size, stream(archive.take(n).chain(Never))),
        Some(DownloadFault::WrongLength(n)) => (n, stream(archive.chain(Pause::new()))),
        Some(DownloadFault::FlippedAt(_)) | None => (size, stream(archive)),
    }
}

impl DownloadFault {
    /// Does its damage to an archive that is still a file, rewound before and after. It blocks.
    pub(crate) fn damage(self, archive: &mut File, size: u64) -> io::Result<()> {
        let Self::FlippedAt(offset) = self else {
            return Ok(());
        };
        let offset = SeekFrom::Start(offset.min(size.saturating_sub(1)));
        let mut byte = [0];
        archive.seek(offset)?;
        archive.read_exact(&mut byte)?;
        archive.seek(offset)?;
        archive.write_all(&[!byte[0]])?;
        archive.rewind()
    }
}
