//! What the agent has taken and is not done with.

#[cfg(feature = "journal")]
mod disk;
#[cfg(feature = "journal")]
mod file;
mod record;
mod store;
#[cfg(test)]
#[cfg(feature = "journal")]
mod tests;
#[cfg(feature = "journal")]
mod trouble;
mod volatile;

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
#[cfg(feature = "journal")]
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use molecule_protocol::{ActivityId, InboundMessage, Sender};
use tokio::sync::Notify;

use crate::AgentError;
use crate::files::Files;
pub use record::DeadLetter;
pub(crate) use record::{Accepted, Answer, Burial, Counts, Entry, Head, Seq, milliseconds};
use store::{Place, Store};
use volatile::Volatile;

/// What the agent has taken and is not done with: messages that wait, answers that the platform has not taken yet, and the dead
/// letters that it gave up. Clones are the same journal.
///
/// A message is acknowledged where it came from when it is in the journal, and leaves the journal when it is handled and its answer
/// was taken. So the agent can be killed at any moment: with a journal on disk the next one goes on where it was.
///
/// A message becomes a dead letter when its handler failed, or took the agent with it, as often as
/// [`AgentLoop::with_attempts`](crate::AgentLoop::with_attempts) says; when nobody will ever take its answer; or when it was one too many
/// of a peer that does not stop. Dead letters stay until they are retried or removed; the newest 10 000 are kept (100 in memory).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), molecule_agent::AgentError> {
/// use molecule_agent::{AgentLoop, Journal};
///
/// let journal = Journal::volatile();
/// let options = AgentLoop::new().with_journal(journal.clone());
/// // While the agent runs with these options, or after it:
/// for letter in journal.dead().await? {
///     println!("{} {}", letter.id, letter.why);
///     journal.retry(letter.id).await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Journal {
    shared: Arc<Shared>,
    files: Files,
}

struct Shared {
    /// None for one in memory, which is always open.
    place: Option<Box<dyn Place>>,
    store: Mutex<Option<Box<dyn Store>>>,
    is_open: AtomicBool,
    pending: AtomicUsize,
    dead: AtomicUsize,
    /// There may be something that waits and that the running agent does not know of, such as a dead letter that is retried.
    retried: Notify,
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal")
            .field("place", &self.shared.place)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

impl Journal {
    /// A journal in memory. Nothing of it outlives the process, so that a message is acknowledged only when the agent is done with it,
    /// and the agent takes one after the other.
    #[must_use]
    pub fn volatile() -> Self {
        Self::new(None, Some(Box::<Volatile>::default()))
    }

    /// A journal in a file, for one agent at a time. The file is made when the first message is accepted, and open only while there is
    /// something in it that waits; so it costs nothing here, and errors come when it is used.
    ///
    /// A crash at any moment leaves it whole. One that was damaged by something else, or was written by a later version, ends the
    /// agent with an error; a full disk stops it from taking messages until there is room.
    #[cfg(feature = "journal")]
    #[must_use]
    pub fn open(path: impl Into<PathBuf>) -> Self {
        let place = file::JournalFile::new(path.into());
        Self::new(Some(Box::new(place)), None)
    }

    /// Where an agent's journal is in its directory.
    #[cfg(feature = "journal")]
    #[must_use]
    pub fn path_in(state_dir: &Path) -> PathBuf {
        state_dir.join("journal.redb")
    }

    fn new(place: Option<Box<dyn Place>>, store: Option<Box<dyn Store>>) -> Self {
        Self {
            shared: Arc::new(Shared {
                place,
                is_open: AtomicBool::new(store.is_some()),
                store: Mutex::new(store),
                pending: AtomicUsize::new(0),
                dead: AtomicUsize::new(0),
                retried: Notify::new(),
            }),
            files: Files::default(),
        }
    }

    /// The dead letters, in the order in which they came.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn dead(&self) -> Result<Vec<DeadLetter>, AgentError> {
        self.existing(|store| store.dead()).await
    }

    /// The message of a dead letter, whole; none if there is no such letter.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn dead_message(&self, id: ActivityId) -> Result<Option<InboundMessage>, AgentError> {
        self.existing(move |store| store.dead_message(id)).await
    }

    /// Lets a dead letter be handled again, behind all that waits; an answer that is there already is sent again. A running agent
    /// begins at once, another when it starts. Says whether there is such a letter.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub async fn retry(&self, id: ActivityId) -> Result<bool, AgentError> {
        let found = self.existing(move |store| store.retry(id)).await?;
        if found {
            self.look_again();
        }
        Ok(found)
    }

    /// Removes a dead letter for good. Says whether there was one.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub async fn remove(&self, id: ActivityId) -> Result<bool, AgentError> {
        let found = self.existing(move |store| store.remove(id)).await?;
        if found {
            // A running agent counts anew.
            self.look_again();
        }
        Ok(found)
    }

    pub(crate) fn with_files(mut self, files: Files) -> Self {
        self.files = files;
        self
    }

    /// Whether what it holds is there after a crash.
    pub(crate) fn survives(&self) -> bool {
        self.shared.place.is_some()
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            pending: self.shared.pending.load(Ordering::Relaxed),
            dead: self.shared.dead.load(Ordering::Relaxed),
        }
    }

    /// What waits when an agent begins.
    pub(crate) async fn begin(&self) -> Result<Vec<(Seq, Sender)>, AgentError> {
        let waiting = self.existing(|store| {
            store.begin();
            senders(store)
        });
        waiting.await
    }

    /// Opens it, if it is there.
    pub(crate) async fn check(&self) -> Result<(), AgentError> {
        self.existing(|_| Ok(())).await
    }

    /// Closes it, so that another agent of this process may have it. It opens again when it is used.
    pub(crate) async fn close(&self) {
        if self.survives() {
            let shared = Arc::clone(&self.shared);
            self.files.run(move || shared.close()).await;
        }
    }

    /// What waits.
    pub(crate) async fn waiting(&self) -> Result<Vec<(Seq, Sender)>, AgentError> {
        self.existing(senders).await
    }

    /// Completes when there is to be looked for what waits, such as a dead letter that is retried.
    pub(crate) async fn retried(&self) {
        self.shared.retried.notified().await;
    }

    /// Lets a running agent look for what waits.
    pub(crate) fn look_again(&self) {
        self.shared.retried.notify_one();
    }

    pub(crate) async fn accept(
        &self,
        message: &InboundMessage,
        now: u64,
    ) -> Result<Accepted, AgentError> {
        let message = message.clone();
        self.made(move |store| store.accept(&message, now)).await
    }

    pub(crate) async fn entry(&self, seq: Seq) -> Result<Option<Entry>, AgentError> {
        self.existing(move |store| store.entry(seq)).await
    }

    pub(crate) async fn update(&self, seq: Seq, head: &Head) -> Result<(), AgentError> {
        let head = head.clone();
        self.made(move |store| store.update(seq, &head)).await
    }

    pub(crate) async fn settle(&self, seq: Seq) -> Result<(), AgentError> {
        self.made(move |store| store.settle(seq)).await
    }

    pub(crate) async fn bury(
        &self,
        seq: Seq,
        burial: &Burial,
    ) -> Result<Option<ActivityId>, AgentError> {
        let burial = burial.clone();
        self.made(move |store| store.bury(seq, &burial)).await
    }

    /// Whether it is open, and nothing waits in it.
    pub(crate) fn is_idle(&self) -> bool {
        self.survives() && self.shared.is_open.load(Ordering::Relaxed) && self.counts().pending == 0
    }

    /// Closes it if nothing waits in it.
    pub(crate) async fn rest(&self) -> Result<(), AgentError> {
        if !self.is_idle() {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        self.files.run(move || shared.rest()).await
    }

    /// Works with the store if there is one; a store that was never made is empty.
    async fn existing<T: Default + Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Store) -> Result<T, AgentError> + Send + 'static,
    ) -> Result<T, AgentError> {
        let shared = Arc::clone(&self.shared);
        let done = self.files.run(move || shared.work(false, work)).await;
        done.map(Option::unwrap_or_default)
    }

    /// Works with the store, which is made if need be.
    async fn made<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Store) -> Result<T, AgentError> + Send + 'static,
    ) -> Result<T, AgentError> {
        let shared = Arc::clone(&self.shared);
        let done = self.files.run(move || shared.work(true, work)).await;
        done.map(|output| output.expect("a store that is made is there"))
    }
}

impl Shared {
    fn work<T>(
        &self,
        create: bool,
        work: impl FnOnce(&mut dyn Store) -> Result<T, AgentError>,
    ) -> Result<Option<T>, AgentError> {
        let mut slot = self.store();
        let done = self.guarded(|| {
            self.open(&mut slot, create)?;
            let Some(store) = slot.as_deref_mut() else {
                self.count(Counts::default());
                return Ok(None);
            };
            let output = work(store)?;
            self.count(store.counts()?);
            Ok(Some(output))
        });
        if done.is_err() {
            self.close_failed(&mut slot);
        }
        self.is_open.store(slot.is_some(), Ordering::Relaxed);
        done
    }

    fn open(&self, slot: &mut Option<Box<dyn Store>>, create: bool) -> Result<(), AgentError> {
        if let (None, Some(place)) = (&slot, &self.place) {
            *slot = place.open(create)?;
        }
        Ok(())
    }

    /// A store that failed is opened anew next time, which repairs what can be repaired. One in memory does not fail.
    fn close_failed(&self, slot: &mut Option<Box<dyn Store>>) {
        let Some(place) = &self.place else { return };
        place.failed();
        let failed = slot.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(failed)));
    }

    fn close(&self) {
        let closed = self.store().take();
        self.is_open.store(false, Ordering::Relaxed);
        // What it has to say is said when it is opened again.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(closed)));
    }

    fn rest(&self) -> Result<(), AgentError> {
        let mut slot = self.store();
        let tidied = self.guarded(|| {
            let Some(store) = slot.as_deref_mut() else {
                return Ok(false);
            };
            let is_empty = store.counts()?.pending == 0;
            is_empty.then(|| store.tidy()).transpose()?;
            Ok(is_empty)
        });
        match tidied {
            Ok(false) => Ok(()),
            Ok(true) => {
                self.is_open.store(false, Ordering::Relaxed);
                let store = slot.take();
                self.guarded(|| {
                    drop(store);
                    Ok(())
                })
            }
            Err(error) => {
                self.close_failed(&mut slot);
                Err(error)
            }
        }
    }

    /// The store panics over a file that was tampered with. That is damage, not the end of the agent's task.
    fn guarded<T>(&self, work: impl FnOnce() -> Result<T, AgentError>) -> Result<T, AgentError> {
        let done = catch_unwind(AssertUnwindSafe(work));
        done.unwrap_or_else(|panic| match &self.place {
            Some(place) => Err(place.panicked(words(panic.as_ref()))),
            None => std::panic::resume_unwind(panic),
        })
    }

    fn count(&self, counts: Counts) {
        self.pending.store(counts.pending, Ordering::Relaxed);
        self.dead.store(counts.dead, Ordering::Relaxed);
    }

    fn store(&self) -> MutexGuard<'_, Option<Box<dyn Store>>> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn senders(store: &mut dyn Store) -> Result<Vec<(Seq, Sender)>, AgentError> {
    let heads = store.waiting()?;
    Ok(heads
        .into_iter()
        .map(|(seq, head)| (seq, head.sender))
        .collect())
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("the store failed without words").to_owned()
}
