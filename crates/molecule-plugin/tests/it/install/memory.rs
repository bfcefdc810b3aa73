//! How much memory the worst archive takes.

use super::child::Process;
use super::{Files, Home, archive, with_setup};

/// What a whole installation may take, in KiB. The store's own limits on an archive allow 4 MiB of paths and 100 MiB of content.
const LIMIT: u64 = 64 << 10;

/// As many files as an archive may have, with nearly as many bytes of paths: empty, so that the archive is small, and under names that
/// a receipt escapes.
fn worst() -> Files {
    let mut files = with_setup("echo made >made");
    let tail = "é".repeat(100);
    files.extend((0..19_900).map(|number| (format!("{number:05}{tail}"), String::new())));
    files
}

#[test]
fn the_worst_archive_is_installed_listed_and_verified_within_64_mib() {
    let home = Home::new();
    let packed = archive(&worst());
    assert!(packed.len() < 1 << 20, "{} bytes", packed.len());
    let path = home.file("worst.tgz", &packed);
    let (dir, path) = (home.dir().display(), path.display());
    let peak = Process::start().ask(&format!("memory {dir} {path}"));
    let peak: u64 = peak.parse().unwrap();
    assert!(peak < LIMIT, "{peak} KiB");
}
