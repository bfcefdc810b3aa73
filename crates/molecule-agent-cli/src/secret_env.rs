//! Secrets of the platform as environment variables of a child process.

/// Variables that say which code runs, or where. A secret of such a name could take the process over.
const RESERVED: &[&str] = &[
    "BASH_ENV",
    "CDPATH",
    "ENV",
    "HOME",
    "IFS",
    "JAVA_TOOL_OPTIONS",
    "LOGNAME",
    "NODE_OPTIONS",
    "NODE_PATH",
    "OLDPWD",
    "PATH",
    "PERL5LIB",
    "PERL5OPT",
    "PS4",
    "PWD",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "RUBYLIB",
    "RUBYOPT",
    "SHELL",
    "SHELLOPTS",
    "USER",
];
const RESERVED_PREFIXES: &[&str] = &["BASH_FUNC_", "DYLD_", "GIT_", "LD_", "MOLECULE_"];

/// Checks that a secret's key may become the name of an environment variable: the platform takes any text as a key.
///
/// # Errors
/// Why not, in words that go on after "the secret ...".
pub(crate) fn check(key: &str) -> Result<(), &'static str> {
    let first_is_letter = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let rest_is_word = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !first_is_letter || !rest_is_word {
        return Err("cannot be an environment variable: use letters, digits and _ in its key");
    }
    let reserved = RESERVED.contains(&key)
        || RESERVED_PREFIXES
            .iter()
            .any(|prefix| key.starts_with(prefix));
    if reserved {
        return Err(
            "has the name of a variable that controls how programs run; give it another key",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_pass() {
        for key in ["API_KEY", "_x", "openai_key2", "PATHS", "LDAP_PASSWORD"] {
            assert_eq!(check(key), Ok(()), "{key}");
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
            "PATH",
            "LD_PRELOAD",
            "MOLECULE_WORKSPACE_TOKEN",
            "BASH_FUNC_ls%%",
            "NODE_OPTIONS",
        ] {
            assert!(check(key).is_err(), "{key:?}");
        }
    }
}
