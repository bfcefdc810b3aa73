//! The command line. A flag that `config show` has too is a setting: `options.rs` gives it its environment variable and
//! its key in the config file.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{EnumValueParser, OsStringValueParser, TypedValueParser as _};
use clap::{ArgAction, Args, Parser, ValueEnum, ValueHint};
use molecule_agent::{PlatformUrl, WorkspaceId};

use crate::commands::Command;
use crate::duration;
use crate::logging::LogFormat;

/// Molecule AI remote agents: take part in a platform as a workspace.
#[derive(Debug, Parser)]
#[command(name = "molecule-agent", version, propagate_version = true)]
#[command(after_help = "\
Exit codes: 0 done, drained or paused; 1 unexpected; 2 usage or configuration; 3 authentication; 4 platform unreachable;
5 workspace deleted; 7 a plugin was refused or is not intact; 8 another agent holds the lock; 9 a needed capability is missing; 75 temporary, try again.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct GlobalArgs {
    /// Read settings from this TOML file [default: ~/.molecule/config.toml, if it exists] [env: MOLECULE_CONFIG]
    #[arg(long, global = true, value_name = "FILE", help_heading = "General", value_hint = ValueHint::FilePath, value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub(crate) config: Option<PathBuf>,
    /// Print data as JSON, one value to a line; the same as `-o json`
    #[arg(long, global = true, help_heading = "General")]
    pub(crate) json: bool,
    /// How to print data
    #[arg(
        short,
        long,
        global = true,
        value_name = "FORMAT",
        help_heading = "General",
        value_parser = EnumValueParser::<DataFormat>::new().map(OutputOption::Format)
    )]
    pub(crate) output: Option<OutputOption>,
    /// How lines of the log look, on stderr
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        default_value = "text",
        help_heading = "General"
    )]
    pub(crate) log_format: LogFormat,
    /// Log more; again for still more
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "General")]
    pub(crate) verbose: u8,
    /// Log errors alone, and print no notes
    #[arg(
        short,
        long,
        global = true,
        help_heading = "General",
        conflicts_with = "verbose"
    )]
    pub(crate) quiet: bool,
}

impl GlobalArgs {
    /// Whether data is printed as JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.json || self.output == Some(OutputOption::Format(DataFormat::Json))
    }
}

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DataFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// What `-o` says: how to print, and to `plugin pack` and `attachments download` where to write. The parser hands an option of one name up to the
/// global ones, so both are of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OutputOption {
    /// How to print data.
    Format(DataFormat),
    /// Where to write.
    File(PathBuf),
}

/// Reads where to write. What elsewhere is a format is most likely meant as one.
pub(crate) fn file_to_write(path: OsString) -> Result<OutputOption, &'static str> {
    match path.to_str() {
        Some("") => Err("give a value"),
        Some("json" | "text") => Err(
            "this names the file to write; say --json to print JSON, or ./json for a file of this name",
        ),
        _ => Ok(OutputOption::File(path.into())),
    }
}

/// Where the platform is, and how to reach it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Platform")]
pub(crate) struct PlatformArgs {
    /// The platform's address, such as https://molecule.example.com
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) platform_url: Option<PlatformUrl>,
    /// The organisation, on a hosted platform
    #[arg(long, value_name = "ID")]
    pub(crate) org_id: Option<String>,
    /// Send no Origin header: for a platform behind a proxy that rewrites Host
    #[arg(long)]
    pub(crate) no_origin_header: bool,
    /// Trust the certificate authorities of this PEM file too
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) ca_file: Option<PathBuf>,
    /// Let the token cross plain http to a public host
    #[arg(long)]
    pub(crate) allow_insecure_http: bool,
    /// The longest that one call may take, with its retries
    #[arg(long, value_name = "DURATION", value_parser = duration::parse_interval)]
    pub(crate) call_deadline: Option<Duration>,
}

/// Which workspace the agent is, and where its files are.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Agent")]
pub(crate) struct PlaceArgs {
    /// The workspace that the agent is
    #[arg(short, long, value_name = "ID")]
    pub(crate) workspace_id: Option<WorkspaceId>,
    /// The agent's directory, with its token and its place in the log [default: ~/.molecule/ID]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) state_dir: Option<PathBuf>,
}

/// Which workspace the agent is, and where its token is.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Agent")]
pub(crate) struct IdentityArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// Read the token from this file, for every call, instead of the agent's directory
    #[arg(long, value_name = "FILE", group = "workspace_token", value_hint = ValueHint::FilePath)]
    pub(crate) token_file: Option<PathBuf>,
    /// Read the token from this open descriptor, once
    #[arg(long, value_name = "N", group = "workspace_token", value_parser = descriptor)]
    pub(crate) token_fd: Option<u32>,
}

/// An agent of a platform: what most commands need.
#[derive(Debug, Clone, Args)]
pub(crate) struct AgentArgs {
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
    #[command(flatten)]
    pub(crate) identity: IdentityArgs,
}

/// The administrator of a platform.
#[derive(Debug, Clone, Args)]
pub(crate) struct AdminArgs {
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
    #[command(flatten)]
    pub(crate) token: AdminTokenArgs,
}

/// Where the administrator's token is.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Administrator")]
pub(crate) struct AdminTokenArgs {
    /// Read the administrator's token from this file (or give it in the variable MOLECULE_ADMIN_TOKEN)
    #[arg(long, value_name = "FILE", group = "admin_token", value_hint = ValueHint::FilePath)]
    pub(crate) admin_token_file: Option<PathBuf>,
    /// Read the administrator's token from this open descriptor
    #[arg(long, value_name = "N", group = "admin_token", value_parser = descriptor)]
    pub(crate) admin_token_fd: Option<u32>,
}

/// Where plugins are.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Agent")]
pub(crate) struct PluginsDirArgs {
    /// The directory of installed plugins [default: plugins, in the agent's directory]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) plugins_dir: Option<PathBuf>,
}

/// What the agent says about itself.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Agent card")]
pub(crate) struct CardArgs {
    /// The agent's name [default: that of the card, or remote-agent- and the first 8 of the id]
    #[arg(long, value_name = "NAME")]
    pub(crate) agent_name: Option<String>,
    /// A JSON file with the agent card
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) agent_card: Option<PathBuf>,
    /// A skill to add to the card; may be repeated
    #[arg(long = "skill", id = "skill", value_name = "NAME")]
    pub(crate) skills: Vec<String>,
}

/// How the agent joins.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Joining")]
pub(crate) struct JoinArgs {
    #[command(flatten)]
    pub(crate) card: CardArgs,
    /// An address at which the platform reaches you: messages are pushed there instead of being polled for
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) reported_url: Option<String>,
    /// Register a paused workspace too, which un-pauses it
    #[arg(long)]
    pub(crate) resume: bool,
    /// Register an id that the platform does not know too, which creates a workspace
    #[arg(long)]
    pub(crate) create: bool,
}

/// Reads the number of a descriptor.
pub(crate) fn descriptor(text: &str) -> Result<u32, &'static str> {
    text.parse()
        .map_err(|_| "give a descriptor's number, as in --token-fd 3 3< file")
}
