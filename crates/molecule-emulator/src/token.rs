//! Bearer tokens: minted once, kept as sha256 only.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Live tokens that one workspace may have at a time.
pub(crate) const MAX_LIVE: usize = 50;

/// A fresh token: 32 random bytes, 43 characters of base64url.
pub(crate) fn mint() -> String {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).expect("an operating system that runs us hands out random bytes");
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// What is kept of a token.
fn digest(token: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(token.as_bytes()))
}

/// The part of a token that may be shown: its first eight characters.
fn prefix(token: &str) -> String {
    token.chars().take(8).collect()
}

/// One minted token of a workspace.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TokenRow {
    pub(crate) id: Uuid,
    pub(crate) workspace: Uuid,
    pub(crate) prefix: String,
    pub(crate) created_at: Timestamp,
    pub(crate) last_used_at: Option<Timestamp>,
}

/// The live tokens of all workspaces by digest; a revoked token is simply gone.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Tokens(BTreeMap<String, TokenRow>);

impl Tokens {
    /// Mints a token for a workspace and returns its text, for the only time.
    pub(crate) fn issue(&mut self, workspace: Uuid, now: Timestamp) -> String {
        let token = mint();
        self.keep(workspace, &token, now);
        token
    }

    fn keep(&mut self, workspace: Uuid, token: &str, now: Timestamp) {
        let row = TokenRow {
            id: Uuid::new_v4(),
            workspace,
            prefix: prefix(token),
            created_at: now,
            last_used_at: None,
        };
        self.0.insert(digest(token), row);
    }

    /// The row of a live token, marked as used now.
    pub(crate) fn use_token(&mut self, token: &str, now: Timestamp) -> Option<&TokenRow> {
        let row = self.0.get_mut(&digest(token))?;
        row.last_used_at = Some(now);
        Some(row)
    }

    /// Whose token it is.
    pub(crate) fn owner(&self, token: &str) -> Option<Uuid> {
        self.0.get(&digest(token)).map(|row| row.workspace)
    }

    /// Revokes all tokens of a workspace, and makes this one, or a random one, its only token.
    pub(crate) fn rotate(&mut self, workspace: Uuid, token: Option<String>, now: Timestamp) {
        self.revoke_all(workspace);
        self.keep(workspace, &token.unwrap_or_else(mint), now);
    }

    pub(crate) fn any_live(&self, workspace: Uuid) -> bool {
        self.0.values().any(|row| row.workspace == workspace)
    }

    pub(crate) fn none_at_all(&self) -> bool {
        self.0.is_empty()
    }

    /// The live tokens of a workspace, newest first.
    pub(crate) fn of(&self, workspace: Uuid) -> Vec<&TokenRow> {
        let mut rows: Vec<_> = self
            .0
            .values()
            .filter(|row| row.workspace == workspace)
            .collect();
        rows.sort_by(|a, b| b.created_at.cmp(&a.created_at).then(b.id.cmp(&a.id)));
        rows
    }

    /// Revokes one token by its id and says whether it was live.
    pub(crate) fn revoke(&mut self, workspace: Uuid, id: Uuid) -> bool {
        let before = self.0.len();
        self.0
            .retain(|_, row| row.workspace != workspace || row.id != id);
        self.0.len() < before
    }

    pub(crate) fn revoke_all(&mut self, workspace: Uuid) {
        self.0.retain(|_, row| row.workspace != workspace);
    }
}

/// A token of the whole organisation: good wherever the administrator's is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OrgToken {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) prefix: String,
    #[serde(default)]
    pub(crate) created_at: Option<Timestamp>,
    digest: String,
}

impl OrgToken {
    /// A fresh organisation token and its text.
    pub(crate) fn issue(name: String, now: Timestamp) -> (Self, String) {
        let token = mint();
        let row = Self {
            id: Uuid::new_v4(),
            name,
            prefix: prefix(&token),
            created_at: Some(now),
            digest: digest(&token),
        };
        (row, token)
    }

    pub(crate) fn matches(&self, token: &str) -> bool {
        self.digest == digest(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_43_characters_of_base64url_and_only_its_digest_is_kept() {
        let mut tokens = Tokens::default();
        let token = tokens.issue(Uuid::nil(), Timestamp::UNIX_EPOCH);
        assert_eq!(token.len(), 43);
        assert!(
            token
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        );
        let kept = serde_json::to_string(&tokens).unwrap();
        assert!(!kept.contains(&token));
        assert!(tokens.use_token(&token, Timestamp::UNIX_EPOCH).is_some());
    }
}
