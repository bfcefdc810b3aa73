//! Joining the platform without doing harm: look first, then register.

use std::net::SocketAddr;

use http::StatusCode;
use molecule_protocol::endpoints::{Delivery, DeliveryMode, Lookup, Register, Registered};
use molecule_protocol::{ApiError, WorkspaceStatus};
use molecule_token_store::Token;

use crate::{AgentError, RemoteAgentClient};

/// What a registration may do besides joining.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegisterOptions {
    /// Register an id that the platform does not know, which creates a workspace.
    pub create: bool,
    /// Register a paused workspace, which un-pauses it.
    pub resume: bool,
}

impl RegisterOptions {
    /// Neither creates nor un-pauses.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says whether an unknown id is registered.
    #[must_use]
    pub const fn with_create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Says whether a paused workspace is registered.
    #[must_use]
    pub const fn with_resume(mut self, resume: bool) -> Self {
        self.resume = resume;
        self
    }
}

/// The agent is on the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Registration {
    /// How messages come; the platform of the first generation does not say it.
    pub delivery_mode: Option<DeliveryMode>,
    /// Whether the platform issued a token, which is stored now.
    pub token_issued: bool,
    /// Where the agent listens, if it is called.
    pub listening: Option<SocketAddr>,
}

impl RemoteAgentClient {
    /// Joins the platform, or comes back to it.
    ///
    /// It looks first: an unknown, a deleted and a paused workspace are not registered. The stored token goes along,
    /// because a workspace that has one cannot be registered without.
    ///
    /// # Errors
    /// [`AgentError::UnknownWorkspace`], [`AgentError::Deleted`], [`AgentError::Paused`]: see above.
    /// [`AgentError::PollModeUnsupported`], [`AgentError::UrlRefused`]: messages could not reach the agent.
    /// [`AgentError::NoToken`], [`AgentError::TokenRejected`]: the platform wants another token.
    pub async fn register(&self) -> Result<Registration, AgentError> {
        self.register_with(RegisterOptions::default()).await
    }

    /// [`register`](Self::register) that may also create or un-pause the workspace.
    ///
    /// # Errors
    /// As for [`register`](Self::register).
    pub async fn register_with(
        &self,
        options: RegisterOptions,
    ) -> Result<Registration, AgentError> {
        self.check_registrable(options).await?;
        self.register_now().await
    }

    /// Registers without a look. Not to be dropped before its end: the platform shows a new token only once.
    pub(crate) async fn register_now(&self) -> Result<Registration, AgentError> {
        let (id, delivery) = (self.workspace_id(), self.delivery());
        let register = Register::new(id, delivery.clone(), self.agent_card());
        match self.authorized(&register).await {
            Ok(registered) => self.registered(registered).await,
            Err(AgentError::Api(source @ ApiError::Rejected(_)))
                if source.status() == StatusCode::BAD_REQUEST =>
            {
                Err(refused_delivery(&delivery, source))
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn check_registrable(
        &self,
        options: RegisterOptions,
    ) -> Result<(), AgentError> {
        let id = self.workspace_id();
        match self.look().await? {
            Lookup::Removed => Err(AgentError::Deleted(id)),
            Lookup::Unknown if !options.create => Err(AgentError::UnknownWorkspace(id)),
            Lookup::Found(info) if info.status == WorkspaceStatus::Paused && !options.resume => {
                Err(AgentError::Paused(id))
            }
            _ => Ok(()),
        }
    }

    async fn registered(&self, registered: Registered) -> Result<Registration, AgentError> {
        let token_issued = registered.auth_token.is_some();
        if let Some(secret) = registered.auth_token {
            self.save_token(Token::new(secret.expose())?).await?;
        } else if self.load_token().await?.is_none() {
            return Err(AgentError::NoToken(self.workspace_id()));
        }
        Ok(Registration {
            delivery_mode: registered.delivery_mode,
            token_issued,
            listening: None,
        })
    }
}

/// The platform refuses a url, and the lack of one, in the same words.
fn refused_delivery(delivery: &Delivery, source: ApiError) -> AgentError {
    match delivery {
        Delivery::Poll => AgentError::PollModeUnsupported {
            source: Some(source),
        },
        Delivery::Push { url } => AgentError::UrlRefused {
            url: without_password(url),
            source,
        },
    }
}

/// An address as it may be repeated: without what stands before its host.
pub(crate) fn without_password(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = url.split_at(start);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host = rest[..end].rfind('@').map_or(0, |at| at + 1);
    format!("{scheme}{}", &rest[host..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expect: &str) {
        assert_eq!(without_password(url), expect);
    }

    #[test]
    fn an_address_is_repeated_without_its_password() {
        check("http://me:s3cr3t@10.0.0.5:80/a", "http://10.0.0.5:80/a");
        check("http://me:p@ss@host?x=@", "http://host?x=@");
        check("http://host/@here", "http://host/@here");
        check("me:s3cr3t@host", "host");
    }
}
