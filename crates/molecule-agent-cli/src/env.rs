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

/// Whether a variable of this name carries a token, or leads to one: `MOLECULE_*TOKEN*`.
pub(crate) fn is_token(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("MOLECULE_") && name.contains("TOKEN")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_told_from_settings() {
        for name in [
            "MOLECULE_WORKSPACE_TOKEN",
            "MOLECULE_ADMIN_TOKEN",
            "MOLECULE_ADMIN_TOKEN_FILE",
        ] {
            assert!(is_token(OsStr::new(name)), "{name}");
        }
        for name in ["MOLECULE_PLATFORM_URL", "MY_TOKEN", "PATH"] {
            assert!(!is_token(OsStr::new(name)), "{name}");
        }
    }
}
