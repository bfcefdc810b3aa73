//! The entries of an archive, before they are written.

use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tar::{EntryType, Header};

use crate::PluginError;
use crate::directory::{self, Found};
use crate::manifest_hash::MANIFEST_PATH;

/// Everything in a directory, sorted by path.
#[derive(Debug)]
pub(super) struct Listing(Vec<Entry>);

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) path: String,
    kind: Kind,
    size: u64,
    /// The content, if it is not that of the file.
    pub(super) content: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Directory,
    File,
    Executable,
}

impl Listing {
    pub(super) fn of(dir: &Path) -> Result<Self, PluginError> {
        let mut entries = Vec::new();
        directory::visit(dir, &mut |path, found| {
            entries.push(Entry::new(path, found)?);
            Ok(())
        })?;
        entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(Self(entries))
    }

    pub(super) fn replace_manifest(&mut self, content: &[u8]) {
        if let Some(entry) = self.0.iter_mut().find(|entry| entry.path == MANIFEST_PATH) {
            entry.size = content.len() as u64;
            entry.content = Some(content.to_vec());
        }
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Entry> {
        self.0.iter()
    }
}

impl Entry {
    fn new(path: &str, found: Found) -> io::Result<Self> {
        let (kind, size) = match found {
            Found::Directory => (Kind::Directory, 0),
            Found::File(file) => kind_and_size(&file)?,
        };
        Ok(Self {
            path: path.to_owned(),
            kind,
            size,
            content: None,
        })
    }

    /// The bytes of its file; none for a directory.
    pub(super) fn size(&self) -> Option<u64> {
        (self.kind != Kind::Directory).then_some(self.size)
    }

    /// The blocks in front of the content.
    pub(super) fn header(&self) -> io::Result<Vec<u8>> {
        let mut header = Header::new_ustar();
        if header.set_path(&self.path).is_ok() {
            return Ok(self.finish(header));
        }
        let mut blocks = extension(&self.path)?;
        let mut header = Header::new_ustar();
        header.set_path(beginning(&self.path))?;
        blocks.extend(self.finish(header));
        Ok(blocks)
    }

    fn finish(&self, mut header: Header) -> Vec<u8> {
        header.set_entry_type(match self.kind {
            Kind::Directory => EntryType::Directory,
            Kind::File | Kind::Executable => EntryType::Regular,
        });
        header.set_mode(match self.kind {
            Kind::File => 0o644,
            Kind::Directory | Kind::Executable => 0o755,
        });
        header.set_size(self.size);
        sealed(header)
    }
}

fn kind_and_size(file: &File) -> io::Result<(Kind, u64)> {
    let metadata = file.metadata()?;
    let kind = match metadata.permissions().mode() & 0o100 {
        0 => Kind::File,
        _ => Kind::Executable,
    };
    Ok((kind, metadata.len()))
}

fn sealed(mut header: Header) -> Vec<u8> {
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    header.as_bytes().to_vec()
}

/// A pax header with a path that is too long for ustar.
fn extension(path: &str) -> io::Result<Vec<u8>> {
    let record = record(path);
    let mut header = Header::new_ustar();
    header.set_path("PaxHeaders/path")?;
    header.set_entry_type(EntryType::XHeader);
    header.set_mode(0o644);
    header.set_size(record.len() as u64);
    let mut blocks = sealed(header);
    blocks.extend_from_slice(record.as_bytes());
    blocks.resize(blocks.len().next_multiple_of(512), 0);
    Ok(blocks)
}

/// `LENGTH path=PATH\n`, where the length counts its own digits.
fn record(path: &str) -> String {
    let rest = format!(" path={path}\n");
    let mut length = rest.len();
    loop {
        let record = format!("{length}{rest}");
        if record.len() == length {
            return record;
        }
        length = record.len();
    }
}

/// What readers without pax would see of a long path.
fn beginning(path: &str) -> &str {
    path[..path.floor_char_boundary(100)].trim_end_matches('/')
}
