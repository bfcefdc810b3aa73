//! The secret itself.

use std::fmt;
use std::hint::black_box;

use zeroize::Zeroizing;

/// A bearer token: visible ASCII, so that it is always a valid header value.
///
/// Its text is wiped from memory when it is dropped, `Debug` does not show it, and there is no
/// `==`, which would take longer the more leading characters match; compare with
/// [`Token::same_as`].
///
/// ```
/// use molecule_token_store::Token;
///
/// let token = Token::new("IQeUadP6-example\n")?;
/// assert_eq!(token.expose(), "IQeUadP6-example");
/// assert_eq!(token.prefix(), "IQeUadP6");
/// assert_eq!(format!("{token:?}"), "Token([redacted])");
/// # Ok::<(), molecule_token_store::InvalidToken>(())
/// ```
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// The longest accepted token, in bytes.
    pub const MAX_LEN: usize = 4096;

    /// How many leading characters [`Token::prefix`] may show.
    const PREFIX_LEN: usize = 8;

    /// Takes a token as it was typed, mounted or received; whitespace around it is dropped.
    ///
    /// # Errors
    ///
    /// [`InvalidToken`] when nothing is left, when it is longer than [`Token::MAX_LEN`], or when it
    /// contains anything but visible ASCII.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidToken> {
        let text = Zeroizing::new(text.into());
        Self::parse(text.trim())
    }

    fn parse(text: &str) -> Result<Self, InvalidToken> {
        if text.is_empty() {
            return Err(InvalidToken::Empty);
        }
        if text.len() > Self::MAX_LEN {
            return Err(InvalidToken::TooLong { length: text.len() });
        }
        match text.chars().position(|c| !c.is_ascii_graphic()) {
            Some(index) => Err(InvalidToken::Character {
                position: index + 1,
            }),
            None => Ok(Self(Zeroizing::new(text.to_owned()))),
        }
    }

    /// The secret text. Give it to the `Authorization` header and to nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The first 8 characters, the part that may be shown to tell tokens apart; of a token of less
    /// than 16 characters only its first half.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.0[..Self::PREFIX_LEN.min(self.0.len() / 2)]
    }

    /// Whether both are the same token. The time it takes depends on the lengths alone, not on
    /// where they differ.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.0.as_bytes(), other.0.as_bytes());
        let difference = ours
            .iter()
            .zip(theirs)
            .fold(0, |seen, (a, b)| black_box(seen | (a ^ b)));
        ours.len() == theirs.len() && difference == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([redacted])")
    }
}

/// Why a text is no [`Token`]. It never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidToken {
    /// Nothing but whitespace.
    #[error("the token is empty")]
    Empty,
    /// More than [`Token::MAX_LEN`] bytes.
    #[error("the token has {length} bytes, the limit is {max}; give the token alone", max = Token::MAX_LEN)]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// A space, a control character or anything outside ASCII.
    #[error(
        "character {position} of the token is not visible ASCII; give the token alone, on one line"
    )]
    Character {
        /// Which one, counted from 1.
        position: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<&str, InvalidToken>) {
        let token = Token::new(text);
        assert_eq!(
            token.as_ref().map(Token::expose).map_err(|error| *error),
            expect,
            "{text:?}"
        );
    }

    #[test]
    fn whitespace_around_a_token_is_dropped() {
        check("abc", Ok("abc"));
        check(" \tabc\r\n", Ok("abc"));
        check("!~", Ok("!~"));
    }

    #[test]
    fn what_is_no_valid_header_value_is_refused() {
        check("", Err(InvalidToken::Empty));
        check(" \n\t", Err(InvalidToken::Empty));
        check("two words", Err(InvalidToken::Character { position: 4 }));
        check("two\nlines", Err(InvalidToken::Character { position: 4 }));
        check(
            "a\r\nX-Injected: 1",
            Err(InvalidToken::Character { position: 2 }),
        );
        check("nul\0", Err(InvalidToken::Character { position: 4 }));
        check("del\x7f", Err(InvalidToken::Character { position: 4 }));
        check("schlüssel", Err(InvalidToken::Character { position: 5 }));
        check("\u{feff}abc", Err(InvalidToken::Character { position: 1 }));
    }

    #[test]
    fn the_length_is_bounded() {
        let longest = "x".repeat(Token::MAX_LEN);
        check(&longest, Ok(&longest));
        check(
            &format!("{longest}x"),
            Err(InvalidToken::TooLong { length: 4097 }),
        );
    }

    #[test]
    fn debug_and_errors_show_no_secret() {
        let token = Token::new("s3cr3t-s3cr3t-s3cr3t").unwrap();
        assert_eq!(format!("{token:?}"), "Token([redacted])");
        assert_eq!(format!("{token:#?}"), "Token([redacted])");
        let error = Token::new("s3cr3t s3cr3t").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cr3t"));
    }

    #[test]
    fn the_prefix_is_eight_characters_but_never_most_of_the_token() {
        let prefix = |text: &str| Token::new(text).unwrap().prefix().to_owned();
        assert_eq!(prefix("IQeUadP6-1234567"), "IQeUadP6");
        assert_eq!(prefix("IQeUadP6-12345"), "IQeUadP");
        assert_eq!(prefix("x"), "");
    }

    #[test]
    fn tokens_compare_by_their_whole_text() {
        let same = |a: &str, b: &str| Token::new(a).unwrap().same_as(&Token::new(b).unwrap());
        assert!(same("abcdef", "abcdef"));
        assert!(!same("abcdef", "abcdeg"));
        assert!(!same("abcdef", "Abcdef"));
        assert!(!same("abcdef", "abcde"));
        assert!(!same("abcde", "abcdef"));
    }
}
