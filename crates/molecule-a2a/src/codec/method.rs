//! The methods and how each version spells them.

use super::Version;
use crate::Call;

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Send,
    Stream,
    GetTask,
    ListTasks,
    CancelTask,
    Resubscribe,
    SetPushConfig,
    GetPushConfig,
    ListPushConfigs,
    DeletePushConfig,
    ExtendedCard,
}

/// Each method, its name in version 0.3 if it has one, and its name in version 1.0.
const NAMES: [(Method, Option<&str>, &str); 11] = [
    (Method::Send, Some("message/send"), "SendMessage"),
    (
        Method::Stream,
        Some("message/stream"),
        "SendStreamingMessage",
    ),
    (Method::GetTask, Some("tasks/get"), "GetTask"),
    (Method::ListTasks, None, "ListTasks"),
    (Method::CancelTask, Some("tasks/cancel"), "CancelTask"),
    (
        Method::Resubscribe,
        Some("tasks/resubscribe"),
        "SubscribeToTask",
    ),
    (
        Method::SetPushConfig,
        Some("tasks/pushNotificationConfig/set"),
        "CreateTaskPushNotificationConfig",
    ),
    (
        Method::GetPushConfig,
        Some("tasks/pushNotificationConfig/get"),
        "GetTaskPushNotificationConfig",
    ),
    (
        Method::ListPushConfigs,
        Some("tasks/pushNotificationConfig/list"),
        "ListTaskPushNotificationConfigs",
    ),
    (
        Method::DeletePushConfig,
        Some("tasks/pushNotificationConfig/delete"),
        "DeleteTaskPushNotificationConfig",
    ),
    (
        Method::ExtendedCard,
        Some("agent/getAuthenticatedExtendedCard"),
        "GetExtendedAgentCard",
    ),
];

impl Method {
    pub(super) fn named(version: Version, name: &str) -> Option<Self> {
        let row = NAMES.iter().find(|row| spelt(row, version) == Some(name));
        row.map(|row| row.0)
    }

    pub(super) fn name(self, version: Version) -> Option<&'static str> {
        let row = NAMES.iter().find(|row| row.0 == self)?;
        spelt(row, version)
    }

    pub(super) const fn of(call: &Call) -> Self {
        match call {
            Call::Send(_) => Self::Send,
            Call::Stream(_) => Self::Stream,
            Call::GetTask { .. } => Self::GetTask,
            Call::ListTasks(_) => Self::ListTasks,
            Call::CancelTask { .. } => Self::CancelTask,
            Call::Resubscribe { .. } => Self::Resubscribe,
            Call::SetPushConfig(_) => Self::SetPushConfig,
            Call::GetPushConfig { .. } => Self::GetPushConfig,
            Call::ListPushConfigs { .. } => Self::ListPushConfigs,
            Call::DeletePushConfig { .. } => Self::DeletePushConfig,
            Call::ExtendedCard => Self::ExtendedCard,
        }
    }
}

const fn spelt(
    row: &(Method, Option<&'static str>, &'static str),
    version: Version,
) -> Option<&'static str> {
    match version {
        Version::V0_3 => row.1,
        Version::V1_0 => Some(row.2),
    }
}
