//! `plugin list`, `plugin remove` and `plugin verify`: what is installed.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use molecule_plugin::{
    InstalledPlugin, PluginError, PluginName, PluginStore, Sha256Digest, Verification, Wait,
    verify_installed,
};
use serde_json::json;

use super::existing;
use crate::args::{PlaceArgs, PluginsDirArgs};
use crate::exit::{Exit, Problem};
use crate::output::Output;

/// How long another process may work on a plugin before that is an error.
const WAIT: Wait = Wait::For(Duration::from_secs(30));

/// Options of `plugin list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    plugins: PluginsDirArgs,
}

/// Options of `plugin remove`.
#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    plugins: PluginsDirArgs,
    /// Which plugin
    name: PluginName,
}

/// Options of `plugin verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The plugin's directory
    #[arg(value_hint = ValueHint::DirPath)]
    dir: PathBuf,
    /// The manifest hash that it must have [default: as it was installed, or what its plugin.yaml declares]
    #[arg(long, value_name = "HASH")]
    sha256: Option<Sha256Digest>,
}

/// Lists what is installed.
///
/// # Errors
/// When the directory is unknown or cannot be read.
pub(super) fn list(args: &ListArgs, io: &Output) -> anyhow::Result<Exit> {
    let dir = args.plugins.path(&args.place)?;
    // Looking makes no directory.
    let plugins = match dir.exists() {
        true => PluginStore::open(dir)?.list()?,
        false => Vec::new(),
    };
    for plugin in &plugins {
        io.data(plugin, || line(plugin))?;
    }
    if plugins.is_empty() {
        io.note("no plugins");
    }
    Ok(Exit::Done)
}

fn line(plugin: &InstalledPlugin) -> String {
    let version = plugin.version.as_deref().unwrap_or("-");
    let digest = plugin.digest.map(|digest| digest.to_string());
    let verified = if plugin.verified {
        "verified"
    } else {
        "not verified"
    };
    format!(
        "{}  {version}  {}  {verified}",
        plugin.name,
        digest.as_deref().unwrap_or("-")
    )
}

/// Removes a plugin.
///
/// # Errors
/// When there is no such plugin, another process works on it, or it cannot be removed.
pub(super) fn remove(args: &RemoveArgs, io: &Output) -> anyhow::Result<Exit> {
    let dir = args.plugins.path(&args.place)?;
    if !dir.exists() {
        return Err(PluginError::NotInstalled(args.name.clone()).into());
    }
    let store = PluginStore::open(dir)?;
    store.remove(&args.name, WAIT)?;
    let root = store.dir().join(args.name.as_str());
    let data = json!({"name": args.name, "root": root, "removed": true});
    io.data(&data, || format!("removed {}", root.display()))?;
    Ok(Exit::Done)
}

/// Compares a plugin with what it should be. One that is not intact is both an answer and an error.
///
/// # Errors
/// When it is not intact, cannot be read, or there is nothing to compare it with.
pub(super) fn verify(args: &VerifyArgs, io: &Output) -> anyhow::Result<Exit> {
    let dir = existing(&args.dir)?;
    let found = verify_installed(dir, args.sha256)?;
    io.data(&found, || described(&found))?;
    if found.intact {
        return Ok(Exit::Done);
    }
    let message = format!(
        "the plugin in {} is not what it should be; install it again",
        dir.display()
    );
    Err(Problem::new(Exit::Integrity, message).into())
}

fn described(found: &Verification) -> String {
    let mut text = if found.intact { "intact" } else { "not intact" }.to_owned();
    let hash = |digest: Option<Sha256Digest>| {
        digest.map_or_else(|| "-".to_owned(), |digest| digest.to_string())
    };
    let _ = write!(
        text,
        "\nmanifest hash {}, expected {}",
        hash(found.digest),
        hash(found.expected)
    );
    let lists = [
        ("changed", &found.changed),
        ("missing", &found.missing),
        ("added", &found.added),
        ("by setup.sh", &found.by_setup),
    ];
    for (word, paths) in lists {
        for path in paths {
            let _ = write!(text, "\n{word}: {}", path.escape_debug());
        }
    }
    text
}
