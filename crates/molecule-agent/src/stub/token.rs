//! The two places a token comes from: the volume, and the answer to a registration.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use molecule_token_store::{MountedToken, Token, read_mounted};
use molecule_transport::{Bearer, BoxError, BoxFuture, TokenSource};

use super::log::{Log, with_causes};

/// The token of the workspace. The file on the volume is the authority and read anew each time,
/// because whoever provisions the container rotates it under a running process.
pub(super) struct Tokens {
    path: PathBuf,
    captured: Mutex<Option<Token>>,
    warned: Mutex<Option<String>>,
    log: Log,
}

impl Tokens {
    pub(super) fn new(path: PathBuf, log: Log) -> Self {
        Self {
            path,
            captured: Mutex::default(),
            warned: Mutex::default(),
            log,
        }
    }

    /// Keeps the token that a registration was answered with.
    pub(super) fn capture(&self, token: Token) {
        *lock(&self.captured) = Some(token);
    }

    /// All tokens that a request may have carried.
    pub(super) fn known(&self) -> Vec<Token> {
        self.volume()
            .into_iter()
            .chain(lock(&self.captured).clone())
            .collect()
    }

    /// The token on the volume. A file that cannot be read counts as none: the stub lives on with
    /// what the platform gave it.
    fn volume(&self) -> Option<Token> {
        let read = read_mounted(&self.path);
        self.warn(match &read {
            Ok(Some(MountedToken {
                world_readable: true,
                ..
            })) => Some(format!(
                "warning: {} is readable by every user; run `chmod 600` on it",
                self.path.display()
            )),
            Ok(_) => None,
            Err(error) => Some(format!("warning: {}", with_causes(error))),
        });
        Some(read.ok()??.token)
    }

    fn current(&self) -> Option<Token> {
        self.volume().or_else(|| lock(&self.captured).clone())
    }

    /// Logs a warning when it is new, not with every beat.
    fn warn(&self, warning: Option<String>) {
        let mut warned = lock(&self.warned);
        if let Some(warning) = warning.as_ref().filter(|_| *warned != warning) {
            self.log.line(warning);
        }
        *warned = warning;
    }
}

/// The token for registrations: the volume's alone. The one that a registration was answered with
/// is never needed for another, and is stale if it is refused.
pub(super) struct VolumeToken(pub(super) Arc<Tokens>);

impl TokenSource for VolumeToken {
    fn bearer(&self) -> BoxFuture<'_, Result<Option<Bearer>, BoxError>> {
        bearer(self.0.volume())
    }
}

/// The token for heartbeats: the volume's, else the one that a registration was answered with.
pub(super) struct CurrentToken(pub(super) Arc<Tokens>);

impl TokenSource for CurrentToken {
    fn bearer(&self) -> BoxFuture<'_, Result<Option<Bearer>, BoxError>> {
        bearer(self.0.current())
    }
}

fn bearer(token: Option<Token>) -> BoxFuture<'static, Result<Option<Bearer>, BoxError>> {
    let bearer = token.map(|token| Bearer::new(token.expose())).transpose();
    Box::pin(std::future::ready(bearer.map_err(Into::into)))
}

/// A panic while the lock is held leaves an option behind that is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
