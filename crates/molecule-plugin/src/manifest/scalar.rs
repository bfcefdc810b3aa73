//! What a scalar is: a text, or something else that is written without quotes.

use std::borrow::Cow;

use saphyr_parser::ScalarStyle;

use crate::{InvalidDigest, Sha256Digest};

/// What begins something other than a scalar without quotes, at least for some readers and in some places.
const INDICATORS: [char; 18] = [
    '?', ':', ',', '[', ']', '{', '}', '#', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`',
];

/// What follows a colon inside of brackets and braces.
const FLOW: [char; 5] = [',', '[', ']', '{', '}'];

/// Characters up to the colon behind a key. YAML 1.2 allows 1024 of them, and some readers no more.
const MAX_KEY: usize = 512;

/// A scalar as the file spells it.
#[derive(Debug)]
pub(super) struct Scalar<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) style: ScalarStyle,
    /// The only tag that gets this far is `!!str`.
    pub(super) tagged: bool,
    /// How many lines of the file it is on.
    pub(super) lines: usize,
    /// How many characters of the file it takes.
    pub(super) length: usize,
    /// What follows it in the file.
    pub(super) behind: &'a str,
}

impl Scalar<'_> {
    /// Refuses a scalar without quotes that only some readers take for one.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if self.style != ScalarStyle::Plain {
            return Ok(());
        }
        if self.text.starts_with(INDICATORS) {
            return Err("a text that begins with a special character; put it in quotes");
        }
        let colon = self.behind.trim_start().strip_prefix(':');
        if colon.is_some_and(|behind| behind.starts_with(FLOW)) || self.text.contains(":?") {
            return Err(
                "a colon that begins a value for some readers only; put the text in quotes",
            );
        }
        Ok(())
    }

    /// Refuses a key that only some readers take for one.
    pub(super) fn check_key(&self) -> Result<(), &'static str> {
        let value = self.behind.trim_start_matches(' ');
        if self.text.is_empty() {
            Err("a key without a text; name it")
        } else if self.text == "<<" {
            Err("a merge key; write out what it merges")
        } else if self.lines > 1 {
            Err("a key of more than one line; put it on one")
        } else if !value.starts_with(':') {
            Err("a key without a colon behind it; write `key: value`")
        } else if self.length + self.behind.len() - value.len() > MAX_KEY {
            Err("a key of more than 512 characters; shorten it")
        } else if self.is_bare() && !is_plain_text(&self.text) && !is_ordinal(&self.text) {
            Err("a key that is a number or a word of YAML's own; put it in quotes")
        } else {
            Ok(())
        }
    }

    /// Its text, if YAML 1.2 takes it for one.
    pub(super) fn to_text(&self) -> Result<Option<String>, &'static str> {
        self.check_inline()?;
        let is_text = !self.is_bare() || is_plain_text(&self.text);
        Ok(is_text.then(|| self.text.to_string()))
    }

    /// Its digest, if every reader takes it for a text that is one.
    pub(super) fn to_digest(&self) -> Result<Sha256Digest, Cow<'static, str>> {
        self.check_inline()?;
        let digest = self
            .text
            .parse()
            .map_err(|error: InvalidDigest| format!("{error}; correct it, or remove the key"))?;
        if self.is_bare() && is_number_to_somebody(&self.text) {
            return Err("sha256 is a number as it stands; put it in quotes".into());
        }
        Ok(digest)
    }

    /// Readers differ in the line feed at the end of a block.
    fn check_inline(&self) -> Result<(), &'static str> {
        match self.style {
            ScalarStyle::Literal | ScalarStyle::Folded => Err("a block of text; put it in quotes"),
            _ => Ok(()),
        }
    }

    fn is_bare(&self) -> bool {
        self.style == ScalarStyle::Plain && !self.tagged
    }
}

/// Whether a text of 64 hexadecimal digits, without quotes, is a number in YAML 1.1 or 1.2: decimal or octal, `12e34`, `0b1010`.
fn is_number_to_somebody(digits: &str) -> bool {
    let decimal = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let binary = |text: &str| text.bytes().all(|b| matches!(b, b'0' | b'1'));
    decimal(digits)
        || digits
            .split_once('e')
            .is_some_and(|(mantissa, exponent)| decimal(mantissa) && decimal(exponent))
        || digits.strip_prefix("0b").is_some_and(binary)
}

/// Whether a scalar without quotes is a text, and no null, boolean or number, by the core schema of YAML 1.2.
fn is_plain_text(plain: &str) -> bool {
    let unsigned = plain.strip_prefix(['+', '-']).unwrap_or(plain);
    !matches!(plain, "" | "~" | "null" | "Null" | "NULL")
        && !matches!(
            plain,
            "true" | "True" | "TRUE" | "false" | "False" | "FALSE"
        )
        && !matches!(plain, ".nan" | ".NaN" | ".NAN")
        && !matches!(unsigned, ".inf" | ".Inf" | ".INF")
        && !is_integer(unsigned)
        && !is_float(unsigned)
}

/// A whole number as it is always spelled: one that two keys can only be by being the same text.
fn is_ordinal(plain: &str) -> bool {
    is_digits(plain, 10) && (plain == "0" || !plain.starts_with('0'))
}

/// Hexadecimal, octal or binary, of up to 128 bits; longer ones are texts.
fn is_integer(unsigned: &str) -> bool {
    [("0x", 16), ("0o", 8), ("0b", 2)]
        .iter()
        .filter_map(|(prefix, radix)| Some((unsigned.strip_prefix(prefix)?, *radix)))
        .any(|(digits, radix)| {
            is_digits(digits, radix) && u128::from_str_radix(digits, radix).is_ok()
        })
}

/// Decimal integers too, but none with a leading zero: `007` is a text.
fn is_float(unsigned: &str) -> bool {
    let number = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.parse::<f64>().is_ok_and(f64::is_finite);
    let padded = unsigned.len() > 1 && unsigned.starts_with('0') && is_digits(unsigned, 10);
    number && !padded
}

fn is_digits(text: &str, radix: u32) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_digit(radix))
}
