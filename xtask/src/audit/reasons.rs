//! Why a crate is there, as the comments of the manifests say.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// The comment above each dependency of `[workspace.dependencies]`.
pub(crate) struct Reasons(BTreeMap<String, String>);

impl Reasons {
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let path = root.join("Cargo.toml");
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self::parse(&text))
    }

    fn parse(manifest: &str) -> Self {
        let mut reasons = BTreeMap::new();
        let mut comment = String::new();
        for line in manifest.lines() {
            if let Some(text) = line.strip_prefix("# ") {
                comment = format!("{comment} {text}").trim().to_owned();
                continue;
            }
            if let Some((name, _)) = line.split_once(" = ")
                && !comment.is_empty()
            {
                reasons.insert(name.to_owned(), comment);
            }
            comment = String::new();
        }
        Self(reasons)
    }

    /// The comment, and who needs it.
    pub(crate) fn of(&self, name: &str, parents: &[&str]) -> String {
        let needed = format!("for {}", parents.join(", "));
        match self.0.get(name) {
            Some(comment) => format!("{} ({needed})", comment.trim_end_matches('.')),
            None => needed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "[workspace.dependencies]\nanyhow = \"1\"\n# Gzip. It is\n# fast.\nflate2 = { version = \"1\" }\n\
        tar = \"0.4\"\n# A thought.\n\nurl = \"2\"\n";

    #[test]
    fn the_comment_above_a_dependency_is_its_reason() {
        let reasons = Reasons::parse(MANIFEST);
        assert_eq!(
            reasons.of("flate2", &["a", "b"]),
            "Gzip. It is fast (for a, b)"
        );
    }

    #[test]
    fn without_a_comment_the_reason_is_who_needs_it() {
        let reasons = Reasons::parse(MANIFEST);
        for name in ["tar", "url", "libc"] {
            assert_eq!(reasons.of(name, &["a"]), "for a");
        }
    }
}
