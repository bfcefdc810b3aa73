//! From the agent's place in the log to the messages that came since.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use molecule_protocol::{
    ActivityId, ActivityRow, ApiError, Inbound, InboundMessage, Timestamp, WorkspaceId,
};
use molecule_transport::Priority;

use super::{Cursor, CursorSupport, FetchInbound, MAX_ROWS, PagesBack, Rows, Since};
use crate::{AgentError, RemoteAgentClient};

/// More than any log goes back, and within what the platform takes.
const LONGEST_SINCE: u64 = u32::MAX as u64;

/// The log that messages come in, and how far the agent is in it: what [`PollDelivery`](crate::PollDelivery) asks.
///
/// It is for loops of one's own.
#[derive(Debug)]
pub struct InboundLog {
    client: RemoteAgentClient,
    path: PathBuf,
    cursor: Cursor,
    skipped: usize,
}

/// A page of the rows that came since the cursor, oldest first.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Batch {
    /// The rows.
    pub items: Vec<Item>,
    /// Whether there are more to fetch at once.
    pub more: bool,
}

/// What is kept of a row that is not handed on yet, or never will be.
struct Head {
    id: ActivityId,
    created_at: Timestamp,
    is_message: bool,
}

/// A row, to be acknowledged when it is done with.
#[derive(Debug)]
#[non_exhaustive]
pub struct Item {
    /// The row's id.
    pub id: ActivityId,
    /// When it was written.
    pub created_at: Timestamp,
    /// The message in it; none for rows that are no message to this agent.
    pub message: Option<Box<InboundMessage>>,
}

impl InboundLog {
    /// Goes to the agent's place in the log, or finds one on its first run.
    ///
    /// The place is kept in `path`, or in the file `cursor` of the agent's directory.
    ///
    /// # Errors
    /// [`AgentError::PollModeUnsupported`] on a platform that ignores cursors; [`AgentError::PushedElsewhere`] for a client
    /// with a reported url; when the cursor file cannot be used; when the platform gives no usable answer.
    pub async fn open(
        client: RemoteAgentClient,
        path: Option<PathBuf>,
        since: Since,
    ) -> Result<Self, AgentError> {
        client.require_polling()?;
        if client.known_cursor_support().await? == CursorSupport::No {
            return Err(AgentError::PollModeUnsupported { source: None });
        }
        let path = path.unwrap_or_else(|| client.state_dir().join("cursor"));
        let mut log = Self {
            client,
            path,
            cursor: Cursor::default(),
            skipped: 0,
        };
        match Cursor::load(&log.path)? {
            Some(cursor) => log.cursor = cursor,
            None => log.start(since).await?,
        }
        Ok(log)
    }

    /// How many older messages the first run left aside.
    #[must_use]
    pub const fn skipped(&self) -> usize {
        self.skipped
    }

    /// The oldest rows that came since the cursor: a page of them, 500 at most, so that it takes little memory however many wait.
    ///
    /// # Errors
    /// When the platform refuses, or gives no usable answer.
    pub async fn poll(&self) -> Result<Batch, AgentError> {
        self.poll_as(Priority::Poll).await
    }

    /// [`poll`](Self::poll) with another priority.
    pub(super) async fn poll_as(&self, priority: Priority) -> Result<Batch, AgentError> {
        let position = self.cursor.position();
        if position == ActivityId::NIL {
            return self.window(priority).await;
        }
        let query = FetchInbound::new()
            .with_since_id(position)
            .with_limit(MAX_ROWS);
        match self.client.fetch_rows_as(&query, priority).await {
            Err(AgentError::Api(ApiError::Gone(_))) => self.window(priority).await,
            page => Ok(self.batch(page?)),
        }
    }

    /// The agent is done with these rows, the first ones of a batch; the next poll starts after them, also after a crash.
    ///
    /// # Errors
    /// When the cursor file cannot be written: then it has not moved.
    pub async fn acknowledge(&mut self, items: &[Item]) -> Result<(), AgentError> {
        if items.is_empty() {
            return Ok(());
        }
        let mut cursor = self.cursor.clone();
        for item in items {
            cursor.advance(item.id, item.created_at);
        }
        self.save(&cursor).await?;
        self.cursor = cursor;
        Ok(())
    }

    async fn save(&self, cursor: &Cursor) -> Result<(), AgentError> {
        let (cursor, path) = (cursor.clone(), self.path.clone());
        self.client.files().run(move || cursor.save(&path)).await
    }

    /// The first run: rows that are not wanted count as done. What is there is fetched before what is wanted, so that a
    /// message that comes in between is in neither and not taken for an old one.
    async fn start(&mut self, since: Since) -> Result<(), AgentError> {
        if since != Since::All {
            let heads = self.heads(&FetchInbound::new()).await?;
            let wanted = match since {
                Since::Last(duration) => self.recent(duration).await?,
                _ => HashSet::new(),
            };
            self.leave_aside(&heads, &wanted);
        }
        self.save(&self.cursor).await
    }

    /// Everything before the first wanted row, or everything at all.
    fn leave_aside(&mut self, heads: &[Head], wanted: &HashSet<ActivityId>) {
        for head in heads.iter().take_while(|head| !wanted.contains(&head.id)) {
            self.skipped += usize::from(head.is_message);
            self.cursor.advance(head.id, head.created_at);
        }
        if self.skipped > 0 {
            tracing::info!(
                messages = self.skipped,
                "left older messages aside; --since all handles them"
            );
        }
    }

    async fn recent(&self, duration: Duration) -> Result<HashSet<ActivityId>, AgentError> {
        let seconds = duration.as_secs().clamp(1, LONGEST_SINCE);
        let query = FetchInbound::new().with_since_secs(seconds);
        let heads = self.heads(&query).await?;
        Ok(heads.iter().map(|head| head.id).collect())
    }

    /// What the platform has, oldest first, each once.
    async fn heads(&self, query: &FetchInbound) -> Result<Vec<Head>, AgentError> {
        let me = self.client.workspace_id();
        let (mut heads, mut seen) = (Vec::new(), HashSet::new());
        let mut pages = PagesBack::new(&self.client, query, Priority::Poll);
        while let Some(rows) = pages.next().await? {
            let fresh = rows.iter().rev().filter(|row| seen.insert(row.id));
            heads.extend(fresh.map(|row| Head::of(row, &me)));
        }
        heads.reverse();
        Ok(heads)
    }

    /// The oldest page of what the platform still has and the agent is not done with; the next poll goes on from there. It never
    /// jumps to now: nothing is lost.
    async fn window(&self, priority: Priority) -> Result<Batch, AgentError> {
        let mut batch = Batch::default();
        let mut pages = PagesBack::new(&self.client, &FetchInbound::new(), priority);
        while let Some(rows) = pages.next().await? {
            let is_last = rows.iter().any(|row| self.cursor.is_done_with(row));
            let items = self.items(self.after_bare(rows));
            if !items.is_empty() {
                let more = !batch.items.is_empty();
                batch = Batch { items, more };
            }
            if is_last {
                break;
            }
        }
        Ok(batch)
    }

    /// Without what is before the row of another client's cursor.
    fn after_bare(&self, mut rows: Vec<ActivityRow>) -> Vec<ActivityRow> {
        let bare = self.cursor.bare();
        if let Some(index) = bare.and_then(|id| rows.iter().position(|row| row.id == id)) {
            rows.drain(..index);
        }
        rows
    }

    fn batch(&self, page: Rows) -> Batch {
        let items = self.items(page.rows);
        Batch {
            more: page.full && !items.is_empty(),
            items,
        }
    }

    fn items(&self, rows: Vec<ActivityRow>) -> Vec<Item> {
        let me = self.client.workspace_id();
        rows.into_iter()
            .filter(|row| !self.cursor.is_done_with(row))
            .map(|row| Item::of(&row, &me))
            .collect()
    }
}

impl Head {
    fn of(row: &ActivityRow, me: &WorkspaceId) -> Self {
        Self {
            id: row.id,
            created_at: row.created_at,
            is_message: matches!(row.inbound(me), Inbound::Message(_)),
        }
    }
}

impl Item {
    fn of(row: &ActivityRow, me: &WorkspaceId) -> Self {
        let message = match row.inbound(me) {
            Inbound::Message(message) => Some(message),
            _ => None,
        };
        Self {
            id: row.id,
            created_at: row.created_at,
            message,
        }
    }
}
