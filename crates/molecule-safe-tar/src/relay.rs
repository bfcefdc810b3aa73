//! From the thread that reads the archive to the one that writes it.

use std::io;
use std::mem;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, Scope, ScopedJoinHandle};

use crate::UnpackError;
use crate::batch::Batch;
use crate::sink::Sink;

/// Batches that may wait. With the one being filled and the one being done this bounds the memory.
const BATCHES_WAITING: usize = 4;

/// Hands to `sink` what `feed` accepts: on this thread what fits one batch, and else on another, while `feed` goes on. All that was
/// accepted has been handed over when this returns, also when `feed` failed. The failure that comes first in the archive counts.
pub(crate) fn relay<S: Sink + Send, T>(
    sink: &mut S,
    feed: impl FnOnce(&mut Relay<'_, '_, S>) -> Result<T, UnpackError>,
) -> Result<T, UnpackError> {
    thread::scope(|scope| {
        let mut relay = Relay {
            scope,
            sink: Some(sink),
            worker: None,
            batch: Batch::default(),
        };
        let fed = feed(&mut relay);
        relay.finish()?;
        fed
    })
}

/// Takes entries, in batches, to the sink.
pub(crate) struct Relay<'scope, 'env, S> {
    scope: &'scope Scope<'scope, 'env>,
    /// Until there is a thread that has it.
    sink: Option<&'scope mut S>,
    worker: Option<Worker<'scope>>,
    batch: Batch,
}

impl<S: Sink + Send> Relay<'_, '_, S> {
    /// A batch that is not full.
    fn batch(&mut self) -> Result<&mut Batch, UnpackError> {
        if self.batch.is_full() {
            self.hand_over()?;
        }
        Ok(&mut self.batch)
    }

    fn hand_over(&mut self) -> Result<(), UnpackError> {
        if let Some(sink) = self.sink.take() {
            self.worker = Some(Worker::start(self.scope, sink)?);
        }
        let worker = self.worker.as_ref().ok_or_else(lost)?;
        let full = mem::replace(&mut self.batch, worker.spare());
        worker.send(Message::Batch(full))
    }

    fn finish(self) -> Result<(), UnpackError> {
        match (self.sink, self.worker) {
            (Some(sink), _) => self.batch.replay(sink),
            (None, Some(worker)) => worker.finish(self.batch),
            // No thread could be started, and `feed` failed with that.
            (None, None) => Ok(()),
        }
    }
}

impl<S: Sink + Send> Sink for Relay<'_, '_, S> {
    fn directory(&mut self, path: &str) -> Result<(), UnpackError> {
        self.batch()?.directory(path);
        Ok(())
    }

    fn file(&mut self, path: &str, size: u64, executable: bool) -> Result<(), UnpackError> {
        self.batch()?.file(path, size, executable);
        Ok(())
    }

    fn data(&mut self, mut bytes: &[u8]) -> Result<(), UnpackError> {
        while !bytes.is_empty() {
            let batch = self.batch()?;
            let (fitting, rest) = bytes.split_at(batch.room().min(bytes.len()));
            batch.data(fitting);
            bytes = rest;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), UnpackError> {
        self.batch()?.close();
        Ok(())
    }
}

/// The thread that has the sink.
struct Worker<'scope> {
    batches: SyncSender<Message>,
    /// Batches that were done, to be filled again.
    spares: Receiver<Batch>,
    thread: ScopedJoinHandle<'scope, Result<(), UnpackError>>,
}

/// The last message is never a batch, so that a thread that dies is not taken for the end.
enum Message {
    Batch(Batch),
    End,
}

impl<'scope> Worker<'scope> {
    fn start<S: Sink + Send>(
        scope: &'scope Scope<'scope, '_>,
        sink: &'scope mut S,
    ) -> Result<Self, UnpackError> {
        let (batches, received) = sync_channel(BATCHES_WAITING);
        let (spare, spares) = channel();
        let thread = thread::Builder::new()
            .spawn_scoped(scope, move || replay_all(&received, &spare, sink))
            .map_err(UnpackError::Source)?;
        Ok(Self {
            batches,
            spares,
            thread,
        })
    }

    fn spare(&self) -> Batch {
        self.spares.try_recv().unwrap_or_default()
    }

    fn send(&self, message: Message) -> Result<(), UnpackError> {
        self.batches.send(message).map_err(|_| lost())
    }

    fn finish(self, last: Batch) -> Result<(), UnpackError> {
        // When this cannot be sent, the thread says why below.
        let _ = self
            .send(Message::Batch(last))
            .and_then(|()| self.send(Message::End));
        self.thread
            .join()
            .unwrap_or_else(|panic| resume_unwind(panic))
    }
}

fn replay_all(
    received: &Receiver<Message>,
    spare: &Sender<Batch>,
    sink: &mut impl Sink,
) -> Result<(), UnpackError> {
    while let Message::Batch(mut batch) = received.recv().map_err(|_| lost())? {
        batch.replay(sink)?;
        batch.clear();
        // Nobody takes it back once everything is read.
        let _ = spare.send(batch);
    }
    Ok(())
}

/// The other thread is gone. It failed, and why is what is reported.
fn lost() -> UnpackError {
    UnpackError::Source(io::ErrorKind::BrokenPipe.into())
}
