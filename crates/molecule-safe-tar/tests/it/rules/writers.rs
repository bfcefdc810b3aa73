//! Archives as trusted programs write them.

use std::io::Read;

use molecule_safe_tar::Options;
use tar::{Builder, EntryType, Header, HeaderMode};

use crate::oracle::{Seen, agree, read};

fn header(mut header: Header, kind: EntryType, size: u64) -> Header {
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o755);
    header.set_cksum();
    header
}

/// Writes with the `tar` crate, and reads as it does.
fn check(write: impl FnOnce(&mut Builder<Vec<u8>>), paths: &[&str]) {
    let mut builder = Builder::new(Vec::new());
    builder.mode(HeaderMode::Deterministic);
    write(&mut builder);
    let files: Vec<Seen> = agree(&builder.into_inner().unwrap(), &Options::new()).unwrap();
    let seen: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(seen, paths);
}

#[test]
fn what_the_tar_crate_writes_is_accepted() {
    let long = "directory/".repeat(40) + "file";
    for new in [Header::new_ustar, Header::new_gnu] {
        let write = |builder: &mut Builder<Vec<u8>>| {
            for path in ["plugin.yaml", "größe/a", &long] {
                let mut header = header(new(), EntryType::Regular, 4);
                builder
                    .append_data(&mut header, path, &b"text"[..])
                    .unwrap();
            }
            let mut link = header(new(), EntryType::Symlink, 0);
            builder
                .append_link(&mut link, "link", long.replace("file", "other"))
                .unwrap();
        };
        check(write, &["plugin.yaml", "größe/a", &long]);
    }
}

#[test]
fn pax_headers_of_the_tar_crate_are_accepted() {
    let write = |builder: &mut Builder<Vec<u8>>| {
        builder
            .append_pax_extensions([("path", &b"named/so"[..]), ("mtime", b"1.5")])
            .unwrap();
        let mut header = header(Header::new_ustar(), EntryType::Regular, 0);
        builder.append_data(&mut header, "short", &b""[..]).unwrap();
    };
    check(write, &["named/so"]);
}

#[test]
fn a_directory_packed_by_the_tar_crate_is_accepted() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("rules")).unwrap();
    std::fs::write(directory.path().join("rules/r.md"), "text").unwrap();
    check(
        |builder| builder.append_dir_all("", directory.path()).unwrap(),
        &["rules/r.md"],
    );
    check(
        |builder| builder.append_dir_all(".", directory.path()).unwrap(),
        &["rules/r.md"],
    );
}

/// An archive of one and the same directory, written by another program.
macro_rules! fixture {
    ($name:literal) => {
        inflate(include_bytes!(concat!(
            "../../fixtures/writers/",
            $name,
            ".tar.gz"
        )))
    };
}

fn inflate(archive: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(archive)
        .read_to_end(&mut tar)
        .unwrap();
    tar
}

fn check_fixture(archive: &[u8], files: usize, links: u64) {
    let (summary, seen) = read(archive, &Options::new()).unwrap();
    assert_eq!((seen.len(), summary.skipped_in_all), (files, links));
    assert_eq!(agree(archive, &Options::new()).unwrap(), seen);
    let file = |path: &str| seen.iter().find(|file| file.path == path).unwrap();
    assert_eq!(file("plugin.yaml").content, b"name: demo\n");
    assert_eq!(file("rules/größe.md").content, b"u\n");
    assert!(file("setup.sh").executable && !file("rules/r.md").executable);
}

#[test]
fn what_gnu_tar_writes_is_accepted() {
    check_fixture(&fixture!("gnu-gnu"), 6, 1);
    check_fixture(&fixture!("gnu-oldgnu"), 6, 1);
    check_fixture(&fixture!("gnu-ustar"), 5, 1);
    check_fixture(&fixture!("gnu-posix"), 6, 1);
}

#[test]
fn what_python_writes_is_accepted() {
    check_fixture(&fixture!("python-gnu"), 6, 1);
    check_fixture(&fixture!("python-pax"), 6, 1);
    check_fixture(&fixture!("python-ustar"), 4, 0);
}

#[test]
fn what_git_writes_is_accepted() {
    check_fixture(&fixture!("git"), 6, 1);
}

#[test]
fn what_node_writes_is_accepted() {
    check_fixture(&fixture!("node"), 6, 1);
}

/// No program in use writes it unless it is told to.
#[test]
fn the_format_before_ustar_is_refused() {
    super::refused_with(&fixture!("gnu-v7"), &Options::new(), "unknown-format", "./");
}
