//! Where the client's file work is done: it may block, so that it is kept away from the async threads.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use tokio::task::{JoinError, spawn_blocking};

/// Where work with files runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Files {
    /// On the runtime's threads for what blocks.
    #[default]
    Pool,
    /// Where it is asked for, so that the order of things does not depend on threads.
    Inline,
}

impl Files {
    /// The output of work that may block. Once it has begun it goes on to its end, also when nobody waits for it any more.
    pub(crate) async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        match self {
            Self::Pool => finished(spawn_blocking(work).await),
            Self::Inline => {
                // Others may run in between, as they would while a thread works.
                tokio::task::yield_now().await;
                work()
            }
        }
    }
}

/// The output of a blocking task. It is never cancelled, and its panic goes on here.
pub(crate) fn finished<T>(joined: Result<T, JoinError>) -> T {
    joined.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => panic!("{error}: the runtime is shutting down"),
    })
}

/// The directory that a file is in.
pub(crate) fn dir_of(file: &Path) -> &Path {
    file.parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Makes a directory, and those above it, that are its owner's alone; one that is there stays as it is.
pub(crate) fn make_private_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Makes the names in a directory last.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
