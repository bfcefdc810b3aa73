//! The agent's token: the file is the authority, so that a rotated token is used at once.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use molecule_token_store::{
    MountedToken, Revision, RotationLock, Token, TokenStore, TokenStoreError, Wait, read_mounted,
};
use molecule_transport::{Bearer, BoxError, BoxFuture, TokenSource};

use crate::files::Files;

/// How long another process may hold the token file before that is an error, unless the builder says otherwise.
pub(crate) const LOCK_WAIT: Wait = Wait::For(Duration::from_secs(5));

/// Where the token comes from, unless it is the agent's own file.
#[derive(Debug, Clone)]
pub(crate) enum Given {
    /// Given as it is, by the environment or the program.
    Fixed(Token),
    /// A file that something else maintains.
    File(PathBuf),
    /// The same, in the volume of a container, where the platform's answers to registrations are kept too.
    Volume(PathBuf),
}

/// Where a token comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenOrigin {
    /// The agent's own file.
    Own(PathBuf),
    /// A file that something else maintains.
    File(PathBuf),
    /// The environment, a descriptor or the program: it was given as it is.
    Given,
}

impl TokenOrigin {
    /// How to have another token used.
    const fn advice(&self) -> &'static str {
        match self {
            Self::Own(_) => "store a valid one with `token set`",
            Self::File(_) => "put a valid one into that file",
            Self::Given => "give it a valid one there",
        }
    }

    /// What is wrong with a token of this origin that the platform does not accept, and what to do.
    pub(crate) fn rejected(&self) -> String {
        let place = match self {
            Self::Own(path) | Self::File(path) => path.display().to_string(),
            Self::Given => "the environment, a descriptor or the program".to_owned(),
        };
        format!(
            "the token from {place} was revoked or belongs to another workspace; {}",
            self.advice()
        )
    }
}

/// The token of one workspace.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    shared: Arc<Shared>,
    files: Files,
}

#[derive(Debug)]
struct Shared {
    given: Option<Given>,
    store: TokenStore,
    lock_wait: Wait,
    seen: Mutex<Seen>,
}

/// The token last seen. The generation counts how often it changed.
#[derive(Debug, Default)]
struct Seen {
    token: Option<Token>,
    generation: u64,
    /// What the agent's own file held in the state in which it was last read.
    stored: Option<(Revision, Option<Token>)>,
    /// The platform issued a token of its own, so that what was given is out of date.
    issued: bool,
    /// The token that the platform issued for a volume, which may not have taken it.
    captured: Option<Token>,
}

impl Tokens {
    pub(crate) fn new(given: Option<Given>, dir: &Path, lock_wait: Wait, files: Files) -> Self {
        let shared = Shared {
            given,
            store: TokenStore::new(dir),
            lock_wait,
            seen: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
            files,
        }
    }

    pub(crate) async fn current(&self) -> Result<Option<Token>, TokenStoreError> {
        Ok(self.read().await?.0)
    }

    /// A number that changes when the token does. Reads the token anew.
    pub(crate) async fn generation(&self) -> Result<u64, TokenStoreError> {
        Ok(self.read().await?.1)
    }

    /// Keeps a token that the platform issued.
    pub(crate) async fn save(&self, token: Token) -> Result<(), TokenStoreError> {
        let shared = Arc::clone(&self.shared);
        self.files.run(move || shared.save(token)).await
    }

    /// Whether the token is the one in the agent's own file, which a new one can replace for good.
    pub(crate) fn is_own(&self) -> bool {
        self.shared.given.is_none() || self.shared.seen().issued
    }

    /// Keeps others from rotating the token, or says that somebody does.
    pub(crate) async fn lock_rotation(&self) -> Result<RotationLock, TokenStoreError> {
        let shared = Arc::clone(&self.shared);
        let lock = move || shared.store.lock_rotation(Wait::No);
        self.files.run(lock).await
    }

    /// Where the token of the next call comes from.
    pub(crate) fn origin(&self) -> TokenOrigin {
        match &self.shared.given {
            Some(Given::Fixed(_)) if !self.is_own() => TokenOrigin::Given,
            Some(Given::File(path) | Given::Volume(path)) if !self.is_own() => {
                TokenOrigin::File(path.clone())
            }
            _ => TokenOrigin::Own(self.shared.store.path()),
        }
    }

    /// Locks may be waited for, so the file is read where blocking is allowed.
    async fn read(&self) -> Result<(Option<Token>, u64), TokenStoreError> {
        let shared = Arc::clone(&self.shared);
        self.files.run(move || shared.read()).await
    }
}

impl Shared {
    fn save(&self, token: Token) -> Result<(), TokenStoreError> {
        if let Some(Given::Volume(path)) = &self.given {
            let written = write_mounted(path, &token);
            self.seen().captured = Some(token);
            return written;
        }
        self.store.save(&token, self.lock_wait)?;
        self.seen().issued = true;
        Ok(())
    }

    fn read(&self) -> Result<(Option<Token>, u64), TokenStoreError> {
        let issued = self.seen().issued;
        let token = match &self.given {
            Some(Given::Fixed(token)) if !issued => Some(token.clone()),
            Some(Given::File(path)) if !issued => self.mounted(path)?,
            Some(Given::Volume(path)) => match self.mounted(path)? {
                Some(token) => Some(token),
                None => self.seen().captured.clone(),
            },
            _ => self.stored()?,
        };
        let mut seen = self.seen();
        if !same(seen.token.as_ref(), token.as_ref()) {
            seen.generation += 1;
            seen.token.clone_from(&token);
        }
        Ok((token, seen.generation))
    }

    /// The file is opened only when it changed: the Python SDK gives up a save while we hold the lock.
    fn stored(&self) -> Result<Option<Token>, TokenStoreError> {
        let revision = self.store.revision()?;
        match &self.seen().stored {
            Some((known, token)) if Some(*known) == revision => return Ok(token.clone()),
            _ => {}
        }
        let token = self.store.load(self.lock_wait)?;
        self.seen().stored = revision.map(|revision| (revision, token.clone()));
        Ok(token)
    }

    fn mounted(&self, path: &Path) -> Result<Option<Token>, TokenStoreError> {
        let Some(MountedToken {
            token,
            world_readable,
            ..
        }) = read_mounted(path)?
        else {
            return Ok(None);
        };
        let changed = !same(self.seen().token.as_ref(), Some(&token));
        if world_readable && changed {
            tracing::warn!(path = %path.display(), "every user of this machine can read the token file");
        }
        Ok(Some(token))
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Replaces a file that only its owner may read, in a directory that is not ours to change.
fn write_mounted(path: &Path, token: &Token) -> Result<(), TokenStoreError> {
    let write = || {
        let dir = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new()
            .prefix(".auth_token-")
            .tempfile_in(dir)?;
        file.write_all(token.expose().as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|source| TokenStoreError::Io {
        action: "write",
        path: path.to_owned(),
        source,
    })
}

fn same(one: Option<&Token>, other: Option<&Token>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.same_as(other),
        (None, None) => true,
        _ => false,
    }
}

impl TokenSource for Tokens {
    fn bearer(&self) -> BoxFuture<'_, Result<Option<Bearer>, BoxError>> {
        Box::pin(async {
            let token = self.current().await?;
            Ok(token.map(|token| Bearer::new(token.expose())).transpose()?)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn token(text: &str) -> Token {
        Token::new(text).unwrap()
    }

    async fn check(tokens: &Tokens, expect: Option<&str>) {
        let current = tokens.current().await.unwrap();
        assert_eq!(current.as_ref().map(Token::expose), expect);
    }

    fn of_volume(dir: &Path) -> Tokens {
        let given = Given::Volume(dir.join(".auth_token"));
        Tokens::new(Some(given), &dir.join("own"), Wait::No, Files::Inline)
    }

    #[tokio::test]
    async fn a_volume_keeps_what_was_issued_and_takes_what_is_put_there() {
        let volume = tempfile::tempdir().unwrap();
        fs::set_permissions(volume.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let tokens = of_volume(volume.path());
        check(&tokens, None).await;
        tokens.save(token("issued")).await.unwrap();
        check(&tokens, Some("issued")).await;
        let file = volume.path().join(".auth_token");
        assert_eq!(fs::read_to_string(&file).unwrap(), "issued");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(volume.path())), (0o600, 0o755));
        fs::write(&file, "rotated\n").unwrap();
        check(&tokens, Some("rotated")).await;
        assert!(!volume.path().join("own").exists());
        assert_eq!(tokens.origin(), TokenOrigin::File(file));
    }

    #[tokio::test]
    async fn a_token_is_used_although_the_volume_did_not_take_it() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = of_volume(&dir.path().join("missing"));
        tokens.save(token("issued")).await.unwrap_err();
        check(&tokens, Some("issued")).await;
    }
}
