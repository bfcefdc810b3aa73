//! Staged, verified, installed: each is proof of the step before.
//!
//! [`PluginLock::stage`](crate::PluginLock::stage) -> [`Staged`] -> [`Checked`] -> [`Installed`].

use std::io::{self, Read};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use molecule_safe_tar::{Quarantine, Summary, UnpackError};

use super::names::{Purpose, key};
use super::options::{CancelFlag, Durability, InstallOptions};
use super::receipt::Receipt;
use super::report::{ExpectedFrom, InstallReport, SetupReport, SkippedEntry};
use super::store::PluginLock;
use super::{journal, setup, swap};
use crate::{HashObserver, Manifest, PluginError, Sha256Digest};

/// Unpacked into quarantine; nothing is decided. Dropping it removes what was unpacked.
#[must_use]
#[derive(Debug)]
pub struct Staged<'a> {
    lock: &'a PluginLock<'a>,
    options: &'a InstallOptions,
    quarantine: Quarantine,
    seen: HashObserver,
}

/// What the verification found.
#[must_use]
#[derive(Debug)]
pub enum Checked<'a> {
    /// A hash vouches for it.
    Verified(Verified<'a>),
    /// There was nothing to compare with.
    Unverified(Unverified<'a>),
}

/// A hash vouches for what is in quarantine.
#[must_use]
#[derive(Debug)]
pub struct Verified<'a>(Candidate<'a>);

/// Nothing vouches for what is in quarantine.
#[must_use]
#[derive(Debug)]
pub struct Unverified<'a>(Candidate<'a>);

/// In quarantine, with the receipt that it gets.
#[derive(Debug)]
struct Candidate<'a> {
    lock: &'a PluginLock<'a>,
    options: &'a InstallOptions,
    quarantine: Quarantine,
    receipt: Receipt,
}

/// Live. `Proof` is [`ByHash`] or [`ByNothing`].
#[must_use]
#[derive(Debug)]
pub struct Installed<'a, Proof> {
    pub(super) lock: &'a PluginLock<'a>,
    pub(super) options: &'a InstallOptions,
    pub(super) receipt: Receipt,
    root: PathBuf,
    summary: Summary,
    proof: PhantomData<Proof>,
}

/// Vouched for by a hash.
#[derive(Debug, Clone, Copy)]
pub enum ByHash {}

/// Vouched for by nothing.
#[derive(Debug, Clone, Copy)]
pub enum ByNothing {}

impl<'a> Staged<'a> {
    pub(super) fn unpack(
        lock: &'a PluginLock<'a>,
        archive: impl Read,
        options: &'a InstallOptions,
    ) -> Result<Self, PluginError> {
        let layout = lock.layout();
        layout.place(lock.name())?;
        let name = Purpose::Staging.free_name(&layout.dir, lock.name())?;
        let archive = Cancellable {
            archive,
            cancel: &options.cancel,
        };
        let mut seen = HashObserver::default();
        let parent = layout.dir.path();
        match molecule_safe_tar::unpack(archive, parent, &name, &options.unpack, &mut seen) {
            Ok(quarantine) => Ok(Self {
                lock,
                options,
                quarantine,
                seen,
            }),
            Err(UnpackError::Source(_)) if options.cancel.is_cancelled() => {
                Err(PluginError::Cancelled)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Compares the content with the caller's expectation ([`InstallOptions::expected`]) first and then with the manifest's own.
    ///
    /// # Errors
    /// When an expectation is not met, or the manifest cannot be trusted. Nothing remains then.
    pub fn verify(self) -> Result<Checked<'a>, PluginError> {
        let expected = self.options.expected;
        let digest = self.seen.hash().digest();
        check("caller", expected, digest)?;
        let manifest = match self.seen.manifest() {
            Some(bytes) => Manifest::parse(bytes)?,
            None => Manifest::default(),
        };
        check("manifest", manifest.sha256, digest)?;
        let expected_from = match (expected, manifest.sha256) {
            (Some(_), _) => Some(ExpectedFrom::Caller),
            (None, Some(_)) => Some(ExpectedFrom::Manifest),
            (None, None) => None,
        };
        let candidate = self.candidate(manifest.version, digest, expected_from);
        Ok(match expected_from {
            Some(_) => Checked::Verified(Verified(candidate)),
            None => Checked::Unverified(Unverified(candidate)),
        })
    }

    fn candidate(
        self,
        version: Option<String>,
        digest: Sha256Digest,
        expected_from: Option<ExpectedFrom>,
    ) -> Candidate<'a> {
        let receipt = Receipt {
            name: self.lock.name().clone(),
            version,
            digest,
            expected_from,
            bytes: self.quarantine.summary().bytes,
            files: self.seen.into_hash().into_files().collect(),
            setup: Default::default(),
        };
        Candidate {
            lock: self.lock,
            options: self.options,
            quarantine: self.quarantine,
            receipt,
        }
    }
}

fn check(
    expected_from: &'static str,
    expected: Option<Sha256Digest>,
    actual: Sha256Digest,
) -> Result<(), PluginError> {
    match expected {
        Some(expected) if expected != actual => Err(PluginError::Mismatch {
            expected_from,
            expected,
            actual,
        }),
        _ => Ok(()),
    }
}

impl<'a> Verified<'a> {
    /// Puts it in its place.
    ///
    /// # Errors
    /// When the caller cancelled, the place is taken by something that is no plugin, or the disk refuses. The version that was there
    /// is still there then, and nothing of the new one.
    pub fn install(self) -> Result<Installed<'a, ByHash>, PluginError> {
        self.0.install()
    }
}

impl<'a> Unverified<'a> {
    /// Puts it in its place, although nothing vouches for it.
    ///
    /// # Errors
    /// As [`Verified::install`].
    pub fn install_unverified(self) -> Result<Installed<'a, ByNothing>, PluginError> {
        self.0.install()
    }
}

impl<'a> Candidate<'a> {
    fn install<Proof>(self) -> Result<Installed<'a, Proof>, PluginError> {
        self.check_cancelled()?;
        if self.options.durability == Durability::Sync {
            let synced = self.quarantine.sync();
            synced.map_err(super::folder::io_error("write", self.quarantine.path()))?;
        }
        self.check_cancelled()?;
        let summary = self.quarantine.summary().clone();
        let (lock, options) = (self.lock, self.options);
        let receipt = self.go_live()?;
        Ok(Installed {
            lock,
            options,
            receipt,
            root: lock.root(),
            summary,
            proof: PhantomData,
        })
    }

    fn check_cancelled(&self) -> Result<(), PluginError> {
        match self.options.cancel.is_cancelled() {
            true => Err(PluginError::Cancelled),
            false => Ok(()),
        }
    }

    /// The receipt is announced, the tree swapped in, the receipt made its own, and the old tree removed: see
    /// [`journal`](super::journal). After the swap nothing is an error any more: what does not work then is done by the next start.
    fn go_live(self) -> Result<Receipt, PluginError> {
        let layout = self.lock.layout();
        let (key, durability) = (key(self.lock.name()), self.options.durability);
        let inode = self.inode()?;
        journal::announce(&layout.receipts, &key, inode, &self.receipt, durability)?;
        let replaced = self.swap().inspect_err(|_| {
            // Not if the new tree could not be taken back: then this receipt is the right one.
            if layout.place(self.lock.name()).ok().flatten() != Some(inode) {
                let _ = journal::withdraw(&layout.receipts, &key, inode);
            }
        })?;
        let _ = journal::commit(&layout.receipts, &key, inode, durability);
        if replaced {
            let _ = self.quarantine.discard();
        } else {
            let _ = self.quarantine.release();
        }
        Ok(self.receipt)
    }

    fn inode(&self) -> Result<u64, PluginError> {
        use std::os::unix::fs::MetadataExt;
        let path = self.quarantine.path();
        let metadata = std::fs::symlink_metadata(path);
        Ok(metadata
            .map_err(super::folder::io_error("inspect", path))?
            .ino())
    }

    /// Whether there was a version before.
    fn swap(&self) -> Result<bool, PluginError> {
        let layout = self.lock.layout();
        let (dir, name) = (&layout.dir, self.lock.name());
        let staged = self.staged_name();
        let replaced = layout.place(name)?.is_some();
        match replaced {
            true => swap::replace(dir, &staged, name, layout.method)?,
            false => swap::move_in(dir, &staged, name)?,
        }
        if self.options.durability == Durability::Sync
            && let Err(error) = dir.sync()
        {
            // Whether the disk has it or not, the promise is not kept, and so the old version is the one to be live.
            let _ = match replaced {
                true => swap::replace(dir, &staged, name, layout.method),
                false => dir.rename_to_free(name.as_str(), &staged),
            };
            return Err(error);
        }
        Ok(replaced)
    }

    fn staged_name(&self) -> String {
        let name = self.quarantine.path().file_name();
        name.unwrap_or_default().to_string_lossy().into_owned()
    }
}

impl<Proof> Installed<'_, Proof> {
    /// Where it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether it has a `setup.sh`.
    #[must_use]
    pub fn has_setup(&self) -> bool {
        self.receipt.files.contains_key(setup::SCRIPT)
    }

    /// What was done, with what became of `setup.sh`.
    #[must_use]
    pub fn into_report(self, setup: Option<SetupReport>) -> InstallReport {
        let skipped = self.summary.skipped.iter().map(|skipped| SkippedEntry {
            name: skipped.name.to_string(),
            reason: skipped.reason.as_str(),
        });
        InstallReport {
            skipped: skipped.collect(),
            name: self.receipt.name,
            root: self.root,
            files: self.summary.files,
            bytes: self.summary.bytes,
            digest: self.receipt.digest,
            verified: self.receipt.expected_from.is_some(),
            expected_from: self.receipt.expected_from,
            setup,
        }
    }
}

impl Installed<'_, ByHash> {
    /// Runs `setup.sh` within the options' limits; `None` when there is none. Its failure is in the report.
    ///
    /// What it changes in the plugin's directory is added to the receipt. If that cannot be written, a later verification reports the
    /// changes as somebody else's.
    #[must_use]
    pub fn run_setup(&self) -> Option<SetupReport> {
        self.has_setup().then(|| setup::run(self))
    }
}

impl Installed<'_, ByNothing> {
    /// Runs `setup.sh` as [`Installed::run_setup`] does, although nothing vouches for it.
    ///
    /// Nobody gets here by mistake, because what was not verified has no other way to run it:
    ///
    /// ```compile_fail,E0599
    /// # use molecule_plugin::{ByNothing, Installed};
    /// fn run(installed: &Installed<'_, ByNothing>) {
    ///     let _ = installed.run_setup();
    /// }
    /// ```
    #[must_use]
    pub fn run_setup_unverified(&self) -> Option<SetupReport> {
        self.has_setup().then(|| setup::run(self))
    }
}

/// An archive that cannot be read any more once the caller cancels.
struct Cancellable<'a, R> {
    archive: R,
    cancel: &'a CancelFlag,
}

impl<R: Read> Read for Cancellable<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancel.is_cancelled() {
            return Err(io::Error::other("the installation was cancelled"));
        }
        self.archive.read(buffer)
    }
}
