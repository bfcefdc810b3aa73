//! Secrets that a command was given must not come back in its complaints.

use molecule_agent::protocol::Secret;

/// What replaces a secret.
const REDACTED: &str = "[redacted]";

/// Finds secrets in text. It sees one line at a time, so the lines of a secret count one by one.
#[derive(Debug, Clone, Default)]
pub(super) struct Redactor {
    secrets: Vec<Secret>,
}

impl Redactor {
    pub(super) fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let mut lines: Vec<&str> = secrets
            .into_iter()
            .flat_map(|secret| secret.expose().lines())
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        // The longest first, so that a secret within another leaves no rest of it.
        lines.sort_by_key(|line| std::cmp::Reverse(line.len()));
        Self {
            secrets: lines
                .into_iter()
                .map(|line| Secret::from(line.to_owned()))
                .collect(),
        }
    }

    /// `text` without the secrets.
    pub(super) fn clean(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| {
            text.replace(secret.expose(), REDACTED)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(secrets: &[&str], text: &str, expect: &str) {
        let secrets: Vec<_> = secrets
            .iter()
            .map(|&s| Secret::from(s.to_owned()))
            .collect();
        assert_eq!(Redactor::new(&secrets).clean(text), expect);
    }

    #[test]
    fn secrets_are_replaced_wherever_they_stand() {
        check(
            &["s3cr3t"],
            "no s3cr3t: s3cr3t!",
            "no [redacted]: [redacted]!",
        );
        check(&["abc", "abcdef"], "abcdef abc", "[redacted] [redacted]");
        check(&["-----\nkey\n"], "a key", "a [redacted]");
        check(&["", "\n"], "text", "text");
    }
}
