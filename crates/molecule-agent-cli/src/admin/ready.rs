//! Whether the agents of this process are ready: registered, asking for messages with success, and not about to stop.

use molecule_agent::AgentState;
use serde_json::{Value, json};

use super::{Agents, Watched};

/// Nothing if all agents are ready, and else JSON that says which are not, and why. What failed is not told here, because a handler's
/// complaint may be in it.
pub(super) fn unready(agents: &Agents) -> Option<Value> {
    let agents = agents.all().into_iter();
    let unready: Vec<_> = agents
        .filter_map(|(id, agent)| {
            let reason = reason(agent.as_ref())?;
            let state = agent.map_or("starting", |agent| agent.status.borrow().state.as_str());
            Some(json!({"workspace_id": id, "state": state, "reason": reason}))
        })
        .collect();
    (!unready.is_empty()).then(|| json!({"ready": false, "agents": unready}))
}

fn reason(agent: Option<&Watched>) -> Option<&'static str> {
    let Some(agent) = agent else {
        return Some("it has not started");
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
        _ => return Some("it has ended"),
    }
    if !status.receiving {
        return Some("the last poll failed, or the journal cannot be used");
    }
    (agent.polls && status.last_poll.is_none()).then_some("messages were not asked for yet")
}
