//! Whatever is a token comes back as it was saved.

use molecule_token_store::{Token, TokenStore, Wait, read_mounted};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::scratch;

fn valid_text() -> impl Strategy<Value = String> {
    vec(b'!'..=b'~', 1..=Token::MAX_LEN)
        .prop_map(|bytes| bytes.into_iter().map(char::from).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn saving_and_loading_gives_the_same_token(text in valid_text()) {
        let dir = scratch();
        let store = TokenStore::new(dir.path());
        let token = Token::new(text.as_str()).unwrap();
        prop_assert_eq!(token.expose(), &text);

        store.save(&token, Wait::No).unwrap();
        prop_assert!(store.load(Wait::No).unwrap().unwrap().same_as(&token));
        let mounted = read_mounted(store.path()).unwrap().unwrap();
        prop_assert!(mounted.token.same_as(&token));
        prop_assert!(!mounted.world_readable);
    }

    #[test]
    fn any_text_is_either_refused_or_kept_without_its_outer_whitespace(text in any::<String>()) {
        match Token::new(text.as_str()) {
            Ok(token) => prop_assert_eq!(token.expose(), text.trim()),
            Err(_) => prop_assert!(text.trim().is_empty() || !text.trim().bytes().all(|byte| byte.is_ascii_graphic())),
        }
    }
}
