//! pax headers and GNU's long names.

use super::{accepted, refused};
use crate::builder::{Header, Tar, at, record};

const PAX: &str = "PaxHeaders/x";
const GNU: &str = "././@LongLink";
const GLOBAL: &str = "pax_global_header";

/// A pax header before an empty file.
fn check_body(body: &[u8], kind: &str) {
    refused(Tar::new().pax_body(body).file("a", ""), kind, PAX);
}

fn check_record(key: &str, value: &[u8], kind: &str) {
    check_body(&record(key, value), kind);
}

fn gnu_file(name: &str) -> Header {
    Header::new(b'0', name.as_bytes(), 0).gnu()
}

#[test]
fn pax_names_the_entry_behind_it_and_no_other() {
    let tar = Tar::new()
        .pax(&[("path", "größe/α".as_bytes())])
        .file("x", "1")
        .file("y", "2");
    accepted(tar, &["größe/α", "y"]);
}

#[test]
fn gnu_names_the_entry_behind_it_and_no_other() {
    let long = "d/".repeat(60) + "a";
    let tar = Tar::new()
        .long_name(&long)
        .entry(gnu_file("cut"), b"")
        .entry(gnu_file("y"), b"");
    accepted(tar, &[&long, "y"]);
    accepted(
        Tar::new().gnu(b'L', "unended").entry(gnu_file("cut"), b""),
        &["unended"],
    );
}

#[test]
fn metadata_in_pax_is_ignored() {
    let records: [(&str, &[u8]); 13] = [
        ("uid", b"4294967296"),
        ("gid", b"0"),
        ("uname", "größe".as_bytes()),
        ("gname", b"staff"),
        ("mtime", b"1350244992.023960108"),
        ("atime", b"-1"),
        ("ctime", b"0.5"),
        ("comment", b"hello = world"),
        ("SCHILY.xattr.user.a", b"\x00\xff"),
        ("SCHILY.acl.access", b"user::rwx"),
        ("LIBARCHIVE.xattr.com.apple.provenance", b"AQAA"),
        ("LIBARCHIVE.creationtime", b"1"),
        ("SCHILY.ino", b"1"),
    ];
    accepted(Tar::new().pax(&records).file("a", "text"), &["a"]);
}

#[test]
fn a_size_that_differs_from_the_headers_is_refused() {
    for size in ["0", "1", "600", "18446744073709551615"] {
        let tar = Tar::new()
            .pax(&[("size", size.as_bytes())])
            .file("a", "text");
        refused(tar, "size-mismatch", "a");
    }
    accepted(Tar::new().pax(&[("size", b"4")]).file("a", "text"), &["a"]);
}

#[test]
fn a_pax_size_does_not_reach_through_another_extension_header() {
    let long = Header::new(b'L', b"././@LongLink", 2).gnu();
    let tar = Tar::new()
        .pax(&[("size", b"1024")])
        .entry(long, b"b\0")
        .entry(gnu_file("a"), b"");
    refused(tar, "mixed-extensions", GNU);
}

#[test]
fn a_pax_size_of_a_directory_is_refused() {
    refused(
        Tar::new().pax(&[("size", b"512")]).directory("d"),
        "size-mismatch",
        "d",
    );
    let both = Header::new(b'5', b"d", 512);
    let tar = Tar::new().pax(&[("size", b"512")]).entry(both, &[0; 512]);
    refused(tar, "size-without-data", "d");
}

#[test]
fn malformed_numbers_in_pax_are_refused() {
    for key in ["size", "uid", "gid"] {
        for value in ["-1", "+1", "1.5", "0x1", " 1", "1 ", "99999999999999999999"] {
            check_record(key, value.as_bytes(), "invalid-number");
        }
    }
    for key in ["mtime", "atime", "ctime"] {
        for value in ["now", "1.", ".5", "1.2.3", "1e9", "+1", "nan"] {
            check_record(key, value.as_bytes(), "invalid-number");
        }
    }
}

#[test]
fn malformed_records_are_refused() {
    for body in [
        "path=b\n",
        "8 path=b\n",
        "11 path=b\n",
        "9 path=b ",
        "011 path=b\n",
        "+9 path=b\n",
        "0 path=b\n",
        "1 path=b\n",
        "2 path=b\n",
        "9\tpath=b\n",
        "9 pathxb\n",
        "5 =b\n",
        " 9 path=b\n",
        "\n9 path=b\n",
        "9 path=b\n\n",
        "9 path=b\n\0\0\0",
        "9999999999999999999999 path=b\n",
        "18446744073709551615 path=b\n",
        "-9 path=b\n",
        "11 pa\nth=b\n",
        "\0",
    ] {
        check_body(body.as_bytes(), "malformed-pax");
    }
    check_record("SCHILY.xattr.user.a\0b", b"x", "malformed-pax");
}

#[test]
fn a_record_that_runs_past_its_header_is_refused() {
    check_body(b"30 path=b\n", "malformed-pax");
    check_body(b"513 path=b\n", "malformed-pax");
}

#[test]
fn records_hidden_in_a_value_are_refused() {
    check_record("comment", b"x\n18 path=elsewhere", "newline-in-pax");
    check_record(
        "SCHILY.xattr.user.a",
        b"x\n18 path=elsewhere",
        "newline-in-pax",
    );
    check_record("path", b"a\nb", "newline-in-pax");
}

#[test]
fn a_key_twice_is_refused() {
    refused(
        Tar::new()
            .pax(&[("path", b"a"), ("path", b"b")])
            .file("x", ""),
        "duplicate-pax-key",
        PAX,
    );
    let apart: [(&str, &[u8]); 3] = [("comment", b"a"), ("mtime", b"1"), ("comment", b"a")];
    refused(
        Tar::new().pax(&apart).file("x", ""),
        "duplicate-pax-key",
        PAX,
    );
}

#[test]
fn a_record_without_a_value_is_refused() {
    for key in ["path", "size", "linkpath", "comment", "uname"] {
        check_record(key, b"", "empty-pax-value");
    }
}

#[test]
fn a_zero_byte_in_a_record_is_refused() {
    check_record("path", b"a\0b", "nul-in-name");
    check_record("path", b"a\0", "nul-in-name");
    check_record("comment", b"a\0b", "nul-in-name");
}

#[test]
fn unknown_keys_are_refused() {
    for key in [
        "hdrcharset",
        "charset",
        "SCHILY.filetype",
        "GNU.volume.label",
        "GNU.dumpdir",
        "realtime.x",
        "VENDOR.key",
        "Path",
    ] {
        check_record(key, b"BINARY", "unsupported-pax-key");
    }
}

#[test]
fn sparse_files_in_pax_are_refused() {
    for key in [
        "GNU.sparse.major",
        "GNU.sparse.name",
        "GNU.sparse.map",
        "GNU.sparse.realsize",
        "SCHILY.realsize",
    ] {
        check_record(key, b"1", "sparse-file");
    }
}

#[test]
fn a_global_comment_is_accepted() {
    let commit = [("comment", &b"52b2b2a8ba1ddb1fcbd4c6e0c7f5a0b5cf1a5d3e"[..])];
    accepted(Tar::new().global(&commit).file("a", ""), &["a"]);
}

#[test]
fn any_other_global_key_is_refused() {
    for key in [
        "path",
        "size",
        "linkpath",
        "mtime",
        "uid",
        "hdrcharset",
        "GNU.sparse.major",
    ] {
        refused(
            Tar::new().global(&[(key, b"1")]).file("a", ""),
            "unsupported-global",
            GLOBAL,
        );
    }
    refused(
        Tar::new()
            .global(&[("comment", b"a"), ("path", b"b")])
            .file("a", ""),
        "unsupported-global",
        GLOBAL,
    );
}

#[test]
fn a_global_header_before_what_an_extension_describes_is_refused() {
    let tar = Tar::new()
        .pax(&[("path", b"b")])
        .global(&[("comment", b"c")])
        .file("a", "");
    refused(tar, "misplaced-global", GLOBAL);
}

#[test]
fn two_headers_of_a_kind_are_refused() {
    refused(
        Tar::new()
            .pax(&[("path", b"a")])
            .pax(&[("mtime", b"1")])
            .file("x", ""),
        "duplicate-extension",
        PAX,
    );
    refused(
        Tar::new().long_name("a").long_name("b").file("x", ""),
        "duplicate-extension",
        GNU,
    );
    refused(
        Tar::new()
            .long_target("a")
            .long_target("b")
            .symbolic_link("x", "y"),
        "duplicate-extension",
        GNU,
    );
}

#[test]
fn pax_and_gnu_for_one_entry_are_refused_in_any_order() {
    let pax = |tar: Tar| tar.pax(&[("path", b"a")]);
    refused(
        pax(Tar::new()).long_name("b").file("x", ""),
        "mixed-extensions",
        GNU,
    );
    refused(
        pax(Tar::new().long_name("b")).file("x", ""),
        "mixed-extensions",
        PAX,
    );
    refused(
        pax(Tar::new()).long_target("b").symbolic_link("x", "y"),
        "mixed-extensions",
        GNU,
    );
    refused(
        pax(Tar::new().long_target("b")).symbolic_link("x", "y"),
        "mixed-extensions",
        PAX,
    );
}

#[test]
fn an_extension_in_the_other_format_is_refused() {
    let pax = Header::new(b'x', b"PaxHeaders/x", 9).gnu();
    refused(
        Tar::new().entry(pax, b"9 path=b\n").file("a", ""),
        "foreign-extension",
        PAX,
    );
    let long = Header::new(b'L', b"././@LongLink", 2);
    refused(
        Tar::new().entry(long, b"b\0").file("a", ""),
        "foreign-extension",
        GNU,
    );
    let target = Header::new(b'K', b"././@LongLink", 2);
    refused(
        Tar::new().entry(target, b"b\0").symbolic_link("a", "c"),
        "foreign-extension",
        GNU,
    );
    let body = record("comment", b"c");
    let global = Header::new(b'g', b"pax_global_header", body.len()).gnu();
    refused(
        Tar::new().entry(global, &body).file("a", ""),
        "foreign-extension",
        GLOBAL,
    );
}

#[test]
fn an_extension_at_the_end_is_refused() {
    refused(
        Tar::new().file("a", "").pax(&[("path", b"b")]),
        "orphan-extension",
        PAX,
    );
    refused(Tar::new().long_name("b"), "orphan-extension", GNU);
    let comment = [("comment", &b"c"[..])];
    refused(Tar::new().global(&comment), "orphan-extension", GLOBAL);
    let tar = Tar::new().file("a", "").global(&comment);
    refused(tar, "orphan-extension", GLOBAL);
    refused(
        Tar::new().long_name("b").long_target("c"),
        "orphan-extension",
        GNU,
    );
}

#[test]
fn an_empty_extension_is_refused() {
    refused(
        Tar::new().pax_body(b"").file("a", ""),
        "empty-extension",
        PAX,
    );
    refused(
        Tar::new().gnu(b'L', "").file("a", ""),
        "empty-extension",
        GNU,
    );
    refused(
        Tar::new().gnu(b'L', "\0").file("a", ""),
        "empty-extension",
        GNU,
    );
    refused(
        Tar::new().global(&[]).file("a", ""),
        "empty-extension",
        GLOBAL,
    );
}

#[test]
fn a_zero_byte_inside_of_a_long_name_is_refused() {
    refused(
        Tar::new().gnu(b'L', "a\0b").entry(gnu_file("x"), b""),
        "nul-in-name",
        GNU,
    );
    refused(
        Tar::new().gnu(b'L', "a\0\0").entry(gnu_file("x"), b""),
        "nul-in-name",
        GNU,
    );
    refused(
        Tar::new().gnu(b'K', "a\0b\0").symbolic_link("x", "y"),
        "nul-in-name",
        GNU,
    );
}

#[test]
fn the_rules_for_names_hold_for_extensions() {
    refused(
        Tar::new().pax(&[("path", b"../a")]).file("x", ""),
        "parent-component",
        "../a",
    );
    refused(
        Tar::new().pax(&[("path", b"/a")]).file("x", ""),
        "absolute-path",
        "/a",
    );
    refused(
        Tar::new().long_name("../a").entry(gnu_file("x"), b""),
        "parent-component",
        "../a",
    );
    refused(
        Tar::new().pax(&[("path", b"a/")]).file("x", ""),
        "trailing-slash",
        "a/",
    );
}

/// CPython goes by the header's own path, and makes it a directory.
#[test]
fn an_old_header_that_ends_as_a_directorys_is_refused_whatever_pax_says() {
    let pax = || Tar::new().pax(&[("path", b"a")]);
    let header = Header::new(b'0', b"x/", 0);
    accepted(pax().entry(header.clone(), b""), &["a"]);
    let old = header.put(at::TYPE, &[0]);
    refused(pax().entry(old, b""), "trailing-slash", "a");
}
