//! Which texts are digests.

use std::io::{self, Read};

use molecule_plugin::Sha256Digest;
use proptest::prelude::*;

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn refused(text: &str) {
    let error = text.parse::<Sha256Digest>().unwrap_err().to_string();
    assert!(error.contains("64 lower-case hexadecimal digits"));
    assert!(error.len() < 300, "{}", error.len());
}

#[test]
fn a_digest_is_64_lower_case_hexadecimal_digits_and_nothing_else() {
    assert_eq!(EMPTY.parse(), Ok(Sha256Digest::of("")));
    refused("");
    refused(&EMPTY[1..]);
    refused(&format!("{EMPTY}0"));
    refused(&EMPTY.to_uppercase());
    refused(&EMPTY.replacen('e', "E", 1));
    refused(&EMPTY.replacen('e', "g", 1));
    refused(&EMPTY.replacen('e', "\u{0435}", 1));
    refused(&format!(" {}", &EMPTY[1..]));
    refused(&format!("{}\n", &EMPTY[1..]));
    refused(&format!("0x{}", &EMPTY[2..]));
    refused(&format!("+{}", &EMPTY[1..]));
    refused(&format!("sha256:{EMPTY}"));
    refused(&"0".repeat(1 << 20));
    refused(&"\u{1f600}".repeat(16));
}

#[test]
fn a_digest_shows_and_serialises_as_its_text() {
    let digest = Sha256Digest::of("");
    assert_eq!(digest.to_string(), EMPTY);
    assert_eq!(format!("{digest:?}"), format!("Sha256Digest({EMPTY})"));
    assert_eq!(
        serde_json::to_string(&digest).unwrap(),
        format!("\"{EMPTY}\"")
    );
}

/// Yields one byte at a time and is interrupted in between.
struct Slow<'a>(&'a [u8], bool);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let count = buffer.len().min(1);
        self.0.read(&mut buffer[..count])
    }
}

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("broken"))
    }
}

#[test]
fn reading_on_changes_no_digest_and_an_error_is_no_end() {
    let large: Vec<u8> = (0..200_000_u32).map(|i| (i % 251) as u8).collect();
    assert_eq!(
        Sha256Digest::of_reader(large.as_slice()).unwrap(),
        Sha256Digest::of(&large)
    );
    assert_eq!(
        Sha256Digest::of_reader(Slow(b"slow", false)).unwrap(),
        Sha256Digest::of("slow")
    );
    assert!(Sha256Digest::of_reader(Broken).is_err());
}

proptest! {
    #[test]
    fn every_digest_is_read_as_it_is_written(bytes: [u8; 32]) {
        let digest = Sha256Digest::from(bytes);
        prop_assert_eq!(digest.to_string().parse(), Ok(digest));
        prop_assert_eq!(digest.as_bytes(), &bytes);
    }
}
