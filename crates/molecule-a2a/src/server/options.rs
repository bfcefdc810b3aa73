//! What a server is told.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use molecule_transport::{Clock, SystemClock, Transport};

use super::auth::InboundToken;
use crate::push::Sender;
use crate::{Card, TaskStore};

/// What a server is told. The defaults suit an agent behind the platform's proxy, which takes messages of anyone.
#[non_exhaustive]
pub struct ServerOptions {
    pub(super) card: Card,
    pub(super) path: String,
    pub(super) token: Option<InboundToken>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) limits: Limits,
    pub(super) store: Option<Arc<dyn TaskStore>>,
    pub(super) webhooks: Sender,
    pub(super) blocking: bool,
    pub(super) drain: Duration,
    pub(super) redelivery: Duration,
    pub(super) forwarded: bool,
}

impl ServerOptions {
    /// The defaults, and what the agent says about itself.
    #[must_use]
    pub fn new(card: Card) -> Self {
        Self {
            card,
            path: String::new(),
            token: None,
            clock: Arc::new(SystemClock::new()),
            limits: Limits::default(),
            store: None,
            webhooks: Sender::Foreign { local: false },
            blocking: true,
            drain: Duration::from_secs(30),
            redelivery: Duration::from_secs(60),
            forwarded: false,
        }
    }

    /// Takes messages at this path too, such as that of the address which the agent reported. Default: at `/` alone.
    #[must_use]
    pub fn with_path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Answers only callers that show this token as `Authorization: Bearer`. The platform's proxy shows none. The agent card stays open
    /// to anyone. Default: anyone is answered.
    #[must_use]
    pub fn with_inbound_token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(InboundToken::new(token.into()));
        self
    }

    /// Sets the clock that everything waits by. Default: a [`SystemClock`].
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets what the server holds at most.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets where tasks are kept. Default: a [`MemoryTaskStore`](crate::MemoryTaskStore).
    #[must_use]
    pub fn with_task_store(mut self, store: Arc<dyn TaskStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// Says whether webhooks may be on this machine or in the networks around it. Default: false.
    #[must_use]
    pub fn with_local_webhooks(mut self, allow: bool) -> Self {
        self.webhooks = Sender::Foreign { local: allow };
        self
    }

    /// Sends notifications to webhooks through a transport of your own, which then decides where they may go.
    #[must_use]
    pub fn with_webhook_transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.webhooks = Sender::Given(transport);
        self
    }

    /// Tells no webhooks, and says so to who asks for it.
    #[must_use]
    pub fn without_webhooks(mut self) -> Self {
        self.webhooks = Sender::None;
        self
    }

    /// Says whether a message of version 0.3 that does not say so itself is answered when its task is over or waits for the user (or,
    /// otherwise, with the task as soon as there is one). In version 1.0 that is settled: it is. Default: true.
    #[must_use]
    pub const fn with_blocking_by_default(mut self, blocking: bool) -> Self {
        self.blocking = blocking;
        self
    }

    /// Sets how long calls and tasks may go on after the server was told to stop. Default: 30 s.
    #[must_use]
    pub const fn with_drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain = timeout;
        self
    }

    /// Sets how long after its answer a message that is sent (not streamed) with the same id and content gets that answer again, without the agent seeing it; one
    /// that comes while the first is being answered waits for it. Zero: each is a message of its own. Default: 60 s.
    #[must_use]
    pub const fn with_redelivery_window(mut self, window: Duration) -> Self {
        self.redelivery = window;
        self
    }

    /// Believes `X-Forwarded-Proto` and `X-Forwarded-Host`, for a server behind a reverse proxy that sets them: the card then names the
    /// address that its reader used. Default: false.
    #[must_use]
    pub const fn with_forwarded(mut self, trusted: bool) -> Self {
        self.forwarded = trusted;
        self
    }
}

impl fmt::Debug for ServerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerOptions")
            .field("card", &self.card)
            .field("path", &self.path)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// What a server holds at most, and how long it waits for a client.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request. Default: 1 MiB.
    pub body_bytes: usize,
    /// Calls in work. Default: 1024.
    pub calls: u32,
    /// Open streams. Default: 4096.
    pub streams: u32,
    /// Open connections. When there are more, those go first that have been idle for the longest time; when none is idle, new ones are
    /// refused. Default: 8192.
    pub connections: usize,
    /// How long a client may take for the head of a request, and again for its body. Default: 30 s.
    pub request_time: Duration,
    /// How long a connection may be idle. Default: 75 s.
    pub idle_time: Duration,
    /// How long a client may take nothing of its answer. Default: 30 s.
    pub stall_time: Duration,
    /// Messages that a task remembers. Default: 100.
    pub history: usize,
    /// Bytes of a task's messages, and as many again of what it made. Default: 4 MiB.
    pub task_bytes: usize,
    /// Messages that wait for their turn at a task. Default: 16.
    pub waiting: usize,
    /// Clients that listen to a task. Default: 64.
    pub subscribers: usize,
    /// Events that wait for a client that listens; one that falls further behind is cut off. Default: 64.
    pub events: usize,
    /// Webhooks of a task. Default: 8.
    pub webhooks: usize,
    /// How long work may take to stop when it is cancelled. Default: 5 s.
    pub cancel_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            calls: 1024,
            streams: 4096,
            connections: 8192,
            request_time: Duration::from_secs(30),
            idle_time: Duration::from_secs(75),
            stall_time: Duration::from_secs(30),
            history: 100,
            task_bytes: 4 << 20,
            waiting: 16,
            subscribers: 64,
            events: 64,
            webhooks: 8,
            cancel_grace: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// Sets the largest request, in bytes.
    #[must_use]
    pub const fn with_body_bytes(mut self, bytes: usize) -> Self {
        self.body_bytes = bytes;
        self
    }

    /// Sets how many calls are in work, and how many streams and connections are open.
    #[must_use]
    pub const fn with_load(mut self, calls: u32, streams: u32, connections: usize) -> Self {
        self.calls = calls;
        self.streams = streams;
        self.connections = connections;
        self
    }

    /// Sets how long a client may take for a request, be idle, and take nothing of its answer.
    #[must_use]
    pub const fn with_patience(
        mut self,
        request: Duration,
        idle: Duration,
        stall: Duration,
    ) -> Self {
        self.request_time = request;
        self.idle_time = idle;
        self.stall_time = stall;
        self
    }

    /// Sets how many messages a task remembers, and how many bytes of them and of what it made.
    #[must_use]
    pub const fn with_task_room(mut self, history: usize, bytes: usize) -> Self {
        self.history = history;
        self.task_bytes = bytes;
        self
    }

    /// Sets how many clients listen to a task, and how many events wait for each.
    #[must_use]
    pub const fn with_subscribers(mut self, subscribers: usize, events: usize) -> Self {
        self.subscribers = subscribers;
        self.events = events;
        self
    }

    /// Sets how many messages wait for their turn at a task.
    #[must_use]
    pub const fn with_waiting(mut self, messages: usize) -> Self {
        self.waiting = messages;
        self
    }

    /// Sets how many webhooks a task has.
    #[must_use]
    pub const fn with_webhooks(mut self, webhooks: usize) -> Self {
        self.webhooks = webhooks;
        self
    }

    /// Sets how long work may take to stop when it is cancelled.
    #[must_use]
    pub const fn with_cancel_grace(mut self, grace: Duration) -> Self {
        self.cancel_grace = grace;
        self
    }
}
