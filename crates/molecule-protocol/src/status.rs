//! What state a workspace, or a delegation, is in.

use crate::words::words;

words! {
/// The status of a workspace; a word this version does not know is kept as it is.
WorkspaceStatus {
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
}

words! {
/// How far a delegation is; a word this version does not know is kept as it is.
DelegationStatus {
    /// The platform took it, and has not listed it yet.
    Delegated = "delegated",
    /// Listed, and not sent to its target yet.
    Pending = "pending",
    /// Sent to its target.
    Dispatched = "dispatched",
    /// Its target was busy; it is sent when there is room.
    Queued = "queued",
    /// Its target answered.
    Completed = "completed",
    /// It could not be done. The platform has released its key.
    Failed = "failed",
}
}

impl DelegationStatus {
    /// Whether nothing more will happen to it.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
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
    fn only_an_answer_or_a_failure_ends_a_delegation() {
        for (word, expect) in [
            ("delegated", false),
            ("pending", false),
            ("dispatched", false),
            ("queued", false),
            ("completed", true),
            ("failed", true),
            ("brand-new", false),
        ] {
            let status = DelegationStatus::from(word.to_owned());
            assert_eq!((status.as_str(), status.is_final()), (word, expect));
        }
    }

    #[test]
    fn a_paused_workspace_is_not_registered_again_by_itself() {
        assert!(!WorkspaceStatus::Paused.needs_registration());
        assert!(WorkspaceStatus::AwaitingAgent.needs_registration());
    }
}
