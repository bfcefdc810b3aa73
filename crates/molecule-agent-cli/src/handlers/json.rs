//! A message as one JSON object, for commands that want to know more than its text.

use molecule_agent::protocol::{Part, Role};
use molecule_agent::{InboundMessage, Sender, WorkspaceId};
use serde_json::{Value, json};

/// Everything about `message`, which came to the agent of `workspace_id`.
pub(super) fn describe(message: &InboundMessage, workspace_id: WorkspaceId) -> Value {
    json!({
        "text": message.text,
        "sender": sender_kind(&message.sender),
        "sender_id": sender_id(&message.sender),
        "sender_name": message.peer_name,
        "sender_role": message.peer_role,
        "agent_card_url": message.agent_card_url,
        "workspace_id": workspace_id.to_string(),
        "message_id": message.message_id,
        "task_id": message.task_id,
        "activity_id": message.activity_id.to_string(),
        "created_at": message.created_at.to_string(),
        "method": message.method,
        "role": if message.role == Role::Agent { "agent" } else { "user" },
        "parts": message.parts.iter().map(Part::to_json).collect::<Vec<_>>(),
        "metadata": message.metadata,
    })
}

fn sender_kind(sender: &Sender) -> &'static str {
    match sender {
        Sender::CanvasUser => "canvas_user",
        Sender::Peer(_) => "peer",
        _ => "unknown",
    }
}

/// The workspace, or whatever else, that sent a message; `None` for the canvas user.
pub(super) fn sender_id(sender: &Sender) -> Option<String> {
    match sender {
        Sender::Peer(id) => Some(id.to_string()),
        Sender::Unknown(id) => Some(id.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{PEER, from_canvas, from_peer, me};
    use super::*;

    #[test]
    fn a_peers_message_is_described_whole() {
        assert_eq!(
            describe(&from_peer("hallo"), me()),
            json!({
                "text": "hallo", "sender": "peer", "sender_id": PEER, "sender_name": null, "sender_role": null,
                "agent_card_url": null, "workspace_id": me().to_string(), "message_id": "m-1", "task_id": "t-1",
                "activity_id": "28aa9223-a2e1-4348-ac8d-55c47e1b030e", "created_at": "2026-11-22T04:01:56.415484Z",
                "method": "message/send", "role": "user", "parts": [{"kind": "text", "text": "hallo"}],
                "metadata": {"lang": "de"},
            })
        );
    }

    #[test]
    fn the_canvas_user_has_no_id() {
        let message = describe(&from_canvas("hi"), me());
        assert_eq!(message["sender"], "canvas_user");
        assert_eq!(message["sender_id"], Value::Null);
    }
}
