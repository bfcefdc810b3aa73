//! The log, page by page from its end back.

use molecule_protocol::{ActivityRow, Timestamp};
use molecule_transport::Priority;

use super::{FetchInbound, MAX_ROWS, Rows};
use crate::{AgentError, RemoteAgentClient};

/// How many rows back to look.
const FARTHEST: usize = 10_000;

/// Pages of the log, the newest first, of which one at a time is in memory.
pub(crate) struct PagesBack<'a> {
    client: &'a RemoteAgentClient,
    query: FetchInbound,
    priority: Priority,
    /// How many rows came, with those that came twice.
    rows: usize,
    ended: bool,
}

impl<'a> PagesBack<'a> {
    /// Those of the rows that `query` asks for.
    pub(crate) fn new(
        client: &'a RemoteAgentClient,
        query: &FetchInbound,
        priority: Priority,
    ) -> Self {
        Self {
            client,
            priority,
            query: query.clone().with_limit(MAX_ROWS),
            rows: 0,
            ended: false,
        }
    }

    /// The rows of the next page, the oldest first; nothing when there are no more pages. Rows of the microsecond at which two
    /// pages meet may be in both.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<ActivityRow>>, AgentError> {
        if self.ended {
            return Ok(None);
        }
        let page = self
            .client
            .fetch_rows_as(&self.query, self.priority)
            .await?;
        self.go_back(&page);
        Ok(Some(page.rows))
    }

    fn go_back(&mut self, page: &Rows) {
        self.rows += page.rows.len().max(1);
        let before = page.rows.first().and_then(|row| self.edge(row.created_at));
        self.ended = !page.full || before.is_none() || self.is_too_far();
        self.query.before = before;
    }

    /// Rows of the same microsecond may lie on both sides of the edge. Where they fill a page by themselves, what is before them
    /// is next.
    fn edge(&self, oldest: Timestamp) -> Option<Timestamp> {
        let with = oldest.next_microsecond();
        match self.query.before {
            Some(before) if before <= with => (oldest < before).then_some(oldest),
            _ => Some(with),
        }
    }

    fn is_too_far(&self) -> bool {
        let too_far = self.rows >= FARTHEST;
        if too_far {
            tracing::warn!(
                rows = self.rows,
                "the log is longer than what is looked at; older rows are left aside"
            );
        }
        too_far
    }
}
