//! Header blocks.

use molecule_safe_tar::{Options, UnpackError};

use super::{accepted, refused, refused_with};
use crate::builder::{BLOCK, Header, Tar, at};
use crate::oracle::read;

fn file(size: usize) -> Header {
    Header::new(b'0', b"a.md", size)
}

/// A header in place of that of an empty file.
fn check(header: Header, kind: &str) {
    refused(Tar::new().entry(header, b""), kind, "a.md");
}

#[test]
fn a_wrong_checksum_is_refused() {
    check(file(0).put(at::SUM, b"012345\0 "), "checksum");
    check(file(0).put(at::SUM, &[0; 8]), "checksum");
    check(file(0).put(at::SUM, b"        "), "checksum");
}

/// A space for a zero in the checksum itself says the same.
#[test]
fn no_flipped_bit_of_a_header_goes_unnoticed() {
    let archive = Tar::new().file("a.md", "text").end();
    let whole = read(&archive[..], &Options::new()).unwrap();
    for bit in 0..8 * BLOCK {
        let mut damaged = archive.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        match read(&damaged[..], &Options::new()) {
            Ok(read) => assert_eq!(read, whole, "bit {bit}"),
            Err(UnpackError::Refused(refusal)) => {
                assert_eq!(refusal.kind(), "checksum", "bit {bit}");
            }
            Err(other) => panic!("bit {bit}: {other}"),
        }
    }
}

#[test]
fn a_checksum_with_a_sign_is_refused() {
    let header = file(0);
    let sum = header.sum(i64::from);
    check(
        header.put(at::SUM, format!("+{sum:05o}\0 ").as_bytes()),
        "checksum",
    );
}

#[test]
fn a_checksum_of_signed_bytes_is_refused() {
    let header = Header::new(b'0', "ä".as_bytes(), 0);
    let signed = header.sum(|byte| i64::from(byte.cast_signed()));
    let tar = Tar::new().entry(
        header.put(at::SUM, format!("{signed:06o}\0 ").as_bytes()),
        b"",
    );
    refused(tar, "checksum", "ä");
}

#[test]
fn an_unknown_format_is_refused() {
    for magic in [
        &[0; 8][..],
        b"ustar\x00\x00\x00",
        b"ustar\x00  ",
        b"ustar\x0001",
        b"ustar00\0",
        b"Ustar\x0000",
    ] {
        check(file(0).put(at::MAGIC, magic), "unknown-format");
    }
}

#[test]
fn a_path_that_only_some_programs_read_from_the_header_is_refused() {
    check(
        file(0).gnu().put(at::PREFIX, b"elsewhere"),
        "reserved-bytes",
    );
    check(file(0).gnu().put(at::REST, b"x"), "reserved-bytes");
    check(file(0).put(at::REST + 8, b"tar\0"), "reserved-bytes");
}

#[test]
fn a_malformed_size_is_refused() {
    for size in [
        &b"+0000000012\0"[..],
        b"-0000000012\0",
        b"00000000019\0",
        b"0x000000012\0",
        b"0000000 012\0",
        b"0000012\0junk",
        b"\0\0\0\0\0\0\0\0\0\0\0\0",
        b"            ",
        b"\x80\0\0\0\0\0\0\0\0\0\0\x01",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe\0",
    ] {
        check(file(0).put(at::SIZE, size), "invalid-number");
    }
}

#[test]
fn malformed_metadata_is_refused() {
    for at in [
        at::MODE,
        at::USER,
        at::GROUP,
        at::TIME,
        at::DEVICE,
        at::DEVICE + 8,
    ] {
        for number in [
            &b"-000001\0"[..],
            b"0000008\0",
            b"+000001\0",
            b"junk\0\0\0\0",
            b"1\0\0\0\0\0\x001",
        ] {
            check(file(0).put(at, number), "invalid-number");
        }
    }
    for at in [at::USER, at::GROUP, at::TIME] {
        check(
            file(0).put(at, &[0x81, 0, 0, 0, 0, 0, 0, 1]),
            "invalid-number",
        );
    }
    check(file(0).put(at::USER, &[0xff; 8]), "invalid-number");
    check(
        file(0).put(at::TIME, &[0x80, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        "invalid-number",
    );
    check(
        file(0).put(at::MODE, &[0x80, 0, 0, 0, 0, 0, 0x01, 0xed]),
        "invalid-number",
    );
}

#[test]
fn the_message_says_which_number_is_malformed() {
    let archive = Tar::new().entry(file(0).put(at::GROUP, b"junk"), b"").end();
    let message = super::refusal(&archive, &Options::new()).to_string();
    assert!(message.contains("malformed group id"), "{message}");
}

#[test]
fn metadata_as_trusted_writers_spell_it_is_accepted() {
    let large = [0x80, 0, 0, 0, 0x3b, 0x9a, 0xca, 0];
    let header = file(0)
        .gnu()
        .put(at::USER, &large)
        .put(at::GROUP, &large)
        .put(at::TIME, &[0xff; 12])
        .put(at::MODE, b"000644 \0")
        .put(at::DEVICE, b"000000 \x00000000 \0")
        .put(at::SIZE, b"          0 ");
    accepted(Tar::new().entry(header, b""), &["a.md"]);
}

#[test]
fn devices_and_pipes_are_refused() {
    for type_flag in *b"346" {
        check(file(0).put(at::TYPE, &[type_flag]), "special-file");
    }
}

#[test]
fn other_types_are_refused() {
    for type_flag in *b"7ADEIMNVXZ89 \xff\x01" {
        check(file(0).put(at::TYPE, &[type_flag]), "unsupported-type");
    }
}

#[test]
fn gnu_sparse_files_are_refused() {
    check(file(0).gnu().put(at::TYPE, b"S"), "sparse-file");
}

#[test]
fn the_old_type_of_a_file_is_accepted() {
    accepted(
        Tar::new().entry(file(2).put(at::TYPE, &[0]), b"hi"),
        &["a.md"],
    );
}

#[test]
fn a_size_of_what_has_no_contents_is_refused() {
    for type_flag in *b"125" {
        let header = file(512).put(at::TYPE, &[type_flag]).target(b"b");
        refused(
            Tar::new().entry(header, &[0; 512]),
            "size-without-data",
            "a.md",
        );
    }
}

#[test]
fn a_zero_byte_inside_of_a_name_is_refused() {
    refused(Tar::new().file("a\0b", ""), "nul-in-name", "a");
    let behind = Header::new(b'0', b"a", 0).put(99, b"b");
    refused(Tar::new().entry(behind, b""), "nul-in-name", "a");
    let prefix = Header::new(b'0', b"a", 0).put(at::PREFIX, b"p\0q");
    refused(Tar::new().entry(prefix, b""), "nul-in-name", "p/a");
    refused(Tar::new().symbolic_link("a", "b\0c"), "nul-in-name", "a");
}

#[test]
fn name_and_prefix_may_fill_their_fields() {
    let name = "n".repeat(100);
    accepted(Tar::new().file(&name, ""), &[&name]);
    let prefix = "p".repeat(155);
    let header = Header::new(b'0', name.as_bytes(), 0).put(at::PREFIX, prefix.as_bytes());
    accepted(
        Tar::new().entry(header, b""),
        &[&format!("{prefix}/{name}")],
    );
}

#[test]
fn the_owner_decides_what_is_executable() {
    let modes = [
        ("0000755\0", true),
        ("0000644\0", false),
        ("0000011\0", false),
        ("0007777\0", true),
    ];
    for (mode, executable) in modes {
        let tar = Tar::new().entry(file(0).put(at::MODE, mode.as_bytes()), b"");
        let files = super::accepted_with(tar, &Options::new());
        assert_eq!(files[0].executable, executable, "{mode:?}");
    }
}

#[test]
fn an_entry_without_a_mode_is_refused() {
    let tar = Tar::new().entry(file(0).put(at::MODE, &[0; 8]), b"");
    refused(tar, "invalid-number", "a.md");
}

#[test]
fn a_name_in_a_refusal_is_escaped() {
    let name = "\u{1b}[2Jrm\n\u{202e}cod.exe";
    refused(
        Tar::new().file(name, ""),
        "control-character",
        r"\u{1b}[2Jrm\n\u{202e}cod.exe",
    );
}

#[test]
fn a_damaged_header_is_named_by_what_can_be_read() {
    let archive = Tar::new()
        .file("first", "")
        .entry(file(0).put(at::SUM, b"7"), b"")
        .end();
    refused_with(&archive, &Options::new(), "checksum", "a.md");
}
