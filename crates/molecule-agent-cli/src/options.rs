//! From the command line, the environment and the config file to one set of options, in that order of precedence.
//!
//! A flag is declared once, in the types that clap reads. Those that `config show` has are the settings: each is also
//! the environment variable `MOLECULE_<FLAG>` and the key `<flag>` of the config file, with `_` for `-`. What they give
//! becomes the flag's default, so that all three pass through the same checks.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{NonEmptyStringValueParser, OsStr, Resettable};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command, CommandFactory, FromArgMatches};
use molecule_plugin::{InvalidDigest, Sha256Digest};
use serde::Serialize;
use serde_json::Value;

use crate::args::Cli;
use crate::commands::Command as Chosen;
use crate::config_file::{ConfigFile, switch};
use crate::env;
use crate::exit::{Exit, Problem};
use crate::members::{Given, Layer};
use crate::output::Output;

/// Variables that mean a setting too, after `MOLECULE_<FLAG>`: the first that is set wins.
const OTHER_VARIABLES: &[(&str, &[&str])] = &[
    ("platform_url", &["PLATFORM_URL", "MOLECULE_URL"]),
    ("workspace_id", &["WORKSPACE_ID"]),
];

/// Secrets that are given by the environment: flags of the group come before them, other sources of the group after.
const SECRETS: &[(&str, &str)] = &[
    ("workspace_token", "MOLECULE_WORKSPACE_TOKEN"),
    ("admin_token", "MOLECULE_ADMIN_TOKEN"),
    ("workspaces", "MOLECULE_WORKSPACES"),
    ("workspace_tokens", "MOLECULE_WORKSPACE_TOKENS"),
];

/// Global flags that are no settings: they are meant for one call.
const PER_CALL: &[&str] = &[
    "config", "json", "output", "verbose", "quiet", "help", "version",
];

/// What the program was asked to do, and with which settings.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) cli: Cli,
    pub(crate) settings: Vec<Setting>,
}

/// A setting and where its value comes from.
#[derive(Debug, Serialize)]
pub(crate) struct Setting {
    /// Its key in the config file.
    pub(crate) key: String,
    /// Its value: true or false for a switch, null if it has none, and else text; several are separated by commas.
    pub(crate) value: Value,
    /// `flag`, `environment <name>`, `file <path>` or `default`.
    pub(crate) origin: String,
}

/// Values that are no flags.
#[derive(Debug, Clone)]
struct Found {
    values: Vec<String>,
    origin: Origin,
}

/// Where it was found.
#[derive(Debug, Clone)]
enum Origin {
    Environment(String),
    File(PathBuf),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
        }
    }
}

/// Why there is nothing to run: help was asked for, or the options are wrong.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// What clap has to say: help, the version, or a wrong command line.
    Clap { error: clap::Error, json: bool },
    /// Anything else.
    Wrong { error: anyhow::Error, json: bool },
}

impl Refusal {
    /// Prints it and says how to end.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Self::Clap { error, json } if error.use_stderr() && json => {
                failed(&Problem::usage(in_short(&error)).into(), json)
            }
            Self::Clap { error, .. } => {
                let _ = error.print();
                let exit = if error.use_stderr() {
                    Exit::Usage
                } else {
                    Exit::Done
                };
                exit.into()
            }
            Self::Wrong { error, json } => failed(&error, json),
        }
    }
}

fn failed(error: &anyhow::Error, json: bool) -> ExitCode {
    let exit = Exit::of(error);
    Output::new(json, false).failure(error, exit);
    exit.into()
}

/// What is wrong with the command line, without the usage, which is for people.
fn in_short(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "which command? `molecule-agent --help` lists them".to_owned();
    }
    let text = error.to_string();
    let what = text.split("\n\nUsage:").next().unwrap_or_default();
    let what = what
        .split("\n\nFor more information")
        .next()
        .unwrap_or_default();
    what.trim_start_matches("error: ").trim_end().to_owned()
}

/// Reads the whole invocation.
///
/// # Errors
/// [`Refusal`] when there is nothing to run.
pub(crate) fn parse(arguments: Vec<OsString>) -> Result<Invocation, Refusal> {
    let json = asks_for_json(&arguments);
    let wrong = |error: anyhow::Error| Refusal::Wrong { error, json };
    refuse_secrets(&arguments).map_err(wrong)?;
    let keys = settings();
    let command = documented(&keys);
    let flags = command
        .clone()
        .try_get_matches_from(&arguments)
        .map_err(|error| usage(error, &BTreeMap::new(), json))?;
    refuse_hidden_format(&command, &flags, &arguments).map_err(wrong)?;
    let file = ConfigFile::find(flags.get_one::<PathBuf>("config").map(PathBuf::as_path))
        .map_err(wrong)?;
    file.check_keys(|key| keys.contains_key(key))
        .map_err(wrong)?;
    let mut found = find(&keys, &file).map_err(wrong)?;
    if !found.is_empty() {
        let mut built = command.clone();
        built.build();
        yield_to_stronger(&built, &flags, &mut found);
        check_one_of_each(&built, &flags, &found).map_err(wrong)?;
    }
    let given = many_agents(&command, &flags, &found).map_err(wrong)?;
    let by_flag = leaf_layer(&command, &flags);
    let matches = with_found(command, flags, &found, &arguments)
        .map_err(|error| usage(error, &found, json))?;
    let mut cli = Cli::from_arg_matches(&matches).map_err(|error| Refusal::Clap { error, json })?;
    if let (Some(given), Chosen::Connect(args)) = (given, &mut cli.command) {
        let [environment, config] = split_found(&found);
        let members = given.members([by_flag, environment, config]);
        args.members = members.map_err(wrong)?;
    }
    let settings = explain(&matches, &keys, &found);
    Ok(Invocation { cli, settings })
}

/// The agents of a `connect` that is to run several. One that is named by a flag runs alone.
fn many_agents(
    command: &Command,
    flags: &ArgMatches,
    found: &BTreeMap<String, Found>,
) -> anyhow::Result<Option<Given>> {
    let (leaf, matches) = leaf(command, flags);
    if leaf.get_name() != "connect" {
        return Ok(None);
    }
    if let Ok(Some(path)) = matches.try_get_one::<PathBuf>("agents") {
        return Given::in_file(path).map(Some);
    }
    if is_flag(matches, "workspace") || is_flag(matches, "workspace_id") {
        return Ok(None);
    }
    let named = |origin: fn(&Origin) -> bool| {
        let found = found.get("agents").filter(|found| origin(&found.origin))?;
        found.values.first().map(PathBuf::from)
    };
    if let Some(path) = named(|origin| matches!(origin, Origin::Environment(_))) {
        return Given::in_file(&path).map(Some);
    }
    if let Some(given) = Given::in_environment()? {
        return Ok(Some(given));
    }
    named(|_| true)
        .map(|path| Given::in_file(&path))
        .transpose()
}

/// What the flags of the command say, as they would stand in a file.
fn leaf_layer(command: &Command, matches: &ArgMatches) -> Layer {
    let (leaf, matches) = leaf(command, matches);
    let given = leaf
        .get_arguments()
        .filter(|arg| is_flag(matches, arg.get_id().as_str()));
    given
        .filter_map(|arg| {
            let key = arg.get_id().as_str();
            let values = match arg.get_action() {
                ArgAction::SetTrue => vec!["true".to_owned()],
                _ => {
                    let raw = matches.try_get_raw(key).ok()??;
                    raw.map(|value| value.to_string_lossy().into_owned())
                        .collect()
                }
            };
            Some((key.to_owned(), values))
        })
        .collect()
}

/// What the environment says, and what the config file.
fn split_found(found: &BTreeMap<String, Found>) -> [Layer; 2] {
    let of = |in_environment: bool| {
        let found = found.iter();
        found
            .filter(|(_, found)| matches!(found.origin, Origin::Environment(_)) == in_environment)
            .map(|(key, found)| (key.clone(), found.values.clone()))
            .collect()
    };
    [of(true), of(false)]
}

/// The commands whose `-o` names a file and hides one that was given before them and means a format.
const WRITERS: [(&str, &str); 2] = [("plugin", "pack"), ("attachments", "download")];

fn refuse_hidden_format(
    command: &Command,
    matches: &ArgMatches,
    arguments: &[OsString],
) -> anyhow::Result<()> {
    let Some(writer) = WRITERS.into_iter().find(|one| is_for(*one, matches)) else {
        return Ok(());
    };
    let (family, name) = writer;
    // Up to its name, with a command of that name that takes nothing, the parser sees the other one alone.
    let bare = command.clone().mut_subcommand(family, |family| {
        family.mut_subcommand(name, |_| Command::new(name))
    });
    let hides = (0..arguments.len())
        .filter(|at| arguments[*at] == name)
        .filter_map(|at| bare.clone().try_get_matches_from(&arguments[..=at]).ok())
        .any(|before| is_for(writer, &before) && before.contains_id("output"));
    if hides {
        let message = format!(
            "-o before `{name}` would be the format, and after it the file to write; say --json for JSON"
        );
        return Err(Problem::usage(message).into());
    }
    Ok(())
}

fn is_for((family, name): (&str, &str), matches: &ArgMatches) -> bool {
    let family = matches.subcommand_matches(family);
    family.is_some_and(|family| family.subcommand_name() == Some(name))
}

/// Whether errors are to be JSON, even that the command line cannot be read.
fn asks_for_json(arguments: &[OsString]) -> bool {
    let words: Vec<_> = arguments
        .iter()
        .take_while(|argument| *argument != "--")
        .filter_map(|argument| argument.to_str())
        .collect();
    let one = |word: &&str| ["--json", "-ojson", "-o=json", "--output=json"].contains(word);
    let pair = |pair: &[&str]| ["-o", "--output"].contains(&pair[0]) && pair[1] == "json";
    words.iter().any(one) || words.windows(2).any(pair)
}

/// The command line, whose help names the environment variables. What has no flag is listed as an argument, even after
/// options that have a heading.
pub(crate) fn documented_command() -> Command {
    documented(&settings())
}

fn documented(keys: &BTreeMap<String, Arg>) -> Command {
    map_args(
        Cli::command(),
        &|arg| match keys.get(arg.get_id().as_str()) {
            Some(_) => {
                let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
                let variable = &variables(arg.get_id().as_str())[0];
                arg.help(format!("{help} [env: {variable}]"))
            }
            None if arg.is_positional() => arg.help_heading(Resettable::Reset),
            None if is_optional_text(&arg) => arg.value_parser(NonEmptyStringValueParser::new()),
            None => arg,
        },
    )
}

/// Whether it is a flag for a text that is left out where there is none, and so is not given an empty one.
fn is_optional_text(arg: &Arg) -> bool {
    let is_text = arg.get_value_parser().type_id() == TypeId::of::<String>();
    is_text && arg.get_long().is_some() && arg.get_default_values().is_empty()
}

/// The settings by their keys: the flags of `config show`.
fn settings() -> BTreeMap<String, Arg> {
    let mut command = Cli::command();
    command.build();
    let show = command
        .find_subcommand("config")
        .and_then(|config| config.find_subcommand("show"))
        .expect("the command is declared in commands/config.rs");
    show.get_arguments()
        .filter(|arg| arg.get_long().is_some())
        .map(|arg| (arg.get_id().to_string(), arg.clone()))
        .filter(|(key, _)| !PER_CALL.contains(&key.as_str()))
        .collect()
}

/// The variables of a setting, the strongest first.
fn variables(key: &str) -> Vec<String> {
    let others = OTHER_VARIABLES
        .iter()
        .filter(|(other, _)| *other == key)
        .flat_map(|(_, names)| names.iter().map(ToString::to_string));
    std::iter::once(format!("MOLECULE_{}", key.to_uppercase()))
        .chain(others)
        .collect()
}

fn find(
    keys: &BTreeMap<String, Arg>,
    file: &ConfigFile,
) -> anyhow::Result<BTreeMap<String, Found>> {
    let mut all = BTreeMap::new();
    for (key, arg) in keys {
        let found = match in_environment(key, arg)? {
            Some(found) => Some(found),
            None => in_file(key, file),
        };
        if let Some(found) = found {
            all.insert(key.clone(), checked(key, arg, found)?);
        }
    }
    Ok(all)
}

fn in_environment(key: &str, arg: &Arg) -> anyhow::Result<Option<Found>> {
    let Some((name, value)) = variables(key)
        .into_iter()
        .find_map(|name| env::get(&name).map(|value| (name, value)))
    else {
        return Ok(None);
    };
    let value = value
        .into_string()
        .map_err(|_| Problem::usage(format!("the variable {name} is not UTF-8 text")))?;
    let values = match arg.get_action() {
        ArgAction::Append => value.split(',').map(|one| one.trim().to_owned()).collect(),
        _ => vec![value],
    };
    let origin = Origin::Environment(name);
    Ok(Some(Found { values, origin }))
}

fn in_file(key: &str, file: &ConfigFile) -> Option<Found> {
    Some(Found {
        values: file.get(key)?.to_vec(),
        origin: Origin::File(file.path.clone()),
    })
}

/// Whether it is a path that begins with what shells replace, and nobody else does.
fn is_unexpanded(arg: &Arg, value: &str) -> bool {
    let is_path = arg.get_value_parser().type_id() == TypeId::of::<PathBuf>();
    is_path && value.starts_with('~')
}

/// A switch is on or off, and only what may be repeated has several values.
fn checked(key: &str, arg: &Arg, mut found: Found) -> anyhow::Result<Found> {
    let refuse =
        |what: &str| Problem::usage(format!("the setting {key} ({}) {what}", found.origin));
    match (arg.get_action(), found.values.as_slice()) {
        (ArgAction::Append, _) => {}
        (ArgAction::SetTrue, [value]) => {
            let on = switch(value).ok_or_else(|| refuse("is a switch: true or false"))?;
            found.values = vec![on.to_string()];
        }
        (_, [value]) if is_unexpanded(arg, value) => {
            return Err(refuse(
                "begins with ~, which is only replaced in a shell; write the whole path",
            )
            .into());
        }
        (_, [_]) => {}
        _ => return Err(refuse("takes one value").into()),
    }
    Ok(found)
}

/// Of flags that exclude each other, only what the strongest source says counts.
fn yield_to_stronger(command: &Command, matches: &ArgMatches, found: &mut BTreeMap<String, Found>) {
    let (leaf, matches) = leaf(command, matches);
    for group in exclusive_groups(leaf) {
        let members: Vec<String> = group.get_args().map(ToString::to_string).collect();
        let by_flag = members.iter().any(|key| is_flag(matches, key));
        let by_secret = SECRETS
            .iter()
            .any(|(name, variable)| group.get_id() == *name && env::get(variable).is_some());
        let strongest = members
            .iter()
            .filter_map(|key| found.get(key))
            .map(|found| source_rank(&found.origin))
            .min();
        found.retain(|key, found| {
            !members.contains(key)
                || !(by_flag || by_secret) && Some(source_rank(&found.origin)) == strongest
        });
    }
}

fn exclusive_groups(command: &Command) -> impl Iterator<Item = &ArgGroup> {
    command
        .get_groups()
        .filter(|group| !(*group).clone().is_multiple())
}

/// The parser sees values that are no flags as defaults, and lets defaults exclude each other unnoticed.
fn check_one_of_each(
    command: &Command,
    matches: &ArgMatches,
    found: &BTreeMap<String, Found>,
) -> anyhow::Result<()> {
    let (leaf, _) = leaf(command, matches);
    for group in exclusive_groups(leaf) {
        let members: Vec<_> = leaf
            .get_arguments()
            .filter(|arg| group.get_args().any(|id| id == arg.get_id()))
            .filter_map(|arg| Some((arg, found.get(arg.get_id().as_str())?)))
            .filter(|(arg, found)| !is_off(arg, found))
            .collect();
        if let [(one, found), (other, _), ..] = members.as_slice() {
            let place = match &found.origin {
                Origin::Environment(_) => "the environment".to_owned(),
                Origin::File(path) => path.display().to_string(),
            };
            let (one, other) = (one.get_id(), other.get_id());
            let message = format!("{one} and {other} are both set in {place}; choose one");
            return Err(Problem::usage(message).into());
        }
    }
    Ok(())
}

/// Whether it is a switch that is off, which chooses nothing.
fn is_off(arg: &Arg, found: &Found) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue) && found.values == ["false"]
}

const fn source_rank(origin: &Origin) -> u8 {
    match origin {
        Origin::Environment(_) => 1,
        Origin::File(_) => 2,
    }
}

fn leaf<'a>(command: &'a Command, matches: &'a ArgMatches) -> (&'a Command, &'a ArgMatches) {
    let mut at = (command, matches);
    while let Some((name, matches)) = at.1.subcommand() {
        match at.0.find_subcommand(name) {
            Some(command) => at = (command, matches),
            None => break,
        }
    }
    at
}

fn is_flag(matches: &ArgMatches, key: &str) -> bool {
    matches!(matches.try_contains_id(key), Ok(true))
        && matches.value_source(key) == Some(ValueSource::CommandLine)
}

/// What the flags and the values that are no flags say together.
fn with_found(
    command: Command,
    flags: ArgMatches,
    found: &BTreeMap<String, Found>,
    arguments: &[OsString],
) -> Result<ArgMatches, clap::Error> {
    if found.is_empty() {
        return Ok(flags);
    }
    with_defaults(command, found).try_get_matches_from(arguments)
}

fn with_defaults(command: Command, found: &BTreeMap<String, Found>) -> Command {
    map_args(command, &|arg| match found.get(arg.get_id().as_str()) {
        Some(found) => arg.default_values(found.values.iter().map(OsStr::from)),
        None => arg,
    })
}

fn map_args(command: Command, change: &dyn Fn(Arg) -> Arg) -> Command {
    command
        .mut_args(change)
        .mut_subcommands(|command| map_args(command, change))
}

fn explain(
    matches: &ArgMatches,
    keys: &BTreeMap<String, Arg>,
    found: &BTreeMap<String, Found>,
) -> Vec<Setting> {
    let mut matches = matches;
    while let Some((_, inner)) = matches.subcommand() {
        matches = inner;
    }
    let explained = keys.iter().map(|(key, arg)| Setting {
        key: key.clone(),
        value: value_of(matches, key, arg),
        origin: if is_flag(matches, key) {
            "flag".to_owned()
        } else {
            found
                .get(key)
                .map_or_else(|| "default".to_owned(), |found| found.origin.to_string())
        },
    });
    let secrets = SECRETS.iter().map(|(key, variable)| secret(key, variable));
    let mut all: Vec<_> = explained.chain(secrets).collect();
    all.sort_by(|one, other| one.key.cmp(&other.key));
    all
}

fn value_of(matches: &ArgMatches, key: &str, arg: &Arg) -> Value {
    let Ok(Some(raw)) = matches.try_get_raw(key) else {
        return Value::Null;
    };
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        return matches.get_flag(key).into();
    }
    let values: Vec<_> = raw.map(|value| shown(&value.to_string_lossy())).collect();
    values.join(",").into()
}

/// A value without the password of an address.
fn shown(value: &str) -> String {
    let uri = value.parse::<http::Uri>().ok();
    match uri.as_ref().and_then(http::Uri::authority) {
        Some(authority) => match authority.as_str().rsplit_once('@') {
            Some((secret, host)) => {
                value.replacen(&format!("{secret}@{host}"), &format!("[hidden]@{host}"), 1)
            }
            None => value.to_owned(),
        },
        None => value.to_owned(),
    }
}

fn secret(key: &str, variable: &str) -> Setting {
    let set = env::get(variable).is_some();
    Setting {
        key: key.to_owned(),
        value: set.then_some("[set]").into(),
        origin: if set {
            format!("environment {variable}")
        } else {
            "default".to_owned()
        },
    }
}

/// Any user of the machine can read the arguments of a process.
fn refuse_secrets(arguments: &[OsString]) -> anyhow::Result<()> {
    let flags = arguments.iter().take_while(|argument| *argument != "--");
    for flag in flags.filter_map(|argument| argument.to_str()) {
        let name = flag.split('=').next().unwrap_or_default();
        if matches!(name, "--token" | "--workspace-token" | "--admin-token") {
            return Err(secret_argument(name).into());
        }
    }
    Ok(())
}

/// Why a secret is not taken from the arguments, and where it belongs. `name` is how it was given, never what it was.
pub(crate) fn secret_argument(name: &str) -> Problem {
    let instead = match name {
        "--admin-token" => {
            "--admin-token-file, --admin-token-fd or the variable MOLECULE_ADMIN_TOKEN"
        }
        _ => "--token-file, --token-fd, the variable MOLECULE_WORKSPACE_TOKEN or `token set`",
    };
    Problem::usage(format!(
        "{name} is refused, because others can read a process's arguments; use {instead}, and replace the token if it \
         was typed"
    ))
}

/// A wrong value is named by where it comes from, and never repeated: it may hold a password.
fn usage(error: clap::Error, found: &BTreeMap<String, Found>, json: bool) -> Refusal {
    let reason = match error.kind() {
        ErrorKind::ValueValidation => std::error::Error::source(&error).map(reason),
        ErrorKind::InvalidValue => choices(&error),
        _ => None,
    };
    let (Some(reason), Some(ContextValue::String(arg))) =
        (reason, error.get(ContextKind::InvalidArg))
    else {
        return Refusal::Clap { error, json };
    };
    let flag = arg.split(' ').next().unwrap_or_default();
    let key = flag.trim_start_matches('-').replace('-', "_");
    let place = match found.get(&key) {
        Some(found) => format!("{key} ({})", found.origin),
        None => flag.to_owned(),
    };
    let error = Problem::usage(format!("{place}: {reason}")).into();
    Refusal::Wrong { error, json }
}

/// What is wrong with a value, as its type says it; to a hash in capitals the type's reason says less than could be said.
fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    let in_capitals = |text: &str| text.to_lowercase().parse::<Sha256Digest>().is_ok();
    match error.downcast_ref::<InvalidDigest>() {
        Some(InvalidDigest(text)) if in_capitals(text) => {
            format!("write it in lower case: {}", text.to_lowercase())
        }
        _ => error.to_string(),
    }
}

fn choices(error: &clap::Error) -> Option<String> {
    match error.get(ContextKind::ValidValue)? {
        ContextValue::Strings(values) if values.is_empty() => Some("give a value".to_owned()),
        ContextValue::Strings(values) => Some(format!("choose one of {}", values.join(", "))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        documented_command().debug_assert();
    }

    #[test]
    fn every_flag_of_connect_is_a_setting() {
        let mut command = Cli::command();
        command.build();
        let keys = settings();
        let connect = command.find_subcommand("connect").unwrap();
        for arg in connect
            .get_arguments()
            .filter(|arg| arg.get_long().is_some())
        {
            let key = arg.get_id().as_str();
            assert_eq!(keys.contains_key(key), !PER_CALL.contains(&key), "{key}");
            assert_eq!(
                key,
                arg.get_long().unwrap().replace('-', "_"),
                "the key is the flag"
            );
        }
    }

    #[test]
    fn the_help_names_the_variable() {
        let mut command = documented_command();
        let help = command
            .find_subcommand_mut("state")
            .unwrap()
            .render_long_help()
            .to_string();
        assert!(help.contains("[env: MOLECULE_PLATFORM_URL]"), "{help}");
    }

    #[test]
    fn what_has_no_flag_is_listed_as_an_argument() {
        let mut command = documented_command();
        for path in [
            ["secrets", "get"].as_slice(),
            &["reply"],
            &["workspace", "create"],
        ] {
            let mut at = &mut command;
            for name in path {
                at = at.find_subcommand_mut(name).unwrap();
            }
            let help = at.render_help().to_string();
            assert!(help.contains("\nArguments:\n"), "{help}");
        }
    }

    #[test]
    fn json_is_asked_for_in_any_spelling() {
        let asks = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            asks_for_json(&words)
        };
        for line in [
            "state --json",
            "state -o json",
            "-ojson state",
            "--output=json state",
        ] {
            assert!(asks(line), "{line}");
        }
        for line in ["state -o text", "notify json", "secrets exec -- ls --json"] {
            assert!(!asks(line), "{line}");
        }
    }

    #[test]
    fn an_address_is_shown_without_its_password() {
        assert_eq!(shown("http://me:s3cr3t@a:1/b"), "http://[hidden]@a:1/b");
        assert_eq!(shown("http://a:1/@b"), "http://a:1/@b");
        assert_eq!(shown("me@example.com/a b"), "me@example.com/a b");
    }

    #[test]
    fn switches_are_words_or_digits() {
        for (text, expect) in [
            ("TRUE", Some(true)),
            ("0", Some(false)),
            ("off", Some(false)),
            ("2", None),
        ] {
            assert_eq!(switch(text), expect, "{text}");
        }
    }
}
