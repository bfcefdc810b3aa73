//! `GET /workspaces/:id/activity`: the log in which messages to a polling agent arrive.

use super::plugins::with_query;
use crate::endpoint::{Answer, Call, Endpoint};
use crate::rows::Rows;
use crate::{ActivityId, ActivityRow, ApiError, WorkspaceId};

/// What a row may take in memory at most, in bytes: half of what a page may. A dearer one is read without its content.
const ROW_SHARE: usize = 32 << 20;

/// Who caused the rows to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActivitySource {
    /// The canvas user (and the agent's own notifications).
    Canvas,
    /// Other agents.
    Agent,
}

impl ActivitySource {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Canvas => "canvas",
            Self::Agent => "agent",
        }
    }
}

/// `GET /workspaces/:id/activity`.
///
/// `since_id`, `since_secs`, `peer_id` and `before_ts` are known to Gen B alone; Gen A ignores
/// them, which [`ListActivity::probe`] finds out.
#[derive(Debug, Clone)]
pub struct ListActivity {
    workspace_id: WorkspaceId,
    query: Vec<(&'static str, String)>,
}

/// Rows, oldest first, whatever the order in which the platform sent them.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ActivityPage {
    /// The rows that could be read.
    pub rows: Vec<ActivityRow>,
    /// How many elements of the answer are no rows.
    pub unreadable: usize,
}

impl ListActivity {
    /// All activity of `workspace_id`, as far as the platform's default limit (100) goes.
    #[must_use]
    pub const fn new(workspace_id: WorkspaceId) -> Self {
        Self {
            workspace_id,
            query: Vec::new(),
        }
    }

    /// What the agent received.
    #[must_use]
    pub fn inbound(workspace_id: WorkspaceId) -> Self {
        Self::new(workspace_id).with_type("a2a_receive")
    }

    /// Asks after an id that no row has: 410 means that the platform knows cursors, 200 that it ignores them.
    #[must_use]
    pub fn probe(workspace_id: WorkspaceId) -> Self {
        Self::new(workspace_id)
            .since_id(ActivityId::NIL)
            .with_limit(1)
    }

    /// Only rows of this type, such as `a2a_receive`.
    #[must_use]
    pub fn with_type(self, activity_type: &str) -> Self {
        self.with("type", activity_type)
    }

    /// Only rows from this source.
    #[must_use]
    pub fn with_source(self, source: ActivitySource) -> Self {
        self.with("source", source.as_str())
    }

    /// At most this many rows; the platform gives no more than 500.
    #[must_use]
    pub fn with_limit(self, limit: u32) -> Self {
        self.with("limit", &limit)
    }

    /// Only rows written after this one, the oldest first.
    #[must_use]
    pub fn since_id(self, id: ActivityId) -> Self {
        self.with("since_id", &id)
    }

    /// Only rows of the last `seconds` seconds, by the platform's clock.
    #[must_use]
    pub fn since_secs(self, seconds: u64) -> Self {
        self.with("since_secs", &seconds)
    }

    /// Only messages exchanged with this peer.
    #[must_use]
    pub fn with_peer(self, peer: &WorkspaceId) -> Self {
        self.with("peer_id", peer)
    }

    /// Only rows written before this time.
    #[must_use]
    pub fn before(self, time: &crate::Timestamp) -> Self {
        self.with("before_ts", time)
    }

    fn with(mut self, key: &'static str, value: &(impl ToString + ?Sized)) -> Self {
        self.query.retain(|(name, _)| *name != key);
        self.query.push((key, value.to_string()));
        self
    }
}

impl ListActivity {
    /// After a cursor the platform sends the oldest row first, otherwise the newest: this decides between rows that
    /// were written in the same microsecond.
    fn goes_forward(&self) -> bool {
        self.query.iter().any(|(key, _)| *key == "since_id")
    }
}

impl Endpoint for ListActivity {
    type Output = ActivityPage;
    const NAME: &'static str = "activity";

    fn call(&self) -> Call {
        let path = format!("/workspaces/{}/activity", self.workspace_id);
        let query = self.query.iter().map(|(key, value)| (*key, value));
        Call::get(with_query(path, query))
    }

    fn read(&self, answer: &Answer<'_>) -> Result<ActivityPage, ApiError> {
        let Rows { rows, unreadable } = answer.rows(Self::NAME, ROW_SHARE, ActivityRow::read)?;
        let mut page = ActivityPage { rows, unreadable };
        if !self.goes_forward() {
            page.rows.reverse();
        }
        page.rows.sort_by_key(|row| row.created_at);
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    const ID: &str = "aa4182ce-f4e6-423f-a503-ed23ade8b5ac";

    #[test]
    fn the_query_is_encoded_and_said_once() {
        let list = ListActivity::inbound(ID.parse().unwrap())
            .with_limit(7)
            .with_limit(9)
            .before(&"2026-11-22T04:01:56Z".parse().unwrap());
        assert_eq!(
            list.call().path,
            format!(
                "/workspaces/{ID}/activity?type=a2a_receive&limit=9&before_ts=2026-11-22T04%3A01%3A56Z"
            )
        );
    }

    #[test]
    fn rows_are_sorted_whatever_their_order() {
        let row = |second: u8| {
            format!(
                r#"{{"id":"28aa9223-a2e1-4348-ac8d-55c47e1b03{second:02}","created_at":"2026-11-22T04:01:{second:02}Z"}}"#
            )
        };
        let body = format!("[{},{},{}]", row(2), row(3), row(1));
        let headers = HeaderMap::new();
        let list = ListActivity::new(ID.parse().unwrap());
        for list in [list.clone(), list.since_id(ActivityId::NIL)] {
            let page = list
                .read(&Answer::new(StatusCode::OK, &headers, body.as_bytes()))
                .unwrap();
            assert!(page.rows.is_sorted_by_key(|row| row.created_at));
        }
    }

    #[test]
    fn rows_of_the_same_microsecond_keep_the_platforms_order() {
        let newest_first =
            br#"[{"id":"28aa9223-a2e1-4348-ac8d-55c47e1b030e","created_at":"2026-11-22T04:01:56Z"},
            {"id":"d694e49d-6355-4dfb-b60c-54ad183e063a","created_at":"2026-11-22T04:01:56Z"}]"#;
        let headers = HeaderMap::new();
        let first = |list: ListActivity| {
            let page = list
                .read(&Answer::new(StatusCode::OK, &headers, newest_first))
                .unwrap();
            page.rows[0].id.to_string()
        };
        let list = ListActivity::new(ID.parse().unwrap());
        assert!(first(list.clone()).starts_with("d694e49d"));
        assert!(first(list.since_id(ActivityId::NIL)).starts_with("28aa9223"));
    }

    #[test]
    fn rows_come_oldest_first_and_a_broken_one_hides_no_other() {
        let body = br#"[{"id":"28aa9223-a2e1-4348-ac8d-55c47e1b030e","created_at":"2026-11-22T04:01:56.415484Z"},
            {"id":17}, null,
            {"id":"d694e49d-6355-4dfb-b60c-54ad183e063a","created_at":"2026-11-22T04:01:56.36824Z"}]"#;
        let headers = HeaderMap::new();
        let page = ListActivity::new(ID.parse().unwrap())
            .read(&Answer::new(StatusCode::OK, &headers, body))
            .unwrap();
        let ids: Vec<_> = page.rows.iter().map(|row| row.id.to_string()).collect();
        assert_eq!(
            ids,
            [
                "d694e49d-6355-4dfb-b60c-54ad183e063a",
                "28aa9223-a2e1-4348-ac8d-55c47e1b030e"
            ]
        );
        assert_eq!(page.unreadable, 2);
    }
}
