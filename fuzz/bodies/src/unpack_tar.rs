//! A bare archive of any bytes is refused in one line, or everything in it keeps the promises.

use crate::archive::repaired;
use crate::listing::read;

/// Reads the bytes as they are, and once more with the checksum of every header repaired.
pub fn run(bytes: &[u8]) {
    read(bytes);
    read(&repaired(bytes));
}
