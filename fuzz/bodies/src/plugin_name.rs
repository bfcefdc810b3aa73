//! A plugin name is safe as a file name and in a URL, and an error about one is safe to print.

use std::path::Path;

use molecule_plugin::PluginName;

/// Reads the text as a plugin name.
///
/// # Panics
/// When a name leads anywhere else, or a harmless one is refused.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match text.parse::<PluginName>() {
        Ok(name) => check(text, &name),
        Err(error) => {
            let shown = error.to_string();
            assert!(!shown.contains(char::is_control), "{shown:?}");
            assert!(!is_harmless(text), "{text:?} was refused: {shown}");
        }
    }
}

fn check(text: &str, name: &PluginName) {
    assert_eq!((name.as_str(), &*name.to_string()), (text, text));
    let plugins = Path::new("plugins");
    let dir = plugins.join(name.as_str());
    assert_eq!(dir.parent(), Some(plugins), "{text:?} leads elsewhere");
    assert_eq!(
        dir.file_name(),
        Some(text.as_ref()),
        "{text:?} leads elsewhere"
    );
    assert!(
        text.len() <= 64 && text.bytes().all(is_unreserved) && !text.contains(".."),
        "{text:?} means something in a URL"
    );
    assert!(
        text.starts_with(|c: char| c.is_ascii_alphanumeric()),
        "{text:?} is hidden, or an option"
    );
}

/// What RFC 3986 leaves alone in a path's segment, without the tilde.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-".contains(&byte)
}

/// Longer than any device of Windows, and of nothing but letters, digits, hyphens and underscores.
fn is_harmless(text: &str) -> bool {
    (8..=64).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|byte| is_unreserved(byte) && byte != b'.')
}
