//! `config show`: the settings, and where each comes from.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::args::{AdminTokenArgs, PluginsDirArgs};
use crate::commands::connect::ConnectArgs;
use crate::exit::Exit;
use crate::options::Setting;
use crate::output::Output;

/// Commands about settings.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show every setting, its value and where that comes from; secrets are shown as [set]
    Show(Box<ShowArgs>),
}

/// Every setting there is: what `connect` takes, and what the commands of the administrator and about plugins take besides.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    admin: AdminTokenArgs,
    #[command(flatten)]
    plugins: PluginsDirArgs,
}

pub(crate) fn show(settings: &[Setting], io: &Output) -> anyhow::Result<Exit> {
    io.data(&settings, || table(settings))?;
    Ok(Exit::Done)
}

fn table(settings: &[Setting]) -> String {
    let value = |setting: &Setting| match &setting.value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let width = |text: &dyn Fn(&Setting) -> usize| settings.iter().map(text).max().unwrap_or(0);
    let keys = width(&|setting| setting.key.chars().count());
    let values = width(&|setting| value(setting).chars().count());
    let mut text = String::new();
    for setting in settings {
        let (key, value, origin) = (&setting.key, value(setting), &setting.origin);
        let _ = writeln!(text, "{key:keys$}  {value:values$}  {origin}");
    }
    text.trim_end().to_owned()
}
