//! Reading a token from an open file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::{Result, TokenStoreError, io_error};
use crate::token::{InvalidToken, Token};

/// Room for the longest token and whitespace around it, in bytes.
const MAX_FILE_LEN: usize = 2 * Token::MAX_LEN;

/// Reads the whole file. The buffer never grows, because growing would leave a copy of the secret
/// behind.
pub(crate) fn read_bounded(file: &File, path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_FILE_LEN + 1));
    file.take(MAX_FILE_LEN as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(io_error("read", path))?;
    if bytes.len() > MAX_FILE_LEN {
        return Err(TokenStoreError::TooLarge {
            path: path.to_owned(),
            limit: MAX_FILE_LEN,
        });
    }
    Ok(bytes)
}

/// The token in what was read; `None` when that is nothing but whitespace.
pub(crate) fn parse_token(bytes: &[u8], path: &Path) -> Result<Option<Token>> {
    match parse(bytes) {
        Ok(token) => Ok(Some(token)),
        Err(InvalidToken::Empty) => Ok(None),
        Err(source) => Err(TokenStoreError::Invalid {
            path: path.to_owned(),
            source,
        }),
    }
}

fn parse(bytes: &[u8]) -> Result<Token, InvalidToken> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Token::new(text),
        Err(error) => Err(InvalidToken::Character {
            position: error.valid_up_to() + 1,
        }),
    }
}
