//! What state a workspace is in.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! statuses {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// The status of a workspace; a word this version does not know is kept as it is.
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        #[non_exhaustive]
        pub enum WorkspaceStatus {
            $($(#[$doc])* $variant,)*
            /// A status that this version does not know.
            Other(String),
        }

        impl WorkspaceStatus {
            /// The word on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(text) => text,
                }
            }
        }

        impl From<String> for WorkspaceStatus {
            fn from(text: String) -> Self {
                match text.as_str() {
                    $($text => Self::$variant,)*
                    _ => Self::Other(text),
                }
            }
        }
    };
}

statuses! {
    /// A container is being prepared, or the agent has not come yet (Gen A).
    Provisioning = "provisioning",
    /// Beating.
    Online = "online",
    /// No heartbeat for too long.
    Offline = "offline",
    /// Beating, with an error rate of one half or more.
    Degraded = "degraded",
    /// Starting it failed; only a registration brings it back.
    Failed = "failed",
    /// Stopped by its user.
    Paused = "paused",
    /// Asleep until a message comes; only a registration brings it back.
    Hibernated = "hibernated",
    /// Falling asleep.
    Hibernating = "hibernating",
    /// Waiting for its external agent to register (Gen B).
    AwaitingAgent = "awaiting_agent",
    /// Deleted.
    Removed = "removed",
}

impl WorkspaceStatus {
    /// Whether a running agent has to register again to be online: heartbeats do not lift these.
    #[must_use]
    pub const fn needs_registration(&self) -> bool {
        matches!(
            self,
            Self::Failed | Self::Hibernated | Self::AwaitingAgent | Self::Offline
        )
    }
}

impl From<WorkspaceStatus> for String {
    fn from(status: WorkspaceStatus) -> Self {
        status.as_str().to_owned()
    }
}

impl fmt::Display for WorkspaceStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_survives_a_round_trip() {
        for word in ["online", "awaiting_agent", "paused", "brand-new"] {
            let status = WorkspaceStatus::from(word.to_owned());
            assert_eq!(status.to_string(), word);
            assert_eq!(serde_json::to_value(&status).unwrap(), word);
        }
    }

    #[test]
    fn a_paused_workspace_is_not_registered_again_by_itself() {
        assert!(!WorkspaceStatus::Paused.needs_registration());
        assert!(WorkspaceStatus::AwaitingAgent.needs_registration());
    }
}
