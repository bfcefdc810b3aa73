//! `plugin hash`, `plugin pack` and `verify-sha256`: what authors of plugins need.

use std::fs::Permissions;
use std::io::{self, IsTerminal as _, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{Args, ValueHint};
use flate2::{Compression, GzBuilder};
use molecule_plugin::{CancelFlag, PackOptions, Packed, Sha256Digest, manifest_digest};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{declare, existing};
use crate::args::{OutputOption, file_to_write};
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
    /// Write the hash into the directory's plugin.yaml: for a platform that serves the directory
    #[arg(long)]
    declare: bool,
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
    /// The archive to write, a .tar.gz; - is stdout
    #[arg(
        short,
        long,
        required = true,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        value_parser = OsStringValueParser::new().try_map(file_to_write)
    )]
    output: Option<OutputOption>,
    /// Declare the manifest hash in the plugin.yaml of the archive
    #[arg(long)]
    declare_hash: bool,
}

/// Prints the manifest hash, after the manifest declares it if that is wanted.
///
/// # Errors
/// When the directory cannot be read, holds what no plugin may, or has no manifest that can declare the hash.
pub(super) fn hash(args: &HashArgs, io: &Output) -> anyhow::Result<Exit> {
    let digest = manifest_digest(existing(&args.dir)?)?;
    if args.declare {
        declare::in_place(&args.dir, digest)?;
    }
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
    let to_stdout = to == Path::new("-");
    let (dir, path) = (existing(&args.dir)?.to_owned(), to.clone());
    let place = if to_stdout {
        Place::stdout()?
    } else {
        Place::File(parent_outside(&path, &dir)?)
    };
    let options = PackOptions::new().with_declared_hash(args.declare_hash);
    let archive = block_until_signalled(move |cancel| {
        let archive = write(&dir, &path, &place, &options, &cancel);
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
    if to_stdout {
        io.aside(&data, || archive.described(Path::new("stdout")))?;
    } else {
        io.data(&data, || archive.described(to))?;
    }
    Ok(Exit::Done)
}

/// Where an archive goes.
#[derive(Debug)]
enum Place {
    Stdout,
    /// A file in this directory.
    File(PathBuf),
}

impl Place {
    fn stdout() -> anyhow::Result<Self> {
        if io::stdout().is_terminal() {
            let message = "-o -: an archive is nothing for a terminal; send it to a file or a pipe";
            return Err(Problem::usage(message).into());
        }
        Ok(Self::Stdout)
    }
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

fn write(
    dir: &Path,
    path: &Path,
    place: &Place,
    options: &PackOptions,
    cancel: &CancelFlag,
) -> anyhow::Result<Archive> {
    let unwritten = || format!("cannot write {}", path.display());
    let Place::File(parent) = place else {
        return compress(dir, &mut io::stdout().lock(), options, cancel);
    };
    // Written beside the archive and then in its place, so that there never is half of one.
    let mut beside = tempfile::Builder::new()
        .prefix(".molecule-pack-")
        .permissions(Permissions::from_mode(PLAIN_FILE))
        .tempfile_in(parent)
        .with_context(unwritten)?;
    let archive = compress(dir, &mut beside, options, cancel)?;
    beside.as_file().sync_all().with_context(unwritten)?;
    beside.persist(path).with_context(unwritten)?;
    Ok(archive)
}

fn compress(
    dir: &Path,
    to: &mut dyn Write,
    options: &PackOptions,
    cancel: &CancelFlag,
) -> anyhow::Result<Archive> {
    let mut counted = Counted {
        to,
        hash: Sha256::new(),
        bytes: 0,
        cancel,
        given_up: false,
    };
    let mut gzip = GzBuilder::new()
        .mtime(0)
        .write(&mut counted, Compression::default());
    let packed = molecule_plugin::pack(dir, &mut gzip, options).inspect_err(|_| {
        gzip.get_mut().given_up = true;
    })?;
    gzip.finish()
        .and_then(Write::flush)
        .context("cannot write the archive")?;
    Ok(Archive {
        packed,
        bytes: counted.bytes,
        sha256: Sha256Digest::from(<[u8; 32]>::from(counted.hash.finalize())),
    })
}

/// Where bytes are hashed while they are written, until somebody cancels.
struct Counted<'a> {
    to: &'a mut dyn Write,
    hash: Sha256,
    bytes: u64,
    cancel: &'a CancelFlag,
    /// A compressor that is dropped would end its stream well, and an archive that was given up must not look whole.
    given_up: bool,
}

impl Write for Counted<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if self.given_up || self.cancel.is_cancelled() {
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
