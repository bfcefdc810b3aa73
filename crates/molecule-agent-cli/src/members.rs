//! Many agents for one `connect`: who they are, and the options of each.
//!
//! They come from a file with a table for each, or from the environment. What an agent's own table says is for this agent, and
//! is stronger than flags; what stands at the top of the file is for all, and weaker than flags and the environment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use clap::{ArgAction, Args as _, Command, FromArgMatches as _};
use molecule_agent::Token;
use serde_json::Value as Json;

use crate::commands::connect::{ConnectArgs, Member};
use crate::config_file::{self, texts};
use crate::env;
use crate::exit::{Exit, Problem};

/// Keys and their values, as flags would be given them.
pub(crate) type Layer = BTreeMap<String, Vec<String>>;

/// What only one agent can have.
const FOR_ONE: &[&str] = &[
    "workspace_id",
    "state_dir",
    "token_file",
    "token_fd",
    "cursor_file",
    "listen",
    "inbound_token_file",
];

/// What only all agents together can have.
const FOR_ALL: &[&str] = &["agents", "rate_limit", "admin_listen"];

/// Shorter words for keys, in tables and in JSON.
const SHORT: &[(&str, &str)] = &[("id", "workspace_id"), ("name", "agent_name")];

const WORKSPACES: &str = "MOLECULE_WORKSPACES";
const IDS: &str = "MOLECULE_WORKSPACE_IDS";
const TOKENS: &str = "MOLECULE_WORKSPACE_TOKENS";

/// Agents as they were given.
#[derive(Default)]
pub(crate) struct Given {
    entries: Vec<Entry>,
    /// What is for all of them.
    defaults: Layer,
}

/// One of them.
struct Entry {
    /// Where it stands.
    place: String,
    values: Layer,
    token: Option<Token>,
}

impl Given {
    /// The agents of the environment, if it names any.
    ///
    /// # Errors
    /// When it cannot be read, or names them in two ways.
    pub(crate) fn in_environment() -> anyhow::Result<Option<Self>> {
        let given = match (text(WORKSPACES)?, text(IDS)?) {
            (Some(_), Some(_)) => {
                let message = format!("{WORKSPACES} and {IDS} are both set; choose one");
                return Err(Problem::usage(message).into());
            }
            (Some(json), None) => Self::of_json(&json)?,
            (None, Some(ids)) => Self::of_lists(&ids, &text(TOKENS)?.unwrap_or_default())?,
            (None, None) => return Ok(None),
        };
        Ok(Some(given))
    }

    /// The agents of a file: `[[agent]]` tables, and above them what is for all.
    ///
    /// # Errors
    /// When it cannot be read, or not be understood.
    pub(crate) fn in_file(path: &Path) -> anyhow::Result<Self> {
        let file = path.display().to_string();
        let text = fs::read_to_string(path).with_context(|| {
            Problem::usage(format!(
                "cannot read {file}; --agents names a TOML file with an [[agent]] table for each agent"
            ))
        })?;
        Self::of_toml(&file, &text)
    }

    fn of_toml(file: &str, toml: &str) -> anyhow::Result<Self> {
        let mut table = config_file::table(file, toml)?;
        let wrong = || Problem::usage(format!("{file}: write each agent as a table [[agent]]"));
        let agents = match table.remove("agent") {
            Some(toml::Value::Array(agents)) => agents,
            None => Vec::new(),
            Some(_) => return Err(wrong().into()),
        };
        let mut given = Self {
            defaults: layer(file, table)?,
            entries: Vec::new(),
        };
        for (index, agent) in agents.into_iter().enumerate() {
            let place = format!("{file}, agent {}", index + 1);
            let toml::Value::Table(table) = agent else {
                return Err(wrong().into());
            };
            let values = layer(&place, table)?;
            given.entries.push(Entry::new(place, values, None));
        }
        Ok(given)
    }

    /// `[{"id": ..., "token": ...}, ...]`. What is wrong is said without what stands there: it holds tokens.
    fn of_json(json: &str) -> anyhow::Result<Self> {
        let wrong = |what: &str| {
            Problem::usage(format!(
                "the variable {WORKSPACES} {what}; write it like [{{\"id\": \"...\", \"token\": \"...\"}}]"
            ))
        };
        let Ok(Json::Array(agents)) = serde_json::from_str(json) else {
            return Err(wrong("is no JSON array").into());
        };
        let mut given = Self::default();
        for (index, agent) in agents.into_iter().enumerate() {
            let place = format!("{WORKSPACES}, agent {}", index + 1);
            let Json::Object(mut fields) = agent else {
                return Err(wrong("has an element that is no object").into());
            };
            let token = match fields.remove("token") {
                None | Some(Json::Null) => None,
                Some(Json::String(token)) => Some(read_token(&place, &token)?),
                Some(_) => return Err(wrong("has a token that is no text").into()),
            };
            let table = toml::Table::try_from(fields)
                .map_err(|_| wrong("has a value that no setting has"))?;
            let values = layer(&place, table)?;
            given.entries.push(Entry::new(place, values, token));
        }
        Ok(given)
    }

    /// Ids and tokens, separated by commas.
    fn of_lists(ids: &str, tokens: &str) -> anyhow::Result<Self> {
        let (ids, tokens) = (split(ids), split(tokens));
        if !tokens.is_empty() && ids.len() != tokens.len() {
            let message = format!(
                "{IDS} has {} ids, and {TOKENS} has {} tokens; give as many of the one as of the other",
                ids.len(),
                tokens.len()
            );
            return Err(Problem::usage(message).into());
        }
        let mut given = Self::default();
        for (index, id) in ids.iter().enumerate() {
            let place = format!("{IDS}, agent {}", index + 1);
            let token = tokens.get(index);
            let token = token.map(|token| read_token(&place, token)).transpose()?;
            let values = Layer::from([("workspace_id".to_owned(), vec![(*id).to_owned()])]);
            given.entries.push(Entry::new(place, values, token));
        }
        Ok(given)
    }

    /// The options of each agent. `others` are flags, the environment and the config file, the strongest first; what stands at
    /// the top of the agents' file comes before the last.
    ///
    /// # Errors
    /// When there is no agent, one comes twice, or an option cannot be used.
    pub(crate) fn members(self, others: [Layer; 3]) -> anyhow::Result<Vec<Member>> {
        let mut command = ConnectArgs::augment_args(Command::new("agent").no_binary_name(true));
        let keys = Keys::of(&command);
        keys.check(
            &self.defaults,
            FOR_ONE,
            "the agents' file",
            "in each agent's own table",
        )?;
        let [flags, environment, config] = others;
        if let Some(key) = FOR_ONE.iter().find(|key| flags.contains_key(**key)) {
            let flag = key.replace('_', "-");
            let message =
                format!("--{flag} is for one agent, and several were given; leave it out");
            return Err(Problem::usage(message).into());
        }
        let mut members = Vec::new();
        let mut known = BTreeSet::new();
        for entry in self.entries {
            keys.check(
                &entry.values,
                FOR_ALL,
                &entry.place,
                "above the agents' tables",
            )?;
            let layers = [
                &entry.values,
                &without(&flags, FOR_ONE),
                &without(&environment, FOR_ONE),
                &self.defaults,
                &without(&config, FOR_ONE),
            ];
            let args = keys.parse(&mut command, &layers, &entry.place)?;
            let id = args.workspace_id().with_context(|| {
                Problem::usage(format!("{}: workspace_id is missing", entry.place))
            })?;
            if !known.insert(id) {
                let message = format!("{}: workspace {id} was given before", entry.place);
                return Err(Problem::usage(message).into());
            }
            let token = entry.token;
            members.push(Member { args, token });
        }
        if members.is_empty() {
            let message =
                "there is no agent; write an [[agent]] table with a workspace_id for each";
            return Err(Problem::usage(message).into());
        }
        Ok(members)
    }
}

impl Entry {
    fn new(place: String, mut values: Layer, token: Option<Token>) -> Self {
        for (short, key) in SHORT {
            if let Some(value) = values.remove(*short) {
                values.entry((*key).to_owned()).or_insert(value);
            }
        }
        Self {
            place,
            values,
            token,
        }
    }
}

/// What `connect` takes.
struct Keys {
    /// Each key, and whether it is a switch.
    switches: BTreeMap<String, bool>,
    /// Keys of which there is one at most.
    exclusive: Vec<Vec<String>>,
}

impl Keys {
    fn of(command: &Command) -> Self {
        let arguments = command
            .get_arguments()
            .filter(|arg| arg.get_long().is_some());
        let is_switch = |action: &ArgAction| matches!(action, ArgAction::SetTrue);
        let groups = command
            .get_groups()
            .filter(|group| !(*group).clone().is_multiple());
        Self {
            switches: arguments
                .map(|arg| (arg.get_id().to_string(), is_switch(arg.get_action())))
                .collect(),
            exclusive: groups
                .map(|group| group.get_args().map(ToString::to_string).collect())
                .collect(),
        }
    }

    /// Every key must be one that can stand here.
    fn check(
        &self,
        layer: &Layer,
        elsewhere: &[&str],
        place: &str,
        where_to: &str,
    ) -> anyhow::Result<()> {
        for key in layer.keys() {
            let what = if elsewhere.contains(&key.as_str()) {
                format!("belongs {where_to}")
            } else if self.switches.contains_key(key) {
                continue;
            } else if key.contains("token") {
                "is no setting of an agent; a token is kept in a file of its own, named by token_file".to_owned()
            } else {
                "is no setting of `connect`; `molecule-agent connect --help` lists them".to_owned()
            };
            return Err(Problem::usage(format!("{place}: the key {key:?} {what}")).into());
        }
        Ok(())
    }

    /// The options that the layers make together, the strongest first.
    fn parse(
        &self,
        command: &mut Command,
        layers: &[&Layer],
        place: &str,
    ) -> anyhow::Result<ConnectArgs> {
        let mut arguments = Vec::new();
        for (key, is_switch) in self.switches.iter().filter(|(key, _)| *key != "agents") {
            let Some(rank) = layers.iter().position(|layer| layer.contains_key(key)) else {
                continue;
            };
            if self
                .stronger_rival(key, layers)
                .is_some_and(|rival| rival < rank)
            {
                continue;
            }
            let flag = format!("--{}", key.replace('_', "-"));
            for value in &layers[rank][key] {
                match (*is_switch, config_file::switch(value)) {
                    (false, _) => arguments.push(format!("{flag}={value}")),
                    (true, Some(true)) => arguments.push(flag.clone()),
                    (true, Some(false)) => {}
                    (true, None) => {
                        let message = format!("{place}: {key} is a switch: true or false");
                        return Err(Problem::usage(message).into());
                    }
                }
            }
        }
        let matches = command.try_get_matches_from_mut(arguments);
        matches
            .and_then(|mut matches| ConnectArgs::from_arg_matches_mut(&mut matches))
            .map_err(|error| wrong_option(&error, layers, place).into())
    }

    /// The strongest layer that chooses another of the keys that exclude this one.
    fn stronger_rival(&self, key: &str, layers: &[&Layer]) -> Option<usize> {
        let groups = self.exclusive.iter();
        let rivals = groups
            .filter(|group| group.iter().any(|one| one == key))
            .flatten()
            .filter(|one| *one != key);
        rivals
            .filter_map(|rival| layers.iter().position(|layer| is_chosen(layer, rival)))
            .min()
    }
}

/// Whether it is there, and no switch that is off.
fn is_chosen(layer: &Layer, key: &str) -> bool {
    layer.get(key).is_some_and(
        |values| !matches!(values.as_slice(), [one] if config_file::switch(one) == Some(false)),
    )
}

/// The value is not repeated: it may be a token that stands in the wrong place.
fn wrong_option(error: &clap::Error, layers: &[&Layer], place: &str) -> Problem {
    use clap::error::{ContextKind, ContextValue};
    let name = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(flag)) => flag.as_str(),
        Some(ContextValue::Strings(flags)) => flags.first().map_or("", String::as_str),
        _ => "",
    };
    let flag = name.split([' ', '=']).next().unwrap_or_default();
    let key = flag.trim_start_matches('-').replace('-', "_");
    let reason = match std::error::Error::source(error) {
        Some(reason) => reason.to_string(),
        None => error
            .kind()
            .as_str()
            .unwrap_or("it cannot be used")
            .to_owned(),
    };
    let values = layers.iter().filter_map(|layer| layer.get(&key)).flatten();
    let is_telling = |value: &&String| value.len() > 3;
    let reason = values
        .filter(is_telling)
        .fold(reason, |reason, value| reason.replace(value, "..."));
    Problem::usage(format!("{place}: {key}: {reason}"))
}

fn without(layer: &Layer, keys: &[&str]) -> Layer {
    let mut layer = layer.clone();
    layer.retain(|key, _| !keys.contains(&key.as_str()));
    layer
}

fn layer(place: &str, table: toml::Table) -> anyhow::Result<Layer> {
    let read = |(key, value): (String, toml::Value)| {
        let values = texts(&value).with_context(|| {
            Problem::usage(format!("{place}: {key:?} has a value that no setting has"))
        })?;
        Ok((key, values))
    };
    table.into_iter().map(read).collect()
}

fn read_token(place: &str, text: &str) -> anyhow::Result<Token> {
    Token::new(text).with_context(|| {
        Problem::new(
            Exit::Authentication,
            format!("{place}: its token is none; give the token alone"),
        )
    })
}

fn split(list: &str) -> Vec<&str> {
    let parts = list.split(',').map(str::trim);
    parts.filter(|part| !part.is_empty()).collect()
}

fn text(variable: &str) -> anyhow::Result<Option<String>> {
    let value = env::get(variable).map(std::ffi::OsString::into_string);
    Ok(value
        .transpose()
        .map_err(|_| Problem::usage(format!("the variable {variable} is not UTF-8 text")))?)
}

#[cfg(test)]
mod tests;
