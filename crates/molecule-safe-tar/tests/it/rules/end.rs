//! Where an archive ends, and where it is cut off.

use std::io::{self, Read};

use molecule_safe_tar::{Options, UnpackError};

use super::{accepted, refusal, refused_as_a_whole, refused_with};
use crate::builder::{BLOCK, Header, Tar};
use crate::oracle::{agree, read};

fn sample() -> Tar {
    Tar::new()
        .file("a", [1; 700])
        .pax(&[("path", b"long")])
        .file("b", "text")
        .directory("d")
}

fn cut_at(archive: &[u8], entry: &str) {
    refused_with(archive, &Options::new(), "truncated", entry);
}

#[test]
fn an_archive_without_entries_is_accepted() {
    accepted(Tar::new(), &[]);
}

#[test]
fn nothing_at_all_is_refused() {
    refused_as_a_whole(b"", "truncated");
}

#[test]
fn an_archive_cut_off_anywhere_is_refused() {
    let archive = sample().end();
    for length in 0..archive.len() {
        let refusal = refusal(&archive[..length], &Options::new());
        assert_eq!(refusal.kind(), "truncated", "at {length}");
        let entry = refusal.entry().map(ToString::to_string);
        let begun = ["a", "PaxHeaders/x", "long", "d"].map(Some);
        let expected = match length / BLOCK {
            0 => None,
            1..=3 => begun[0],
            4..=5 => begun[1],
            6..=7 => begun[2],
            _ => begun[3],
        };
        let expected = if length / BLOCK == 3 {
            begun[0]
        } else {
            expected
        };
        assert_eq!(entry.as_deref(), expected, "at {length}");
    }
}

#[test]
fn an_archive_without_its_end_is_refused() {
    cut_at(&sample().open(), "d");
    cut_at(&sample().zeros(1).open(), "d");
    cut_at(&sample().zeros(1).raw(&[0; 511]).open(), "d");
}

#[test]
fn one_zero_block_before_an_entry_is_refused() {
    refused_with(
        &sample().zeros(1).file("late", "").end(),
        &Options::new(),
        "lone-zero-block",
        "late",
    );
    refused_as_a_whole(
        &sample().zeros(1).raw(&[b'x'; BLOCK]).end(),
        "lone-zero-block",
    );
}

#[test]
fn an_entry_behind_the_end_is_refused() {
    refused_as_a_whole(&sample().zeros(2).file("late", "").end(), "trailing-data");
    refused_as_a_whole(&sample().zeros(3).file("late", "").end(), "trailing-data");
    refused_as_a_whole(&sample().zeros(2).raw(b"x").open(), "trailing-data");
    refused_as_a_whole(&sample().zeros(20).raw(b"\0\0x").open(), "trailing-data");
}

#[test]
fn padding_behind_the_end_is_accepted_up_to_a_bound() {
    let padded = |bytes: usize| sample().zeros(2).raw(&vec![0; bytes]).open();
    for bytes in [1, 511, 512, 10_240, 1 << 20] {
        agree(&padded(bytes), &Options::new()).unwrap();
    }
    refused_as_a_whole(&padded((1 << 20) + 1), "too-much-padding");
}

/// Gives its bytes one by one, with interruptions.
struct Trickle<'a>(&'a [u8], bool);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        match self.1 {
            true => Err(io::ErrorKind::Interrupted.into()),
            false => self.0.read(&mut buffer[..1]),
        }
    }
}

#[test]
fn the_pieces_in_which_bytes_come_do_not_matter() {
    let archive = sample().zeros(3).open();
    let whole = read(&archive[..], &Options::new()).unwrap();
    assert_eq!(
        read(Trickle(&archive, false), &Options::new()).unwrap(),
        whole
    );
}

/// Fails behind its bytes.
struct Broken<'a>(&'a [u8]);

impl Read for Broken<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::ErrorKind::ConnectionReset.into()),
            read => Ok(read),
        }
    }
}

#[test]
fn a_source_that_fails_is_no_refusal_and_no_end() {
    let archive = sample().end();
    for length in [0, 100, 600, 1300, 1536, 2048, archive.len()] {
        match read(Broken(&archive[..length]), &Options::new()) {
            Err(UnpackError::Source(error)) => {
                assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
            }
            other => panic!("at {length}: {other:?}"),
        }
    }
}

#[test]
fn a_body_that_is_cut_off_names_its_entry() {
    cut_at(
        &Tar::new()
            .entry(Header::new(b'0', b"a", 5000), &[1; 4096])
            .open(),
        "a",
    );
    cut_at(
        &Tar::new()
            .entry(Header::new(b'x', b"PaxHeaders/x", 5000), b"30 path=")
            .open(),
        "PaxHeaders/x",
    );
}
