//! The records of a pax header, which may change path and size of the file that follows: any bytes are refused, or mean to
//! another reader what they mean to ours.

use crate::archive::{finish, header, member};
use crate::oracle::agrees;

/// Puts the bytes into an extended header before a file, as they are, and once more with each line made a record of the
/// right length.
pub fn run(bytes: &[u8]) {
    for kind in [b'x', b'g'] {
        agrees(&archive(kind, bytes));
        agrees(&archive(kind, &records(bytes)));
    }
}

fn archive(kind: u8, records: &[u8]) -> Vec<u8> {
    let mut archive = Vec::new();
    let extension = header(b"PaxHeaders/file", kind, records.len(), 0o644);
    member(&mut archive, &extension, records);
    member(&mut archive, &header(b"file", b'0', 5, 0o644), b"hello");
    member(&mut archive, &header(b"after", b'0', 5, 0o755), b"world");
    finish(&mut archive);
    archive
}

/// Each line as a record.
fn records(lines: &[u8]) -> Vec<u8> {
    lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .flat_map(record)
        .collect()
}

/// `length key=value`, where the length counts its own digits.
pub(crate) fn record(line: &[u8]) -> Vec<u8> {
    let rest = line.len() + 2;
    let digits = (1..).find(|digits| (rest + digits).to_string().len() == *digits);
    let length = rest + digits.expect("some number of digits fits");
    let mut record = format!("{length} ").into_bytes();
    record.extend_from_slice(line);
    record.push(b'\n');
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_record_counts_itself() {
        assert_eq!(record(b"a=b"), b"6 a=b\n");
        assert_eq!(record(b"path=12"), b"11 path=12\n");
        assert_eq!(record(&[b'x'; 95]).len(), 99);
        assert_eq!(record(&[b'x'; 96]).len(), 101);
    }
}
