//! Delivery by polling.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use molecule_protocol::InboundMessage;
use molecule_transport::{BoxFuture, Priority};
use tracing::Instrument as _;

use super::attention::Attention;
use super::{Batch, InboundLog, Item};
use crate::builder::check_interval;
use crate::{AgentError, DeliveryError, EventsMode, InboundDelivery, Received, RemoteAgentClient};

/// Which of the messages that came before the agent's first run it handles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Since {
    /// All that the platform still has.
    All,
    /// None.
    Now,
    /// Those of this last while, by the platform's clock.
    Last(Duration),
}

impl Default for Since {
    fn default() -> Self {
        Self::Last(Duration::from_secs(30))
    }
}

/// Options of a [`PollDelivery`].
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct PollOptions {
    /// Which older messages the first run handles. Default: those of the last 30 s.
    pub since: Since,
    /// Where the place in the log is kept. Default: the file `cursor` in the agent's directory.
    pub cursor_file: Option<PathBuf>,
    /// How often to ask. Default: the client's [`poll_interval`](crate::ClientBuilder::poll_interval).
    pub interval: Option<Duration>,
    /// Whether to listen to the platform's events. While they come, a message is asked for when it is heard of, and otherwise once in 60 s.
    /// Default: where the platform has them.
    pub events: EventsMode,
}

impl PollOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets which older messages the first run handles.
    #[must_use]
    pub const fn with_since(mut self, since: Since) -> Self {
        self.since = since;
        self
    }

    /// Sets where the place in the log is kept.
    #[must_use]
    pub fn with_cursor_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.cursor_file = Some(path.into());
        self
    }

    /// Sets how often to ask.
    #[must_use]
    pub const fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = Some(interval);
        self
    }

    /// Says whether to listen to the platform's events.
    #[must_use]
    pub const fn with_events(mut self, events: EventsMode) -> Self {
        self.events = events;
        self
    }
}

/// Fetches messages by polling the platform's log. The place in the log is on disk, so that nothing is lost between two
/// runs; it moves when a message is acknowledged.
///
/// The log is opened when the first message is asked for, or explicitly by [`open`](Self::open).
#[derive(Debug)]
pub struct PollDelivery {
    client: RemoteAgentClient,
    options: PollOptions,
    log: Option<InboundLog>,
    /// There is one once a message was asked for.
    attention: Option<Attention>,
    /// Rows that were fetched and are not done with, oldest first.
    fetched: VecDeque<Item>,
    /// There was nothing more to fetch at once, so that the next poll waits.
    caught_up: bool,
}

impl RemoteAgentClient {
    /// What delivers this agent's messages by polling. Nothing is sent yet.
    #[must_use]
    pub fn poll_delivery(&self, options: PollOptions) -> PollDelivery {
        PollDelivery::new(self.clone(), options)
    }
}

impl PollDelivery {
    /// For the agent of this client. Nothing is sent yet.
    #[must_use]
    pub const fn new(client: RemoteAgentClient, options: PollOptions) -> Self {
        Self {
            client,
            options,
            log: None,
            attention: None,
            fetched: VecDeque::new(),
            caught_up: false,
        }
    }

    /// Finds the agent's place in the log now, where the loop would do it later: an error comes to the caller at once.
    ///
    /// # Errors
    /// As for [`InboundLog::open`]; [`AgentError::Option`] for an interval that cannot be used.
    pub async fn open(&mut self) -> Result<(), AgentError> {
        self.log().await.map(|_| ())
    }

    /// How many older messages the first run left aside; 0 before the log is open.
    #[must_use]
    pub fn skipped(&self) -> usize {
        self.log.as_ref().map_or(0, InboundLog::skipped)
    }

    async fn log(&mut self) -> Result<&mut InboundLog, AgentError> {
        let log = match self.log.take() {
            Some(log) => log,
            None => self.open_log().await?,
        };
        Ok(self.log.insert(log))
    }

    async fn open_log(&self) -> Result<InboundLog, AgentError> {
        check_interval("the poll interval", self.interval())?;
        let path = self.options.cursor_file.clone();
        InboundLog::open(self.client.clone(), path, self.options.since).await
    }

    fn interval(&self) -> Duration {
        let usual = self.client.settings().poll_interval;
        self.options.interval.unwrap_or(usual)
    }

    fn first_message(&self) -> Option<Received> {
        let message = self.fetched.iter().find_map(|item| item.message.clone());
        message.map(Received::Message)
    }

    async fn next(&mut self) -> Result<Received, DeliveryError> {
        self.attention();
        self.open().await?;
        if let Some(message) = self.first_message() {
            return Ok(message);
        }
        // What is left are rows that are no messages.
        self.done_with(self.fetched.len()).await?;
        if self.caught_up {
            self.wait().await;
            self.caught_up = false;
        }
        self.poll().await.map_err(DeliveryError::Temporary)
    }

    async fn wait(&mut self) {
        let interval = self.interval();
        let clock = Arc::clone(self.client.clock());
        self.attention().pause(clock.as_ref(), interval).await;
    }

    /// Events are listened to from the first message that is asked for.
    fn attention(&mut self) -> &mut Attention {
        let start = || Attention::start(&self.client, self.options.events);
        self.attention.get_or_insert_with(start)
    }

    async fn poll(&mut self) -> Result<Received, AgentError> {
        self.log().await?;
        let span = tracing::error_span!("poll", workspace = %self.client.workspace_id());
        let (Some(log), Some(attention)) = (&self.log, &mut self.attention) else {
            return Ok(Received::Nothing);
        };
        let (batch, heeds) = fetch(log, attention).instrument(span).await?;
        self.caught_up = !batch.more;
        self.fetched = batch.items.into();
        let message = self.first_message();
        self.attention().polled(heeds, message.is_some());
        Ok(message.unwrap_or(Received::Nothing))
    }

    /// Each time is a write to disk, which rows that are no messages share with the next one that is. They are kept until it is done.
    async fn done_with(&mut self, rows: usize) -> Result<(), AgentError> {
        let Some(log) = &mut self.log else {
            return Ok(());
        };
        log.acknowledge(&self.fetched.make_contiguous()[..rows])
            .await?;
        self.fetched.drain(..rows);
        Ok(())
    }
}

/// What came, and whether that heeds what was heard of. A routine poll may have to wait for long where many agents share a limit:
/// when a message is heard of meanwhile, another poll overtakes it. The routine one may have looked before the message was there.
async fn fetch(log: &InboundLog, attention: &mut Attention) -> Result<(Batch, bool), AgentError> {
    if attention.has_rung() {
        return Ok((log.poll_as(Priority::Message).await?, true));
    }
    let mut routine = pin!(log.poll_as(Priority::Poll));
    tokio::select! {
        biased;
        batch = &mut routine => return Ok((batch?, false)),
        () = attention.rings() => {}
    }
    let mut urgent = pin!(log.poll_as(Priority::Message));
    tokio::select! {
        biased;
        batch = &mut urgent => Ok((batch?, true)),
        batch = &mut routine => match batch? {
            batch if batch.items.is_empty() => Ok((urgent.await?, true)),
            batch => Ok((batch, false)),
        },
    }
}

impl InboundDelivery for PollDelivery {
    fn receive(&mut self) -> BoxFuture<'_, Result<Received, DeliveryError>> {
        Box::pin(self.next())
    }

    fn acknowledge<'a>(
        &'a mut self,
        message: &'a InboundMessage,
    ) -> BoxFuture<'a, Result<(), AgentError>> {
        let acknowledged = |item: &Item| item.id == message.activity_id;
        let index = self.fetched.iter().position(acknowledged);
        Box::pin(async move {
            match index {
                Some(index) => self.done_with(index + 1).await,
                None => Ok(()),
            }
        })
    }
}
