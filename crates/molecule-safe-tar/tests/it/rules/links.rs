//! Symbolic and hard links: left out, never followed.

use molecule_safe_tar::{LinkPolicy, Options, SkipReason, Summary};

use super::{accepted, limits, refused, refused_with};
use crate::builder::{Header, Tar, at};
use crate::oracle::read;

fn summary(tar: Tar, options: &Options) -> Summary {
    read(&tar.end()[..], options).unwrap().0
}

#[test]
fn links_are_skipped_and_reported() {
    let tar = Tar::new()
        .symbolic_link("s", "/etc/passwd")
        .hard_link("d/h", "a")
        .file("a", "");
    let summary = summary(tar.clone(), &Options::new());
    let skipped: Vec<_> = summary
        .skipped
        .iter()
        .map(|skip| (skip.name.to_string(), skip.reason))
        .collect();
    assert_eq!(
        skipped,
        [
            ("s".into(), SkipReason::SymbolicLink),
            ("d/h".into(), SkipReason::HardLink)
        ]
    );
    accepted(tar, &["a"]);
}

#[test]
fn a_skipped_link_implies_no_directory() {
    let summary = summary(Tar::new().symbolic_link("d/e/s", "x"), &Options::new());
    assert_eq!((summary.directories, summary.skipped_in_all), (0, 1));
    accepted(
        Tar::new()
            .symbolic_link("d/s", "x")
            .file("d/a", "")
            .symbolic_link("d/t", "x"),
        &["d/a"],
    );
}

#[test]
fn links_are_refused_when_they_are_not_wanted() {
    let options = Options::new().with_links(LinkPolicy::Refuse);
    refused_with(
        &Tar::new().symbolic_link("s", "x").end(),
        &options,
        "link",
        "s",
    );
    refused_with(&Tar::new().hard_link("h", "x").end(), &options, "link", "h");
}

#[test]
fn nothing_is_written_at_or_below_a_skipped_link() {
    for link in [
        Tar::new().symbolic_link("d", "/tmp"),
        Tar::new().hard_link("d", "x"),
    ] {
        refused(link.clone().file("d", ""), "through-link", "d");
        refused(link.clone().directory("d"), "through-link", "d");
        refused(link.clone().file("d/a", ""), "through-link", "d/a");
        refused(
            link.clone().symbolic_link("d/a", "x"),
            "through-link",
            "d/a",
        );
        refused(link.clone().directory("d/e/f"), "through-link", "d/e/f");
        refused(link.file("D/a", ""), "name-collision", "D/a");
    }
}

#[test]
fn a_link_that_repeats_a_path_is_refused() {
    refused(
        Tar::new().file("a", "").symbolic_link("a", "x"),
        "link-repeats-path",
        "a",
    );
    refused(
        Tar::new().file("a", "").hard_link("a", "a"),
        "link-repeats-path",
        "a",
    );
    refused(
        Tar::new().directory("a").symbolic_link("a", "x"),
        "link-repeats-path",
        "a",
    );
    refused(
        Tar::new().file("a/b", "").symbolic_link("a", "x"),
        "link-repeats-path",
        "a",
    );
    refused(
        Tar::new().symbolic_link("a/b", "x").symbolic_link("a", "x"),
        "link-repeats-path",
        "a",
    );
    refused(
        Tar::new().symbolic_link("a", "x").symbolic_link("a", "y"),
        "link-repeats-path",
        "a",
    );
}

#[test]
fn a_file_below_whose_path_a_link_was_skipped_is_refused() {
    refused(
        Tar::new().symbolic_link("a/b", "x").file("a", ""),
        "file-and-directory",
        "a",
    );
}

#[test]
fn the_rules_for_names_hold_for_links() {
    refused(
        Tar::new().symbolic_link("../a", "x"),
        "parent-component",
        "../a",
    );
    refused(Tar::new().hard_link("/a", "x"), "absolute-path", "/a");
}

#[test]
fn long_targets_are_read_and_bounded() {
    let link = |type_flag: u8| Header::new(type_flag, b"s", 0).target(b"cut").gnu();
    let long = "x".repeat(1024);
    accepted(Tar::new().long_target(&long).entry(link(b'2'), b""), &[]);
    accepted(
        Tar::new()
            .pax(&[("linkpath", b"../../\xff")])
            .symbolic_link("s", "cut"),
        &[],
    );
    let longer = "x".repeat(1025);
    refused(
        Tar::new().long_target(&longer).entry(link(b'1'), b""),
        "path-too-long",
        "s",
    );
    refused(
        Tar::new()
            .pax(&[("linkpath", longer.as_bytes())])
            .symbolic_link("s", ""),
        "path-too-long",
        "s",
    );
}

#[test]
fn a_link_without_a_target_is_refused() {
    refused(Tar::new().symbolic_link("s", ""), "empty-link-target", "s");
    refused(Tar::new().hard_link("s", ""), "empty-link-target", "s");
}

/// libarchive makes a hard link of a file with a `linkpath`.
#[test]
fn a_target_of_what_is_no_link_is_refused() {
    let pax = || Tar::new().pax(&[("linkpath", b"x")]);
    refused(pax().file("a", ""), "unexpected-link-target", "a");
    refused(pax().directory("a"), "unexpected-link-target", "a");
    refused(
        Tar::new().long_target("x").file("a", ""),
        "unexpected-link-target",
        "a",
    );
    let header = Header::new(b'0', b"a", 0).put(at::TARGET, b"x");
    refused(Tar::new().entry(header, b""), "unexpected-link-target", "a");
}

#[test]
fn the_list_of_skipped_links_is_bounded_and_their_number_is_not() {
    let tar = (0..5).fold(Tar::new(), |tar, n| {
        tar.symbolic_link(&format!("s{n}"), "x")
    });
    let summary = summary(tar, &limits(|limits| limits.listed_skips = 2));
    assert_eq!((summary.skipped.len(), summary.skipped_in_all), (2, 5));
}
