//! Where somebody wants to be told about a task.

use std::fmt;

/// A webhook that is told about each event of a task.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PushConfig {
    /// Its id, unique in its task.
    pub id: Option<String>,
    /// Where to post.
    pub url: String,
    /// A secret of the webhook's owner, which goes along as `X-A2A-Notification-Token`.
    pub token: Option<String>,
    /// How to authenticate at the webhook.
    pub authentication: Option<PushAuthentication>,
}

impl PushConfig {
    /// A webhook that asks for nothing.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            id: None,
            url: url.into(),
            token: None,
            authentication: None,
        }
    }
}

/// Shows no secret.
impl fmt::Debug for PushConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushConfig")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// How to authenticate at a webhook.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PushAuthentication {
    /// The schemes of HTTP that the webhook takes, such as `Bearer`; version 1.0 has exactly one.
    pub schemes: Vec<String>,
    /// The secret that goes with the scheme.
    pub credentials: Option<String>,
}

impl PushAuthentication {
    /// One scheme and its secret.
    #[must_use]
    pub fn new(scheme: impl Into<String>, credentials: impl Into<String>) -> Self {
        Self {
            schemes: vec![scheme.into()],
            credentials: Some(credentials.into()),
        }
    }
}

/// Shows no secret.
impl fmt::Debug for PushAuthentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushAuthentication")
            .field("schemes", &self.schemes)
            .finish_non_exhaustive()
    }
}
