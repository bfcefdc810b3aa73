//! What all calls share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use molecule_transport::Clock;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::auth::InboundToken;
use super::cards::Cards;
use super::options::{Limits, ServerOptions};
use super::redelivery::Redeliveries;
use crate::push::{PushLimits, Webhooks};
use crate::tasks::{Engine, EngineOptions, MemoryTaskStore, Room};
use crate::{Agent, TaskStore};

/// Webhooks that notifications wait for at the same time.
const BUSY_WEBHOOKS: usize = 256;
/// Bytes of those notifications.
const PUSH_BYTES: usize = 64 << 20;

pub(super) struct Shared {
    pub(super) agent: Arc<dyn Agent>,
    pub(super) engine: Arc<Engine>,
    pub(super) webhooks: Webhooks,
    pub(super) cards: Cards,
    pub(super) token: Option<InboundToken>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) limits: Limits,
    pub(super) blocking: bool,
    pub(super) drain: Duration,
    pub(super) redeliveries: Arc<Redeliveries>,
    /// A permit for each call in work.
    pub(super) calls: Arc<Semaphore>,
    pub(super) streams: Arc<Semaphore>,
    /// Everything else that has to be done before the server ends.
    pub(super) tracker: TaskTracker,
    /// Cancelled when what is not done then is given up.
    pub(super) stop: CancellationToken,
    stopping: AtomicBool,
}

impl Shared {
    /// `url` is where the agent takes messages, if the card does not say so.
    pub(super) fn new(agent: Arc<dyn Agent>, options: ServerOptions, url: &str) -> Arc<Self> {
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let (clock, limits) = (options.clock.clone(), options.limits);
        let push = PushLimits {
            queue: limits.events,
            webhooks: BUSY_WEBHOOKS,
            bytes: PUSH_BYTES,
        };
        let webhooks = Webhooks::new(
            options.webhooks.clone(),
            clock.clone(),
            push,
            tracker.clone(),
            stop.clone(),
        );
        let store = options.store.clone();
        let in_memory = || Arc::new(MemoryTaskStore::new(clock.clone())) as Arc<dyn TaskStore>;
        let engine = Engine::new(EngineOptions {
            store: store.unwrap_or_else(in_memory),
            clock: clock.clone(),
            webhooks: webhooks.clone(),
            tracker: tracker.clone(),
            stop: stop.clone(),
            room: Room {
                history: limits.history,
                bytes: limits.task_bytes,
            },
            queue: limits.events,
            listeners: limits.subscribers,
            waiting: limits.waiting,
            webhooks_per_task: limits.webhooks,
            cancel_grace: limits.cancel_grace,
        });
        Arc::new(Self {
            cards: Cards::new(&options, &webhooks, url),
            agent,
            engine,
            webhooks,
            token: options.token,
            redeliveries: Redeliveries::new(options.redelivery, clock.clone()),
            clock,
            limits,
            blocking: options.blocking,
            drain: options.drain,
            calls: Arc::new(Semaphore::new(limits.calls as usize)),
            streams: Arc::new(Semaphore::new(limits.streams as usize)),
            tracker,
            stop,
            stopping: AtomicBool::new(false),
        })
    }

    /// Whether no further calls are taken.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Takes no further calls.
    pub(super) fn stop_taking_calls(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Returns when all calls are answered and all work is done.
    pub(super) async fn idle(&self) {
        // It fails if nobody takes calls any more for good, which is as well.
        let _all = self.calls.acquire_many(self.limits.calls).await;
        self.tracker.close();
        self.tracker.wait().await;
    }
}
