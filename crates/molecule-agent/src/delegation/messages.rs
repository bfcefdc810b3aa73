//! The answers of agents that poll: messages, which no row of a delegation tells of.

use molecule_protocol::{ActivityId, ActivityRow, Delegation, Sender, WorkspaceId};

use crate::inbound::Rows;
use crate::{AgentError, FetchInbound, RemoteAgentClient};

/// How many messages of the target to look at in one go: what it said since the last look, most probably.
const PAGE: u32 = 50;
/// How many pages back an answer is looked for.
const MAX_PAGES: usize = 40;

/// The messages of a target, of which those that were looked at are not looked at again.
#[derive(Debug)]
pub(super) struct Messages<'a> {
    client: &'a RemoteAgentClient,
    /// The newest row of the last look, which went back to the delegation.
    newest: Option<ActivityId>,
}

impl<'a> Messages<'a> {
    pub(super) const fn new(client: &'a RemoteAgentClient) -> Self {
        Self {
            client,
            newest: None,
        }
    }

    /// The text of the target's answer, the latest if there are several. Only what the target itself says counts.
    pub(super) async fn answer_to(
        &mut self,
        delegation: &Delegation,
    ) -> Result<Option<String>, AgentError> {
        let Some(target) = delegation.target_id else {
            return Ok(None);
        };
        let id = delegation.id.to_string();
        let mut query = FetchInbound::new().with_peer(target).with_limit(PAGE);
        let mut newest = None;
        for _ in 0..MAX_PAGES {
            let page = self.client.fetch_rows(&query).await?;
            let mut rows = page.rows.iter().rev();
            if let Some(text) = rows.find_map(|row| answer_in(row, target, &id)) {
                return Ok(Some(text));
            }
            newest = newest.or(page.rows.last().map(|row| row.id));
            let earlier = page
                .rows
                .first()
                .map(|row| row.created_at.next_microsecond());
            if self.is_enough(&page, delegation) || earlier == query.before {
                break;
            }
            query.before = earlier;
        }
        self.newest = newest;
        Ok(None)
    }

    /// Whether what is older was looked at before, or is older than the delegation.
    fn is_enough(&self, page: &Rows, delegation: &Delegation) -> bool {
        let is_old = |row: &ActivityRow| {
            row.created_at < delegation.created_at || Some(row.id) == self.newest
        };
        !page.full || page.rows.iter().any(is_old)
    }
}

fn answer_in(row: &ActivityRow, target: WorkspaceId, id: &str) -> Option<String> {
    let message = row.received()?;
    let is_answer = message.sender == Sender::Peer(target) && message.answers(id);
    is_answer.then_some(message.text)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const TARGET: &str = "aa4182ce-f4e6-423f-a503-ed23ade8b5ac";
    const OTHER: &str = "c7a82861-b15f-421d-903c-f767f108d62f";
    const ID: &str = "57e7c24b-eb91-41f5-a5c6-46984d30a179";

    fn check(fields: Value, expect: Option<&str>) {
        let message = json!({"role": "agent", "messageId": "m", "metadata": {"in_reply_to": ID},
            "parts": [{"kind": "text", "text": "done"}]});
        let mut row = json!({"id": ID, "created_at": "2026-11-22T04:01:56Z", "activity_type": "a2a_receive",
            "method": "message/send", "status": "ok", "source_id": TARGET,
            "request_body": {"params": {"message": message}}});
        let fields = fields.as_object().unwrap().clone();
        row.as_object_mut().unwrap().extend(fields);
        let row = serde_json::from_value(row).unwrap();
        let answer = answer_in(&row, TARGET.parse().unwrap(), ID);
        assert_eq!(answer.as_deref(), expect, "{row:?}");
    }

    /// Some platforms ignore whose messages they were asked for.
    #[test]
    fn only_the_targets_own_messages_count() {
        check(json!({}), Some("done"));
        check(json!({"source_id": OTHER}), None);
        check(json!({"source_id": null}), None);
        check(json!({"activity_type": "a2a_send"}), None);
        check(json!({"request_body": null, "summary": "done"}), None);
    }

    #[test]
    fn an_answer_that_was_pushed_to_the_agent_counts_too() {
        check(json!({"response_body": {"result": {}}}), Some("done"));
    }
}
