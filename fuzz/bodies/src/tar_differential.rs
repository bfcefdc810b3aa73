//! Whatever archive we accept, another reader reads alike: the same paths, contents and executable bits, in the same order.

use crate::archive::repaired;
use crate::oracle::agrees;

/// Compares the readers on the bytes as they are, and once more with the checksum of every header repaired.
pub fn run(bytes: &[u8]) {
    agrees(bytes);
    agrees(&repaired(bytes));
}
