//! The rules of `plugin.yaml`.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use molecule_plugin::{Manifest, PluginName};

use super::finding::Findings;
use super::yaml::{self, Node, Value};

/// The manifest's name.
pub(super) const FILE: &str = "plugin.yaml";

/// The runtimes that a platform knows, with `_` for `-`.
const RUNTIMES: &[&str] = &[
    "autogen",
    "claude_code",
    "codex",
    "crewai",
    "deepagents",
    "external",
    "gemini_cli",
    "google_adk",
    "hermes",
    "langgraph",
    "openclaw",
];

/// Keys whose value is a list.
const LISTS: &[&str] = &["tags", "skills", "rules", "prompt_fragments", "runtimes"];

/// Checks the manifest, and returns it as far as it could be read.
pub(super) fn check(dir: &Path, findings: &mut Findings) -> Option<Node> {
    let text = read(dir, findings)?;
    let refused = Manifest::parse(text.as_bytes()).err();
    let manifest = match yaml::read(&text) {
        Ok(manifest) => Some(manifest),
        Err(broken) if refused.is_none() => {
            findings.error("yaml", FILE, broken.line, broken.reason);
            None
        }
        Err(_) => None,
    };
    if let Some(refused) = refused {
        findings.error("yaml", FILE, refused.line, refused.reason);
    }
    let manifest = manifest.filter(|manifest| matches!(manifest.value, Value::Map(_)))?;
    name(&manifest, findings);
    version(&manifest, findings);
    description(&manifest, findings);
    lists(&manifest, findings);
    runtimes(dir, &manifest, findings);
    listed_skills(dir, &manifest, findings);
    Some(manifest)
}

fn read(dir: &Path, findings: &mut Findings) -> Option<String> {
    let path = dir.join(FILE);
    let Ok(metadata) = fs::symlink_metadata(&path) else {
        let message = "it is missing; every plugin has one, at its root".to_owned();
        findings.error("manifest", FILE, None, message);
        return None;
    };
    if !metadata.is_file() {
        let message = "it is no regular file; an installation would refuse it".to_owned();
        findings.error("manifest", FILE, None, message);
        return None;
    }
    let mut text = String::new();
    let read = File::open(path)
        .and_then(|file| file.take(Manifest::MAX_BYTES + 1).read_to_string(&mut text));
    if let Err(error) = read {
        findings.error(
            "manifest",
            FILE,
            None,
            format!("it cannot be read: {error}"),
        );
        return None;
    }
    Some(text)
}

fn name(manifest: &Node, findings: &mut Findings) {
    let Some(name) = manifest.get("name") else {
        let message = "`name` is missing".to_owned();
        return findings.error("name", FILE, manifest.line, message);
    };
    match name.text() {
        None => {
            let message = format!("`name` has to be a text and is {}", name.what());
            findings.error("name", FILE, name.line, message);
        }
        Some(text) if text.trim().is_empty() => {
            findings.error("name", FILE, name.line, "`name` is empty".to_owned());
        }
        Some(text) => {
            if let Err(error) = text.parse::<PluginName>() {
                let message = format!("it cannot be installed under this name: {error}");
                findings.warning("name", FILE, name.line, message);
            }
        }
    }
}

fn version(manifest: &Node, findings: &mut Findings) {
    let Some(version) = manifest.get("version").filter(|node| !node.is_null()) else {
        let message = "`version` is missing; write it like 1.0.0".to_owned();
        return findings.warning("version", FILE, manifest.line, message);
    };
    match &version.value {
        Value::Text(text) => {
            if let Err(error) = semver::Version::parse(text) {
                let message = format!("`version` is no semantic version, such as 1.0.0: {error}");
                findings.warning("version", FILE, version.line, message);
            }
        }
        Value::Literal(_, what) => {
            let message = format!("`version` is {what}; write it like 1.0.0");
            findings.warning("version", FILE, version.line, message);
        }
        _ => {
            let message = format!("`version` has to be a text and is {}", version.what());
            findings.error("version", FILE, version.line, message);
        }
    }
}

fn description(manifest: &Node, findings: &mut Findings) {
    let Some(description) = manifest.get("description").filter(|node| !node.is_null()) else {
        let message = "`description` is missing; say in a sentence what the plugin adds".to_owned();
        return findings.warning("description", FILE, manifest.line, message);
    };
    match &description.value {
        Value::Text(text) if text.trim().is_empty() => {
            let message = "`description` is empty".to_owned();
            findings.warning("description", FILE, description.line, message);
        }
        Value::Text(_) => {}
        _ => {
            let message = format!(
                "`description` has to be a text and is {}",
                description.what()
            );
            findings.error("description", FILE, description.line, message);
        }
    }
}

fn lists(manifest: &Node, findings: &mut Findings) {
    for key in LISTS {
        let Some(node) = manifest.get(key) else {
            continue;
        };
        match &node.value {
            Value::List(items) if *key != "runtimes" => {
                for item in items.iter().filter(|item| item.text().is_none()) {
                    let message = format!("an entry of `{key}` is {}, and no text", item.what());
                    findings.warning(key, FILE, item.line, message);
                }
            }
            Value::List(_) => {}
            _ => {
                let message = format!("`{key}` has to be a list and is {}", node.what());
                findings.error(key, FILE, node.line, message);
            }
        }
    }
}

/// The entries of a list that is there.
fn items<'a>(manifest: &'a Node, key: &str) -> &'a [Node] {
    match manifest.get(key).map(|node| &node.value) {
        Some(Value::List(items)) => items,
        _ => &[],
    }
}

fn runtimes(dir: &Path, manifest: &Node, findings: &mut Findings) {
    for item in items(manifest, "runtimes") {
        let Some(text) = item.text() else {
            let message = format!("an entry of `runtimes` is {}, and no text", item.what());
            findings.error("runtimes", FILE, item.line, message);
            continue;
        };
        let runtime = text.replace('-', "_");
        if !RUNTIMES.contains(&runtime.as_str()) {
            let known = RUNTIMES.join(", ");
            let message = format!("no platform knows the runtime {text:?}; it is one of {known}");
            findings.error("runtimes", FILE, item.line, message);
        } else if dir.join("adapters").is_dir() && !has_adapter(dir, &runtime) {
            let message = format!(
                "there is no adapters/{runtime}.py; the plugin's files would be copied there and nothing wired"
            );
            findings.warning("runtimes", FILE, item.line, message);
        }
    }
}

fn has_adapter(dir: &Path, runtime: &str) -> bool {
    dir.join("adapters").join(format!("{runtime}.py")).is_file()
}

fn listed_skills(dir: &Path, manifest: &Node, findings: &mut Findings) {
    for item in items(manifest, "skills") {
        let Some(text) = item.text() else {
            continue;
        };
        let skill = text.trim_start_matches("skills/");
        if !dir.join("skills").join(skill).is_dir() {
            let message =
                format!("`skills` lists {text:?}, and there is no such directory in skills/");
            findings.warning("skills", FILE, item.line, message);
        }
    }
}
