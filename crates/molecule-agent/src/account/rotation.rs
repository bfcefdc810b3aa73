//! Replacing the agent's token, such that at every moment the one on disk is valid.

use molecule_protocol::endpoints::{PollState, TokenInfo};
use molecule_protocol::{ApiError, TokenId};
use molecule_token_store::Token;

use crate::{AgentError, RemoteAgentClient};

/// The agent has another token.
#[derive(Debug)]
#[non_exhaustive]
pub struct Rotation {
    /// How the new token begins.
    pub prefix: String,
    /// What became of the old one.
    pub old: OldToken,
}

/// What became of a token that is not used any more.
#[derive(Debug)]
#[non_exhaustive]
pub enum OldToken {
    /// It is not valid any more.
    Revoked(TokenId),
    /// It is still valid, because it could not be revoked.
    NotRevoked {
        /// Which one.
        id: TokenId,
        /// Why not.
        error: AgentError,
    },
    /// It is still valid, because several tokens begin as it does, and another must not be revoked in its place.
    Ambiguous(Vec<TokenId>),
    /// The platform does not list it, so it could not be revoked.
    NotListed,
}

impl RemoteAgentClient {
    /// Replaces the agent's token: has a new one issued, keeps it, makes a call under it, and revokes the old one. Loops that
    /// run go on with the new one, in this process and in others that read the same directory.
    ///
    /// The file holds a valid token at every moment, so that this may end anywhere, or be dropped. What is left then is one
    /// valid token too many, which [`list_tokens`](Self::list_tokens) shows. A new token that is not accepted is given up
    /// for the old one.
    ///
    /// # Errors
    /// [`AgentError::TokenGivenElsewhere`] when the token is not the one in the agent's directory: it would come back.
    /// [`AgentError::TokenReplaced`] when somebody else replaced the token meanwhile; theirs is in use.
    /// [`AgentError::NotRotated`] when the new token could not be kept, or not be verified.
    /// Otherwise as [`create_token`](Self::create_token), and nothing was changed.
    pub async fn rotate_token(&self) -> Result<Rotation, AgentError> {
        let tokens = self.settings().caller.tokens();
        if !tokens.is_own() {
            return Err(AgentError::TokenGivenElsewhere);
        }
        let _alone = tokens.rotating().await;
        let old = self.load_token().await?;
        let old = old.ok_or_else(|| AgentError::NoToken(self.workspace_id()))?;
        let listed = self.list_tokens().await?;
        let new = self.create_token().await?;
        self.switch(&old, &new).await?;
        Ok(Rotation {
            prefix: new.prefix().to_owned(),
            old: self.retire(&old, &listed).await,
        })
    }

    async fn switch(&self, old: &Token, new: &Token) -> Result<(), AgentError> {
        let Err(error) = self.try_switch(old, new).await else {
            return Ok(());
        };
        let restored = self.restore(old, new).await;
        if restored.is_ok() {
            self.discard(new).await;
        }
        Err(match error {
            error @ AgentError::TokenReplaced => error,
            error => AgentError::NotRotated {
                in_use: if restored.is_ok() { "old" } else { "new" },
                source: Box::new(error),
            },
        })
    }

    async fn try_switch(&self, old: &Token, new: &Token) -> Result<(), AgentError> {
        self.check_in_use(old).await?;
        self.save_token(new.clone()).await?;
        self.authorized(&PollState::new(self.workspace_id()))
            .await?;
        self.check_in_use(new).await
    }

    async fn check_in_use(&self, token: &Token) -> Result<(), AgentError> {
        match self.load_token().await? {
            Some(current) if current.same_as(token) => Ok(()),
            _ => Err(AgentError::TokenReplaced),
        }
    }

    /// Puts the old token back, unless the one in use is not ours to replace.
    async fn restore(&self, old: &Token, new: &Token) -> Result<(), AgentError> {
        match self.check_in_use(new).await {
            Ok(()) => self.save_token(old.clone()).await,
            Err(AgentError::TokenReplaced) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Revokes a token that nobody will use. That it fails leaves one valid token too many, which does no harm.
    async fn discard(&self, unused: &Token) {
        let retired = match self.list_tokens().await {
            Ok(listed) => self.retire(unused, &listed).await,
            Err(_) => OldToken::NotListed,
        };
        if !matches!(retired, OldToken::Revoked(_)) {
            tracing::warn!(
                prefix = unused.prefix(),
                "a token that is not used could not be revoked"
            );
        }
    }

    /// Revokes `token`, if it can be told from the others that were listed with it.
    async fn retire(&self, token: &Token, listed: &[TokenInfo]) -> OldToken {
        let alike = listed.iter().filter(|info| info.may_be(token.expose()));
        let ids: Vec<_> = alike.map(|info| info.id).collect();
        match ids[..] {
            [] => OldToken::NotListed,
            [id] => match self.revoke_token(id).await {
                Ok(()) | Err(AgentError::Api(ApiError::NotFound(_))) => OldToken::Revoked(id),
                Err(error) => OldToken::NotRevoked { id, error },
            },
            _ => OldToken::Ambiguous(ids),
        }
    }
}
