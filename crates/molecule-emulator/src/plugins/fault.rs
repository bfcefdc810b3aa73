//! What can be wrong with a download, on purpose.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};
use tokio_util::io::ReaderStream;

/// How often a connection gets the time to send what it holds before it breaks.
const YIELDS: u32 = 64;

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
        Some(DownloadFault::CutAfter(n)) => (size, body(archive.take(n).chain(Pause(YIELDS)))),
        Some(DownloadFault::StallAfter(n)) => (size, body(archive.take(n).chain(Never))),
        Some(DownloadFault::WrongLength(n)) => (n, body(archive.chain(Pause(YIELDS)))),
        Some(DownloadFault::FlippedAt(_)) | None => (size, body(archive)),
    }
}

fn body(bytes: impl AsyncRead + Send + 'static) -> Body {
    Body::from_stream(ReaderStream::with_capacity(bytes, 64 * 1024))
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

/// Ends, but not at once: a connection that ends early throws away what it has not sent.
struct Pause(u32);

impl AsyncRead for Pause {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.0 == 0 {
            return Poll::Ready(Ok(()));
        }
        self.0 -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Never ends.
struct Never;

impl AsyncRead for Never {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}
