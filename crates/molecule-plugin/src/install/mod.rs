//! Installing: staged, verified, swapped in, and only then `setup.sh`.

mod folder;
mod journal;
mod layout;
mod lock;
mod names;
mod options;
mod process;
mod receipt;
mod recovery;
mod report;
mod setup;
mod snapshot;
mod staged;
mod store;
mod swap;
mod verify;
mod wait;

use std::io::Read;

pub use options::{CancelFlag, Durability, InstallOptions, SetupLimits, SetupPolicy};
pub use report::{ExpectedFrom, InstallReport, SetupOutcome, SetupReport, SkippedEntry};
pub use staged::{ByHash, ByNothing, Checked, Installed, Staged, Unverified, Verified};
pub use store::{InstalledPlugin, PluginLock, PluginStore};
pub use verify::{ComparedWith, Verification, verify_installed};
pub use wait::Wait;

use crate::{PluginError, PluginName};

/// Installs or replaces a plugin from a `.tar.gz`: unpacks into quarantine, verifies, swaps it in, then runs `setup.sh` if the options
/// and the verification allow. On an error the version that was there stays, and nothing of the new one does.
///
/// ```
/// # use flate2::{Compression, write::GzEncoder};
/// use molecule_plugin::{ExpectedFrom, InstallOptions, PackOptions, PluginStore, install, pack, verify_installed};
///
/// # let plugin = tempfile::tempdir()?;
/// # std::fs::write(plugin.path().join("rules.md"), "be kind\n")?;
/// # let mut archive = GzEncoder::new(Vec::new(), Compression::fast());
/// # let packed = pack(plugin.path(), &mut archive, &PackOptions::new())?;
/// # let archive = archive.finish()?;
/// # let home = tempfile::tempdir()?;
/// let store = PluginStore::open(home.path().join("plugins"))?;
/// let options = InstallOptions::new().with_expected(packed.digest);
/// let report = install(&store, &"demo".parse()?, &archive[..], &options)?;
/// assert_eq!(report.expected_from, Some(ExpectedFrom::Caller));
///
/// assert!(verify_installed(&report.root, None)?.intact);
/// std::fs::write(report.root.join("rules.md"), "be evil\n")?;
/// assert_eq!(verify_installed(&report.root, None)?.changed, ["rules.md"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When the plugin is refused, somebody else works on it, the caller cancels before the swap, or the disk fails.
pub fn install(
    store: &PluginStore,
    name: &PluginName,
    archive: impl Read,
    options: &InstallOptions,
) -> Result<InstallReport, PluginError> {
    let lock = store.lock_unless_cancelled(name, options.wait, &options.cancel)?;
    match lock.stage(archive, options)?.verify()? {
        Checked::Verified(verified) => Ok(finish_verified(verified.install()?, options.setup)),
        Checked::Unverified(unverified) => Ok(finish_unverified(
            unverified.install_unverified()?,
            options.setup,
        )),
    }
}

fn finish_verified(installed: Installed<'_, ByHash>, setup: SetupPolicy) -> InstallReport {
    let setup = match setup {
        SetupPolicy::Never => not_wanted(&installed),
        SetupPolicy::Verified | SetupPolicy::Always => installed.run_setup(),
    };
    installed.into_report(setup)
}

fn finish_unverified(installed: Installed<'_, ByNothing>, setup: SetupPolicy) -> InstallReport {
    let setup = match setup {
        SetupPolicy::Never => not_wanted(&installed),
        SetupPolicy::Verified => not_run(
            &installed,
            "nothing vouches for this plugin; pin its hash with `--sha256`, or run it all the same with `--setup always`",
        ),
        SetupPolicy::Always => installed.run_setup_unverified(),
    };
    installed.into_report(setup)
}

fn not_wanted<Proof>(installed: &Installed<'_, Proof>) -> Option<SetupReport> {
    not_run(installed, "it was not wanted")
}

fn not_run<Proof>(installed: &Installed<'_, Proof>, reason: &str) -> Option<SetupReport> {
    installed.has_setup().then(|| SetupReport::not_run(reason))
}
