//! The journal's file: made, opened, and refused.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use redb::backends::FileBackend;
use redb::{Builder, Database};

use super::disk::{Disk, create_tables, schema};
use super::store::{Place, Store};
use super::trouble::Trouble;
use crate::AgentError;
use crate::files::{dir_of, make_private_dir, sync_dir};

/// The version of the tables that this code writes.
const SCHEMA: u64 = 1;
/// How much of the file is kept in memory: little, because what is read is read once.
const CACHE_BYTES: usize = 1024 * 1024;

/// A path.
#[derive(Debug)]
pub(super) struct JournalFile {
    path: PathBuf,
    /// It was checked for damage, and closed in order since.
    checked: AtomicBool,
}

impl JournalFile {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self {
            path,
            checked: AtomicBool::new(false),
        }
    }

    fn open_database(&self, create: bool) -> Result<Option<Database>, Trouble> {
        let check = !self.checked.swap(true, Ordering::Relaxed);
        match builder()
            .set_check_integrity_on_open(check)
            .open(&self.path)
        {
            Ok(database) => Ok(Some(database)),
            Err(redb::DatabaseError::Storage(redb::StorageError::Io(error)))
                if error.kind() == io::ErrorKind::NotFound =>
            {
                create.then(|| create_database(&self.path)).transpose()
            }
            Err(error) => {
                self.checked.store(false, Ordering::Relaxed);
                Err(error.into())
            }
        }
    }

    fn refuse_newer(&self, database: &Database) -> Result<(), AgentError> {
        let found = schema(database).map_err(|trouble| trouble.at("read", &self.path))?;
        if found > SCHEMA {
            return Err(AgentError::JournalNewer {
                path: self.path.clone(),
                found,
                known: SCHEMA,
            });
        }
        Ok(())
    }
}

impl Place for JournalFile {
    fn open(&self, create: bool) -> Result<Option<Box<dyn Store>>, AgentError> {
        let opened = self.open_database(create);
        let Some(database) = opened.map_err(|trouble| trouble.at("open", &self.path))? else {
            return Ok(None);
        };
        self.refuse_newer(&database)?;
        Ok(Some(Box::new(Disk::new(database, self.path.clone()))))
    }

    fn failed(&self) {
        self.checked.store(false, Ordering::Relaxed);
    }

    fn panicked(&self, what: String) -> AgentError {
        AgentError::JournalDamaged {
            path: self.path.clone(),
            source: what.into(),
        }
    }
}

fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// Makes the file beside its place and moves it there when it is complete, so that a crash leaves all of it or nothing.
fn create_database(path: &Path) -> Result<Database, Trouble> {
    let dir = dir_of(path);
    make_private_dir(dir)?;
    let new = path.with_extension("redb.new");
    let database = create_new(&new).inspect_err(|_| {
        // It would be in the way of nothing, but on a full disk it takes room.
        let _ = fs::remove_file(&new);
    })?;
    fs::rename(&new, path)?;
    sync_dir(dir)?;
    Ok(database)
}

fn create_new(path: &Path) -> Result<Database, Trouble> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let database = builder().create_with_backend(FileBackend::new(file)?)?;
    create_tables(&database, SCHEMA)?;
    Ok(database)
}
