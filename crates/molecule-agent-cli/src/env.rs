//! The only place that reads the environment.

use std::ffi::{OsStr, OsString};

/// The value of a variable; an empty one counts as unset.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the environment"
)]
pub(crate) fn get(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// All variables but tokens: what a child process may inherit.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the environment"
)]
pub(crate) fn inheritable() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| !is_token(name))
}

/// Variables that installers need, and that carry no secret: a plugin's `setup.sh` gets these and no others.
const FOR_SETUP: &[&str] = &[
    "ALL_PROXY",
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "LANG",
    "LANGUAGE",
    "LOGNAME",
    "NO_PROXY",
    "PATH",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TMPDIR",
    "TZ",
    "USER",
];

/// The environment for a plugin's `setup.sh`.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the environment"
)]
pub(crate) fn for_setup() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, value)| is_for_setup(name, value))
        .collect()
}

/// The address of a proxy may hold a password; then it is kept back.
fn is_for_setup(name: &str, value: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let is_proxy = upper.ends_with("_PROXY");
    let known = if is_proxy { upper.as_str() } else { name };
    let is_listed = FOR_SETUP.contains(&known) || name.starts_with("LC_");
    is_listed && !(is_proxy && value.contains('@'))
}

/// Whether a variable of this name carries a token, or leads to one: `MOLECULE_*TOKEN*`, and the list of workspaces, which
/// holds theirs.
pub(crate) fn is_token(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name == "MOLECULE_WORKSPACES" || name.starts_with("MOLECULE_") && name.contains("TOKEN")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setup_gets_what_installers_need_and_no_secret() {
        for (name, value) in [
            ("PATH", "/bin"),
            ("LC_ALL", "C"),
            ("https_proxy", "http://proxy:3128"),
            ("NO_PROXY", "localhost"),
        ] {
            assert!(is_for_setup(name, value), "{name}={value}");
        }
        for (name, value) in [
            ("MOLECULE_WORKSPACE_TOKEN", "t"),
            ("MOLECULE_PLATFORM_URL", "http://localhost"),
            ("AWS_SECRET_ACCESS_KEY", "k"),
            ("https_proxy", "http://me:password@proxy:3128"),
            ("path", "/bin"),
            ("SSH_AUTH_SOCK", "/tmp/s"),
        ] {
            assert!(!is_for_setup(name, value), "{name}={value}");
        }
    }

    #[test]
    fn tokens_are_told_from_settings() {
        for name in [
            "MOLECULE_WORKSPACE_TOKEN",
            "MOLECULE_ADMIN_TOKEN",
            "MOLECULE_ADMIN_TOKEN_FILE",
            "MOLECULE_WORKSPACES",
            "MOLECULE_WORKSPACE_TOKENS",
        ] {
            assert!(is_token(OsStr::new(name)), "{name}");
        }
        for name in ["MOLECULE_PLATFORM_URL", "MY_TOKEN", "PATH"] {
            assert!(!is_token(OsStr::new(name)), "{name}");
        }
    }
}
