//! What sends notifications: in order to each webhook, without ever waiting for one.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use molecule_transport::{
    Clock, ErrorKind, ForeignTransport, Retry, RetryPolicy, Transport, TransportError, within,
};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::queues::{Key, Notification, PushLimits, Queues};
use super::request::{DEADLINE, notification};
use crate::tasks::Webhook;
use crate::{Event, Task};

const RETRIES: u32 = 4;
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// What sends the requests.
#[derive(Clone)]
pub(crate) enum Sender {
    /// Nothing: the agent does not tell webhooks.
    None,
    /// The guarded transport, made when the first notification goes out.
    Foreign {
        /// Whether this machine and the networks around it may be called too.
        local: bool,
    },
    /// One of somebody else's.
    Given(Arc<dyn Transport>),
}

impl Sender {
    fn build(&self, clock: &Arc<dyn Clock>) -> Result<Option<Arc<dyn Transport>>, TransportError> {
        Ok(match self {
            Self::None => None,
            Self::Given(transport) => Some(transport.clone()),
            Self::Foreign { local } => {
                let foreign = ForeignTransport::builder()
                    .with_local_addresses(*local)
                    .with_clock(clock.clone())
                    .with_owners_credentials(true);
                Some(Arc::new(foreign.build()?))
            }
        })
    }
}

/// Tells webhooks. Clones are the same.
#[derive(Clone)]
pub(crate) struct Webhooks(Arc<Inner>);

struct Inner {
    sender: Sender,
    transport: OnceLock<Option<Retry<Arc<dyn Transport>>>>,
    clock: Arc<dyn Clock>,
    tracker: TaskTracker,
    stop: CancellationToken,
    queues: Mutex<Queues>,
}

impl Webhooks {
    /// Sending goes on in `tracker`, and ends with `stop`.
    pub(crate) fn new(
        sender: Sender,
        clock: Arc<dyn Clock>,
        limits: PushLimits,
        tracker: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        Self(Arc::new(Inner {
            sender,
            transport: OnceLock::new(),
            clock,
            tracker,
            stop,
            queues: Mutex::new(Queues::new(limits)),
        }))
    }

    /// Whether webhooks are told at all.
    pub(crate) fn is_supported(&self) -> bool {
        !matches!(self.0.sender, Sender::None)
    }

    /// Tells the webhooks of a task what happened, as soon as those before have been told.
    pub(crate) fn tell(&self, task: &Task, event: &Event, webhooks: &[Webhook]) {
        for webhook in webhooks {
            let body = webhook.version.encode_notification(task, event);
            let key = (task.id.clone(), webhook.id().into());
            let now = self.0.clock.now();
            let begun = self.0.queues().add(&key, &webhook.config, body.into(), now);
            if let Some(given_up) = begun {
                let inner = self.0.clone();
                self.0.tracker.spawn(inner.send_all(key, given_up));
            }
        }
    }
}

impl Inner {
    async fn send_all(self: Arc<Self>, key: Key, given_up: CancellationToken) {
        while let Some(notification) = self.next(&key, &given_up) {
            let hangs = tokio::select! {
                () = self.stop.cancelled() => return,
                () = given_up.cancelled() => return,
                answers = self.send(&key.0, notification) => !answers,
            };
            let mut queues = self.queues();
            // Another sender may have begun since.
            if hangs && !given_up.is_cancelled() {
                queues.give_up(&key);
            }
        }
    }

    fn next(&self, key: &Key, given_up: &CancellationToken) -> Option<Notification> {
        let mut queues = self.queues();
        let mine = !given_up.is_cancelled();
        mine.then(|| queues.next(key, self.clock.now()))?
    }

    /// Whether the webhook answered, or failed to, in time.
    async fn send(&self, task: &str, waiting: Notification) -> bool {
        let Some(transport) = self.transport() else {
            return true;
        };
        let Some(request) = notification(&waiting.config, waiting.body) else {
            return true;
        };
        match within(&*self.clock, DEADLINE, transport.send(request)).await {
            Ok(Ok(answer)) if answer.status().is_success() => true,
            Ok(Ok(answer)) => {
                let status = answer.status().as_u16();
                tracing::warn!(task, status, "a webhook refused a notification");
                true
            }
            Ok(Err(error)) => {
                let hangs = matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Deadline);
                let error = &error as &dyn std::error::Error;
                tracing::warn!(task, error, "a webhook was not told");
                !hangs
            }
            Err(_) => false,
        }
    }

    fn transport(&self) -> Option<&Retry<Arc<dyn Transport>>> {
        let made = self.transport.get_or_init(|| {
            let policy = RetryPolicy::new()
                .with_max_retries(RETRIES)
                .with_schedule(FIRST_RETRY, LAST_RETRY)
                .with_budget(1.0, 100);
            let transport = self.sender.build(&self.clock);
            let transport = transport.inspect_err(|error| {
                let error = error as &dyn std::error::Error;
                tracing::error!(error, "webhooks cannot be told");
            });
            Some(Retry::new(transport.ok()??, policy, self.clock.clone()))
        });
        made.as_ref()
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhooks").finish_non_exhaustive()
    }
}
