//! The state file: one JSON snapshot, replaced as a whole.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::error::EmulatorError;
use crate::provisioner::write_private;
use crate::state::State;

/// The schema that this version writes and the newest it reads.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Snapshot<'a> {
    schema: u32,
    state: &'a State,
}

#[derive(Deserialize)]
struct Header {
    schema: u32,
}

#[derive(Deserialize)]
struct Loaded {
    state: State,
}

/// Where the state survives the process.
#[derive(Clone, Debug)]
pub(crate) struct StateFile {
    path: PathBuf,
    /// Held while writing, so that an older snapshot never replaces a newer one.
    writing: Arc<Mutex<()>>,
}

impl StateFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            writing: Arc::default(),
        }
    }

    /// The saved state; an empty one when there is no file yet.
    pub(crate) fn load(&self) -> Result<State, EmulatorError> {
        let path = self.path.clone();
        let text = match std::fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(State::default()),
            Err(source) => return Err(EmulatorError::ReadState { path, source }),
        };
        let damaged = |source| EmulatorError::DamagedState {
            path: self.path.clone(),
            source,
        };
        let found = serde_json::from_slice::<Header>(&text)
            .map_err(damaged)?
            .schema;
        if found > SCHEMA {
            return Err(EmulatorError::NewerState {
                path,
                found,
                known: SCHEMA,
            });
        }
        Ok(serde_json::from_slice::<Loaded>(&text)
            .map_err(damaged)?
            .state)
    }

    pub(crate) fn encode(state: &State) -> Vec<u8> {
        serde_json::to_vec(&Snapshot {
            schema: SCHEMA,
            state,
        })
        .expect("the state has string keys and no failing fields")
    }

    /// Replaces the file with what `snapshot` returns; it is asked only once earlier writes are done.
    pub(crate) async fn write(
        &self,
        snapshot: impl FnOnce() -> Vec<u8>,
    ) -> Result<(), EmulatorError> {
        let _turn = self.writing.lock().await;
        let (path, content) = (self.path.clone(), snapshot());
        tokio::task::spawn_blocking(move || write_private(&path, &content))
            .await
            .unwrap_or_else(|stopped| Err(std::io::Error::other(stopped)))
            .map_err(|source| EmulatorError::WriteState {
                path: self.path.clone(),
                source,
            })
    }
}
