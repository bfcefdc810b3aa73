//! Whether the agents of this process are ready: registered, asking for messages with success, and not about to stop.

use molecule_agent::AgentState;
use serde_json::{Value, json};

use super::{Agents, Known};

const ENDED: &str = "it has ended";

/// Nothing if all agents are ready, and else JSON that says which are not, and why. What failed is not told here, because a handler's
/// complaint may be in it.
pub(super) fn unready(agents: &Agents) -> Option<Value> {
    let agents = agents.all().into_iter();
    let unready: Vec<_> = agents
        .filter_map(|(id, agent)| {
            let reason = reason(&agent)?;
            Some(json!({"workspace_id": id, "state": agent.state(), "reason": reason}))
        })
        .collect();
    (!unready.is_empty()).then(|| json!({"ready": false, "agents": unready}))
}

fn reason(agent: &Known) -> Option<&'static str> {
    let agent = match agent {
        Known::Expected => return Some("it has not started"),
        Known::Started(agent) => agent,
        Known::Ended => return Some(ENDED),
    };
    let status = agent.status.borrow();
    match status.state {
        AgentState::Online | AgentState::Degraded => {}
        AgentState::Starting => return Some("no heartbeat has arrived yet"),
        AgentState::Paused => return Some("its user paused the workspace"),
        AgentState::Disconnected => return Some("the platform gives no answer"),
        AgentState::Draining => {
            return Some("it takes no more messages, because it is about to stop");
        }
        _ => return Some(ENDED),
    }
    if !status.registered {
        return Some("the platform lost it, and it is not registered again yet");
    }
    if !status.receiving {
        return Some("the last poll failed, or the journal cannot be used or is full");
    }
    (agent.polls && status.last_poll.is_none()).then_some("messages were not asked for yet")
}
