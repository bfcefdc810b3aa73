//! Names that Windows takes for something else.

use crate::{EntryName, Refusal};

/// Devices, whatever extension follows.
const DEVICES: [&str; 7] = ["CON", "PRN", "AUX", "NUL", "CLOCK$", "CONIN$", "CONOUT$"];

/// Devices that have a number.
const PORTS: [&str; 2] = ["COM", "LPT"];

/// Refuses a component that Windows would not keep as it is.
pub(crate) fn check_portable(component: &str, entry: &EntryName) -> Result<(), Refusal> {
    let entry = entry.clone();
    if component.contains(':') {
        return Err(Refusal::Colon { entry });
    }
    if component.ends_with(['.', ' ']) {
        return Err(Refusal::TrailingDotOrSpace { entry });
    }
    if is_device(component) {
        return Err(Refusal::DeviceName { entry });
    }
    if is_short_name(component) {
        return Err(Refusal::ShortName { entry });
    }
    Ok(())
}

/// Windows looks at what stands before the first dot, spaces at its end apart.
fn is_device(component: &str) -> bool {
    let stem = component.split('.').next().unwrap_or(component);
    let stem = stem.trim_end_matches(' ').to_ascii_uppercase();
    DEVICES.contains(&stem.as_str()) || PORTS.iter().any(|port| is_port(&stem, port))
}

/// One digit, of which Windows also takes three that are written above the line.
fn is_port(stem: &str, port: &str) -> bool {
    let digit = stem.strip_prefix(port).unwrap_or_default();
    matches!(digit.as_bytes(), [b'0'..=b'9']) || matches!(digit, "¹" | "²" | "³")
}

/// What Windows gives a long name for old programs: at most eight characters that end in `~1`, and at most three behind a dot.
fn is_short_name(component: &str) -> bool {
    let (stem, extension) = component.split_once('.').unwrap_or((component, ""));
    let Some((name, number)) = stem.rsplit_once('~') else {
        return false;
    };
    let numbered = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let short = stem.chars().count() <= 8 && extension.chars().count() <= 3;
    numbered && short && !name.is_empty() && !extension.contains('.')
}
