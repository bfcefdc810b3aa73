//! Which characters are not seen, and which names are the same file on some disks.

use std::cmp::Ordering;

use unicode_normalization::UnicodeNormalization;

/// The general categories `Cf` (formats: changes of direction, joiners, tags) and `Co` (private use). `Cc` is
/// [`char::is_control`], and `Cs` cannot occur in UTF-8. `Cn` is left out: it changes with every release of Unicode.
const HIDDEN: [(char, char); 24] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{180e}', '\u{180e}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{202a}', '\u{202e}'),
    ('\u{2060}', '\u{2064}'),
    ('\u{2066}', '\u{206f}'),
    ('\u{e000}', '\u{f8ff}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{fff9}', '\u{fffb}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0001}', '\u{e0001}'),
    ('\u{e0020}', '\u{e007f}'),
    ('\u{f0000}', '\u{ffffd}'),
    ('\u{100000}', '\u{10fffd}'),
];

/// Letters that are drawn as nothing.
const BLANK_LETTERS: [char; 4] = ['\u{115f}', '\u{1160}', '\u{3164}', '\u{ffa0}'];

/// Whether a character is invisible or means whatever a program wants.
pub(crate) fn is_hidden(c: char) -> bool {
    let place = |&(first, last): &(char, char)| match () {
        () if last < c => Ordering::Less,
        () if first > c => Ordering::Greater,
        () => Ordering::Equal,
    };
    HIDDEN.binary_search_by(place).is_ok()
}

/// Whether a character is a letter or digit beyond ASCII that shows as one.
pub(crate) fn is_plain_letter(c: char) -> bool {
    !c.is_ascii() && c.is_alphanumeric() && !is_hidden(c) && !BLANK_LETTERS.contains(&c)
}

/// What two spellings of one component share when some disk, which ignores case or composition, takes them for one.
pub(crate) fn collision_key(component: &str) -> String {
    if component.is_ascii() {
        return component.to_ascii_uppercase();
    }
    // Upper-casing last makes "ß" and "SS" equal, and the ligatures and their letters.
    component
        .nfd()
        .collect::<String>()
        .to_lowercase()
        .to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::{collision_key, is_hidden};

    fn check_same(a: &str, b: &str) {
        assert_eq!(collision_key(a), collision_key(b), "{a:?} and {b:?}");
    }

    #[test]
    fn spellings_of_one_name_share_a_key() {
        check_same("README.md", "readme.MD");
        check_same("\u{e9}", "e\u{301}");
        check_same("\u{c9}", "e\u{301}");
        check_same("straße", "STRASSE");
        check_same("\u{fb03}", "FFI");
        check_same("\u{212a}", "k");
        check_same("\u{17f}", "S");
        check_same("\u{1e9e}", "ss");
        check_same("Σίσυφος", "ΣΊΣΥΦΟΣ");
    }

    #[test]
    fn different_names_have_different_keys() {
        for (a, b) in [
            ("a", "b"),
            ("e", "\u{e9}"),
            ("i", "\u{131}x"),
            ("a.b", "a-b"),
        ] {
            assert_ne!(collision_key(a), collision_key(b));
        }
    }

    /// Another library's tables, of the same general categories.
    #[test]
    fn hidden_is_exactly_format_and_private_use() {
        let hir = regex_syntax::parse(r"[\p{Cf}\p{Co}]").unwrap();
        let regex_syntax::hir::HirKind::Class(regex_syntax::hir::Class::Unicode(class)) =
            hir.kind()
        else {
            panic!("a class of characters");
        };
        let listed = |c: char| {
            class
                .iter()
                .any(|range| (range.start()..=range.end()).contains(&c))
        };
        for c in '\0'..=char::MAX {
            assert_eq!(is_hidden(c), listed(c), "{}", c.escape_unicode());
        }
    }
}
