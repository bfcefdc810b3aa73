//! How far the agent has come in the log: the last rows it is done with.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use molecule_protocol::{ActivityId, ActivityRow, Timestamp};

use crate::AgentError;
use crate::files::{dir_of, make_private_dir, sync_dir};

/// How many rows are remembered: as many as the platform gives at once, so that a whole window can be told apart.
const CAPACITY: usize = 500;

/// The rows that the agent is done with, the latest last.
///
/// On disk it is a text file, the latest row first: `<id> <created_at>` on each line. Its first word is the cursor,
/// which is all that other clients write there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor {
    done: VecDeque<Done>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Done {
    id: ActivityId,
    /// Unknown for a cursor that another client wrote.
    created_at: Option<Timestamp>,
}

impl Cursor {
    /// The row after which to go on; [`ActivityId::NIL`] before the first one.
    #[must_use]
    pub fn position(&self) -> ActivityId {
        self.done.back().map_or(ActivityId::NIL, |done| done.id)
    }

    /// Whether the agent is done with this row: it is remembered, or older than everything remembered.
    #[must_use]
    pub fn is_done_with(&self, row: &ActivityRow) -> bool {
        let forgotten = self.done.len() >= CAPACITY
            && self.oldest().is_some_and(|oldest| row.created_at < oldest);
        forgotten || self.done.iter().any(|done| done.id == row.id)
    }

    /// When the oldest remembered row was written.
    fn oldest(&self) -> Option<Timestamp> {
        self.done.front()?.created_at
    }

    /// The agent is done with this row.
    pub fn advance(&mut self, id: ActivityId, created_at: Timestamp) {
        if self.done.len() >= CAPACITY {
            self.done.pop_front();
        }
        self.done.push_back(Done {
            id,
            created_at: Some(created_at),
        });
    }

    /// The one row that another client left here, which says nothing of the rows before it.
    pub(crate) fn bare(&self) -> Option<ActivityId> {
        self.done
            .front()
            .filter(|done| done.created_at.is_none())
            .map(|done| done.id)
    }

    /// Reads the file; `None` if there is none, or nothing in it.
    ///
    /// # Errors
    /// When the file cannot be read, or is not a cursor.
    pub fn load(path: &Path) -> Result<Option<Self>, AgentError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(failed("read", path, source)),
        };
        let done = text
            .lines()
            .rev()
            .map(Done::parse)
            .collect::<Option<VecDeque<_>>>();
        let damaged = || {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "not lines of an activity id and a time",
            )
        };
        let mut done = done.ok_or_else(|| failed("understand", path, damaged()))?;
        if done.is_empty() {
            return Ok(None);
        }
        done.retain(|done| done.id != ActivityId::NIL);
        done.drain(..done.len().saturating_sub(CAPACITY));
        Ok(Some(Self { done }))
    }

    /// Replaces the file. A crash leaves the old or the new one.
    ///
    /// # Errors
    /// When the file cannot be written; the old one is still there then.
    pub fn save(&self, path: &Path) -> Result<(), AgentError> {
        self.replace(path)
            .map_err(|source| failed("write", path, source))
    }

    fn replace(&self, path: &Path) -> io::Result<()> {
        let dir = dir_of(path);
        make_private_dir(dir)?;
        let mut file = tempfile::Builder::new()
            .prefix(".cursor-")
            .tempfile_in(dir)?;
        file.write_all(self.text().as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        sync_dir(dir)
    }

    fn text(&self) -> String {
        if self.done.is_empty() {
            return format!("{}\n", ActivityId::NIL);
        }
        self.done.iter().rev().map(Done::line).collect()
    }
}

impl Done {
    fn line(&self) -> String {
        match &self.created_at {
            Some(time) => format!("{} {time}\n", self.id),
            None => format!("{}\n", self.id),
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let (id, time) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        let created_at = if time.is_empty() {
            None
        } else {
            Some(time.parse().ok()?)
        };
        Some(Self {
            id: id.parse().ok()?,
            created_at,
        })
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> AgentError {
    AgentError::State {
        action,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn id(number: u128) -> ActivityId {
        Uuid::from_u128(number).into()
    }

    fn time(second: u32) -> Timestamp {
        format!("2026-11-22T04:{:02}:{:02}Z", second / 60, second % 60)
            .parse()
            .unwrap()
    }

    fn row(number: u128, second: u32) -> ActivityRow {
        let row = serde_json::json!({"id": id(number).to_string(), "created_at": time(second).to_string()});
        serde_json::from_value(row).unwrap()
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/cursor");
        assert_eq!(Cursor::load(&path).unwrap(), None);
        let mut cursor = Cursor::default();
        cursor.save(&path).unwrap();
        assert_eq!(Cursor::load(&path).unwrap(), Some(cursor.clone()));
        cursor.advance(id(1), time(1));
        cursor.advance(id(2), time(2));
        cursor.save(&path).unwrap();
        assert_eq!(Cursor::load(&path).unwrap(), Some(cursor.clone()));
        assert!(
            fs::read_to_string(&path)
                .unwrap()
                .starts_with(&id(2).to_string())
        );
        assert_eq!(
            fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1,
            "a temporary file was left"
        );
    }

    #[test]
    fn the_bare_id_of_another_client_is_understood() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cursor");
        fs::write(&path, format!("{}\n", id(7))).unwrap();
        assert_eq!(Cursor::load(&path).unwrap().unwrap().position(), id(7));
    }

    #[test]
    fn a_damaged_file_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cursor");
        fs::write(&path, "half a li").unwrap();
        let error = Cursor::load(&path).unwrap_err();
        assert!(
            error.to_string().contains(&path.display().to_string()),
            "{error}"
        );
    }

    #[test]
    fn rows_older_than_a_full_memory_count_as_done() {
        let mut cursor = Cursor::default();
        cursor.advance(id(1), time(100));
        assert!(
            !cursor.is_done_with(&row(9, 50)),
            "a memory that is not full has forgotten nothing"
        );
        for number in 1..=500 {
            cursor.advance(id(number), time(100 + number as u32));
        }
        assert!(cursor.is_done_with(&row(9999, 50)));
        assert!(cursor.is_done_with(&row(500, 600)));
        assert!(!cursor.is_done_with(&row(9999, 700)));
        assert!(
            !cursor.is_done_with(&row(9999, 300)),
            "a row that appeared late is not lost"
        );
    }
}
