//! Which texts are names of plugins.

use molecule_plugin::PluginName;
use proptest::prelude::*;

fn accepted(name: &str) {
    assert_eq!(name.parse::<PluginName>().unwrap().as_str(), name);
}

/// A text that is refused, with a message that has this in it.
fn refused(name: &str, hint: &str) {
    let error = name.parse::<PluginName>().unwrap_err().to_string();
    assert!(error.contains(hint), "{name:?}: {error}");
}

#[test]
fn ordinary_names_are_taken_as_they_are() {
    for name in [
        "a",
        "0",
        "demo-plugin",
        "Demo_Plugin.2",
        "a.b.c",
        "a-",
        "a_",
        "console",
        "com",
        "com10",
        "lpt",
        "lptx",
        "null",
        "aux2",
    ] {
        accepted(name);
    }
    accepted(&"x".repeat(64));
}

#[test]
fn what_would_name_another_place_is_refused() {
    refused("", "it is empty");
    refused(".", "must begin with");
    refused("..", "two dots");
    refused("../x", "slash");
    refused("../../victim", "slash");
    refused("a/b", "slash");
    refused("a/", "slash");
    refused("/", "slash");
    refused("/etc/passwd", "slash");
    refused("a\\b", "backslash");
    refused("..\\x", "backslash");
    refused("a..b", "two dots");
    refused("a..", "two dots");
    refused("x/../../../admin?y=", "slash");
}

#[test]
fn what_a_disk_a_url_or_a_terminal_takes_for_something_else_is_refused() {
    for name in [
        "a\0",
        "a\nb",
        "a\u{1b}[2J",
        "a\u{7f}",
        "a b",
        "a:b",
        "a%2fb",
        "a?b",
        "a#b",
        "a~1",
        "a*",
        "caf\u{e9}",
        "a\u{202e}b",
        "\u{ff41}",
        "a\u{85}",
        "C:",
    ] {
        refused(name, "ASCII letters, digits, dots, underscores and hyphens");
    }
}

#[test]
fn what_belongs_to_the_store_or_looks_like_an_option_is_refused() {
    for name in [".staging-x", ".hidden", "-rf", "--help", "_x"] {
        refused(name, "must begin with an ASCII letter or digit");
    }
}

#[test]
fn names_that_windows_changes_or_takes_for_a_device_are_refused() {
    refused("a.", "end with a dot");
    for name in [
        "con",
        "CON",
        "Prn",
        "aux",
        "nul",
        "NUL.txt",
        "con.tar.gz",
        "com0",
        "COM1",
        "lpt9.x",
    ] {
        refused(name, "device");
    }
}

#[test]
fn a_name_has_64_characters_at_most() {
    refused(&"x".repeat(65), "64 characters");
}

#[test]
fn an_error_shows_no_raw_control_characters_and_only_the_beginning_of_a_long_text() {
    let error = format!("\u{1b}\n\u{202e}{}", "x".repeat(1 << 20))
        .parse::<PluginName>()
        .unwrap_err()
        .to_string();
    assert!(error.starts_with(r#""\u{1b}\n\u{202e}xxx"#), "{error}");
    assert!(error.len() < 300, "{}", error.len());
}

#[test]
fn a_name_serialises_as_its_text() {
    let name: PluginName = "demo".parse().unwrap();
    assert_eq!(serde_json::to_string(&name).unwrap(), r#""demo""#);
}

/// The rule once more, as a list of what must hold.
fn is_name(text: &str) -> bool {
    let stem = text.split('.').next().unwrap().to_uppercase();
    let devices = ["CON", "PRN", "AUX", "NUL"];
    let ports = ["COM", "LPT"].map(|port| (0..10).map(move |digit| format!("{port}{digit}")));
    (1..=64).contains(&text.len())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        && !text.starts_with(['.', '_', '-'])
        && !text.contains("..")
        && !text.ends_with('.')
        && !devices.contains(&stem.as_str())
        && !ports.into_iter().flatten().any(|port| port == stem)
}

proptest! {
    #[test]
    fn a_text_is_a_name_when_the_rule_says_so(
        text in prop_oneof![
            "[A-Za-z0-9._-]{0,70}",
            "(con|nul|com|lpt|aux|prn)[0-9]{0,2}(\\.[a-z]{0,3})?",
            "[a.]{0,5}",
            "\\PC{0,6}",
        ],
    ) {
        let parsed = text.parse::<PluginName>();
        prop_assert_eq!(parsed.is_ok(), is_name(&text));
    }

    #[test]
    fn a_name_is_one_ordinary_component_of_a_path(text in "[A-Za-z0-9._-]{1,64}") {
        if let Ok(name) = text.parse::<PluginName>() {
            let path = std::path::Path::new("plugins").join(name.as_str());
            prop_assert_eq!(path.parent(), Some(std::path::Path::new("plugins")));
            prop_assert_eq!(path.file_name(), Some(std::ffi::OsStr::new(name.as_str())));
        }
    }
}
