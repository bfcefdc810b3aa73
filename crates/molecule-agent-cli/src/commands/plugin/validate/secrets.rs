//! What looks like a secret, in any file of the plugin. A finding says where and of which kind, and never repeats it.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::sync::LazyLock;

use regex::bytes::{Regex, RegexSet};

use super::finding::Findings;
use super::manifest::FILE;

/// Bytes that a file may have to be looked at.
const LARGEST: u64 = 8 << 20;

/// How deep directories are searched.
const DEEPEST: usize = 64;

/// What has one shape and no other meaning: an error in any file.
const KEYS: &[(&str, &str)] = &[
    ("an AWS key", r"\bAKIA[0-9A-Z]{16}"),
    (
        "a GitHub token",
        r"\b(gh[pousr]_[A-Za-z0-9_]{36,}|github_pat_[A-Za-z0-9_]{40,})",
    ),
    ("an OpenAI or Anthropic key", r"\bsk-[A-Za-z0-9_-]{20,}"),
    ("a Stripe key", r"\b[rs]k_(live|test)_[A-Za-z0-9]{20,}"),
    ("a Google key", r"\bAIza[0-9A-Za-z_-]{35}"),
    ("a Slack token", r"\bxox[abprs]-[A-Za-z0-9-]{10,}"),
    (
        "a private key",
        r"-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY( BLOCK)?-----",
    ),
    (
        "a bearer token",
        r#"(?i)\bbearer[ \t]+[A-Za-z0-9_.~+/=-]{20,}"#,
    ),
];

/// What is assigned to a telling name: an error in the manifest, where the original takes it for one, and elsewhere a
/// warning, because documents and code have harmless ones.
const ASSIGNMENTS: &[(&str, &str)] = &[
    (
        "a password",
        r#"(?i)password[ \t]*[=:][ \t]*['"]?[A-Za-z0-9_/+=.-]{8,}"#,
    ),
    (
        "an API key",
        r#"(?i)api[_-]?key[ \t]*[=:][ \t]*['"]?[A-Za-z0-9_/+=.-]{16,}"#,
    ),
    (
        "a secret",
        r#"(?i)secret[ \t]*[=:][ \t]*['"]?[A-Za-z0-9_/+=.-]{16,}"#,
    ),
];

/// Long hexadecimal text: an error in the manifest, where but for the hash nothing needs it, and elsewhere a checksum.
static LONG_HEX: LazyLock<Regex> = LazyLock::new(|| compiled(r"\b[0-9a-fA-F]{64,}\b"));
static DECLARED_HASH: LazyLock<Regex> = LazyLock::new(|| compiled(r#"^['"]?sha256['"]?[ \t]*:"#));

static KEY_SHAPES: LazyLock<RegexSet> = LazyLock::new(|| shapes(KEYS));
static ASSIGNMENT_SHAPES: LazyLock<RegexSet> = LazyLock::new(|| shapes(ASSIGNMENTS));

fn compiled(pattern: &str) -> Regex {
    Regex::new(&format!("(?-u){pattern}")).expect("the pattern is a constant that tests use")
}

fn shapes(table: &[(&str, &str)]) -> RegexSet {
    RegexSet::new(table.iter().map(|(_, pattern)| format!("(?-u){pattern}")))
        .expect("the patterns are constants that tests use")
}

/// Looks into every file. Links are not followed.
pub(super) fn check(dir: &Path, findings: &mut Findings) {
    walk(dir, "", 0, findings);
}

fn walk(dir: &Path, prefix: &str, depth: usize, findings: &mut Findings) {
    let entries = match fs::read_dir(dir) {
        Ok(entries) if depth <= DEEPEST => entries,
        _ => {
            let message = "the directory cannot be searched for secrets".to_owned();
            return findings.warning("secret", prefix, None, message);
        }
    };
    for entry in entries.flatten() {
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && path != ".git" => {
                walk(&entry.path(), &format!("{path}/"), depth + 1, findings);
            }
            Ok(kind) if kind.is_file() => file(&entry.path(), &path, findings),
            _ => {}
        }
    }
}

fn file(path: &Path, name: &str, findings: &mut Findings) {
    let mut content = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut content));
    let unread = match read {
        Err(error) => Some(format!("it cannot be searched for secrets: {error}")),
        Ok(read) if read as u64 > LARGEST => {
            let most = LARGEST >> 20;
            Some(format!(
                "it is larger than {most} MiB and was not searched for secrets"
            ))
        }
        Ok(_) => None,
    };
    if let Some(message) = unread {
        return findings.warning("secret", name, None, message);
    }
    let in_manifest = name == FILE;
    for (number, line) in content.split(|byte| *byte == b'\n').enumerate() {
        let number = number + 1;
        if let Some(what) = error_in(line, in_manifest) {
            findings.error("secret", name, number, told(what));
        } else if let Some(what) = first(ASSIGNMENTS, &ASSIGNMENT_SHAPES, line) {
            findings.warning("secret", name, number, told(what));
        }
    }
}

fn error_in(line: &[u8], in_manifest: bool) -> Option<&'static str> {
    let key = first(KEYS, &KEY_SHAPES, line);
    if key.is_some() || !in_manifest {
        return key;
    }
    let is_hex = || LONG_HEX.is_match(line) && !DECLARED_HASH.is_match(line);
    first(ASSIGNMENTS, &ASSIGNMENT_SHAPES, line)
        .or_else(|| is_hex().then_some("a long hexadecimal key"))
}

fn first(table: &[(&'static str, &str)], shapes: &RegexSet, line: &[u8]) -> Option<&'static str> {
    let index = shapes.matches(line).iter().next()?;
    Some(table[index].0)
}

fn told(what: &str) -> String {
    format!(
        "this looks like {what}; a plugin is given to others, so keep secrets on the platform, and replace this one if it was real"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, in_manifest: bool, expect: Option<&str>) {
        assert_eq!(error_in(line.as_bytes(), in_manifest), expect, "{line}");
    }

    #[test]
    fn keys_are_known_by_their_shape() {
        let (a, b) = ("a".repeat(36), "B".repeat(16));
        check(&format!("key: AKIA{b}"), false, Some("an AWS key"));
        check(&format!("ghp_{a}"), false, Some("a GitHub token"));
        check(
            &format!("x = 'sk-ant-{a}'"),
            false,
            Some("an OpenAI or Anthropic key"),
        );
        check(&format!("sk_live_{a}"), false, Some("a Stripe key"));
        check(
            "-----BEGIN RSA PRIVATE KEY-----",
            false,
            Some("a private key"),
        );
        check("-----BEGIN PRIVATE KEY-----", false, Some("a private key"));
        check(
            &format!("Authorization: Bearer {a}"),
            false,
            Some("a bearer token"),
        );
    }

    #[test]
    fn ordinary_text_is_none() {
        for line in [
            "ask-someone-who-knows-about-this-for-help",
            "the bearer of this letter",
            "ghp_short",
            "-----BEGIN PUBLIC KEY-----",
            "password: see the wiki",
            "risk-assessment",
        ] {
            check(line, true, None);
        }
    }

    #[test]
    fn a_manifest_is_held_to_more() {
        let hex = "0".repeat(64);
        check("password: hunter2hunter2", true, Some("a password"));
        check("password: hunter2hunter2", false, None);
        check(
            &format!("digest: {hex}"),
            true,
            Some("a long hexadecimal key"),
        );
        check(&format!("sha256: {hex}"), true, None);
        check(&format!("{hex}  file"), false, None);
    }
}
