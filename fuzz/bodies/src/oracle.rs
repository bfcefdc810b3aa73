//! Another reader, and what it makes of the archives that ours accepts.

use std::collections::BTreeSet;
use std::io::{self, Read as _};

use molecule_safe_tar::Summary;
use tar::EntryType;

use crate::listing::{File, Listing, read};

/// Whatever our reader accepts, the cooked reader of the crate `tar` reads as the same files in the same order.
pub(crate) fn agrees(archive: &[u8]) {
    if let Some((ours, summary)) = read(archive) {
        let theirs = Theirs::read(archive).expect("what we accept, the tar crate reads");
        theirs.compare(&ours, &summary);
    }
}

#[derive(Default)]
struct Theirs {
    files: Vec<File>,
    directories: Vec<String>,
    links: u64,
}

impl Theirs {
    fn read(archive: &[u8]) -> io::Result<Self> {
        let mut found = Self::default();
        for entry in tar::Archive::new(archive).entries()? {
            let mut entry = entry?;
            let path = plain(&entry.path_bytes());
            match entry.header().entry_type() {
                EntryType::Directory => found.directories.push(path),
                EntryType::Symlink | EntryType::Link => found.links += 1,
                EntryType::XGlobalHeader => {}
                _ => {
                    let mut content = Vec::new();
                    entry.read_to_end(&mut content)?;
                    found.files.push(File {
                        path,
                        executable: entry.header().mode()? & 0o100 != 0,
                        content,
                    });
                }
            }
        }
        Ok(found)
    }

    fn compare(&self, ours: &Listing, summary: &Summary) {
        assert_eq!(self.files, ours.files, "files");
        assert_eq!(self.links, summary.skipped_in_all, "links");
        let listed: BTreeSet<_> = self
            .directories
            .iter()
            .filter(|path| !path.is_empty())
            .collect();
        assert!(listed.len() as u64 <= summary.directories, "directories");
    }
}

/// The path without the `./` and `/` that mean nothing.
fn plain(path: &[u8]) -> String {
    let path = String::from_utf8_lossy(path);
    let components: Vec<_> = path
        .split('/')
        .filter(|component| !matches!(*component, "" | "."))
        .collect();
    components.join("/")
}
