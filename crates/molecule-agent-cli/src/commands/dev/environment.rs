//! What the platform of `dev` believes about where it runs.

use clap::{Args, ValueEnum};
use molecule_emulator::{EmulatorConfig, Quirks};

/// Options that make the platform another one than most developers need.
#[derive(Debug, Args)]
#[command(next_help_heading = "Environment")]
pub(super) struct EnvironmentArgs {
    /// The environment that the platform believes to run in; the last two make up no administrator's token
    #[arg(long, value_name = "MODE", default_value = "default")]
    mode: Mode,
    /// Be a tenant of the hosted service: requests must name this organisation
    #[arg(long, value_name = "ID")]
    pub(super) org_id: Option<String>,
    /// Have nothing that starts containers, so that resume and restart answer 503
    #[arg(long)]
    no_provisioner: bool,
    /// Fail workspaces that are neither external nor provisioned, as a host of containers does
    #[arg(long)]
    container_sweep: bool,
    /// Switch a mistake of the platform on or off, whatever its generation: NAME=on or NAME=off (may be repeated)
    #[arg(long = "quirk", value_name = "NAME=SWITCH", value_parser = quirk)]
    quirks: Vec<Quirk>,
}

impl EnvironmentArgs {
    /// Whether the platform has an administrator's token, also if it is given none.
    pub(super) fn has_admin(&self) -> bool {
        self.mode == Mode::Default
    }

    pub(super) fn apply(&self, config: EmulatorConfig) -> EmulatorConfig {
        let switches = self.quirks.iter();
        let quirks = switches.fold(config.quirks(), |quirks, switch| {
            switch.switched(quirks).unwrap_or(quirks)
        });
        let config = config
            .with_mode(self.mode.into())
            .with_provisioner(!self.no_provisioner)
            .with_container_sweep(self.container_sweep)
            .with_quirks(quirks);
        match &self.org_id {
            Some(org_id) => config.with_org_id(org_id),
            None => config,
        }
    }
}

/// The environments of platforms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// With an administrator's token.
    Default,
    /// Without one, who carries no bearer passes as the administrator, and nothing is rate limited.
    Development,
    /// Without one, each workspace's token counts as one.
    Production,
}

impl From<Mode> for molecule_emulator::Mode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Default => Self::Default,
            Mode::Development => Self::Development,
            Mode::Production => Self::Production,
        }
    }
}

/// A mistake that the platform makes, or does not.
#[derive(Debug, Clone)]
struct Quirk {
    name: String,
    on: bool,
}

impl Quirk {
    fn switched(&self, quirks: Quirks) -> Option<Quirks> {
        quirks.with(&self.name, self.on)
    }
}

fn quirk(text: &str) -> Result<Quirk, String> {
    let (name, on) = match text.split_once('=') {
        Some((name, "on")) => (name, true),
        Some((name, "off")) => (name, false),
        _ => return Err("write it like search_panics=on or search_panics=off".to_owned()),
    };
    let quirk = Quirk {
        name: name.replace('-', "_"),
        on,
    };
    match quirk.switched(Quirks::none()) {
        Some(_) => Ok(quirk),
        None => Err(format!(
            "there is no {name}, but {}",
            Quirks::all().names().join(", ")
        )),
    }
}
