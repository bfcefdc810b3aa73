//! Whatever a token file holds is a token that is safe in a header, or an error that does not repeat it.

#![no_main]

use http::HeaderValue;
use libfuzzer_sys::fuzz_target;
use molecule_token_store::Token;

fuzz_target!(|text: &str| match Token::new(text) {
    Ok(token) => check(text, &token),
    Err(error) => {
        let shown = error.to_string();
        assert!(
            text.trim().len() < 40 || !shown.contains(text.trim()),
            "the error repeats the token"
        );
    }
});

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
