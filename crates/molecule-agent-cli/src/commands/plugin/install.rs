//! `plugin install`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use molecule_agent::{InstallRecorded, PluginOptions};
use molecule_plugin::{
    CancelFlag, Durability, InstallOptions, InstallReport, PluginError, PluginErrorKind,
    PluginName, PluginStore, SetupLimits, SetupPolicy, Sha256Digest,
};

use super::archive::Archive;
use super::{memory, progress, report};
use crate::args::{AgentArgs, PluginsDirArgs};
use crate::env;
use crate::exit::Exit;
use crate::output::Output;
use crate::runtime::{block_on, block_until_signalled, until_forced};
use crate::signals::Signals;

/// Options of `plugin install`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without a hash that vouches for it, a plugin is installed, but its setup.sh does not run: pin the hash with --sha256,
or say --setup always. setup.sh gets PATH, HOME, the language, proxies and the like, and nothing else of the environment.")]
pub(crate) struct InstallArgs {
    #[command(flatten)]
    agent: AgentArgs,
    #[command(flatten)]
    plugins: PluginsDirArgs,
    /// Which plugin
    name: PluginName,
    /// Where the platform gets it from, such as github://owner/repo#v1.0.0 [default: local://NAME]
    #[arg(long, help_heading = "Plugin", conflicts_with = "archive")]
    source: Option<String>,
    /// Install this .tar.gz, without asking a platform; - reads stdin
    #[arg(long, help_heading = "Plugin", value_name = "FILE", value_hint = ValueHint::FilePath)]
    archive: Option<PathBuf>,
    /// The manifest hash that the plugin must have
    #[arg(long, help_heading = "Plugin", value_name = "HASH")]
    sha256: Option<Sha256Digest>,
    /// When to run the plugin's setup.sh
    #[arg(
        long,
        help_heading = "Plugin",
        value_name = "WHEN",
        default_value = "verified"
    )]
    setup: Setup,
    /// Do not tell the platform what was installed
    #[arg(long, help_heading = "Plugin")]
    no_report: bool,
    /// Leave it to the system when the files reach the disk
    #[arg(long, hide = true)]
    no_sync: bool,
}

/// When `setup.sh` runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Setup {
    /// When a hash vouches for the plugin.
    Verified,
    /// In any case.
    Always,
    /// In no case.
    Never,
}

impl From<Setup> for SetupPolicy {
    fn from(setup: Setup) -> Self {
        match setup {
            Setup::Verified => Self::Verified,
            Setup::Always => Self::Always,
            Setup::Never => Self::Never,
        }
    }
}

/// Installs a plugin and reports it.
///
/// # Errors
/// When it is refused, or cannot be read or written.
pub(super) fn run(args: &InstallArgs, io: &Output) -> anyhow::Result<Exit> {
    let done = match &args.archive {
        Some(archive) => from_archive(args, archive.clone(), io),
        None => block_on(from_platform(args, io)),
    };
    memory::log_peak();
    match done {
        Ok(report) => report::installed(&report, io),
        Err(error) => Err(report::refused(&args.name, error, io)),
    }
}

fn from_archive(
    args: &InstallArgs,
    archive: PathBuf,
    io: &Output,
) -> anyhow::Result<InstallReport> {
    let dir = args.plugins.path(&args.agent.identity.place)?;
    let (name, options, io) = (args.name.clone(), args.options(), *io);
    block_until_signalled(move |cancel| {
        let archive = Archive::open(&archive, cancel.clone())?;
        let store = PluginStore::open(dir)?;
        let bar = progress::bar(name.to_string(), archive.len(), &io);
        let options = options.with_cancel(cancel.clone());
        let done = molecule_plugin::install(&store, &name, bar.wrap_read(archive), &options);
        bar.finish_and_clear();
        Ok(done.map_err(|error| cancelled(error, &cancel))?)
    })
}

/// An archive that was not read to its end because the user cancelled is no unreadable archive.
fn cancelled(error: PluginError, cancel: &CancelFlag) -> PluginError {
    if error.kind() == PluginErrorKind::Source && cancel.is_cancelled() {
        return PluginError::Cancelled;
    }
    error
}

async fn from_platform(args: &InstallArgs, io: &Output) -> anyhow::Result<InstallReport> {
    let signals = Signals::listen()?;
    let cancel = CancelFlag::default();
    let client = args.agent.client()?;
    let bar = progress::bar(args.name.to_string(), None, io);
    let options = PluginOptions::new()
        .with_install(args.options())
        .with_cancel(cancel.clone())
        .with_report(!args.no_report)
        .with_plugins_dir(args.plugins.path(&args.agent.identity.place)?)
        .with_progress(progress::follow(&bar));
    let work = async {
        let source = args.source.as_deref();
        Ok(client.install_plugin(&args.name, source, options).await?)
    };
    let done = until_forced(work, &signals, &cancel).await;
    bar.finish_and_clear();
    let done = done?;
    say_recorded(&done.record);
    Ok(done.report)
}

/// That the platform could not be told is logged where it happens.
fn say_recorded(record: &InstallRecorded) {
    match record {
        InstallRecorded::Recorded => tracing::info!("the platform recorded the installation"),
        InstallRecorded::NoContainer => {
            tracing::info!("the platform records no plugins of an agent without a container");
        }
        _ => {}
    }
}

impl InstallArgs {
    fn options(&self) -> InstallOptions {
        let limits = SetupLimits::default().with_environment(env::for_setup());
        let options = InstallOptions::new()
            .with_setup(self.setup.into())
            .with_setup_limits(limits)
            .with_durability(self.durability());
        match self.sha256 {
            Some(expected) => options.with_expected(expected),
            None => options,
        }
    }

    const fn durability(&self) -> Durability {
        if self.no_sync {
            Durability::Unsynced
        } else {
            Durability::Sync
        }
    }
}
