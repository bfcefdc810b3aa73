//! What holds for any archive.

use std::collections::BTreeMap;

use molecule_safe_tar::{EntryName, NamePolicy, Options, UnpackError};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use tar::{Builder, EntryType, Header};

use crate::builder::{Tar, record};
use crate::oracle::{agree, read};

/// Characters that matter to some rule, and some that do not.
const ALPHABET: &str =
    "[a-cA-C0-9./~:\\\\ \\-_éß\u{0}-\u{8}\u{7f}\u{85}\u{ad}\u{200b}\u{202e}\u{e000}ſ日]{0,24}";

fn one_file(path: &str) -> Vec<u8> {
    Tar::new()
        .pax_body(&record("path", path.as_bytes()))
        .file("x", "")
        .end()
}

/// A path that may be written, said in other words than the rules say it: on POSIX systems.
fn is_valid(path: &str) -> bool {
    let forbidden = regex_syntax::parse(r"[\p{Cc}\p{Cf}\p{Co}\\]").unwrap();
    let regex_syntax::hir::HirKind::Class(regex_syntax::hir::Class::Unicode(forbidden)) =
        forbidden.kind()
    else {
        panic!("a class of characters");
    };
    let allowed = |c: char| {
        !forbidden
            .iter()
            .any(|range| (range.start()..=range.end()).contains(&c))
    };
    let mut parts = path.split('/').rev();
    let names_file = parts
        .next()
        .is_some_and(|last| !matches!(last, "" | "." | ".."));
    names_file && parts.all(|part| !matches!(part, "" | "..")) && path.chars().all(allowed)
}

proptest! {
    #[test]
    fn exactly_the_valid_paths_are_accepted(path in ALPHABET) {
        let posix = Options::new().with_names(NamePolicy::Posix);
        let result = agree(&one_file(&path), &posix);
        prop_assert_eq!(result.is_ok(), is_valid(&path), "{:?}", result);
    }

    #[test]
    fn portable_paths_are_posix_paths_too(path in ALPHABET) {
        let posix = Options::new().with_names(NamePolicy::Posix);
        if let Ok(files) = agree(&one_file(&path), &Options::new()) {
            prop_assert!(files[0].path.split('/').all(|part| !part.ends_with(['.', ' ']) && !part.contains(':')));
            prop_assert_eq!(agree(&one_file(&path), &posix).unwrap(), files);
        }
    }

    #[test]
    fn a_name_is_shown_without_anything_that_could_deceive(raw in vec(any::<u8>(), 0..300)) {
        let shown = EntryName::new(&raw).to_string();
        prop_assert!(shown.chars().all(|c| c.is_alphanumeric() || matches!(c, ' '..='~')), "{}", shown);
        prop_assert!(shown.chars().count() < 190, "{}", shown.len());
    }

    #[test]
    fn a_text_is_shown_without_anything_that_could_deceive(raw in "\\PC{0,60}") {
        let shown = EntryName::new(raw.as_bytes()).to_string();
        prop_assert!(shown.chars().all(|c| c.is_alphanumeric() || matches!(c, ' '..='~')), "{}", shown);
    }

    #[test]
    fn what_the_tar_crate_writes_is_read_alike(files in files(), gnu in any::<bool>()) {
        let archive = written(&files, gnu);
        let seen = agree(&archive, &Options::new()).unwrap();
        let expected: Vec<_> = files.iter().map(|(path, (content, executable))| (path, content, executable)).collect();
        let seen: Vec<_> = seen.iter().map(|file| (&file.path, &file.content, &file.executable)).collect();
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn a_damaged_archive_is_refused_or_read_alike(
        archive in archives(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        sealed in any::<bool>(),
    ) {
        let mut archive = archive;
        for (at, byte) in damage {
            let at = at.index(archive.len());
            archive[at] = byte;
            if sealed {
                seal(&mut archive, at);
            }
        }
        refused_or_read_alike(&archive);
    }

    #[test]
    fn an_archive_with_blocks_moved_is_refused_or_read_alike(
        archive in archives(),
        moves in vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..3),
    ) {
        let mut blocks: Vec<&[u8]> = archive.chunks(512).collect();
        for (from, to) in moves {
            let block = blocks.remove(from.index(blocks.len()));
            blocks.insert(to.index(blocks.len() + 1), block);
        }
        refused_or_read_alike(&blocks.concat());
    }

    #[test]
    fn any_bytes_are_refused_or_read_alike(bytes in vec(any::<u8>(), 0..3000)) {
        refused_or_read_alike(&bytes);
    }
}

/// A rule is broken and it says which, or the `tar` crate reads the same.
fn refused_or_read_alike(archive: &[u8]) {
    match read(archive, &Options::new()) {
        Ok(_) => drop(agree(archive, &Options::new()).unwrap()),
        Err(UnpackError::Refused(refusal)) => assert!(!refusal.to_string().is_empty()),
        Err(other) => panic!("{other:?}"),
    }
}

type Files = BTreeMap<String, (Vec<u8>, bool)>;

/// Names that do not collide: a directory's name has one letter, a file's two or many.
fn files() -> impl Strategy<Value = Files> {
    let path = "([a-e]/){0,3}[a-z]{2}|([a-e]/){0,40}[a-z]{120,140}é";
    btree_map(path, (vec(any::<u8>(), 0..1500), any::<bool>()), 0..8)
}

fn written(files: &Files, gnu: bool) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (path, (content, executable)) in files {
        let mut header = if gnu {
            Header::new_gnu()
        } else {
            Header::new_ustar()
        };
        header.set_entry_type(EntryType::Regular);
        header.set_mode(if *executable { 0o755 } else { 0o600 });
        header.set_size(content.len() as u64);
        builder
            .append_data(&mut header, path, &content[..])
            .unwrap();
    }
    builder.into_inner().unwrap()
}

/// An archive with something of everything.
fn archives() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        "[a-c]{1,2}(/[a-c]){0,2}".prop_map(Part::File),
        "[d-e]{1,2}(/[d-e]){0,2}/?".prop_map(Part::Directory),
        "[f-g]{1,2}".prop_map(Part::Link),
        "[h-k]{1,3}".prop_map(Part::Pax),
        "[l-n]{1,3}".prop_map(Part::Long),
        "[a-z]{1,9}".prop_map(Part::Comment),
    ];
    vec(part, 0..6).prop_map(|parts| parts.iter().fold(Tar::new(), Part::add).end())
}

#[derive(Debug)]
enum Part {
    File(String),
    Directory(String),
    Link(String),
    Pax(String),
    Long(String),
    Comment(String),
}

impl Part {
    fn add(tar: Tar, part: &Self) -> Tar {
        match part {
            Self::File(path) => tar.file(path, path.repeat(200)),
            Self::Directory(path) => tar.directory(path),
            Self::Link(path) => tar.symbolic_link(path, "a"),
            Self::Pax(path) => tar
                .pax(&[("mtime", b"1.5"), ("path", path.as_bytes()), ("size", b"4")])
                .file("x", "text"),
            Self::Long(path) => tar.long_name(path).file("y", "text"),
            Self::Comment(text) => tar.global(&[("comment", text.as_bytes())]),
        }
    }
}

/// Makes the checksum of a block right again, as an attacker would.
fn seal(archive: &mut [u8], at: usize) {
    let begin = at / 512 * 512;
    let block = &mut archive[begin..begin + 512];
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}
