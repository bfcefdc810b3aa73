//! Watching files while the archive is read.

/// One regular file of the archive.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct FileEntry<'a> {
    /// Its path below the new directory: components joined by `/`, validated.
    pub path: &'a str,
    /// Its size in bytes.
    pub size: u64,
    /// Whether its owner may execute it.
    pub executable: bool,
}

/// Sees each file while the archive is read, in the order of the archive: begin, its bytes in pieces, end. It may be ahead of what
/// is written, or behind. What it saw counts only when [`unpack`](crate::unpack) succeeds.
pub trait Observer {
    /// A file begins.
    fn begin(&mut self, file: FileEntry<'_>);
    /// The next bytes of the file.
    fn data(&mut self, bytes: &[u8]);
    /// The file is complete.
    fn end(&mut self);
}

/// Nobody watches.
impl Observer for () {
    fn begin(&mut self, _: FileEntry<'_>) {}
    fn data(&mut self, _: &[u8]) {}
    fn end(&mut self) {}
}
