//! Every seed and every past crash, through the same code as the fuzzer; and the files that belong to a target are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use molecule_fuzz_bodies::TARGETS;
use molecule_safe_tar::Options;

fn fuzz() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the bodies lie in the folder of the targets")
}

/// The names in a folder, without their extension. A folder that is not there is empty.
fn names(folder: &str) -> BTreeSet<String> {
    let name = |path: &PathBuf| {
        path.file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
    };
    paths(folder).iter().filter_map(name).collect()
}

fn paths(folder: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(fuzz().join(folder)) else {
        return Vec::new();
    };
    entries
        .map(|entry| entry.expect("a folder is listed").path())
        .collect()
}

/// Runs every target on what is in its folder below `kind`, and returns how many inputs there were.
fn replay(kind: &str) -> usize {
    let mut count = 0;
    for target in TARGETS {
        for path in paths(&format!("{kind}/{}", target.name)) {
            let input = fs::read(&path).expect("an input is read");
            let outcome = std::panic::catch_unwind(|| (target.run)(&input));
            assert!(
                outcome.is_ok(),
                "{} fails on {}",
                target.name,
                path.display()
            );
            count += 1;
        }
    }
    count
}

#[test]
fn every_seed_passes() {
    assert!(replay("seeds") >= 2 * TARGETS.len());
}

#[test]
fn every_past_crash_passes() {
    replay("crashes");
}

#[test]
fn every_target_passes_on_nothing_and_on_noise() {
    let noise: Vec<u8> = (0..4096_u32).map(|n| (n * n % 251) as u8).collect();
    for target in TARGETS {
        (target.run)(&[]);
        (target.run)(&noise);
    }
}

#[test]
fn a_target_is_a_program_of_its_name_with_seeds_and_nothing_else_lies_about() {
    let targets: BTreeSet<_> = TARGETS
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    assert_eq!(names("fuzz_targets"), targets);
    assert_eq!(names("seeds"), targets);
    assert!(names("crashes").is_subset(&targets));
    assert!(names("dictionaries").is_subset(&targets));
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for target in &targets {
        assert!(
            manifest.contains(&format!("name = \"{target}\"")),
            "{target}"
        );
    }
}

/// A fuzzer that starts from nothing but refusals never sees the rest.
#[test]
fn some_seeds_are_accepted_and_the_oddities_are_not() {
    for path in paths("seeds/unpack_tar") {
        let archive = fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let outcome = molecule_safe_tar::check_tar(&*archive, &Options::new(), &mut ());
        assert_eq!(
            outcome.is_ok(),
            ACCEPTED.contains(&name),
            "{name}: {outcome:?}"
        );
    }
}

const ACCEPTED: [&str; 12] = [
    "ustar",
    "gnu",
    "pax",
    "empty",
    "dot",
    "links",
    "prefix",
    "comment",
    "pax-path",
    "pax-size",
    "gnu-long",
    "gnu-long-link",
];
