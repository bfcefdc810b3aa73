//! Just enough of Rust's grammar to tell code from comments and literals.

/// The text with comments and the contents of literals blanked out; its lines stay where they are.
pub(crate) fn code(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let taken = comment(rest).or_else(|| literal(rest, code.chars().last()));
        match taken {
            Some(len) => {
                code.extend(
                    rest[..len]
                        .chars()
                        .map(|c| if c == '\n' { '\n' } else { ' ' }),
                );
                rest = &rest[len..];
            }
            None => {
                code.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    code
}

/// The length of the comment that the text begins with.
fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if !text.starts_with("/*") {
        return None;
    }
    let (mut at, mut depth) = (2, 1);
    while depth > 0 {
        let rest = &text[at..];
        let Some(next) = rest.find(['/', '*']) else {
            return Some(text.len());
        };
        let step = match &rest.as_bytes()[next..] {
            [b'/', b'*', ..] => {
                depth += 1;
                2
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                2
            }
            _ => 1,
        };
        at += next + step;
    }
    Some(at)
}

/// The length of the string or character that the text begins with. `before` tells a raw string from a word that ends in r.
fn literal(text: &str, before: Option<char>) -> Option<usize> {
    let in_word = before.is_some_and(is_word);
    match text.as_bytes() {
        [b'"', ..] => Some(quoted(text, '"')),
        [b'r', b'"' | b'#', ..] if !in_word => raw(text, 1),
        [b'b' | b'c', b'r', b'"' | b'#', ..] if !in_word => raw(text, 2),
        [b'\'', ..] => character(text),
        _ => None,
    }
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if !escaped && c == quote {
            return at + quote.len_utf8();
        }
        escaped = !escaped && c == '\\';
    }
    text.len()
}

fn raw(text: &str, prefix: usize) -> Option<usize> {
    let hashes = text[prefix..]
        .bytes()
        .take_while(|byte| *byte == b'#')
        .count();
    let start = prefix + hashes;
    if !text[start..].starts_with('"') {
        return None;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let body = start + 1;
    Some(
        text[body..]
            .find(&end)
            .map_or(text.len(), |at| body + at + end.len()),
    )
}

/// A lifetime has no second quote, where a character has one.
fn character(text: &str) -> Option<usize> {
    let mut chars = text.char_indices().skip(1);
    let (_, first) = chars.next()?;
    let (at, second) = chars.next()?;
    match (first, second) {
        ('\\', _) => Some(quoted(text, '\'')),
        (_, '\'') => Some(at + 1),
        _ => None,
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Lines that are not blank.
pub(crate) fn lines(code: &str) -> usize {
    code.lines().filter(|line| !line.trim().is_empty()).count()
}

/// Lines of code, without the items that are compiled for tests only, as rustfmt lays them out.
pub(crate) fn lines_outside_tests(text: &str) -> usize {
    let code = code(text);
    let mut in_tests = false;
    let counted = code.lines().filter(|line| {
        in_tests |= *line == "#[cfg(test)]";
        let skipped = in_tests;
        in_tests &= *line != "}" && (!line.ends_with(';') || line.starts_with(' '));
        !skipped && !line.trim().is_empty()
    });
    counted.count()
}

/// How often a word stands in the code by itself.
pub(crate) fn count_word(code: &str, word: &str) -> usize {
    code.split(|c| !is_word(c))
        .filter(|found| *found == word)
        .count()
}

/// Whether the root of a crate forbids unsafe code, whatever its features.
pub(crate) fn forbids_unsafe(text: &str) -> bool {
    let spaceless: String = code(text).split_whitespace().collect();
    let levels = spaceless.split("#![forbid(").skip(1);
    levels
        .filter_map(|rest| rest.split(')').next())
        .any(|lints| lints.split(',').any(|lint| lint == "unsafe_code"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, unsafes: usize) {
        let code = code(text);
        assert_eq!(count_word(&code, "unsafe"), unsafes, "{text} became {code}");
        assert_eq!(
            code.lines().count(),
            text.lines().count(),
            "{text} became {code}"
        );
    }

    #[test]
    fn the_keyword_is_counted_where_it_is_code() {
        check("unsafe fn f() { unsafe { g() } }", 2);
        check("let a = b/unsafe{c()};", 1);
        check("fn is_unsafe(unsafe_code: u8) {}", 0);
    }

    #[test]
    fn comments_are_not_code() {
        check("// unsafe\n/// unsafe\nunsafe {}", 1);
        check("/* unsafe /* unsafe */ unsafe */ unsafe {}", 1);
        check("/* unsafe", 0);
    }

    #[test]
    fn literals_are_not_code() {
        check("f(\"unsafe \\\" unsafe\"); unsafe {}", 1);
        check("f(r\"\\\", unsafe {}); g(\"\")", 1);
        check(
            "f(r#\"unsafe \" unsafe\"#, br\"unsafe\", b\"unsafe\"); unsafe {}",
            1,
        );
        check("f('\"', '\\'', '\\\\'); unsafe {} // \"", 1);
    }

    #[test]
    fn a_lifetime_opens_no_literal() {
        check("fn f<'a>(x: &'a str) -> &'a str { unsafe { x } }", 1);
        check("'outer: loop { unsafe {} break 'outer; }", 1);
    }

    #[test]
    fn a_word_that_ends_in_r_opens_no_raw_string() {
        check("write!(for\"unsafe\"); unsafe {}", 1);
        check("let r#unsafe_ = 1; unsafe {}", 1);
    }

    #[test]
    fn comments_blank_lines_and_tests_are_no_lines() {
        let text = "//! Doc.\n\nuse a;\n\nfn f() {\n    // why\n    g();\n}\n\n\
            #[cfg(test)]\nmod tests {\n    use a;\n\n    fn t() {}\n}\n";
        assert_eq!(lines_outside_tests(text), 4);
        assert_eq!(
            lines_outside_tests("#[cfg(test)]\nmod tests;\n\nfn f() {}\n"),
            1
        );
    }

    #[test]
    fn only_the_root_attribute_forbids() {
        assert!(forbids_unsafe("//! Doc.\n#![forbid(unsafe_code)]\n"));
        assert!(forbids_unsafe("#![forbid(missing_docs, unsafe_code)]"));
        assert!(!forbids_unsafe("#![deny(unsafe_code)]"));
        assert!(!forbids_unsafe("// #![forbid(unsafe_code)]"));
        assert!(!forbids_unsafe(
            "#![cfg_attr(not(feature = \"x\"), forbid(unsafe_code))]"
        ));
    }
}
