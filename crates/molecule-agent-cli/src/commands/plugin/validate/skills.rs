//! The rules of skills: the front matter of `SKILL.md`, as agentskills.io specifies it.

use std::fs::{self, DirEntry, File};
use std::io::Read as _;
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use super::finding::Findings;
use super::yaml::{self, Node, Value};

/// In bytes.
const LONGEST_FILE: u64 = 1024 * 1024;
const LONGEST_NAME: usize = 64;
const LONGEST_DESCRIPTION: usize = 1024;
const LONGEST_COMPATIBILITY: usize = 500;

static NAME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("^[a-z0-9]+(-[a-z0-9]+)*$").expect("the pattern is a constant that tests use")
});

/// Checks every directory in `skills`.
pub(super) fn check(dir: &Path, findings: &mut Findings) {
    let Ok(entries) = fs::read_dir(dir.join("skills")) else {
        return;
    };
    let is_dir = |entry: &DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    for entry in entries.flatten().filter(is_dir) {
        let directory = entry.file_name().to_string_lossy().into_owned();
        Skill {
            file: format!("skills/{directory}/SKILL.md"),
            directory,
            findings,
        }
        .check(&entry.path());
    }
}

/// The text of a regular file, if it is not too long: what a stranger's link or pipe leads to has no end.
fn read(path: &Path) -> Option<String> {
    let is_file = fs::symlink_metadata(path).ok()?.is_file();
    let mut text = String::new();
    let file = is_file.then(|| File::open(path))?.ok()?;
    file.take(LONGEST_FILE + 1).read_to_string(&mut text).ok()?;
    (text.len() as u64 <= LONGEST_FILE).then_some(text)
}

/// One skill that is being checked.
struct Skill<'a> {
    file: String,
    directory: String,
    findings: &'a mut Findings,
}

impl Skill<'_> {
    fn check(&mut self, path: &Path) {
        let Some(text) = read(&path.join("SKILL.md")) else {
            let message = "it is missing, no text that can be read, or larger than 1 MiB";
            return self.error("skill", None, message);
        };
        let Some(front_matter) = front_matter(&text) else {
            let message = "it has to begin with YAML front matter between two lines of ---";
            return self.error("front-matter", 1, message);
        };
        match yaml::read(&front_matter) {
            Ok(node) if matches!(node.value, Value::Map(_)) => self.front_matter(&node),
            Ok(node) => self.error("front-matter", node.line, "the front matter is no mapping"),
            Err(broken) => self.error("front-matter", broken.line, &broken.reason),
        }
    }

    fn error(&mut self, rule: &'static str, line: impl Into<Option<usize>>, message: &str) {
        self.findings
            .error(rule, &self.file, line, message.to_owned());
    }

    fn front_matter(&mut self, node: &Node) {
        self.name(node);
        self.required("description", LONGEST_DESCRIPTION, node);
        self.optional("compatibility", LONGEST_COMPATIBILITY, node);
        self.optional("allowed-tools", usize::MAX, node);
        self.optional("license", usize::MAX, node);
        self.metadata(node);
    }

    fn name(&mut self, node: &Node) {
        let Some((line, name)) = self.required("name", LONGEST_NAME, node) else {
            return;
        };
        if !NAME.is_match(&name) {
            let message =
                "`name` has to be lower-case letters and digits with single hyphens between them";
            self.error("skill-name", line, message);
        }
        if name != self.directory {
            let message = format!(
                "`name` is {name:?}, and the skill's directory {:?}; they have to be the same",
                self.directory
            );
            self.error("skill-name", line, &message);
        }
    }

    fn required(&mut self, key: &str, longest: usize, node: &Node) -> Option<(usize, String)> {
        if node.get(key).is_none_or(is_empty) {
            let line = node.get(key).unwrap_or(node).line;
            self.error("front-matter", line, &format!("`{key}` is missing"));
            return None;
        }
        self.optional(key, longest, node)
    }

    fn optional(&mut self, key: &str, longest: usize, node: &Node) -> Option<(usize, String)> {
        let value = node.get(key).filter(|value| !value.is_null())?;
        let Some(text) = value.text() else {
            let message = format!("`{key}` has to be a text and is {}", value.what());
            self.error("front-matter", value.line, &message);
            return None;
        };
        let length = text.chars().count();
        if length > longest {
            let message = format!("`{key}` has {length} characters; it may have {longest}");
            self.error("front-matter", value.line, &message);
        }
        Some((value.line, text.to_owned()))
    }

    fn metadata(&mut self, node: &Node) {
        let Some(metadata) = node.get("metadata").filter(|value| !value.is_null()) else {
            return;
        };
        let Value::Map(entries) = &metadata.value else {
            let message = format!("`metadata` has to be a mapping and is {}", metadata.what());
            return self.error("front-matter", metadata.line, &message);
        };
        for (key, _) in entries.iter().filter(|(key, _)| key.text().is_none()) {
            let message = format!("a key of `metadata` is {}, and no text", key.what());
            self.error("front-matter", key.line, &message);
        }
    }
}

fn is_empty(node: &Node) -> bool {
    node.is_null() || node.text().is_some_and(str::is_empty)
}

/// The YAML between the first two lines of `---`, with an empty line in place of the first, so that its lines have the
/// numbers that they have in the file.
fn front_matter(text: &str) -> Option<String> {
    let is_fence = |line: &&str| line.trim_end() == "---";
    let mut lines = text.lines();
    lines.next().filter(is_fence)?;
    let mut inner = String::from("\n");
    for line in lines {
        if is_fence(&line) {
            return Some(inner);
        }
        inner += line;
        inner.push('\n');
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn front_matter_keeps_its_line_numbers() {
        let yaml = front_matter("---\r\nname: a\r\ndescription: b\r\n---\r\n# body\r\n").unwrap();
        assert_eq!(yaml::read(&yaml).unwrap().get("name").unwrap().line, 2);
    }

    #[test]
    fn text_without_front_matter_is_told() {
        for text in ["", "# title\n", "---\nname: a\n", "--- \n", "----\n---\n"] {
            assert_eq!(front_matter(text), None, "{text:?}");
        }
    }

    #[test]
    fn names_are_lower_case_with_single_hyphens() {
        for name in ["a", "a-b2-c", "0"] {
            assert!(NAME.is_match(name), "{name}");
        }
        for name in ["", "-a", "a-", "a--b", "A", "a_b", "a b", "a\n"] {
            assert!(!NAME.is_match(name), "{name:?}");
        }
    }
}
