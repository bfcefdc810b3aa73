//! The tokens of the workspace.

use molecule_protocol::TokenId;
use molecule_protocol::endpoints::{CreateToken, ListTokens, RevokeToken, TokenInfo};
use molecule_token_store::Token;

use crate::{AgentError, RemoteAgentClient};

/// As many as the platform gives at once, which is more than a workspace can have.
const ALL: u32 = 200;

impl RemoteAgentClient {
    /// The workspace's valid tokens, the newest first, without their texts.
    ///
    /// # Errors
    /// When the platform refuses, or gives no usable answer.
    pub async fn list_tokens(&self) -> Result<Vec<TokenInfo>, AgentError> {
        let list = ListTokens::new(self.workspace_id()).with_limit(ALL);
        self.authorized(&list).await
    }

    /// Has the platform issue one more token. It is shown this once and kept nowhere, and the client goes on with its own:
    /// [`rotate_token`](Self::rotate_token) replaces that. It is never asked for twice, so an answer that is lost leaves a
    /// token on the platform that nobody knows, which [`list_tokens`](Self::list_tokens) shows.
    ///
    /// # Errors
    /// When the platform refuses, or gives no usable answer; [`ApiError::TokenLimit`](molecule_protocol::ApiError::TokenLimit)
    /// when the workspace has 50 tokens, which no waiting changes.
    pub async fn create_token(&self) -> Result<Token, AgentError> {
        let secret = self
            .authorized(&CreateToken::new(self.workspace_id()))
            .await?;
        Ok(Token::new(secret.expose())?)
    }

    /// Makes a token invalid. That can be the one in use; once the last is gone, anybody can register the workspace.
    ///
    /// # Errors
    /// When the platform refuses, or gives no usable answer; [`ApiError::NotFound`](molecule_protocol::ApiError::NotFound)
    /// when there is no such valid token.
    pub async fn revoke_token(&self, id: TokenId) -> Result<(), AgentError> {
        self.authorized(&RevokeToken::new(self.workspace_id(), id))
            .await
    }
}
