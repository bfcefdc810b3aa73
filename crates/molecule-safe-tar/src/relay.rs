//! From the thread that reads the archive to those that write and watch.

use std::io;
use std::mem;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, Scope, ScopedJoinHandle};

use crate::UnpackError;
use crate::batch::Batch;
use crate::sink::Sink;

/// Batches that may wait for a sink. With the one being filled and the one that the slowest sink is at, this bounds the memory.
const BATCHES_WAITING: usize = 4;

type SomeSink<'a> = dyn Sink + Send + 'a;

/// Hands to each sink what `feed` accepts: on this thread what fits one batch, and else on one thread each, while `feed` goes on.
/// All that was accepted has been handed over when this returns, also when `feed` fails, whose error counts after those of the
/// sinks.
pub(crate) fn relay<T>(
    sinks: &mut [&mut SomeSink<'_>],
    feed: impl FnOnce(&mut Relay<'_, '_>) -> Result<T, UnpackError>,
) -> Result<T, UnpackError> {
    thread::scope(|scope| {
        let (spare, spares) = channel();
        let mut relay = Relay {
            scope,
            sinks: sinks.iter_mut().map(|sink| &mut **sink as _).collect(),
            workers: Vec::new(),
            batch: Batch::new(),
            spare,
            spares,
        };
        let fed = feed(&mut relay);
        relay.finish()?;
        fed
    })
}

/// Takes entries, in batches, to the sinks.
pub(crate) struct Relay<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    /// Until there are threads that have them.
    sinks: Vec<&'scope mut SomeSink<'scope>>,
    workers: Vec<Worker<'scope>>,
    batch: Batch,
    spare: Sender<Batch>,
    /// Batches that every sink is done with, to be filled again.
    spares: Receiver<Batch>,
}

impl Relay<'_, '_> {
    /// A batch that is not full.
    fn batch(&mut self) -> Result<&mut Batch, UnpackError> {
        if self.batch.is_full() {
            self.hand_over()?;
        }
        Ok(&mut self.batch)
    }

    fn hand_over(&mut self) -> Result<(), UnpackError> {
        for sink in self.sinks.drain(..) {
            let worker = Worker::start(self.scope, sink, self.spare.clone())?;
            self.workers.push(worker);
        }
        let spare = self.spares.try_recv().unwrap_or_else(|_| Batch::new());
        let full = Arc::new(mem::replace(&mut self.batch, spare));
        self.workers
            .iter()
            .try_for_each(|worker| worker.send(Message::Batch(full.clone())))
    }

    fn finish(self) -> Result<(), UnpackError> {
        for sink in self.sinks {
            self.batch.replay(sink)?;
        }
        let last = Arc::new(self.batch);
        for worker in &self.workers {
            worker.send_last(&last);
        }
        // The others end too when one of them failed: nobody sends them more.
        self.workers.into_iter().try_for_each(Worker::join)
    }
}

impl Sink for Relay<'_, '_> {
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

/// A thread that has a sink.
struct Worker<'scope> {
    batches: SyncSender<Message>,
    thread: ScopedJoinHandle<'scope, Result<(), UnpackError>>,
}

/// The last message is never a batch, so that a thread that dies is not taken for the end.
enum Message {
    Batch(Arc<Batch>),
    End,
}

impl<'scope> Worker<'scope> {
    fn start(
        scope: &'scope Scope<'scope, '_>,
        sink: &'scope mut SomeSink<'scope>,
        spare: Sender<Batch>,
    ) -> Result<Self, UnpackError> {
        let (batches, received) = sync_channel(BATCHES_WAITING);
        let thread = thread::Builder::new()
            .spawn_scoped(scope, move || replay_all(&received, &spare, sink))
            .map_err(UnpackError::Source)?;
        Ok(Self { batches, thread })
    }

    fn send(&self, message: Message) -> Result<(), UnpackError> {
        self.batches.send(message).map_err(|_| lost())
    }

    /// When it cannot be sent, the thread says why when it is joined.
    fn send_last(&self, batch: &Arc<Batch>) {
        let _ = self
            .send(Message::Batch(batch.clone()))
            .and_then(|()| self.send(Message::End));
    }

    fn join(self) -> Result<(), UnpackError> {
        drop(self.batches);
        self.thread
            .join()
            .unwrap_or_else(|panic| resume_unwind(panic))
    }
}

fn replay_all(
    received: &Receiver<Message>,
    spare: &Sender<Batch>,
    sink: &mut SomeSink<'_>,
) -> Result<(), UnpackError> {
    while let Message::Batch(batch) = received.recv().map_err(|_| lost())? {
        batch.replay(sink)?;
        if let Some(mut batch) = Arc::into_inner(batch) {
            batch.clear();
            // Nobody takes it back once everything is read.
            let _ = spare.send(batch);
        }
    }
    Ok(())
}

/// The other thread is gone. It failed, and why is what is reported.
fn lost() -> UnpackError {
    UnpackError::Source(io::ErrorKind::BrokenPipe.into())
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;
    use std::sync::mpsc::{channel, sync_channel};

    use super::{Message, relay, replay_all};
    use crate::batch::{BATCH_BYTES, Batch};
    use crate::sink::Sink;
    use crate::{Refusal, UnpackError};

    /// Writes down what it gets, and fails at the file `bad`.
    #[derive(Debug, Default, PartialEq)]
    struct Log {
        calls: Vec<String>,
        content: Vec<u8>,
    }

    impl Sink for Log {
        fn directory(&mut self, path: &str) -> Result<(), UnpackError> {
            self.calls.push(format!("directory {path}"));
            Ok(())
        }

        fn file(&mut self, path: &str, size: u64, executable: bool) -> Result<(), UnpackError> {
            self.calls.push(format!("file {path} {size} {executable}"));
            match path {
                "bad" => Err(UnpackError::Source(io::Error::other("the sink failed"))),
                _ => Ok(()),
            }
        }

        fn data(&mut self, bytes: &[u8]) -> Result<(), UnpackError> {
            self.content.extend_from_slice(bytes);
            Ok(())
        }

        fn close(&mut self) -> Result<(), UnpackError> {
            let (length, first) = (self.content.len(), self.content.first());
            self.calls.push(format!("close {length} {first:?}"));
            self.content.clear();
            Ok(())
        }
    }

    fn give(sink: &mut impl Sink, sizes: &[usize]) -> Result<(), UnpackError> {
        for (n, &size) in sizes.iter().enumerate() {
            sink.directory(&format!("{n}"))?;
            sink.file(&format!("{n}/file"), size as u64, n % 2 == 1)?;
            sink.data(&vec![n as u8; size])?;
            sink.close()?;
        }
        Ok(())
    }

    fn check_alike(sizes: &[usize]) {
        let (mut direct, mut first, mut second) = (Log::default(), Log::default(), Log::default());
        give(&mut direct, sizes).unwrap();
        relay(&mut [&mut first, &mut second], |relay| give(relay, sizes)).unwrap();
        assert_eq!(first, direct, "{sizes:?}");
        assert_eq!(second, direct, "{sizes:?}");
    }

    #[test]
    fn every_sink_gets_every_call_in_order() {
        check_alike(&[]);
        check_alike(&[0, 1, 2000]);
        check_alike(&[BATCH_BYTES - 1, 1, BATCH_BYTES, 0, 3 * BATCH_BYTES + 1]);
        check_alike(&vec![0; 20_000]);
        check_alike(&vec![2000; 5_000]);
    }

    fn fail_at_bad(sink: &mut impl Sink, before: usize) -> Result<(), UnpackError> {
        give(sink, &[before])?;
        sink.file("bad", 0, false)?;
        Err(Refusal::NotGzip.into())
    }

    #[test]
    fn a_sinks_failure_counts_before_a_later_one_of_the_archive() {
        for before in [0, 2 * BATCH_BYTES] {
            let mut log = Log::default();
            let failed = relay(&mut [&mut log], |relay| fail_at_bad(relay, before));
            assert!(matches!(failed, Err(UnpackError::Source(_))), "{failed:?}");
            assert_eq!(log.calls.last().unwrap(), "file bad 0 false");
        }
    }

    #[test]
    fn what_was_accepted_before_a_refusal_is_handed_over() {
        for before in [0, 2 * BATCH_BYTES] {
            let mut log = Log::default();
            let refused = relay(&mut [&mut log], |relay| {
                give(relay, &[before])?;
                Err::<(), _>(Refusal::NotGzip.into())
            });
            assert!(
                matches!(refused, Err(UnpackError::Refused(_))),
                "{refused:?}"
            );
            assert_eq!(log.calls.len(), 3);
        }
    }

    #[test]
    fn nothing_more_is_taken_once_a_sink_failed() {
        let mut log = Log::default();
        let failed: Result<(), _> = relay(&mut [&mut Log::default(), &mut log], |relay| {
            relay.file("bad", u64::MAX, false)?;
            loop {
                relay.data(&[0; 1000])?;
            }
        });
        let Err(UnpackError::Source(error)) = failed else {
            panic!("{failed:?}");
        };
        assert_eq!(error.to_string(), "the sink failed");
    }

    #[test]
    fn a_sender_that_dies_is_an_error_and_no_end() {
        let (batches, received) = sync_channel(2);
        let (spare, _spares) = channel();
        batches
            .send(Message::Batch(Arc::new(Batch::new())))
            .unwrap();
        drop(batches);
        let result = replay_all(&received, &spare, &mut Log::default());
        assert!(matches!(result, Err(UnpackError::Source(_))), "{result:?}");
    }
}
