//! `setup.sh`: what it takes to run, and what it leaves.

use std::collections::BTreeMap;
use std::path::Path;

use super::folder::Folder;
use super::journal;
use super::names::key;
use super::options::CancelFlag;
use super::process::{self, Task};
use super::receipt::Receipt;
use super::report::{SetupOutcome, SetupReport};
use super::snapshot::{Budget, Snapshot, State, content_digest, snapshot};
use super::staged::Installed;
use super::store::described;
use crate::{PluginError, Sha256Digest};

/// The script of a plugin.
pub(super) const SCRIPT: &str = "setup.sh";

/// Runs the script and adds what it changed to the receipt.
pub(super) fn run<Proof>(installed: &Installed<'_, Proof>) -> SetupReport {
    if installed.options.cancel.is_cancelled() {
        return SetupReport::not_run(
            "the caller cancelled before it began; install again to run it",
        );
    }
    if !is_as_installed(installed) {
        return SetupReport::not_run(
            "it is not the file that was installed any more; find out who changed it, and install again",
        );
    }
    let mut report = process::run(&Task {
        script: &installed.root().join(SCRIPT),
        directory: installed.root(),
        limits: &installed.options.setup_limits,
        cancel: &installed.options.cancel,
    });
    if !matches!(report.outcome, SetupOutcome::NotRun { .. }) {
        // Without it a verification reports the changes as somebody else's, which is the safe side.
        report.unrecorded = record(installed).err().map(|error| why(&error));
    }
    report
}

/// Whether the script still is what was hashed while it was written. Between this look and the shell's there is a moment in which
/// another process of the same user could change it.
fn is_as_installed<Proof>(installed: &Installed<'_, Proof>) -> bool {
    let found = hash_script(installed.root());
    let expected = installed.receipt.files.get(SCRIPT);
    matches!((found, expected), (Ok(Some(found)), Some(expected)) if found == *expected)
}

fn hash_script(root: &Path) -> Result<Option<Sha256Digest>, PluginError> {
    let Some(folder) = Folder::open_any(root)? else {
        return Ok(None);
    };
    let Some(file) = folder.read(SCRIPT)? else {
        return Ok(None);
    };
    let hash =
        content_digest(&file, &CancelFlag::default()).map_err(folder.io_error("read", SCRIPT))?;
    Ok(Some(hash))
}

fn why(error: &PluginError) -> String {
    match error {
        PluginError::Cancelled => "the caller cancelled; install again to record it".to_owned(),
        error => described(error),
    }
}

fn record<Proof>(installed: &Installed<'_, Proof>) -> Result<(), PluginError> {
    let budget = Budget::beyond(&installed.receipt, &installed.options.cancel);
    let after = snapshot(installed.root(), budget)?;
    let receipt = Receipt {
        setup: differences(&installed.receipt, after),
        ..installed.receipt.clone()
    };
    let receipts = &installed.lock.layout().receipts;
    let durability = installed.options.durability;
    journal::replace(receipts, &key(&receipt.name), &receipt, durability)
}

/// What is not as the archive had it, `None` for what is gone.
fn differences(receipt: &Receipt, after: Snapshot) -> BTreeMap<Vec<u8>, Option<State>> {
    let archived = |path: &[u8]| {
        let path = str::from_utf8(path).ok()?;
        receipt.files.get(path).map(|digest| State::File(*digest))
    };
    let paths = receipt.files.keys().map(String::as_bytes);
    let gone: Vec<_> = paths
        .filter(|path| !after.contains_key(*path))
        .map(|path| (path.to_vec(), None))
        .collect();
    let different = after
        .into_iter()
        .filter(|(path, state)| archived(path) != Some(*state))
        .map(|(path, state)| (path, Some(state)));
    different.chain(gone).collect()
}
