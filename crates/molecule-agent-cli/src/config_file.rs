//! The config file: TOML whose keys are the settings, all at the top.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use toml::Value;

use crate::env;
use crate::exit::{Exit, Problem};

/// The settings that a file gives.
#[derive(Debug, Default)]
pub(crate) struct ConfigFile {
    pub(crate) path: PathBuf,
    values: BTreeMap<String, Vec<String>>,
}

impl ConfigFile {
    /// The file that was named, by flag or environment, or else `~/.molecule/config.toml` if it exists.
    ///
    /// # Errors
    /// When a named file is missing, or the file cannot be read or understood.
    pub(crate) fn find(flag: Option<&Path>) -> anyhow::Result<Self> {
        let named = flag
            .map(Path::to_owned)
            .or_else(|| env::get("MOLECULE_CONFIG").map(PathBuf::from));
        match (named, default_path()) {
            (Some(path), _) if path.as_os_str().is_empty() => {
                Err(Problem::usage("--config is empty; name a file").into())
            }
            (Some(path), _) => Self::load(&path),
            (None, Some(path)) if path.exists() => Self::load(&path),
            (None, _) => Ok(Self::default()),
        }
    }

    fn load(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).map_err(|error| {
            let hint = if error.kind() == ErrorKind::NotFound {
                "; name an existing file with --config"
            } else {
                ""
            };
            anyhow::Error::new(error).context(Problem::new(
                Exit::Usage,
                format!("cannot read the config file {}{hint}", path.display()),
            ))
        })?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> anyhow::Result<Self> {
        let file = format!("the config file {}", path.display());
        let wrong = |what: String| Problem::usage(format!("{file} {what}"));
        let table = table(&file, text)?;
        let read = |(key, value): (String, Value)| {
            let values = texts(&value)
                .with_context(|| wrong(format!("gives {key:?} a value that no setting has")))?;
            Ok((key, values))
        };
        let values = table.into_iter().map(read).collect::<anyhow::Result<_>>()?;
        Ok(Self {
            path: path.to_owned(),
            values,
        })
    }

    /// The value, or values, of a setting.
    pub(crate) fn get(&self, key: &str) -> Option<&[String]> {
        self.values.get(key).map(Vec::as_slice)
    }

    /// Every key must be known: a misspelt one would silently do nothing.
    ///
    /// # Errors
    /// When one is not.
    pub(crate) fn check_keys(&self, is_known: impl Fn(&str) -> bool) -> anyhow::Result<()> {
        let Some(key) = self.values.keys().find(|key| !is_known(key)) else {
            return Ok(());
        };
        let hint = if key.contains("token") {
            "a token is kept in a file of its own, named by token_file or admin_token_file"
        } else {
            "`molecule-agent config show` lists the keys"
        };
        let message = format!(
            "the config file {} has the key {key:?}, which is no setting; {hint}",
            self.path.display()
        );
        Err(Problem::usage(message).into())
    }
}

fn default_path() -> Option<PathBuf> {
    Some(std::env::home_dir()?.join(".molecule/config.toml"))
}

/// A file's TOML. The parser's own text would repeat the line, and with it a token that was put there by mistake.
///
/// # Errors
/// When it is none.
pub(crate) fn table(file: &str, text: &str) -> anyhow::Result<toml::Table> {
    let wrong = |error| Problem::usage(format!("{file} {}", not_toml(text, &error)));
    Ok(text.parse().map_err(wrong)?)
}

/// A switch in words.
pub(crate) fn switch(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn not_toml(text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map(|span| {
        let before = text.get(..span.start).unwrap_or_default();
        format!(" in line {}", before.matches('\n').count() + 1)
    });
    let line = line.unwrap_or_default();
    format!("is not TOML{line}: {}", error.message())
}

/// What the flag would be given. Tables and dates are no values of settings.
///
/// # Errors
/// When it is one of those.
pub(crate) fn texts(value: &Value) -> anyhow::Result<Vec<String>> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(flag) => flag.to_string(),
        Value::Array(values) => {
            let texts: anyhow::Result<Vec<_>> = values.iter().map(texts).collect();
            return Ok(texts?.concat());
        }
        Value::Datetime(_) | Value::Table(_) => {
            anyhow::bail!("give it a text, a number, true or false, or a list of those")
        }
    };
    Ok(vec![text])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, key: &str, expect: &str) {
        let shown = match ConfigFile::parse(Path::new("c.toml"), text) {
            Ok(file) => format!("{:?}", file.get(key).unwrap_or_default()),
            Err(error) => format!("{error:#}"),
        };
        assert!(shown.starts_with(expect), "{text:?} gave {shown}");
    }

    #[test]
    fn every_value_becomes_the_text_of_its_flag() {
        check("poll_interval = 5", "poll_interval", r#"["5"]"#);
        check("poll_interval = \"5s\"", "poll_interval", r#"["5s"]"#);
        check("stay = true", "stay", r#"["true"]"#);
        check("skill = ['a', 'b']", "skill", r#"["a", "b"]"#);
        check("", "stay", "[]");
    }

    #[test]
    fn what_is_no_value_names_the_file_and_the_key() {
        check(
            "[agent]\nname = 'x'",
            "",
            "the config file c.toml gives \"agent\" a value that no setting has",
        );
        check(
            "a = 1\nb = \"s3cr3t",
            "",
            "the config file c.toml is not TOML in line 2: ",
        );
    }

    #[test]
    fn a_broken_line_is_not_repeated() {
        let error = ConfigFile::parse(Path::new("c.toml"), "token = s3cr3t").unwrap_err();
        assert!(!format!("{error:#}").contains("s3cr3t"), "{error:#}");
    }

    #[test]
    fn a_key_that_is_no_setting_is_refused() {
        let file = ConfigFile::parse(Path::new("c.toml"), "workspace_token = 'x'").unwrap();
        let error = file.check_keys(|_| false).unwrap_err().to_string();
        assert!(error.contains("token_file"), "{error}");
        file.check_keys(|key| key == "workspace_token").unwrap();
    }
}
