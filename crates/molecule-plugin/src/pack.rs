//! Writing an archive whose bytes depend on the files alone.

mod declare;
mod entry;
mod stream;

use std::io::{self, Write};
use std::path::Path;

use molecule_safe_tar::{Options, Summary, check_tar};

pub use self::declare::declare_hash;
use self::entry::Listing;
use self::stream::Stream;
use crate::{HashObserver, Manifest, PluginError, Sha256Digest};

/// How a directory is packed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PackOptions {
    /// Whether `plugin.yaml` in the archive declares the manifest hash. The directory itself is not changed.
    pub declare_hash: bool,
}

impl PackOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With the hash declared, or not.
    #[must_use]
    pub fn with_declared_hash(mut self, declare_hash: bool) -> Self {
        self.declare_hash = declare_hash;
        self
    }
}

/// What was packed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Packed {
    /// Regular files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The manifest hash.
    pub digest: Sha256Digest,
}

/// Packs the directory into a tar archive, uncompressed: entries sorted, owners and times zero, modes 0644 or 0755. Compress it with
/// any gzip writer.
///
/// The directory is read twice. The first time decides, by the rules of an installation, and nothing is written unless it could be
/// installed; the second time writes.
///
/// # Errors
/// When the directory holds what an installation would refuse or skip, changes meanwhile, cannot be read, or `to` cannot be written.
pub fn pack(dir: &Path, to: impl Write, options: &PackOptions) -> Result<Packed, PluginError> {
    let mut listing = Listing::of(dir)?;
    let (_, seen) = write(dir, &listing, io::sink())?;
    let digest = seen.hash().digest();
    let mut manifest = seen.manifest().map(<[u8]>::to_vec);
    if options.declare_hash {
        let declaring = declare::declare(dir, manifest.as_deref(), digest)?;
        listing.replace_manifest(&declaring);
        manifest = Some(declaring);
    }
    check_declaration(manifest.as_deref(), digest)?;

    let (summary, written) = write(dir, &listing, to)?;
    if written.hash().digest() != digest || written.manifest() != manifest.as_deref() {
        return Err(stream::changed(dir));
    }
    Ok(Packed {
        files: summary.files,
        bytes: summary.bytes,
        digest,
    })
}

/// Writes the archive, and reads along as an installation would.
fn write(
    dir: &Path,
    listing: &Listing,
    to: impl Write,
) -> Result<(Summary, HashObserver), PluginError> {
    let mut observer = HashObserver::default();
    let mut stream = Stream::new(dir, listing, to);
    let checked = check_tar(&mut stream, &Options::default(), &mut observer);
    stream.finish()?;
    Ok((checked?, observer))
}

fn check_declaration(manifest: Option<&[u8]>, actual: Sha256Digest) -> Result<(), PluginError> {
    let Some(manifest) = manifest else {
        return Ok(());
    };
    match Manifest::parse(manifest)?.sha256 {
        Some(expected) if expected != actual => Err(PluginError::Mismatch {
            expected_from: "manifest",
            expected,
            actual,
        }),
        _ => Ok(()),
    }
}
