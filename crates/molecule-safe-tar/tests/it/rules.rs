//! One test for each rule, over archives made by hand.

mod claims;
mod end;
mod extensions;
mod headers;
mod limits;
mod links;
mod names;
mod writers;

use molecule_safe_tar::{Limits, NamePolicy, Options, Refusal, UnpackError};

use crate::builder::Tar;
use crate::oracle::{Seen, agree, read};

/// The rule that an archive breaks.
fn refusal(archive: &[u8], options: &Options) -> Refusal {
    match read(archive, options) {
        Err(UnpackError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

/// Refused by this rule because of this entry, which the message names too.
#[track_caller]
fn refused_with(archive: &[u8], options: &Options, kind: &str, entry: &str) {
    let refusal = refusal(archive, options);
    let named = refusal.entry().map(ToString::to_string);
    assert_eq!(
        (refusal.kind(), named.as_deref()),
        (kind, Some(entry)),
        "{refusal}"
    );
    assert!(
        refusal.to_string().contains(&format!("\"{entry}\"")),
        "{refusal}"
    );
}

#[track_caller]
fn refused(tar: Tar, kind: &str, entry: &str) {
    refused_with(&tar.end(), &Options::new(), kind, entry);
}

/// Refused by a rule that is about no entry.
#[track_caller]
fn refused_as_a_whole(archive: &[u8], kind: &str) {
    let refusal = refusal(archive, &Options::new());
    assert_eq!((refusal.kind(), refusal.entry()), (kind, None), "{refusal}");
}

/// Accepted, and read alike by the `tar` crate.
#[track_caller]
fn accepted_with(tar: Tar, options: &Options) -> Vec<Seen> {
    agree(&tar.end(), options).unwrap()
}

/// Accepted with these files.
#[track_caller]
fn accepted(tar: Tar, paths: &[&str]) {
    let files = accepted_with(tar, &Options::new());
    let seen: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(seen, paths);
}

fn posix() -> Options {
    Options::new().with_names(NamePolicy::Posix)
}

fn limits(change: impl FnOnce(&mut Limits)) -> Options {
    let mut limits = Limits::default();
    change(&mut limits);
    Options::new().with_limits(limits)
}
