//! What sends notifications: in order to each webhook, without ever waiting for one.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use molecule_transport::{Clock, ForeignTransport, Retry, RetryPolicy, Transport, TransportError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::request::notification;
use crate::tasks::Webhook;
use crate::{Event, PushConfig, Task};

const RETRIES: u32 = 4;
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// How much may wait to be sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PushLimits {
    /// Notifications that wait for one webhook. The oldest goes when there are more.
    pub(crate) queue: usize,
    /// Webhooks that notifications wait for, each of which is waited for by itself.
    pub(crate) webhooks: usize,
}

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
    limits: PushLimits,
    tracker: TaskTracker,
    stop: CancellationToken,
    queues: Mutex<Queues>,
}

/// What waits for each webhook of each task that something sends to.
type Queues = HashMap<(String, String), VecDeque<Notification>>;

struct Notification {
    config: PushConfig,
    body: Bytes,
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
            limits,
            tracker,
            stop,
            queues: Mutex::default(),
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
            let notification = Notification {
                config: webhook.config.clone(),
                body: body.into(),
            };
            self.enqueue((task.id.clone(), webhook.id().into()), notification);
        }
    }

    fn enqueue(&self, key: (String, String), notification: Notification) {
        let mut queues = self.0.queues();
        if let Some(queue) = queues.get_mut(&key) {
            if queue.len() >= self.0.limits.queue {
                tracing::warn!(task = key.0, "a webhook is slow: a notification is skipped");
                queue.pop_front();
            }
            queue.push_back(notification);
        } else if queues.len() >= self.0.limits.webhooks {
            tracing::warn!(task = key.0, "too many webhooks are slow: one is not told");
        } else {
            queues.insert(key.clone(), [notification].into());
            drop(queues);
            let inner = self.0.clone();
            self.0.tracker.spawn(inner.send_all(key));
        }
    }
}

impl Inner {
    async fn send_all(self: Arc<Self>, key: (String, String)) {
        while let Some(notification) = self.next(&key) {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.send(&key.0, notification) => {}
            }
        }
    }

    /// The oldest notification; with the last one the queue goes too.
    fn next(&self, key: &(String, String)) -> Option<Notification> {
        let mut queues = self.queues();
        let next = queues.get_mut(key)?.pop_front();
        if next.is_none() {
            queues.remove(key);
        }
        next
    }

    async fn send(&self, task: &str, waiting: Notification) {
        let Some(transport) = self.transport() else {
            return;
        };
        let Some(request) = notification(&waiting.config, waiting.body) else {
            return;
        };
        match transport.send(request).await {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) => {
                let status = answer.status().as_u16();
                tracing::warn!(task, status, "a webhook refused a notification");
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(task, error, "a webhook was not told");
            }
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
