//! From the agent's place in the log to the messages that came since.

use std::path::PathBuf;
use std::time::Duration;

use molecule_protocol::{ActivityId, ActivityRow, ApiError, Inbound, InboundMessage, Timestamp};
use tokio::task::spawn_blocking;

use super::{Cursor, CursorSupport, FetchInbound, MAX_ROWS, Rows, Since};
use crate::tokens::finished;
use crate::{AgentError, RemoteAgentClient};

/// How many rows back to look for those that were not seen yet.
const FARTHEST: usize = 10_000;

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

/// Rows that came since the cursor, oldest first.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Batch {
    /// The rows.
    pub items: Vec<Item>,
    /// Whether there are more to fetch at once.
    pub more: bool,
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
        if client.cursor_support().await? == CursorSupport::No {
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

    /// The rows that came since the cursor.
    ///
    /// # Errors
    /// When the platform refuses, or gives no usable answer.
    pub async fn poll(&self) -> Result<Batch, AgentError> {
        let position = self.cursor.position();
        if position == ActivityId::NIL {
            return self.window().await;
        }
        let query = FetchInbound::new()
            .with_since_id(position)
            .with_limit(MAX_ROWS);
        match self.client.fetch_rows(&query).await {
            Err(AgentError::Api(ApiError::Gone(_))) => self.window().await,
            page => Ok(self.batch(page?)),
        }
    }

    /// The agent is done with these rows, the first ones of a batch; the next poll starts after them, also after a crash.
    ///
    /// # Errors
    /// When the cursor file cannot be written.
    pub async fn acknowledge(&mut self, items: &[Item]) -> Result<(), AgentError> {
        if items.is_empty() {
            return Ok(());
        }
        for item in items {
            self.cursor.advance(item.id, item.created_at);
        }
        self.save().await
    }

    async fn save(&self) -> Result<(), AgentError> {
        let (cursor, path) = (self.cursor.clone(), self.path.clone());
        finished(spawn_blocking(move || cursor.save(&path)).await)
    }

    /// The first run: rows that are not wanted count as done. What is there is fetched before what is wanted, so that a
    /// message that comes in between is in neither and not taken for an old one.
    async fn start(&mut self, since: Since) -> Result<(), AgentError> {
        let rows = self
            .all_rows(&FetchInbound::new(), &Cursor::default())
            .await?;
        let wanted = match since {
            Since::All => None,
            Since::Now => Some(Vec::new()),
            Since::Last(duration) => Some(self.recent(duration).await?),
        };
        if let Some(wanted) = wanted {
            self.leave_aside(&rows, &wanted);
        }
        self.save().await
    }

    /// Everything before the first wanted row, or everything at all.
    fn leave_aside(&mut self, rows: &[ActivityRow], wanted: &[ActivityId]) {
        let me = self.client.workspace_id();
        for row in rows.iter().take_while(|row| !wanted.contains(&row.id)) {
            self.skipped += usize::from(matches!(row.inbound(&me), Inbound::Message(_)));
            self.cursor.advance(row.id, row.created_at);
        }
        if self.skipped > 0 {
            tracing::info!(
                messages = self.skipped,
                "left older messages aside; --since all handles them"
            );
        }
    }

    async fn recent(&self, duration: Duration) -> Result<Vec<ActivityId>, AgentError> {
        let seconds = duration.as_secs().clamp(1, LONGEST_SINCE);
        let rows = self
            .all_rows(
                &FetchInbound::new().with_since_secs(seconds),
                &Cursor::default(),
            )
            .await?;
        Ok(rows.iter().map(|row| row.id).collect())
    }

    /// What the platform still has and the agent is not done with. It never jumps to now: nothing is lost.
    async fn window(&self) -> Result<Batch, AgentError> {
        let mut rows = self.all_rows(&FetchInbound::new(), &self.cursor).await?;
        if let Some(index) = self
            .cursor
            .bare()
            .and_then(|id| rows.iter().position(|row| row.id == id))
        {
            rows.drain(..index);
        }
        Ok(Batch {
            more: false,
            items: self.items(rows),
        })
    }

    /// Pages back to the first row that is known, oldest row first.
    async fn all_rows(
        &self,
        query: &FetchInbound,
        known: &Cursor,
    ) -> Result<Vec<ActivityRow>, AgentError> {
        let mut rows: Vec<ActivityRow> = Vec::new();
        let mut query = query.clone().with_limit(MAX_ROWS);
        while rows.len() < FARTHEST {
            let page = self.client.fetch_rows(&query).await?;
            let fresh: Vec<_> = page
                .rows
                .into_iter()
                .filter(|row| rows.iter().all(|seen| seen.id != row.id))
                .collect();
            let complete =
                !page.full || fresh.is_empty() || fresh.iter().any(|row| known.is_done_with(row));
            rows.splice(0..0, fresh);
            if complete {
                return Ok(rows);
            }
            // Rows of the same microsecond may lie on both sides of the edge.
            query.before = rows.first().map(|row| row.created_at.next_microsecond());
        }
        tracing::warn!(
            rows = rows.len(),
            "the log is longer than what is fetched at once; older rows are left aside"
        );
        Ok(rows)
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

impl Item {
    fn of(row: &ActivityRow, me: &molecule_protocol::WorkspaceId) -> Self {
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
