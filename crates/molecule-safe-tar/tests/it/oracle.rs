//! What an archive holds, to us and to the `tar` crate.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Component, Path};

use molecule_safe_tar::{FileEntry, Observer, Options, Summary, UnpackError, check_tar};
use tar::EntryType;

/// A file as a reader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) content: Vec<u8>,
    pub(crate) executable: bool,
}

/// Collects the files, and holds the reader to what it promises about their sizes.
#[derive(Debug, Default)]
struct Collector {
    files: Vec<Seen>,
    expected: u64,
}

impl Observer for Collector {
    fn begin(&mut self, file: FileEntry<'_>) {
        self.expected = file.size;
        self.files.push(Seen {
            path: file.path.to_owned(),
            content: Vec::new(),
            executable: file.executable,
        });
    }

    fn data(&mut self, bytes: &[u8]) {
        self.files
            .last_mut()
            .unwrap()
            .content
            .extend_from_slice(bytes);
    }

    fn end(&mut self) {
        assert_eq!(
            self.files.last().unwrap().content.len() as u64,
            self.expected
        );
    }
}

/// What we see.
pub(crate) fn read(
    archive: impl Read,
    options: &Options,
) -> Result<(Summary, Vec<Seen>), UnpackError> {
    let mut collector = Collector::default();
    let summary = check_tar(archive, options, &mut collector)?;
    Ok((summary, collector.files))
}

/// What the `tar` crate sees.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Oracle {
    pub(crate) files: Vec<Seen>,
    /// Listed and implied.
    pub(crate) directories: BTreeSet<String>,
    pub(crate) links: u64,
}

impl Oracle {
    pub(crate) fn read(archive: &[u8]) -> Self {
        let mut oracle = Self::default();
        for entry in tar::Archive::new(archive).entries().unwrap() {
            oracle.take(entry.unwrap());
        }
        oracle
    }

    fn take(&mut self, mut entry: tar::Entry<'_, &[u8]>) {
        let path = |entry: &tar::Entry<'_, _>| normal(&entry.path().unwrap());
        match entry.header().entry_type() {
            EntryType::Regular => {
                let path = path(&entry);
                self.imply(&path);
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                let executable = entry.header().mode().unwrap_or(0) & 0o100 != 0;
                self.files.push(Seen {
                    path,
                    content,
                    executable,
                });
            }
            EntryType::Directory => self.imply(&format!("{}/", path(&entry))),
            EntryType::Symlink | EntryType::Link => self.links += 1,
            EntryType::XGlobalHeader => {}
            other => panic!("{other:?} was accepted"),
        }
    }

    fn imply(&mut self, path: &str) {
        let ends = path
            .match_indices('/')
            .map(|(end, _)| end)
            .filter(|end| *end > 0);
        self.directories
            .extend(ends.map(|end| path[..end].to_owned()));
    }
}

fn normal(path: &Path) -> String {
    let component = |component| match component {
        Component::CurDir => None,
        Component::Normal(name) => Some(name.to_str().unwrap().to_owned()),
        other => panic!("{other:?} was accepted"),
    };
    path.components()
        .filter_map(component)
        .collect::<Vec<_>>()
        .join("/")
}

/// Accepts an archive, and compares it with what the `tar` crate reads.
pub(crate) fn agree(archive: &[u8], options: &Options) -> Result<Vec<Seen>, UnpackError> {
    let (summary, files) = read(archive, options)?;
    let oracle = Oracle::read(archive);
    assert_eq!(files, oracle.files);
    assert_eq!(summary.directories, oracle.directories.len() as u64);
    assert_eq!(summary.skipped_in_all, oracle.links);
    assert_eq!(summary.files, files.len() as u64);
    assert_eq!(
        summary.bytes,
        files.iter().map(|file| file.content.len() as u64).sum()
    );
    assert_eq!(summary.compressed_bytes, archive.len() as u64);
    Ok(files)
}
