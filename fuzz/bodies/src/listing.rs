//! What an archive is found to hold.

use std::collections::BTreeSet;

use molecule_safe_tar::{FileEntry, Limits, Observer, Options, Summary, UnpackError, check_tar};

/// A regular file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) executable: bool,
    pub(crate) content: Vec<u8>,
}

/// The files, in the order of the archive.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) files: Vec<File>,
    announced: u64,
}

impl Observer for Listing {
    fn begin(&mut self, file: FileEntry<'_>) {
        self.announced = file.size;
        self.files.push(File {
            path: file.path.to_owned(),
            executable: file.executable,
            content: Vec::new(),
        });
    }

    fn data(&mut self, bytes: &[u8]) {
        let file = self.files.last_mut().expect("data comes after begin");
        file.content.extend_from_slice(bytes);
    }

    fn end(&mut self) {
        let file = self.files.last().expect("an end comes after begin");
        assert_eq!(
            file.content.len() as u64,
            self.announced,
            "{} has another size than was announced",
            file.path
        );
    }
}

impl Listing {
    /// What must be true of everything that is accepted, whatever the archive was.
    pub(crate) fn check(&self, summary: &Summary) {
        let limits = options().limits;
        let bytes: usize = self.files.iter().map(|file| file.content.len()).sum();
        assert_eq!(summary.files, self.files.len() as u64, "files counted");
        assert_eq!(summary.bytes, bytes as u64, "bytes counted");
        assert!(summary.bytes <= limits.total_bytes, "too many bytes");
        assert!(
            summary.files + summary.directories <= u64::from(limits.entries),
            "too many entries"
        );
        assert!(summary.skipped.len() <= limits.listed_skips);
        self.files.iter().for_each(|file| check_path(&file.path));
        self.no_two_in_one_place();
    }

    fn no_two_in_one_place(&self) {
        let paths: BTreeSet<&str> = self.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths.len(), self.files.len(), "a path occurs twice");
        for path in &paths {
            let mut parents = path.match_indices('/').map(|(end, _)| &path[..end]);
            assert!(
                !parents.any(|parent| paths.contains(parent)),
                "{path} lies below a file"
            );
        }
    }
}

fn check_path(path: &str) {
    let limits = options().limits;
    let components: Vec<_> = path.split('/').collect();
    assert!(path.len() <= limits.path_bytes, "{path:?} is too long");
    assert!(components.len() <= limits.depth, "{path:?} is too deep");
    for component in components {
        assert!(
            !matches!(component, "" | "." | ".."),
            "{path:?} has a component that leads elsewhere"
        );
        assert!(component.len() <= limits.component_bytes);
    }
    assert!(
        !path.contains(|c: char| c.is_control() || c == '\\' || c == ':'),
        "{path:?} has a character that no portable name has"
    );
}

/// Small limits, so that inputs of a few kilobytes reach them.
pub(crate) fn options() -> Options {
    let mut limits = Limits::default();
    limits.compressed_bytes = 256 << 10;
    limits.total_bytes = 64 << 10;
    limits.file_bytes = 48 << 10;
    limits.entries = 40;
    limits.ratio = 50;
    limits.ratio_floor = 32 << 10;
    limits.depth = 8;
    limits.path_bytes = 300;
    limits.extension_bytes = 2 << 10;
    limits.listed_skips = 4;
    Options::new().with_limits(limits)
}

/// Reads a bare archive; whatever is accepted keeps the promises, and whatever is refused says so in a line.
pub(crate) fn read(archive: &[u8]) -> Option<(Listing, Summary)> {
    let mut listing = Listing::default();
    match check_tar(archive, &options(), &mut listing) {
        Ok(summary) => {
            listing.check(&summary);
            Some((listing, summary))
        }
        Err(error) => {
            check_error(&error);
            None
        }
    }
}

/// An error is one line that is safe to print, and no disk was involved.
pub(crate) fn check_error(error: &UnpackError) {
    let text = error.to_string();
    assert!(!text.is_empty() && text.len() < 10_000, "{text:?}");
    assert!(!text.contains(char::is_control), "{text:?}");
    assert!(
        matches!(error, UnpackError::Refused(_) | UnpackError::Source(_)),
        "{error:?}"
    );
}
