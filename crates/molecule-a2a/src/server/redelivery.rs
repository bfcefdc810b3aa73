//! Messages that come again.

use std::collections::hash_map::{Entry, RandomState};
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use molecule_transport::Clock;
use tokio::sync::oneshot;

use crate::tasks::{of_message, of_task};
use crate::{A2aError, CallResult};

/// Answers that are kept, and their bytes together, roughly. A heavier one is not kept.
const ANSWERS: usize = 1024;
const BYTES: usize = 16 << 20;

/// What a message was answered with.
pub(super) type Answered = Result<Arc<CallResult>, A2aError>;

/// Answers to the newest messages, by what the whole call was: its message id, its content and everything else.
pub(super) struct Redeliveries {
    window: Duration,
    clock: Arc<dyn Clock>,
    hasher: RandomState,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    calls: HashMap<u64, Slot>,
    /// The answered ones, oldest first.
    answered: VecDeque<Answer>,
    bytes: usize,
}

enum Slot {
    /// It is being answered; these wait for it too.
    Pending(Vec<oneshot::Sender<Answered>>),
    Answered(Arc<CallResult>),
}

struct Answer {
    call: u64,
    at: Duration,
    bytes: usize,
}

/// How a message is to be answered.
pub(super) enum Delivery {
    /// It is new. Say what it was answered with.
    First(First),
    /// It is being answered.
    Pending(oneshot::Receiver<Answered>),
    /// It has been answered.
    Answered(Arc<CallResult>),
}

/// A message that is being answered. When this is dropped, it has not been.
pub(super) struct First {
    redeliveries: Arc<Redeliveries>,
    call: u64,
    answered: bool,
}

impl Redeliveries {
    /// Answers are good for so long.
    pub(super) fn new(window: Duration, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            window,
            clock,
            hasher: RandomState::new(),
            known: Mutex::default(),
        })
    }

    /// A call with these parameters came. `None`: nothing is known of any.
    pub(super) fn take(self: &Arc<Self>, params: &str) -> Option<Delivery> {
        if self.window.is_zero() {
            return None;
        }
        let call = self.hasher.hash_one(params);
        let mut known = self.known();
        known.expire(self.clock.now(), self.window);
        Some(match known.calls.entry(call) {
            Entry::Vacant(entry) => {
                entry.insert(Slot::Pending(Vec::new()));
                Delivery::First(First {
                    redeliveries: self.clone(),
                    call,
                    answered: false,
                })
            }
            Entry::Occupied(mut entry) => match entry.get_mut() {
                Slot::Answered(result) => Delivery::Answered(result.clone()),
                Slot::Pending(others) => {
                    let (other, answered) = oneshot::channel();
                    others.push(other);
                    Delivery::Pending(answered)
                }
            },
        })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl First {
    /// It was answered with this. Failures are not kept: the next try may succeed.
    pub(super) fn answered(mut self, result: &Answered) {
        self.answered = true;
        let now = self.redeliveries.clock.now();
        let mut known = self.redeliveries.known();
        let others = match result {
            Ok(result) => known.answered(self.call, result, now),
            Err(_) => known.forget(self.call),
        };
        drop(known);
        for other in others {
            // It may have hung up.
            let _ = other.send(result.clone());
        }
    }
}

impl Drop for First {
    fn drop(&mut self) {
        if !self.answered {
            self.redeliveries.known().forget(self.call);
        }
    }
}

impl Known {
    fn answered(
        &mut self,
        call: u64,
        result: &Arc<CallResult>,
        at: Duration,
    ) -> Vec<oneshot::Sender<Answered>> {
        let bytes = weight(result);
        if bytes > BYTES / 16 {
            return self.forget(call);
        }
        let slot = self.calls.insert(call, Slot::Answered(result.clone()));
        self.answered.push_back(Answer { call, at, bytes });
        self.bytes += bytes;
        while self.answered.len() > ANSWERS || self.bytes > BYTES {
            self.forget_oldest();
        }
        waiting(slot)
    }

    fn forget(&mut self, call: u64) -> Vec<oneshot::Sender<Answered>> {
        waiting(self.calls.remove(&call))
    }

    fn expire(&mut self, now: Duration, window: Duration) {
        let is_over = |answer: &Answer| now.saturating_sub(answer.at) >= window;
        while self.answered.front().is_some_and(is_over) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.answered.pop_front() {
            self.bytes -= oldest.bytes;
            self.calls.remove(&oldest.call);
        }
    }
}

fn waiting(slot: Option<Slot>) -> Vec<oneshot::Sender<Answered>> {
    match slot {
        Some(Slot::Pending(others)) => others,
        _ => Vec::new(),
    }
}

fn weight(result: &CallResult) -> usize {
    match result {
        CallResult::Message(message) => of_message(message),
        CallResult::Sent(task) | CallResult::Task(task) => of_task(task),
        _ => 0,
    }
}
