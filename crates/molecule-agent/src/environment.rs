//! Secrets as environment variables: the platform takes any text as a key, an environment does not.

use std::collections::BTreeMap;
use std::fmt;

use molecule_protocol::Secret;

use crate::{AgentError, RemoteAgentClient};

/// Variables that say which code runs, or where connections go and whom they trust. A secret of such a name could take the process
/// over, or listen to it.
const RESERVED: &[&str] = &[
    "ALL_PROXY",
    "BASHOPTS",
    "BASH_ENV",
    "BUNDLE_GEMFILE",
    "CDPATH",
    "CLASSPATH",
    "CURL_CA_BUNDLE",
    "CURL_HOME",
    "DOTNET_STARTUP_HOOKS",
    "EDITOR",
    "ENV",
    "FTP_PROXY",
    "GCONV_PATH",
    "GEM_HOME",
    "GEM_PATH",
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "IFS",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "LESSCLOSE",
    "LESSOPEN",
    "LOGNAME",
    "LUA_INIT",
    "NODE_EXTRA_CA_CERTS",
    "NODE_OPTIONS",
    "NODE_PATH",
    "NODE_TLS_REJECT_UNAUTHORIZED",
    "NO_PROXY",
    "OLDPWD",
    "OPENSSL_CONF",
    "OPENSSL_ENGINES",
    "OPENSSL_MODULES",
    "PAGER",
    "PATH",
    "PERL5DB",
    "PERL5LIB",
    "PERL5OPT",
    "PERL5SHELL",
    "PERLLIB",
    "PHPRC",
    "PHP_INI_SCAN_DIR",
    "PROMPT_COMMAND",
    "PS4",
    "PWD",
    "PYTHONBREAKPOINT",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "PYTHONUSERBASE",
    "PYTHONWARNINGS",
    "REQUESTS_CA_BUNDLE",
    "RUBYLIB",
    "RUBYOPT",
    "RUBYSHELL",
    "SHELL",
    "SHELLOPTS",
    "SSH_ASKPASS",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "USER",
    "VISUAL",
    "ZDOTDIR",
    "_JAVA_OPTIONS",
    "all_proxy",
    "ftp_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];
/// The last covers the tokens: `MOLECULE_*TOKEN*`.
const RESERVED_PREFIXES: &[&str] = &["BASH_FUNC_", "DYLD_", "GIT_", "LD_", "MOLECULE_"];

/// How much of a key, and how many keys, an error tells: they are the platform's words, of any length.
const LONGEST_KEY: usize = 80;
const MOST_TOLD: usize = 10;

/// Why a secret cannot be an environment variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnfitReason {
    /// Its key is not a letter or `_` followed by letters, digits and `_`.
    #[error("cannot be an environment variable: use letters, digits and _ in its key")]
    Name,
    /// Its key is the name of a variable that says which code runs, such as `PATH` or `LD_PRELOAD`, or is the agent's own.
    #[error("has the name of a variable that controls how programs run; give it another key")]
    Reserved,
    /// Its value contains a zero byte.
    #[error("contains a zero byte, which no variable can")]
    ZeroByte,
    /// There is none of this key.
    #[error("is not on the platform; `molecule-agent secrets list` shows which there are")]
    Missing,
}

/// A secret that cannot be an environment variable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the secret {:?} {reason}", shortened(.key))]
#[non_exhaustive]
pub struct UnfitSecret {
    /// Its key.
    pub key: String,
    /// Why it cannot.
    pub reason: UnfitReason,
}

/// Secrets that cannot be environment variables: at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfitSecrets(Vec<UnfitSecret>);

impl UnfitSecrets {
    /// Which, and why.
    #[must_use]
    pub fn secrets(&self) -> &[UnfitSecret] {
        &self.0
    }
}

impl fmt::Display for UnfitSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = self.0.iter().take(MOST_TOLD);
        let lines: Vec<_> = told.map(ToString::to_string).collect();
        f.write_str(&lines.join("; "))?;
        match self.0.len() - lines.len() {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl std::error::Error for UnfitSecrets {}

/// Secrets that can be environment variables, and whose names are not known to give power over the process that gets them.
///
/// ```
/// use std::collections::BTreeMap;
/// use molecule_agent::SecretEnv;
/// use molecule_agent::protocol::Secret;
///
/// let secret = |key: &str| (key.to_owned(), Secret::from("s3cr3t".to_owned()));
/// let environment = SecretEnv::all(BTreeMap::from([secret("API_KEY")]))?;
/// assert_eq!(environment.iter().next().unwrap().0, "API_KEY");
/// assert!(!format!("{environment:?}").contains("s3cr3t"));
///
/// let error = SecretEnv::all(BTreeMap::from([secret("API_KEY"), secret("LD_PRELOAD")])).unwrap_err();
/// assert_eq!(error.secrets()[0].key, "LD_PRELOAD");
/// # Ok::<(), molecule_agent::UnfitSecrets>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct SecretEnv {
    variables: BTreeMap<String, Secret>,
}

impl SecretEnv {
    /// All of the secrets.
    ///
    /// # Errors
    /// When one of them cannot be an environment variable; all such are named.
    pub fn all(secrets: BTreeMap<String, Secret>) -> Result<Self, UnfitSecrets> {
        let (fit, unfit) = Self::fitting(secrets);
        if unfit.is_empty() {
            Ok(fit)
        } else {
            Err(UnfitSecrets(unfit))
        }
    }

    /// The secrets of these keys alone.
    ///
    /// # Errors
    /// When one of them is missing, or cannot be an environment variable; all such are named.
    pub fn only(
        mut secrets: BTreeMap<String, Secret>,
        keys: &[String],
    ) -> Result<Self, UnfitSecrets> {
        let missing: Vec<_> = keys
            .iter()
            .filter(|key| !secrets.contains_key(*key))
            .map(|key| unfit(key, check_name(key).err().unwrap_or(UnfitReason::Missing)))
            .collect();
        secrets.retain(|key, _| keys.contains(key));
        let (fit, unfit) = Self::fitting(secrets);
        let unfit: Vec<_> = missing.into_iter().chain(unfit).collect();
        if unfit.is_empty() {
            Ok(fit)
        } else {
            Err(UnfitSecrets(unfit))
        }
    }

    /// The secrets that can be environment variables, and those that cannot.
    #[must_use]
    pub fn fitting(secrets: BTreeMap<String, Secret>) -> (Self, Vec<UnfitSecret>) {
        let mut variables = BTreeMap::new();
        let mut left_out = Vec::new();
        for (key, secret) in secrets {
            match check(&key, &secret) {
                Ok(()) => drop(variables.insert(key, secret)),
                Err(reason) => left_out.push(unfit(&key, reason)),
            }
        }
        (Self { variables }, left_out)
    }

    /// Names and values, to give to `Command::envs` after [`Secret::expose`].
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Secret)> {
        let variables = self.variables.iter();
        variables.map(|(name, value)| (name.as_str(), value))
    }
}

impl RemoteAgentClient {
    /// [`pull_secrets`](Self::pull_secrets), as environment variables of a program to start. [`SecretEnv`] has gentler ways.
    ///
    /// # Errors
    /// [`AgentError::UnfitSecrets`] when one of them cannot be an environment variable; all such are named. Otherwise when
    /// the platform refuses, or gives no usable answer.
    pub async fn secret_env(&self) -> Result<SecretEnv, AgentError> {
        Ok(SecretEnv::all(self.pull_secrets().await?)?)
    }
}

fn shortened(key: &str) -> String {
    key.chars().take(LONGEST_KEY).collect()
}

fn unfit(key: &str, reason: UnfitReason) -> UnfitSecret {
    let key = key.to_owned();
    UnfitSecret { key, reason }
}

fn check(key: &str, secret: &Secret) -> Result<(), UnfitReason> {
    check_name(key)?;
    if secret.expose().contains('\0') {
        return Err(UnfitReason::ZeroByte);
    }
    Ok(())
}

fn check_name(key: &str) -> Result<(), UnfitReason> {
    let first_is_letter = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let rest_is_word = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !first_is_letter || !rest_is_word {
        return Err(UnfitReason::Name);
    }
    let is_reserved = RESERVED.contains(&key)
        || RESERVED_PREFIXES
            .iter()
            .any(|prefix| key.starts_with(prefix));
    if is_reserved {
        return Err(UnfitReason::Reserved);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_pass() {
        for key in ["API_KEY", "_x", "openai_key2", "PATHS", "LDAP_PASSWORD"] {
            assert_eq!(check_name(key), Ok(()), "{key}");
        }
    }

    #[test]
    fn names_that_are_none_or_that_take_over_are_refused() {
        for key in [
            "",
            "2FA",
            "weird key/ü",
            "a=b",
            "a\nb",
            "x-y",
            "BASH_FUNC_ls%%",
        ] {
            assert_eq!(check_name(key), Err(UnfitReason::Name), "{key:?}");
        }
        for key in [
            "PATH",
            "LD_PRELOAD",
            "DYLD_INSERT_LIBRARIES",
            "GIT_SSH_COMMAND",
            "NODE_OPTIONS",
            "_JAVA_OPTIONS",
            "MOLECULE_WORKSPACE_TOKEN",
            "MOLECULE_ADMIN_TOKEN_FILE",
        ] {
            assert_eq!(check_name(key), Err(UnfitReason::Reserved), "{key:?}");
        }
    }

    fn secrets(pairs: &[(&str, &str)]) -> BTreeMap<String, Secret> {
        let owned =
            |(key, value): &(&str, &str)| ((*key).to_owned(), Secret::from((*value).to_owned()));
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn every_secret_that_does_not_fit_is_named_and_no_value_is_told() {
        let all = secrets(&[
            ("A", "s3cr3t"),
            ("a b", "s3cr3t"),
            ("N", "s3cr3t\0"),
            ("PATH", "/"),
        ]);
        let error = SecretEnv::all(all.clone()).unwrap_err();
        let named: Vec<_> = error
            .secrets()
            .iter()
            .map(|unfit| (unfit.key.as_str(), unfit.reason))
            .collect();
        assert_eq!(
            named,
            [
                ("N", UnfitReason::ZeroByte),
                ("PATH", UnfitReason::Reserved),
                ("a b", UnfitReason::Name)
            ]
        );
        let text = error.to_string();
        assert!(
            text.starts_with("the secret \"N\" contains a zero byte"),
            "{text}"
        );
        assert!(!text.contains("s3cr3t"), "{text}");
        let (fit, unfit) = SecretEnv::fitting(all);
        assert_eq!(fit.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["A"]);
        assert_eq!(unfit.len(), 3);
    }

    #[test]
    fn an_error_is_short_however_many_and_long_the_keys_are() {
        let key = |number: u32| {
            (
                format!("{number} {}", "k".repeat(1000)),
                Secret::from(String::new()),
            )
        };
        let text = SecretEnv::all((0..50).map(key).collect())
            .unwrap_err()
            .to_string();
        assert!(text.ends_with("; and 40 more"), "{text}");
        assert!(text.len() < 2000, "{}", text.len());
    }

    #[test]
    fn what_is_asked_for_has_to_be_there_and_to_fit() {
        let all = || secrets(&[("A", "1"), ("B", "2"), ("PATH", "/")]);
        let only = |keys: &[&str]| {
            let keys: Vec<_> = keys.iter().map(|key| (*key).to_owned()).collect();
            SecretEnv::only(all(), &keys)
        };
        let chosen = only(&["B"]).unwrap();
        let chosen: Vec<_> = chosen
            .iter()
            .map(|(name, value)| (name, value.expose()))
            .collect();
        assert_eq!(chosen, [("B", "2")]);
        assert!(only(&[]).unwrap().iter().next().is_none());
        let error = only(&["A", "NOPE", "PATH"]).unwrap_err().to_string();
        assert!(error.contains("\"NOPE\" is not on the platform"), "{error}");
        assert!(error.contains("\"PATH\" has the name"), "{error}");
    }
}
