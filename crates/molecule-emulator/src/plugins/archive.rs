//! The archive of a plugin: a gzipped tar as Go's standard library writes it.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use super::stage::{Entry, Staged};

type Archive = Builder<GzEncoder<BufWriter<File>>>;

/// Writes the archive of a plugin into an unnamed file and returns that, rewound, with its size. It blocks.
pub(crate) fn pack(plugin: &Staged) -> io::Result<(File, u64)> {
    let spool = tempfile::tempfile()?;
    let owner = Owner::of(&spool)?;
    let gzip = GzEncoder::new(BufWriter::new(spool), Compression::default());
    let mut archive = Builder::new(gzip);
    for entry in &plugin.entries {
        append(&mut archive, entry, &owner)?;
    }
    let mut spool = archive.into_inner()?.finish()?.into_inner()?;
    let size = spool.stream_position()?;
    spool.rewind()?;
    Ok((spool, size))
}

/// Appends one entry, called what it is from the plugin's folder on: no `./`, and no slash after a directory's name.
fn append(archive: &mut Archive, entry: &Entry, owner: &Owner) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_mode(entry.mode);
    header.set_mtime(entry.mtime);
    header.set_size(entry.size);
    owner.sign(&mut header)?;
    set_name(archive, &mut header, &entry.name)?;
    if entry.is_dir {
        header.set_entry_type(EntryType::Directory);
        header.set_cksum();
        return archive.append(&header, io::empty());
    }
    header.set_entry_type(EntryType::Regular);
    header.set_cksum();
    let mut content = File::open(&entry.path)?.take(entry.size);
    archive.append(&header, &mut content)?;
    if content.limit() > 0 {
        let text = format!("{} became shorter meanwhile", entry.path.display());
        return Err(io::Error::other(text));
    }
    Ok(())
}

/// A name that ustar has no place for goes into a pax record.
fn set_name(archive: &mut Archive, header: &mut Header, name: &Path) -> io::Result<()> {
    let bytes = name.as_os_str().as_encoded_bytes();
    let mut plain = header.clone();
    if bytes.is_ascii() && plain.set_path(name).is_ok() {
        *header = plain;
        return Ok(());
    }
    archive.append_pax_extensions([("path", bytes)])?;
    let field = &mut header.as_mut_bytes()[..100];
    for (slot, byte) in field
        .iter_mut()
        .zip(bytes.iter().filter(|byte| byte.is_ascii()))
    {
        *slot = *byte;
    }
    Ok(())
}

/// Whoever runs this platform; the owner of the files that it writes.
struct Owner {
    uid: u32,
    gid: u32,
}

impl Owner {
    #[cfg(unix)]
    fn of(file: &File) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = file.metadata()?;
        Ok(Self {
            uid: metadata.uid(),
            gid: metadata.gid(),
        })
    }

    #[cfg(not(unix))]
    fn of(_: &File) -> io::Result<Self> {
        Ok(Self { uid: 0, gid: 0 })
    }

    fn sign(&self, header: &mut Header) -> io::Result<()> {
        header.set_uid(self.uid.into());
        header.set_gid(self.gid.into());
        if self.uid == 0 {
            header.set_username("root")?;
            header.set_groupname("root")?;
        }
        Ok(())
    }
}
