//! Archives written by hand, because no proper writer writes what is fed here.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;

/// Bytes of a block.
pub(crate) const BLOCK: usize = 512;

/// A header of ustar, sealed.
pub(crate) fn header(path: &[u8], kind: u8, size: usize, mode: u32) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    put(&mut block, 0, 100, path);
    put(&mut block, 100, 8, format!("{mode:07o}").as_bytes());
    put(&mut block, 108, 8, b"0000000");
    put(&mut block, 116, 8, b"0000000");
    put(&mut block, 124, 12, format!("{size:011o}").as_bytes());
    put(&mut block, 136, 12, b"00000000000");
    block[156] = kind;
    put(&mut block, 257, 8, b"ustar\x0000");
    seal(&mut block);
    block
}

/// Makes a header one of GNU.
pub(crate) fn gnu(block: &mut [u8; BLOCK]) {
    put(block, 257, 8, b"ustar  \0");
    seal(block);
}

/// Writes as much of `value` as fits into a field.
pub(crate) fn put(block: &mut [u8; BLOCK], at: usize, len: usize, value: &[u8]) {
    let len = len.min(value.len());
    block[at..at + len].copy_from_slice(&value[..len]);
}

/// Gives a header the checksum that it should have.
pub(crate) fn seal(block: &mut [u8; BLOCK]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    put(block, 148, 8, format!("{sum:06o}\0 ").as_bytes());
}

/// Appends a member: its header, its body, and the padding.
pub(crate) fn member(archive: &mut Vec<u8>, header: &[u8; BLOCK], body: &[u8]) {
    archive.extend_from_slice(header);
    archive.extend_from_slice(body);
    pad(archive);
}

/// Appends the two blocks that end an archive.
pub(crate) fn finish(archive: &mut Vec<u8>) {
    archive.extend_from_slice(&[0; 2 * BLOCK]);
}

fn pad(archive: &mut Vec<u8>) {
    archive.resize(archive.len().next_multiple_of(BLOCK), 0);
}

/// The archive with the checksum of each header as it should be, and with an end: mutations would get no further otherwise.
pub(crate) fn repaired(bytes: &[u8]) -> Vec<u8> {
    let mut archive = bytes.to_vec();
    pad(&mut archive);
    let mut at = 0;
    while let Some(header) = archive
        .get_mut(at..)
        .and_then(|rest| rest.first_chunk_mut::<BLOCK>())
    {
        if header.iter().all(|byte| *byte == 0) {
            return archive;
        }
        seal(header);
        at += BLOCK + size(header).next_multiple_of(BLOCK);
    }
    finish(&mut archive);
    archive
}

/// The size in a header, where it is the octal number that it usually is.
fn size(header: &[u8; BLOCK]) -> usize {
    header[124..136]
        .iter()
        .skip_while(|byte| **byte == b' ')
        .take_while(|byte| (b'0'..=b'7').contains(byte))
        .fold(0, |size, digit| size * 8 + usize::from(digit - b'0'))
}

/// The bytes, compressed.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .expect("a vector takes any bytes")
}

/// The gzip stream with the checksum and the size that its content should have, if its header is the usual ten bytes.
pub(crate) fn with_right_trailer(gzip: &[u8]) -> Option<Vec<u8>> {
    /// What is inflated at most, before it is left alone.
    const ENOUGH: u64 = 4 << 20;
    let body = gzip
        .strip_prefix(b"\x1f\x8b\x08\x00")
        .and_then(|rest| rest.get(6..))?;
    let mut inflated = Vec::new();
    let mut decoder = flate2::bufread::DeflateDecoder::new(body);
    decoder
        .by_ref()
        .take(ENOUGH)
        .read_to_end(&mut inflated)
        .ok()?;
    let end = 10 + usize::try_from(decoder.total_in()).ok()?;
    let mut crc = flate2::Crc::new();
    crc.update(&inflated);
    let mut repaired = gzip.get(..end)?.to_vec();
    repaired.extend_from_slice(&crc.sum().to_le_bytes());
    repaired.extend_from_slice(&crc.amount().to_le_bytes());
    Some(repaired)
}

#[cfg(test)]
mod tests {
    use molecule_safe_tar::{Options, check, check_tar};

    use super::*;

    fn one_file() -> Vec<u8> {
        let mut archive = Vec::new();
        member(&mut archive, &header(b"a/b.txt", b'0', 5, 0o644), b"hello");
        finish(&mut archive);
        archive
    }

    #[test]
    fn what_is_written_here_is_an_archive() {
        let summary = check_tar(&*one_file(), &Options::new(), &mut ()).unwrap();
        assert_eq!((summary.files, summary.bytes), (1, 5));
    }

    #[test]
    fn a_changed_header_is_sealed_again_and_a_missing_end_is_added() {
        let mut broken = one_file();
        broken[0] = b'z';
        broken.truncate(2 * BLOCK);
        assert!(check_tar(&*broken, &Options::new(), &mut ()).is_err());
        let summary = check_tar(&*repaired(&broken), &Options::new(), &mut ()).unwrap();
        assert_eq!(summary.files, 1);
    }

    #[test]
    fn a_wrong_trailer_becomes_the_right_one() {
        let right = gzip(&one_file());
        let mut wrong = right.clone();
        let crc = wrong.len() - 8;
        wrong[crc] ^= 1;
        assert!(check(&*wrong, &Options::new(), &mut ()).is_err());
        assert_eq!(with_right_trailer(&wrong), Some(right));
    }
}
