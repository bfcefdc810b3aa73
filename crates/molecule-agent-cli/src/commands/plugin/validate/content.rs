//! What a plugin brings, whether it can be packed and installed, and whether the hash that it declares is its own.

use std::io;
use std::path::Path;

use anyhow::Error;
use molecule_plugin::safe_tar::UnpackError;
use molecule_plugin::{PackOptions, PluginError, Sha256Digest, pack};

use super::finding::Findings;
use super::manifest::FILE;
use super::yaml::Node;

/// What a plugin of skills has at least one of.
const CONTENT: &[&str] = &["SKILL.md", "hooks", "skills", "rules"];

/// Kinds of plugins that hold such content; others hold code.
const KINDS: &[&str] = &["skill", "agent-skill", "claude-skill"];

/// Checks the plugin as a whole.
pub(super) fn check(dir: &Path, manifest: Option<&Node>, findings: &mut Findings) {
    if is_of_skills(manifest) && !CONTENT.iter().any(|name| dir.join(name).exists()) {
        let message = format!("the plugin has none of {}", CONTENT.join(", "));
        findings.warning("content", FILE, None, message);
    }
    match pack(dir, io::sink(), &PackOptions::new()) {
        Ok(_) => {}
        Err(PluginError::Mismatch { actual, .. }) => declared(manifest, actual, findings),
        // The manifest's own rules have said so, and in which line.
        Err(PluginError::Manifest(_)) if findings.has_error_in(FILE) => {}
        Err(error) => {
            let file = place(dir, &error).unwrap_or_else(|| ".".to_owned());
            let message = format!("it cannot be packed: {:#}", Error::new(error));
            findings.error("content", &file, None, message);
        }
    }
}

/// The file that an error is about, relative to the plugin's directory.
fn place(dir: &Path, error: &PluginError) -> Option<String> {
    match error {
        PluginError::Unpack(UnpackError::Refused(refusal)) => {
            refusal.entry().map(ToString::to_string)
        }
        PluginError::Manifest(_) => Some(FILE.to_owned()),
        PluginError::Foreign { path, .. } | PluginError::Io { path, .. } => {
            let path = path.strip_prefix(dir).ok()?.to_str()?;
            (!path.is_empty()).then(|| path.to_owned())
        }
        _ => None,
    }
}

fn is_of_skills(manifest: Option<&Node>) -> bool {
    let kind = manifest.and_then(|manifest| manifest.get("kind")?.text());
    kind.is_none_or(|kind| KINDS.contains(&kind))
}

fn declared(manifest: Option<&Node>, digest: Sha256Digest, findings: &mut Findings) {
    let line = manifest
        .and_then(|manifest| manifest.get("sha256"))
        .map(|node| node.line);
    let message = format!(
        "the content has the manifest hash {digest}; declare that, or let `plugin hash --declare` or `plugin pack --declare-hash` do it"
    );
    findings.error("sha256", FILE, line, message);
}
