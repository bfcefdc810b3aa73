//! How much memory hostile archives take. Each is read by a process of its own: this test binary again, running the one ignored
//! test below.

use std::io::Read;
use std::process::Command;

use molecule_safe_tar::{Options, UnpackError, check_tar};

use crate::builder::{Header, Tar};

/// What no archive may exceed, in KiB, with all that the test binary itself takes.
const BOUND: u64 = 64 << 10;

/// The environment variable that names the archive for the child.
const ARCHIVE: &str = "MOLECULE_SAFE_TAR_TEST_ARCHIVE";

/// Hostile archives, part by part, so that none is in memory as a whole.
fn parts(archive: &str) -> Box<dyn Iterator<Item = Vec<u8>>> {
    match archive {
        "names" => Box::new((0..16_000).map(|n| named(&long_name(n)))),
        "depths" => Box::new((0..600).map(|n| named(&deep_name(n)))),
        "attributes" => Box::new((0..200).map(attributes)),
        other => panic!("{other}"),
    }
}

/// As long as a component may be, of characters whose collision key is three times as long.
fn long_name(n: usize) -> String {
    format!("{n:05}{}", "\u{390}".repeat(125))
}

/// Directories that no other path shares.
fn deep_name(n: usize) -> String {
    let component = |depth: usize| format!("{n:04}-{depth:02}\u{390}\u{390}\u{390}");
    (0..33).map(component).collect::<Vec<_>>().join("/")
}

fn named(name: &str) -> Vec<u8> {
    let header = Header::new(b'0', b"cut", 0).gnu();
    Tar::new().long_name(name).entry(header, b"").open()
}

fn attributes(n: usize) -> Vec<u8> {
    let keys: Vec<String> = (0..2_000)
        .map(|key| format!("SCHILY.xattr.{key}"))
        .collect();
    let records: Vec<(&str, &[u8])> = keys.iter().map(|key| (key.as_str(), &b"1"[..])).collect();
    Tar::new().pax(&records).file(n.to_string(), "").open()
}

/// Reads parts one after the other.
struct Stream<I>(I, Vec<u8>);

impl<I: Iterator<Item = Vec<u8>>> Read for Stream<I> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.1.is_empty() {
            self.1 = self.0.next().unwrap_or_default();
        }
        let read = buffer.len().min(self.1.len());
        buffer[..read].copy_from_slice(&self.1[..read]);
        self.1.drain(..read);
        Ok(read)
    }
}

#[test]
#[ignore = "the child of the other test"]
#[expect(clippy::disallowed_methods, reason = "the parent names the archive")]
fn child() {
    let archive = std::env::var(ARCHIVE).unwrap();
    let end = std::iter::once(vec![0; 1024]);
    let result = check_tar(
        Stream(parts(&archive).chain(end), Vec::new()),
        &Options::new(),
        &mut (),
    );
    match result {
        Ok(summary) => assert!(summary.files + summary.skipped_in_all >= 200),
        Err(UnpackError::Refused(refusal)) => assert_eq!(refusal.kind(), "too-many-bytes"),
        Err(other) => panic!("{other}"),
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    println!("{peak}");
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the peak is read from /proc")]
#[expect(clippy::disallowed_methods, reason = "the peak is that of a process")]
fn hostile_archives_take_little_memory() {
    for archive in ["names", "depths", "attributes"] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "memory::child", "--ignored", "--nocapture"])
            .env(ARCHIVE, archive)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{archive}: {text}");
        let mut words = text.split_whitespace().skip_while(|word| *word != "VmHWM:");
        let peak: u64 = words.nth(1).unwrap().parse().unwrap();
        assert!(peak < BOUND, "{archive}: {peak} KiB");
        println!("{archive}: {peak} KiB");
    }
}
