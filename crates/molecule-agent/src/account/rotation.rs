//! Replacing the agent's token, such that at every moment the one on disk is valid.

use std::time::Duration;

use molecule_protocol::endpoints::{PollState, TokenInfo};
use molecule_protocol::{ApiError, TokenId};
use molecule_token_store::{RotationLock, Token, TokenStoreError};

use crate::{AgentError, RemoteAgentClient};

/// How long another rotation may go on before that is an error: a few calls, each with its retries.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often to look whether it is done.
const PAUSE: Duration = Duration::from_millis(50);

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
    /// One rotation at a time: another one of the same directory, in this process or elsewhere on this machine, is waited for,
    /// for up to a minute, and the token that it brought is the one that is replaced then.
    ///
    /// # Errors
    /// [`AgentError::TokenGivenElsewhere`] when the token is not the one in the agent's directory: it would come back.
    /// [`TokenStoreError::Rotating`] when another rotation takes longer than a minute; nothing was changed.
    /// [`AgentError::TokenReplaced`] when somebody else replaced the token meanwhile; theirs is in use.
    /// [`AgentError::NotRotated`] when the new token could not be kept, or not be verified.
    /// Otherwise as [`create_token`](Self::create_token), and nothing was changed.
    pub async fn rotate_token(&self) -> Result<Rotation, AgentError> {
        if !self.settings().caller.tokens().is_own() {
            return Err(AgentError::TokenGivenElsewhere);
        }
        self.own_token().await?;
        let _alone = self.alone().await?;
        let old = self.own_token().await?;
        let listed = self.list_tokens().await?;
        let new = self.create_token().await?;
        self.switch(&old, &new).await?;
        Ok(Rotation {
            prefix: new.prefix().to_owned(),
            old: self.retire(&old, &listed).await,
        })
    }

    async fn own_token(&self) -> Result<Token, AgentError> {
        let token = self.load_token().await?;
        token.ok_or_else(|| AgentError::NoToken(self.workspace_id()))
    }

    /// Waits for its turn.
    async fn alone(&self) -> Result<RotationLock, AgentError> {
        let (tokens, clock) = (self.settings().caller.tokens(), self.clock());
        let end = clock.now().saturating_add(PATIENCE);
        loop {
            match tokens.lock_rotation().await {
                Err(TokenStoreError::Rotating { .. }) if clock.now() < end => {
                    clock.sleep(PAUSE).await;
                }
                locked => return Ok(locked?),
            }
        }
    }

    async fn switch(&self, old: &Token, new: &Token) -> Result<(), AgentError> {
        let mut written = false;
        let Err(error) = self.try_switch(old, new, &mut written).await else {
            return Ok(());
        };
        let on_disk = self.restore(old, new, written).await;
        if on_disk != OnDisk::New {
            self.discard(new).await;
        }
        Err(on_disk.explain(error))
    }

    /// `written` says whether the new token may be on disk: a save can fail after its last step, but not if it had to wait too long.
    async fn try_switch(
        &self,
        old: &Token,
        new: &Token,
        written: &mut bool,
    ) -> Result<(), AgentError> {
        self.check_in_use(old).await?;
        let saved = self.save_token(new.clone()).await;
        *written = !matches!(
            saved,
            Err(AgentError::TokenStore(TokenStoreError::Contended { .. }))
        );
        saved?;
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

    /// Puts the old token back, unless the one on disk is not ours to replace, and says which one is there then. A file that cannot
    /// be read is taken to hold the new one if it may, because that one is revoked otherwise.
    async fn restore(&self, old: &Token, new: &Token, written: bool) -> OnDisk {
        match self.load_token().await {
            Ok(Some(current)) if current.same_as(old) => OnDisk::Old,
            Ok(Some(current)) if current.same_as(new) => {
                let restored = self.save_token(old.clone()).await;
                restored.map_or(OnDisk::New, |()| OnDisk::Old)
            }
            Ok(_) => OnDisk::Theirs,
            Err(_) if written => OnDisk::New,
            Err(_) => OnDisk::Old,
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

/// Which token is on disk after a rotation that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnDisk {
    Old,
    New,
    Theirs,
}

impl OnDisk {
    fn explain(self, error: AgentError) -> AgentError {
        let in_use = match (self, &error) {
            (Self::Theirs, _) | (_, AgentError::TokenReplaced) => {
                return AgentError::TokenReplaced;
            }
            (Self::Old, _) => "old",
            (Self::New, _) => "new",
        };
        let source = Box::new(error);
        AgentError::NotRotated { in_use, source }
    }
}
