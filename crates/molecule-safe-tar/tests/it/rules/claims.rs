//! Two entries for one path.

use molecule_safe_tar::EntryName;

use super::{accepted, posix, refused, refused_with};
use crate::builder::Tar;

fn pair(first: &str, second: &str) -> Tar {
    Tar::new().file(first, "1").file(second, "2")
}

/// Refused in any order, of any type, whatever the policy.
#[track_caller]
fn collide(first: &str, second: &str) {
    let shown = |path: &str| EntryName::new(path.as_bytes()).to_string();
    let refused = |tar, path| refused(tar, "name-collision", &shown(path));
    refused(pair(first, second), second);
    refused(pair(second, first), first);
    refused(Tar::new().directory(first).directory(second), second);
    refused(
        Tar::new().symbolic_link(first, "x").file(second, ""),
        second,
    );
    refused_with(
        &pair(first, second).end(),
        &posix(),
        "name-collision",
        &shown(second),
    );
}

#[test]
fn a_path_twice_is_refused() {
    refused(pair("a", "a"), "duplicate", "a");
    refused(pair("a", "./a"), "duplicate", "./a");
    refused(pair("d/a", "d/./a"), "duplicate", "d/./a");
    refused(
        Tar::new()
            .file("a", "")
            .pax(&[("path", b"a")])
            .file("b", ""),
        "duplicate",
        "a",
    );
}

#[test]
fn a_directory_may_be_listed_again() {
    let tar = Tar::new()
        .directory("d")
        .file("d/a", "")
        .directory("d/")
        .file("e/b", "")
        .directory("e");
    accepted(tar, &["d/a", "e/b"]);
}

#[test]
fn a_file_and_a_directory_of_one_path_are_refused() {
    refused(
        Tar::new().file("a", "").directory("a"),
        "file-and-directory",
        "a",
    );
    refused(
        Tar::new().directory("a").file("a", ""),
        "file-and-directory",
        "a",
    );
    refused(pair("a", "a/b"), "file-and-directory", "a/b");
    refused(pair("a/b", "a"), "file-and-directory", "a");
    refused(pair("a/b/c", "a/b"), "file-and-directory", "a/b");
    refused(
        Tar::new().file("a", "").symbolic_link("a/b", "x"),
        "file-and-directory",
        "a/b",
    );
}

#[test]
fn names_that_differ_in_case_are_refused() {
    collide("README.md", "readme.md");
    collide("a/x", "A/x");
    collide("Straße", "STRASSE");
    collide("\u{fb03}", "ffi");
    collide("\u{212a}", "k");
    collide("ΣΑΣ", "σας");
}

#[test]
fn names_that_differ_in_composition_are_refused() {
    collide("\u{e9}", "e\u{301}");
    collide("d\u{e9}/x", "de\u{301}/x");
    collide("\u{c5}", "\u{212b}");
    collide("\u{1e69}", "s\u{307}\u{323}");
}

#[test]
fn the_message_names_both_spellings() {
    let archive = pair("d/Readme", "D/other").end();
    let message = super::refusal(&archive, &posix()).to_string();
    assert!(message.contains("\"D/other\" and \"d\""), "{message}");
}

#[test]
fn directories_that_differ_in_spelling_are_refused_below_the_top_too() {
    collide("a/b/c/x", "a/B/c/y");
    refused(pair("a/b/x", "a/B/y"), "name-collision", "a/B/y");
}

#[test]
fn one_name_in_two_directories_is_no_collision() {
    accepted(pair("a/readme", "b/README"), &["a/readme", "b/README"]);
    accepted(pair("ab/c", "a/bc"), &["ab/c", "a/bc"]);
    accepted(pair("\u{e9}", "\u{e8}"), &["\u{e9}", "\u{e8}"]);
}
