//! What callers branch on.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use molecule_plugin::safe_tar::{self, Options, UnpackError};
use molecule_plugin::{Manifest, PluginError, PluginErrorKind, PluginName, Sha256Digest};

fn check(error: impl Into<PluginError>, kind: PluginErrorKind, code: &str) {
    let error = error.into();
    assert_eq!(error.kind(), kind, "{error}");
    assert_eq!(error.code(), code, "{error}");
    let message = error.to_string();
    let lower_case = !message.starts_with(|c: char| c.is_uppercase());
    assert!(lower_case && !message.ends_with('.'), "{message}");
    if let Some(source) = error.source() {
        assert!(!message.contains(&source.to_string()), "{message}");
    }
}

fn disk() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

#[test]
fn each_error_has_a_kind_and_a_word() {
    use PluginErrorKind::{Busy, Cancelled, Disk, Integrity, Source, Usage};

    let name: PluginName = "demo".parse().unwrap();
    let path = PathBuf::from("/plugins/demo");
    check(
        "..".parse::<PluginName>().unwrap_err(),
        Usage,
        "plugin-name",
    );
    check("x".parse::<Sha256Digest>().unwrap_err(), Usage, "digest");
    check(UnpackError::Source(disk()), Source, "archive-unreadable");
    check(Manifest::parse(b"").unwrap_err(), Integrity, "manifest");
    let mismatch = PluginError::Mismatch {
        expected_from: "caller",
        expected: Sha256Digest::of("a"),
        actual: Sha256Digest::of("b"),
    };
    check(mismatch, Integrity, "mismatch");
    let foreign = PluginError::Foreign {
        path: path.clone(),
        what: "a symbolic link",
    };
    check(foreign, Integrity, "foreign-file");
    let too_large = PluginError::TooLarge {
        path: path.clone(),
        limit: "200 000 entries",
    };
    check(too_large, Integrity, "too-large");
    let undeclared = PluginError::Undeclared {
        path: path.clone(),
        reason: "there is no such file",
        source: Some(Manifest::parse(b"").unwrap_err()),
    };
    check(undeclared, Usage, "undeclared");
    check(PluginError::Busy(name.clone()), Busy, "busy");
    check(
        PluginError::NotInstalled(name.clone()),
        Usage,
        "not-installed",
    );
    let clash = PluginError::CaseClash {
        name,
        other: "Demo".to_owned(),
    };
    check(clash, Usage, "case-clash");
    let unsafe_directory = PluginError::Unsafe {
        path: path.clone(),
        reason: "can be written by others; restrict it to its owner",
    };
    check(unsafe_directory, Usage, "unsafe-directory");
    let incomparable = PluginError::NothingToCompare {
        path: path.clone(),
        reason: "has no receipt; give the hash to compare with",
    };
    check(incomparable, Usage, "nothing-to-compare");
    check(PluginError::Cancelled, Cancelled, "cancelled");
    let io = PluginError::Io {
        action: "read",
        path: path.clone(),
        source: disk(),
    };
    check(io, Disk, "disk");
    let disk_error = UnpackError::Disk {
        action: "write",
        path: path.clone(),
        source: disk(),
    };
    check(disk_error, Disk, "disk");
    let residue = UnpackError::Residue {
        path,
        cause: Box::new(UnpackError::Source(disk())),
        source: disk(),
    };
    check(residue, Disk, "residue");
}

#[test]
fn a_refused_archive_keeps_the_word_of_the_rule() {
    let archive = b"no archive at all".repeat(40);
    let refused = safe_tar::check_tar(&archive[..], &Options::new(), &mut ()).unwrap_err();
    let UnpackError::Refused(refusal) = &refused else {
        panic!("{refused}");
    };
    let rule = refusal.kind();
    check(refused, PluginErrorKind::Integrity, rule);
}
