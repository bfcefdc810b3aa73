//! `plugin`: what installs plugins, looks after them, and makes them.

mod archive;
mod declare;
mod identity;
mod install;
mod installed;
mod make;
mod memory;
mod progress;
mod report;
mod validate;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::args::{PlaceArgs, PluginsDirArgs};
use crate::exit::{Exit, Problem};
use crate::output::Output;

pub(crate) use make::{VerifySha256Args, verify_sha256};

/// Commands about plugins.
#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Install a plugin or upgrade it, from the platform or from an archive
    Install(Box<install::InstallArgs>),
    /// List the installed plugins
    List(installed::ListArgs),
    /// Remove an installed plugin
    #[command(visible_alias = "uninstall")]
    Remove(installed::RemoveArgs),
    /// Print the manifest hash of a plugin's directory
    Hash(make::HashArgs),
    /// Compare a plugin's directory with what was installed
    Verify(installed::VerifyArgs),
    /// Pack a plugin's directory into an archive that depends on its files alone
    Pack(make::PackArgs),
    /// Check a plugin before it is published: its manifest, its skills, and that it holds no secret
    Validate(validate::ValidateArgs),
}

/// Runs a command about plugins.
///
/// # Errors
/// Whatever made it fail.
pub(crate) fn run(command: &PluginCommand, io: &Output) -> anyhow::Result<Exit> {
    match command {
        PluginCommand::Install(args) => install::run(args, io),
        PluginCommand::List(args) => installed::list(args, io),
        PluginCommand::Remove(args) => installed::remove(args, io),
        PluginCommand::Hash(args) => make::hash(args, io),
        PluginCommand::Verify(args) => installed::verify(args, io),
        PluginCommand::Pack(args) => make::pack(args, io),
        PluginCommand::Validate(args) => validate::run(args, io),
    }
}

impl PluginsDirArgs {
    /// The directory of installed plugins.
    ///
    /// # Errors
    /// When nothing says where it is.
    fn path(&self, place: &PlaceArgs) -> anyhow::Result<PathBuf> {
        if let Some(dir) = &self.plugins_dir {
            return Ok(dir.clone());
        }
        let state_dir = match (place.workspace_id, &place.state_dir) {
            (Some(id), _) => place.dir(&id)?,
            (None, Some(dir)) => dir.clone(),
            (None, None) => return Err(Problem::usage(WHERE).into()),
        };
        Ok(state_dir.join("plugins"))
    }
}

const WHERE: &str = "which plugins? name their directory with --plugins-dir, or the agent that has them with \
                     --workspace-id or MOLECULE_WORKSPACE_ID";

/// A plugin's directory that the user named.
///
/// # Errors
/// When there is none.
fn existing(dir: &Path) -> anyhow::Result<&Path> {
    if dir.is_dir() {
        return Ok(dir);
    }
    let message = format!("{} is not a directory; name a plugin's", dir.display());
    Err(Problem::usage(message).into())
}
