//! `POST /workspaces/:id/a2a`: a message to an agent, through the platform.

use super::a2a_refusal::refused;
use super::a2a_reply::A2aReply;
use crate::endpoint::{Answer, Auth, Call, Endpoint};
use crate::{ApiError, Message, WorkspaceId};

/// `POST /workspaces/:target/a2a` with a JSON-RPC `message/send`.
#[derive(Debug, Clone)]
pub struct SendMessage {
    target: WorkspaceId,
    caller: Option<WorkspaceId>,
    message: Message,
}

impl SendMessage {
    /// The largest body that the platform takes; what is longer it cuts, and then cannot read.
    pub const MAX_BYTES: usize = 1 << 20;

    /// A message from the workspace `caller`, under its token.
    #[must_use]
    pub const fn from_workspace(
        caller: WorkspaceId,
        target: WorkspaceId,
        message: Message,
    ) -> Self {
        Self {
            target,
            caller: Some(caller),
            message,
        }
    }

    /// A message as the person at the canvas sends it: without token or caller.
    #[must_use]
    pub const fn from_canvas(target: WorkspaceId, message: Message) -> Self {
        Self {
            target,
            caller: None,
            message,
        }
    }
}

impl Endpoint for SendMessage {
    type Output = A2aReply;
    const NAME: &'static str = "a2a";

    fn call(&self) -> Call {
        let call =
            Call::post(format!("/workspaces/{}/a2a", self.target)).json(&self.message.to_request());
        match &self.caller {
            Some(caller) => call.on_behalf_of(caller),
            None => call.auth(Auth::Open),
        }
    }

    fn read(&self, answer: &Answer<'_>) -> Result<A2aReply, ApiError> {
        A2aReply::read(answer).ok_or_else(|| refused(answer, Self::NAME))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: &str = "c7a82861-b15f-421d-903c-f767f108d62f";
    const PEER: &str = "aa4182ce-f4e6-423f-a503-ed23ade8b5ac";

    #[test]
    fn a_workspace_says_who_it_is_and_a_person_does_not() {
        let message = Message::text("m", "hi");
        let call = SendMessage::from_workspace(
            ME.parse().unwrap(),
            PEER.parse().unwrap(),
            message.clone(),
        )
        .call();
        assert_eq!(call.headers["x-workspace-id"], ME);
        assert_eq!((call.auth, call.repeatable), (Auth::Workspace, false));
        let call = SendMessage::from_canvas(PEER.parse().unwrap(), message).call();
        assert!(!call.headers.contains_key("x-workspace-id"));
        assert_eq!(call.auth, Auth::Open);
    }
}
