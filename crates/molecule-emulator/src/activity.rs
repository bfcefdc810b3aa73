//! The activity log of a workspace: rows and how they are queried.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

/// The types that an agent may log itself.
pub(crate) const TYPES: [&str; 7] = [
    "a2a_send",
    "a2a_receive",
    "task_update",
    "agent_log",
    "skill_promotion",
    "memory_write",
    "error",
];

/// How long rows are kept.
pub(crate) const RETENTION_HOURS: i64 = 7 * 24;

/// One row; the keys that can be absent are the ones the platform leaves out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) activity_type: String,
    pub(crate) created_at: Timestamp,
    pub(crate) duration_ms: Option<i64>,
    pub(crate) error_detail: Option<String>,
    pub(crate) id: Uuid,
    pub(crate) method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request_body: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) response_body: Option<Value>,
    pub(crate) source_id: Option<Uuid>,
    pub(crate) status: String,
    pub(crate) summary: Option<String>,
    pub(crate) target_id: Option<Uuid>,
    pub(crate) workspace_id: Uuid,
}

impl Row {
    /// A successful row without details.
    pub(crate) fn new(workspace: Uuid, activity_type: &str, now: Timestamp) -> Self {
        Self {
            activity_type: activity_type.to_owned(),
            created_at: now,
            duration_ms: None,
            error_detail: None,
            id: Uuid::new_v4(),
            method: None,
            request_body: None,
            response_body: None,
            source_id: None,
            status: "ok".to_owned(),
            summary: None,
            target_id: None,
            workspace_id: workspace,
        }
    }

    /// What listeners hear when the row is logged.
    pub(crate) fn notice(&self) -> Value {
        json!({
            "activity_type": self.activity_type,
            "duration_ms": self.duration_ms,
            "method": self.method,
            "source_id": self.source_id,
            "status": self.status,
            "summary": self.summary,
            "target_id": self.target_id,
        })
    }

    pub(crate) fn is_notify(&self) -> bool {
        self.method.as_deref() == Some("notify")
    }
}

/// Who wrote to the workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Canvas,
    Agent,
}

/// What a query asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    pub(crate) activity_type: Option<String>,
    pub(crate) source: Option<Source>,
    pub(crate) limit: usize,
    pub(crate) since: Option<Timestamp>,
    pub(crate) since_id: Option<String>,
    pub(crate) peer: Option<Uuid>,
    pub(crate) before: Option<Timestamp>,
}

impl Query {
    fn matches(&self, row: &Row) -> bool {
        self.activity_type
            .as_ref()
            .is_none_or(|wanted| *wanted == row.activity_type)
            && self
                .source
                .is_none_or(|wanted| (wanted == Source::Canvas) == row.source_id.is_none())
            && self.since.is_none_or(|since| row.created_at >= since)
            && self.before.is_none_or(|before| row.created_at < before)
            && self
                .peer
                .is_none_or(|p| row.source_id == Some(p) || row.target_id == Some(p))
    }
}

/// The cursor of a query is not a row of this log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CursorGone;

/// The rows of one workspace, oldest first.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Log(Vec<Row>);

impl Log {
    pub(crate) fn push(&mut self, row: Row) {
        self.0.push(row);
    }

    /// The rows, newest first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Row> {
        self.0.iter().rev()
    }

    pub(crate) fn rows_mut(&mut self) -> impl Iterator<Item = &mut Row> {
        self.0.iter_mut()
    }

    pub(crate) fn find(&self, id: Uuid) -> Option<&Row> {
        self.0.iter().find(|row| row.id == id)
    }

    pub(crate) fn remove(&mut self, id: Uuid) {
        self.0.retain(|row| row.id != id);
    }

    /// Forgets what is older than the retention.
    pub(crate) fn purge(&mut self, oldest: Timestamp) {
        self.0.retain(|row| row.created_at >= oldest);
    }

    /// Where a cursor is. Those who ask are mostly near the end.
    fn position(&self, cursor: &str) -> Option<usize> {
        let id = Uuid::parse_str(cursor).ok()?;
        let at = self.0.iter().rposition(|row| row.id == id)?;
        // An id in another spelling is no cursor.
        (id.to_string() == cursor).then_some(at)
    }

    /// Newest first; with a cursor, the rows strictly after it, oldest first.
    pub(crate) fn query(&self, query: &Query) -> Result<Vec<&Row>, CursorGone> {
        let Some(cursor) = &query.since_id else {
            return Ok(self
                .0
                .iter()
                .rev()
                .filter(|row| query.matches(row))
                .take(query.limit)
                .collect());
        };
        let at = self.position(cursor).ok_or(CursorGone)?;
        let newer = &self.0[at + 1..];
        Ok(newer
            .iter()
            .filter(|row| query.matches(row))
            .take(query.limit)
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_of(count: i64) -> Log {
        let mut log = Log::default();
        for second in 0..count {
            let at = Timestamp::from_second(second).unwrap();
            log.push(Row::new(Uuid::nil(), "agent_log", at));
        }
        log
    }

    fn seconds(rows: &[&Row]) -> Vec<i64> {
        rows.iter().map(|row| row.created_at.as_second()).collect()
    }

    #[test]
    fn without_a_cursor_the_newest_rows_come_first() {
        let query = Query {
            limit: 2,
            ..Query::default()
        };
        assert_eq!(seconds(&log_of(4).query(&query).unwrap()), [3, 2]);
    }

    #[test]
    fn a_cursor_gives_the_rows_strictly_after_it_oldest_first() {
        let log = log_of(4);
        let cursor = log.0[1].id.to_string();
        let query = Query {
            limit: 10,
            since_id: Some(cursor),
            ..Query::default()
        };
        assert_eq!(seconds(&log.query(&query).unwrap()), [2, 3]);
    }

    #[test]
    fn a_cursor_that_was_purged_is_gone() {
        let mut log = log_of(4);
        let cursor = log.0[0].id.to_string();
        log.purge(Timestamp::from_second(2).unwrap());
        let query = Query {
            limit: 10,
            since_id: Some(cursor),
            ..Query::default()
        };
        assert_eq!(log.query(&query).unwrap_err(), CursorGone);
    }
}
