//! What a plugin brings, and whether the hash that it declares is its own.

use std::path::Path;

use molecule_plugin::{Sha256Digest, manifest_digest};

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
    match manifest_digest(dir) {
        Ok(digest) => declared(manifest, digest, findings),
        Err(error) => findings.warning(
            "content",
            ".",
            None,
            format!("{:#}", anyhow::Error::new(error)),
        ),
    }
}

fn is_of_skills(manifest: Option<&Node>) -> bool {
    let kind = manifest.and_then(|manifest| manifest.get("kind")?.text());
    kind.is_none_or(|kind| KINDS.contains(&kind))
}

fn declared(manifest: Option<&Node>, digest: Sha256Digest, findings: &mut Findings) {
    let Some(node) = manifest.and_then(|manifest| manifest.get("sha256")) else {
        return;
    };
    let declared = node
        .text()
        .and_then(|text| text.parse::<Sha256Digest>().ok());
    if declared.is_some_and(|declared| declared != digest) {
        let message = format!(
            "the content has the manifest hash {digest}; declare that, or let `plugin pack --declare-hash` do it"
        );
        findings.error("sha256", FILE, node.line, message);
    }
}
