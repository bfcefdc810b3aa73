//! Where accepted entries go.

use crate::UnpackError;

/// Takes what the reader accepted, in the archive's order. Paths are validated, unique, and announced parents first.
pub(crate) trait Sink {
    /// A directory that does not exist yet, listed or implied.
    fn directory(&mut self, path: &str) -> Result<(), UnpackError>;
    /// A file begins.
    fn file(&mut self, path: &str, size: u64, executable: bool) -> Result<(), UnpackError>;
    /// The next bytes of the file.
    fn data(&mut self, bytes: &[u8]) -> Result<(), UnpackError>;
    /// The file is complete.
    fn close(&mut self) -> Result<(), UnpackError>;
}
