//! Messages to the agent, fetched from the platform's activity log.

mod attention;
mod cursor;
mod log;
mod pages;
mod poll;

use std::collections::HashSet;
use std::sync::atomic::Ordering;

pub use cursor::Cursor;
pub use log::{Batch, InboundLog, Item};
pub use poll::{PollDelivery, PollOptions, Since};

pub(crate) use pages::PagesBack;

use molecule_protocol::endpoints::{ActivityPage, ActivitySource, Delivery, ListActivity};
use molecule_protocol::{
    ActivityId, ActivityRow, ApiError, Inbound, InboundMessage, Timestamp, WorkspaceId,
};
use molecule_transport::{CallOptions, Limits, Priority, TransportError};

use crate::{AgentError, RemoteAgentClient};

/// Which messages to fetch.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct FetchInbound {
    /// Only those after this row. Needs a platform with cursors.
    pub since_id: Option<ActivityId>,
    /// Only those of the last so many seconds. Needs a platform with cursors.
    pub since_secs: Option<u64>,
    /// Only those from this peer. Needs a platform with cursors.
    pub peer_id: Option<WorkspaceId>,
    /// Only those before this time. Needs a platform with cursors.
    pub before: Option<Timestamp>,
    /// Only those from the canvas user, or from agents.
    pub source: Option<ActivitySource>,
    /// At most so many rows, of which not all need be messages. The platform gives at most 500.
    pub limit: Option<u32>,
}

impl FetchInbound {
    /// All that the platform gives by default: the newest 100 rows.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only those after this row.
    #[must_use]
    pub const fn with_since_id(mut self, id: ActivityId) -> Self {
        self.since_id = Some(id);
        self
    }

    /// Only those of the last so many seconds.
    #[must_use]
    pub const fn with_since_secs(mut self, seconds: u64) -> Self {
        self.since_secs = Some(seconds);
        self
    }

    /// Only those from this peer.
    #[must_use]
    pub const fn with_peer(mut self, peer: WorkspaceId) -> Self {
        self.peer_id = Some(peer);
        self
    }

    /// Only those before this time.
    #[must_use]
    pub const fn with_before(mut self, time: Timestamp) -> Self {
        self.before = Some(time);
        self
    }

    /// Only those from the canvas user, or from agents.
    #[must_use]
    pub const fn with_source(mut self, source: ActivitySource) -> Self {
        self.source = Some(source);
        self
    }

    /// At most so many rows.
    #[must_use]
    pub const fn with_limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }

    pub(crate) fn list(&self, workspace_id: WorkspaceId) -> ListActivity {
        let mut list = ListActivity::inbound(workspace_id);
        if let Some(id) = self.since_id {
            list = list.since_id(id);
        }
        if let Some(seconds) = self.since_secs {
            list = list.since_secs(seconds);
        }
        if let Some(peer) = &self.peer_id {
            list = list.with_peer(peer);
        }
        if let Some(time) = &self.before {
            list = list.before(time);
        }
        if let Some(source) = self.source {
            list = list.with_source(source);
        }
        if let Some(limit) = self.limit {
            list = list.with_limit(limit);
        }
        list
    }
}

/// Whether the platform keeps a place in the log for those who poll it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CursorSupport {
    /// It does: messages can be polled for.
    Yes,
    /// It ignores cursors, and would deliver everything again and again.
    No,
}

impl RemoteAgentClient {
    /// The messages in the log, oldest first, without moving any cursor.
    ///
    /// # Errors
    /// When the platform refuses, or gives no usable answer; [`ApiError::Gone`] for a cursor that it does not know.
    pub async fn fetch_inbound(
        &self,
        query: &FetchInbound,
    ) -> Result<Vec<InboundMessage>, AgentError> {
        let me = self.workspace_id();
        let page = self.fetch_rows(query).await?;
        let messages = page
            .rows
            .into_iter()
            .filter_map(|row| match row.inbound(&me) {
                Inbound::Message(message) => Some(*message),
                _ => None,
            });
        Ok(messages.collect())
    }

    /// The message of this row of the log, as far back as the platform shows it, up to 10 000 rows. `None` if there is none to answer.
    ///
    /// # Errors
    /// When the platform refuses, or gives no usable answer.
    pub async fn find_inbound(&self, id: ActivityId) -> Result<Option<InboundMessage>, AgentError> {
        let mut pages = PagesBack::new(self, &FetchInbound::new(), Priority::Message);
        while let Some(rows) = pages.next().await? {
            if let Some(row) = rows.into_iter().find(|row| row.id == id) {
                return Ok(match row.inbound(&self.workspace_id()) {
                    Inbound::Message(message) => Some(*message),
                    _ => None,
                });
            }
        }
        Ok(None)
    }

    /// Asks the platform for a row that cannot exist: only one that knows cursors says so.
    ///
    /// # Errors
    /// When the platform refuses, or gives no usable answer: then nothing is known.
    pub async fn cursor_support(&self) -> Result<CursorSupport, AgentError> {
        match self
            .authorized(&ListActivity::probe(self.workspace_id()))
            .await
        {
            Ok(_) => Ok(CursorSupport::No),
            Err(AgentError::Api(ApiError::Gone(_))) => Ok(CursorSupport::Yes),
            Err(error) => Err(error),
        }
    }

    /// The same, unless this agent, or another of its fleet, has found out that it does.
    pub(crate) async fn known_cursor_support(&self) -> Result<CursorSupport, AgentError> {
        let has_cursors = &self.settings().has_cursors;
        if has_cursors.load(Ordering::Relaxed) {
            return Ok(CursorSupport::Yes);
        }
        let support = self.cursor_support().await?;
        has_cursors.store(support == CursorSupport::Yes, Ordering::Relaxed);
        Ok(support)
    }

    /// Messages that are pushed elsewhere cannot be polled for.
    pub(crate) fn require_polling(&self) -> Result<(), AgentError> {
        match self.delivery() {
            Delivery::Poll => Ok(()),
            Delivery::Push { .. } => Err(AgentError::PushedElsewhere),
        }
    }

    /// Fewer rows are asked for when those that were asked for are too large together, as text or in memory; whether there are
    /// more is in `full`.
    pub(crate) async fn fetch_rows(&self, query: &FetchInbound) -> Result<Rows, AgentError> {
        self.fetch_rows_as(query, Priority::Message).await
    }

    /// [`fetch_rows`](Self::fetch_rows) with another priority.
    pub(crate) async fn fetch_rows_as(
        &self,
        query: &FetchInbound,
        priority: Priority,
    ) -> Result<Rows, AgentError> {
        let mut query = query.clone();
        loop {
            let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
            match self
                .authorized_with(
                    &query.list(self.workspace_id()),
                    &row_options(limit).with_priority(priority),
                )
                .await
            {
                Err(
                    AgentError::Transport(TransportError::BodyTooLarge { .. })
                    | AgentError::Api(ApiError::TooDear { .. }),
                ) if limit > 1 => query.limit = Some(limit / 2),
                page => return page.map(|page| Rows::of(page, limit)),
            }
        }
    }
}

/// The most rows that the platform gives at once.
pub(crate) const MAX_ROWS: u32 = 500;
/// How many rows the platform gives when it is not told.
const DEFAULT_LIMIT: u32 = 100;
/// The most that the rows of one answer may measure, so that an agent's memory is bounded.
const PAGE_BYTES: u64 = 10 * 1024 * 1024;
/// The most that a single row may measure. Of one that would take much more memory than bytes, only its place is read.
const ROW_BYTES: u64 = 64 * 1024 * 1024;

/// A row may be nested as deep as its sender likes: it is skipped then, but it must not hide the others.
fn row_options(limit: u32) -> CallOptions {
    let bytes = if limit > 1 { PAGE_BYTES } else { ROW_BYTES };
    CallOptions::new().with_limits(
        Limits::DEFAULT
            .with_body_bytes(bytes)
            .with_json_depth(usize::MAX),
    )
}

/// Rows, oldest first, each once.
pub(crate) struct Rows {
    pub(crate) rows: Vec<ActivityRow>,
    /// As many as were asked for: there may be more.
    pub(crate) full: bool,
}

impl Rows {
    fn of(page: ActivityPage, limit: u32) -> Self {
        if page.unreadable > 0 {
            tracing::warn!(
                rows = page.unreadable,
                "the platform sent activity rows that cannot be read"
            );
        }
        let full = page.rows.len() + page.unreadable >= limit as usize;
        let mut seen = HashSet::new();
        let mut rows = page.rows;
        rows.retain(|row| seen.insert(row.id));
        Self { rows, full }
    }
}
