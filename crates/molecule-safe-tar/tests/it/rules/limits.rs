//! How much an archive may ask for. Each limit is met exactly, and exceeded by one.

use molecule_safe_tar::Options;

use super::{accepted_with, limits, refused_with};
use crate::builder::{Header, Tar};

/// Accepted at the limit, refused beyond.
#[track_caller]
fn check(within: Tar, beyond: Tar, options: &Options, kind: &str, entry: &str) {
    accepted_with(within, options);
    refused_with(&beyond.end(), options, kind, entry);
}

#[test]
fn a_file_is_bounded() {
    let options = limits(|limits| limits.file_bytes = 10);
    check(
        Tar::new().file("a", [1; 10]),
        Tar::new().file("a", [1; 11]),
        &options,
        "file-too-large",
        "a",
    );
}

#[test]
fn a_declared_size_is_refused_before_it_is_read() {
    let archive = Tar::new()
        .entry(Header::new(b'0', b"a", 0o777_7777_7777), b"")
        .open();
    refused_with(&archive, &Options::new(), "file-too-large", "a");
    let archive = Tar::new()
        .entry(Header::new(b'x', b"x", 0o777_7777_7777), b"")
        .open();
    refused_with(&archive, &Options::new(), "extension-too-large", "x");
}

#[test]
fn all_files_together_are_bounded() {
    let options = limits(|limits| limits.total_bytes = 20);
    let tar = Tar::new().file("a", [1; 10]);
    check(
        tar.clone().file("b", [1; 10]),
        tar.file("b", [1; 11]),
        &options,
        "too-many-bytes",
        "b",
    );
}

#[test]
fn extension_headers_count_as_bytes() {
    let options = limits(|limits| limits.total_bytes = 20);
    let tar = |size: usize| Tar::new().pax(&[("path", b"a")]).file("x", vec![1; size]);
    check(tar(11), tar(12), &options, "too-many-bytes", "a");
    let global = Tar::new().global(&[("comment", &[b'c'; 10])]);
    refused_with(
        &global.end(),
        &options,
        "too-many-bytes",
        "pax_global_header",
    );
}

#[test]
fn entries_are_bounded() {
    let options = limits(|limits| limits.entries = 2);
    let files = |count: usize| (0..count).fold(Tar::new(), |tar, n| tar.file(n.to_string(), ""));
    check(files(2), files(3), &options, "too-many-entries", "2");
    let again = Tar::new().directory("d").directory("d");
    check(
        again.clone(),
        again.directory("d"),
        &options,
        "too-many-entries",
        "d",
    );
    let links = Tar::new().symbolic_link("a", "x").hard_link("b", "x");
    check(
        links.clone(),
        links.symbolic_link("c", "x"),
        &options,
        "too-many-entries",
        "c",
    );
    let top = Tar::new().directory(".").directory(".");
    check(
        top.clone(),
        top.directory("."),
        &options,
        "too-many-entries",
        ".",
    );
}

#[test]
fn implied_directories_are_entries() {
    let options = limits(|limits| limits.entries = 3);
    check(
        Tar::new().file("a/b/c", ""),
        Tar::new().file("a/b/c/d", ""),
        &options,
        "too-many-entries",
        "a/b/c/d",
    );
    check(
        Tar::new().symbolic_link("a/b/c", "x"),
        Tar::new().symbolic_link("a/b/c/d", "x"),
        &options,
        "too-many-entries",
        "a/b/c/d",
    );
    let known = Tar::new().file("a/x", "").file("a/y", "");
    check(
        known.clone(),
        known.file("a/z", ""),
        &options,
        "too-many-entries",
        "a/z",
    );
}

#[test]
fn paths_are_counted_together() {
    let options = limits(|limits| limits.names_bytes = 6);
    let tar = Tar::new().file("a/b", "").directory("c/d");
    check(
        tar.clone(),
        tar.symbolic_link("e", "f"),
        &options,
        "too-many-name-bytes",
        "e",
    );
}

#[test]
fn global_headers_are_entries() {
    let options = limits(|limits| limits.entries = 2);
    let tar = Tar::new().global(&[("comment", b"c")]);
    check(
        tar.clone().file("a", ""),
        tar.clone()
            .global(&[("comment", b"c")])
            .global(&[("comment", b"c")]),
        &options,
        "too-many-entries",
        "pax_global_header",
    );
}

#[test]
fn depth_is_bounded() {
    let path = |depth: usize| vec!["d"; depth].join("/");
    let tar = |depth: usize| {
        Tar::new()
            .pax(&[("path", path(depth).as_bytes())])
            .file("x", "")
    };
    check(tar(64), tar(65), &Options::new(), "too-deep", &path(65));
}

#[test]
fn a_path_is_bounded() {
    let path = |bytes: usize| {
        format!(
            "{}/{}",
            vec!["d".repeat(99); 10].join("/"),
            "x".repeat(bytes - 1000)
        )
    };
    let shown = format!("{}... (1025 bytes)", &path(1025)[..160]);
    let tar = |bytes: usize| {
        Tar::new()
            .pax(&[("path", path(bytes).as_bytes())])
            .file("x", "")
    };
    check(
        tar(1024),
        tar(1025),
        &Options::new(),
        "path-too-long",
        &shown,
    );
}

#[test]
fn a_component_is_bounded() {
    let tar = |bytes: usize| {
        Tar::new()
            .pax(&[("path", "x".repeat(bytes).as_bytes())])
            .file("x", "")
    };
    let shown = format!("{}... (256 bytes)", "x".repeat(160));
    check(
        tar(255),
        tar(256),
        &Options::new(),
        "component-too-long",
        &shown,
    );
}

#[test]
fn an_extension_header_is_bounded() {
    let options = limits(|limits| limits.extension_bytes = 12);
    let pax = |path: &str| Tar::new().pax(&[("path", path.as_bytes())]).file("x", "");
    check(
        pax("abc"),
        pax("abcd"),
        &options,
        "extension-too-large",
        "PaxHeaders/x",
    );
    let gnu = |name: &str| {
        Tar::new()
            .long_name(name)
            .entry(Header::new(b'0', b"x", 0).gnu(), b"")
    };
    check(
        gnu("abcdefghijk"),
        gnu("abcdefghijkl"),
        &options,
        "extension-too-large",
        "././@LongLink",
    );
    let global = |comment: &str| Tar::new().global(&[("comment", comment.as_bytes())]);
    refused_with(
        &global("a").end(),
        &options,
        "extension-too-large",
        "pax_global_header",
    );
}

#[test]
fn extension_headers_before_one_entry_are_bounded() {
    let options = limits(|limits| limits.extensions_per_entry = 1);
    let link = Header::new(b'2', b"s", 0).gnu().target(b"x");
    let one = |tar: Tar| tar.long_name("n").entry(link.clone(), b"");
    let two = Tar::new()
        .long_name("n")
        .long_target("t")
        .entry(link.clone(), b"");
    check(
        one(Tar::new()).pax(&[("path", b"b")]).file("a", ""),
        two,
        &options,
        "too-many-extensions",
        "././@LongLink",
    );
}
