//! Whatever a token file holds is a token that is safe in a header, or an error that does not repeat it.

use http::HeaderValue;
use molecule_token_store::Token;

/// Reads the text as the content of a token file.
///
/// # Panics
/// When a token does not fit into a header, or an error or `Debug` shows it.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match Token::new(text) {
        Ok(token) => check(text, &token),
        Err(error) => {
            let other = Token::new(masked(text)).expect_err("it has the same fault");
            assert_eq!(
                error.to_string(),
                other.to_string(),
                "the error shows the token"
            );
        }
    }
}

/// The same faults, and nothing of what might be secret.
fn masked(text: &str) -> String {
    let mask = |c: char| if c.is_ascii_graphic() { 'x' } else { c };
    text.chars().map(mask).collect()
}

fn check(text: &str, token: &Token) {
    assert_eq!(token.expose(), text.trim());
    assert!(token.same_as(&Token::new(token.expose()).expect("a token is one again")));
    assert!(token.prefix().len() <= 8 && token.expose().starts_with(token.prefix()));
    HeaderValue::from_str(&format!("Bearer {}", token.expose()))
        .expect("a token fits into a header");
    assert!(
        !format!("{token:?}").contains(token.expose()) || token.expose().len() < 20,
        "Debug shows the token"
    );
}
