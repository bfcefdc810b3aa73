//! `plugin hash`, `plugin pack` and `verify-sha256`: what authors of plugins need.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{Args, ValueHint};
use flate2::{Compression, GzBuilder};
use molecule_plugin::{CancelFlag, PackOptions, Packed, Sha256Digest, manifest_digest};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::existing;
use crate::args::OutputOption;
use crate::exit::{Exit, Problem};
use crate::output::Output;
use crate::runtime::block_until_signalled;

/// What everybody may read and write; the user's mask takes away what it does.
const PLAIN_FILE: u32 = 0o666;

/// Options of `plugin hash`.
#[derive(Debug, Args)]
pub(crate) struct HashArgs {
    /// The plugin's directory
    #[arg(value_hint = ValueHint::DirPath)]
    dir: PathBuf,
}

/// Options of `verify-sha256`.
#[derive(Debug, Args)]
pub(crate) struct VerifySha256Args {
    /// The plugin's directory
    #[arg(value_hint = ValueHint::DirPath)]
    dir: PathBuf,
}

/// Options of `plugin pack`.
#[derive(Debug, Args)]
pub(crate) struct PackArgs {
    /// The plugin's directory
    #[arg(value_hint = ValueHint::DirPath)]
    dir: PathBuf,
    /// The archive to write, a .tar.gz
    #[arg(
        short,
        long,
        required = true,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        value_parser = OsStringValueParser::new().map(|path| OutputOption::File(path.into()))
    )]
    output: Option<OutputOption>,
    /// Declare the manifest hash in the plugin.yaml of the archive
    #[arg(long)]
    declare_hash: bool,
}

/// Prints the manifest hash.
///
/// # Errors
/// When the directory cannot be read, or holds what no plugin may.
pub(super) fn hash(args: &HashArgs, io: &Output) -> anyhow::Result<Exit> {
    let digest = manifest_digest(existing(&args.dir)?)?;
    io.data(&json!({"digest": digest}), || digest.to_string())?;
    Ok(Exit::Done)
}

/// Prints the manifest hash as the original does.
///
/// # Errors
/// When the directory cannot be read, or holds what no plugin may.
pub(crate) fn verify_sha256(args: &VerifySha256Args, io: &Output) -> anyhow::Result<Exit> {
    let digest = manifest_digest(existing(&args.dir)?)?;
    io.data(&json!({"digest": digest}), || {
        format!("Computed SHA256: {digest}")
    })?;
    Ok(Exit::Done)
}

/// An archive that was written.
#[derive(Debug)]
struct Archive {
    packed: Packed,
    bytes: u64,
    sha256: Sha256Digest,
}

/// Packs a directory.
///
/// # Errors
/// When it holds what no plugin may, or the archive cannot be written.
pub(super) fn pack(args: &PackArgs, io: &Output) -> anyhow::Result<Exit> {
    let Some(OutputOption::File(to)) = &args.output else {
        return Err(Problem::usage("name the archive to write with -o FILE").into());
    };
    let (dir, path) = (existing(&args.dir)?.to_owned(), to.clone());
    let parent = parent_outside(&path, &dir)?;
    let options = PackOptions::new().with_declared_hash(args.declare_hash);
    let archive = block_until_signalled(move |cancel| {
        let archive = write(&dir, &path, &parent, &options, &cancel);
        if cancel.is_cancelled() {
            return Err(Problem::new(Exit::Unexpected, CANCELLED).into());
        }
        archive
    })?;
    let packed = &archive.packed;
    let data = json!({
        "path": to, "files": packed.files, "bytes": packed.bytes, "digest": packed.digest,
        "archive_bytes": archive.bytes, "archive_sha256": archive.sha256,
    });
    io.data(&data, || archive.described(to))?;
    Ok(Exit::Done)
}

const CANCELLED: &str = "packing was cancelled; nothing was changed";

impl Archive {
    fn described(&self, path: &Path) -> String {
        let Packed {
            files,
            bytes,
            digest,
            ..
        } = &self.packed;
        format!(
            "packed {files} files, {bytes} bytes, into {} ({} bytes)\nmanifest hash {digest}\narchive sha256 {}",
            path.display(),
            self.bytes,
            self.sha256,
        )
    }
}

/// The directory of the archive. An archive in the directory that is packed would hold itself.
fn parent_outside(path: &Path, dir: &Path) -> anyhow::Result<PathBuf> {
    let unusable = || {
        Problem::usage(format!(
            "-o: cannot write {}; name a regular file in a directory that exists",
            path.display()
        ))
    };
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let parent = parent.canonicalize().with_context(unusable)?;
    if path.file_name().is_none() || path.symlink_metadata().is_ok_and(|there| !there.is_file()) {
        return Err(unusable().into());
    }
    if parent.starts_with(dir.canonicalize()?) {
        let message = format!(
            "-o: {} is inside the plugin; name a file elsewhere",
            path.display()
        );
        return Err(Problem::usage(message).into());
    }
    Ok(parent)
}

/// Writes beside the archive and then in its place, so that there never is half of one.
fn write(
    dir: &Path,
    path: &Path,
    parent: &Path,
    options: &PackOptions,
    cancel: &CancelFlag,
) -> anyhow::Result<Archive> {
    let unwritten = || format!("cannot write {}", path.display());
    let beside = tempfile::Builder::new()
        .prefix(".molecule-pack-")
        .permissions(Permissions::from_mode(PLAIN_FILE))
        .tempfile_in(parent)
        .with_context(unwritten)?;
    let mut counted = Counted::new(beside, cancel.clone());
    let mut gzip = GzBuilder::new()
        .mtime(0)
        .write(&mut counted, Compression::default());
    let packed = molecule_plugin::pack(dir, &mut gzip, options)?;
    gzip.finish().with_context(unwritten)?;
    let (bytes, sha256) = (counted.bytes, counted.hash.finalize());
    counted.to.as_file().sync_all().with_context(unwritten)?;
    counted.to.persist(path).with_context(unwritten)?;
    let sha256 = Sha256Digest::from(<[u8; 32]>::from(sha256));
    Ok(Archive {
        packed,
        bytes,
        sha256,
    })
}

/// A file whose bytes are hashed while they are written, until somebody cancels.
struct Counted {
    to: NamedTempFile,
    hash: Sha256,
    bytes: u64,
    cancel: CancelFlag,
}

impl Counted {
    fn new(to: NamedTempFile, cancel: CancelFlag) -> Self {
        Self {
            to,
            hash: Sha256::new(),
            bytes: 0,
            cancel,
        }
    }
}

impl Write for Counted {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if self.cancel.is_cancelled() {
            return Err(io::Error::other("packing was cancelled"));
        }
        let written = self.to.write(buffer)?;
        self.hash.update(&buffer[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
