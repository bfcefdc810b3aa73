//! Writing the hash into the text of `plugin.yaml`, and nothing else.

use std::path::Path;

use crate::manifest_hash::MANIFEST_PATH;
use crate::{Manifest, PluginError, Sha256Digest};

/// The text of a `plugin.yaml` that declares the hash, with no other line changed: for plugins that are not packed but served from a
/// directory.
///
/// ```
/// use molecule_plugin::{Sha256Digest, declare_hash};
///
/// let digest = Sha256Digest::of(b"[]");
/// let text = declare_hash(b"name: demo\n", digest)?;
/// assert_eq!(text, format!("name: demo\nsha256: \"{digest}\"\n").as_bytes());
/// assert_eq!(declare_hash(&text, digest)?, text);
/// # Ok::<(), molecule_plugin::PluginError>(())
/// ```
///
/// # Errors
/// [`PluginError::Undeclared`] when the text is invalid, or declares a hash otherwise than on a line of its own.
pub fn declare_hash(manifest: &[u8], digest: Sha256Digest) -> Result<Vec<u8>, PluginError> {
    declare(Path::new(""), Some(manifest), digest)
}

/// The text with the line that declares the hash replaced, or such a line at its end. Whatever the text is, the result is read back, so
/// that what declares the hash in another way is an error.
pub(super) fn declare(
    dir: &Path,
    manifest: Option<&[u8]>,
    digest: Sha256Digest,
) -> Result<Vec<u8>, PluginError> {
    let failed = |reason, source| PluginError::Undeclared {
        path: dir.join(MANIFEST_PATH),
        reason,
        source,
    };
    let manifest =
        manifest.ok_or_else(|| failed("there is no such file; write one with a name", None))?;
    let declaring = with_line(manifest, &format!("sha256: \"{digest}\""));
    match Manifest::parse(&declaring) {
        Ok(parsed) if parsed.sha256 == Some(digest) => Ok(declaring),
        parsed => {
            let reason =
                "declare it on one line of its own, `sha256: ...`, and make the file valid";
            Err(failed(reason, parsed.err()))
        }
    }
}

fn with_line(manifest: &[u8], line: &str) -> Vec<u8> {
    let lines: Vec<&[u8]> = manifest.split_inclusive(|byte| *byte == b'\n').collect();
    let end = line_end(lines.first().copied().unwrap_or_default());
    let at = lines.iter().position(|line| declares(line));
    let (before, after) = match at {
        Some(at) => (&lines[..at], &lines[at + 1..]),
        None => (&lines[..], &[][..]),
    };
    let mut text = before.concat();
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.extend_from_slice(end);
    }
    text.extend_from_slice(line.as_bytes());
    text.extend_from_slice(end);
    text.extend_from_slice(&after.concat());
    text
}

/// How the lines of a file end, as the first one does.
fn line_end(line: &[u8]) -> &'static [u8] {
    if line.ends_with(b"\r\n") {
        b"\r\n"
    } else {
        b"\n"
    }
}

/// `sha256:`, `'sha256' :`, `"sha256": x` at the beginning of a line.
fn declares(line: &[u8]) -> bool {
    [&b"sha256"[..], b"'sha256'", b"\"sha256\""]
        .iter()
        .filter_map(|key| line.strip_prefix(*key))
        .any(|rest| rest.trim_ascii_start().starts_with(b":"))
}
