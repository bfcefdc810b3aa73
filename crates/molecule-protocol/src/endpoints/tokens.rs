//! `/workspaces/:id/tokens`: the tokens under which an agent may speak for its workspace.

use http::StatusCode;
use http::header::RETRY_AFTER;
use serde::{Deserialize, Serialize};

use super::plugins::with_query;
use crate::endpoint::{Answer, Call, Endpoint};
use crate::lenient::lenient;
use crate::{ApiError, Secret, Timestamp, TokenId, WorkspaceId};

/// How many leading characters of a token the platform shows.
const PREFIX_LEN: usize = 8;

/// `GET /workspaces/:id/tokens`: the tokens that are valid, the newest first. A workspace has 50 at the most.
#[derive(Debug, Clone)]
pub struct ListTokens {
    workspace_id: WorkspaceId,
    limit: Option<u32>,
    offset: Option<u32>,
}

/// A valid token, without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TokenInfo {
    /// By what it is revoked.
    pub id: TokenId,
    /// The first 8 characters of its text.
    pub prefix: String,
    /// When it was issued.
    #[serde(default, deserialize_with = "lenient")]
    pub created_at: Option<Timestamp>,
    /// When it was last used.
    #[serde(default, deserialize_with = "lenient")]
    pub last_used_at: Option<Timestamp>,
}

impl TokenInfo {
    /// Whether this may be `token`: they begin alike. Two tokens can, although that is unlikely.
    #[must_use]
    pub fn may_be(&self, token: &str) -> bool {
        token.get(..PREFIX_LEN) == Some(&*self.prefix)
    }
}

#[derive(Deserialize)]
struct Listing {
    tokens: Option<Vec<TokenInfo>>,
}

impl ListTokens {
    /// The tokens of `workspace_id`, of which the platform gives 50 unless asked otherwise.
    #[must_use]
    pub const fn new(workspace_id: WorkspaceId) -> Self {
        Self {
            workspace_id,
            limit: None,
            offset: None,
        }
    }

    /// At most this many. The platform gives no more than 200.
    #[must_use]
    pub const fn with_limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Without the first so many.
    #[must_use]
    pub const fn with_offset(mut self, offset: u32) -> Self {
        self.offset = Some(offset);
        self
    }
}

impl Endpoint for ListTokens {
    type Output = Vec<TokenInfo>;
    const NAME: &'static str = "token list";

    fn call(&self) -> Call {
        let number = |key, value: Option<u32>| Some((key, value?.to_string()));
        let query = [number("limit", self.limit), number("offset", self.offset)];
        let path = format!("/workspaces/{}/tokens", self.workspace_id);
        Call::get(with_query(path, query.into_iter().flatten()))
    }

    fn read(&self, answer: &Answer<'_>) -> Result<Vec<TokenInfo>, ApiError> {
        let Listing { tokens } = answer.json(Self::NAME)?;
        Ok(tokens.unwrap_or_default())
    }
}

/// `POST /workspaces/:id/tokens`: one more token, whose text the platform shows this once.
///
/// A workspace that has 50 gets none: [`ApiError::TokenLimit`].
#[derive(Debug, Clone)]
pub struct CreateToken {
    workspace_id: WorkspaceId,
}

#[derive(Deserialize)]
struct Issued {
    auth_token: Secret,
}

impl CreateToken {
    /// A token for `workspace_id`.
    #[must_use]
    pub const fn new(workspace_id: WorkspaceId) -> Self {
        Self { workspace_id }
    }
}

impl Endpoint for CreateToken {
    type Output = Secret;
    const NAME: &'static str = "token create";

    fn call(&self) -> Call {
        Call::post(format!("/workspaces/{}/tokens", self.workspace_id))
    }

    fn read(&self, answer: &Answer<'_>) -> Result<Secret, ApiError> {
        if is_full(answer) {
            return Err(ApiError::TokenLimit(answer.refused(Self::NAME)));
        }
        let Issued { auth_token } = answer.json(Self::NAME)?;
        Ok(auth_token)
    }
}

/// The rate limit says how long to wait; this does not, because waiting does not help.
fn is_full(answer: &Answer<'_>) -> bool {
    let speaks_of_tokens = answer
        .message()
        .is_some_and(|words| words.contains("active tokens"));
    answer.status() == StatusCode::TOO_MANY_REQUESTS
        && !answer.headers().contains_key(RETRY_AFTER)
        && speaks_of_tokens
}

/// `DELETE /workspaces/:id/tokens/:token`: makes a token invalid, also the one that the call is made under.
///
/// [`ApiError::NotFound`] says that there is no such valid token. Once the last one is revoked, anybody can register the
/// workspace and gets a token.
#[derive(Debug, Clone)]
pub struct RevokeToken {
    workspace_id: WorkspaceId,
    token_id: TokenId,
}

impl RevokeToken {
    /// The token `token_id` of `workspace_id`.
    #[must_use]
    pub const fn new(workspace_id: WorkspaceId, token_id: TokenId) -> Self {
        Self {
            workspace_id,
            token_id,
        }
    }
}

impl Endpoint for RevokeToken {
    type Output = ();
    const NAME: &'static str = "token revoke";

    fn call(&self) -> Call {
        let Self {
            workspace_id,
            token_id,
        } = self;
        Call::delete(format!("/workspaces/{workspace_id}/tokens/{token_id}"))
    }

    fn read(&self, answer: &Answer<'_>) -> Result<(), ApiError> {
        answer.done(Self::NAME)
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;

    const ID: &str = "fc381c93-f14f-4112-a564-0b630b52d59d";

    fn create(status: u16, retry_after: Option<&'static str>, body: &str) -> ApiError {
        let value = retry_after.map(|value| (RETRY_AFTER, HeaderValue::from_static(value)));
        let headers: HeaderMap = value.into_iter().collect();
        let status = StatusCode::from_u16(status).unwrap();
        CreateToken::new(ID.parse().unwrap())
            .read(&Answer::new(status, &headers, body.as_bytes()))
            .unwrap_err()
    }

    #[test]
    fn too_many_tokens_are_told_from_too_many_requests() {
        let full = r#"{"error":"maximum 50 active tokens per workspace"}"#;
        assert!(matches!(create(429, None, full), ApiError::TokenLimit(_)));
        for (retry_after, body) in [
            (
                Some("59"),
                r#"{"error":"rate limit exceeded","retry_after":59}"#,
            ),
            (Some("59"), full),
            (None, r#"{"error":"rate limit exceeded"}"#),
            (None, ""),
        ] {
            let error = create(429, retry_after, body);
            assert!(matches!(error, ApiError::RateLimited(_)), "{error:?}");
        }
    }

    #[test]
    fn the_page_is_in_the_query() {
        let list = ListTokens::new(ID.parse().unwrap());
        assert_eq!(list.call().path, format!("/workspaces/{ID}/tokens"));
        let list = list.with_limit(200).with_offset(50);
        assert_eq!(
            list.call().path,
            format!("/workspaces/{ID}/tokens?limit=200&offset=50")
        );
    }

    #[test]
    fn a_token_is_known_by_its_first_eight_characters() {
        let info = |prefix: &str| TokenInfo {
            id: ID.parse().unwrap(),
            prefix: prefix.to_owned(),
            created_at: None,
            last_used_at: None,
        };
        assert!(info("u-BQKxfp").may_be("u-BQKxfpL6qlm1TGoh9ct"));
        for prefix in ["", "u", "u-BQKxf", "u-BQKxfpL", "u-BQKxfq"] {
            assert!(!info(prefix).may_be("u-BQKxfpL6qlm1TGoh9ct"), "{prefix:?}");
        }
        assert!(!info("short").may_be("short"));
    }

    #[test]
    fn a_listing_needs_usable_ids_and_nothing_else() {
        let read = |body: &str| {
            let headers = HeaderMap::new();
            ListTokens::new(ID.parse().unwrap()).read(&Answer::new(
                StatusCode::OK,
                &headers,
                body.as_bytes(),
            ))
        };
        assert!(read(r#"{"count":0,"tokens":null}"#).unwrap().is_empty());
        let odd = format!(
            r#"{{"tokens":[{{"id":"{ID}","prefix":"a","created_at":17,"last_used_at":"soon","new":1}}]}}"#
        );
        assert_eq!(read(&odd).unwrap()[0].created_at, None);
        assert!(read(r#"{"tokens":[{"id":"../x","prefix":"a"}]}"#).is_err());
        assert!(read("[]").is_err());
    }
}
