//! The platform's stream of events.

mod listener;
mod reconnect;

use std::collections::VecDeque;
use std::time::Duration;

use molecule_protocol::endpoints::StreamEvents;
use molecule_protocol::{Answer, Endpoint as _, EventStreamParser, PlatformEvent, StreamItem};
use molecule_transport::{Body, Bytes, CallOptions, Timeouts, TransportError, within};

pub(crate) use listener::Listener;
pub use listener::{EventsMode, EventsState};

use crate::caller::beginning;
use crate::life::describe;
use crate::wake::Alarm;
use crate::{AgentError, RemoteAgentClient};
use reconnect::Reconnect;

/// How long to wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// The longest silence. The agent's own heartbeats are events too, so that a stream that lives is never silent for so long.
const IDLE: Duration = Duration::from_secs(90);

/// How long a refusal may take to say why.
const REFUSAL: Duration = Duration::from_secs(10);

/// What an [`EventStream`] has to say.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum EventNotice {
    /// Events flow from now on. What happened before is not told: ask for it.
    Connected,
    /// Something happened.
    Event(PlatformEvent),
    /// Something happened, but the event is too large, or cannot be read.
    Unreadable,
    /// No events come any more. The next call connects again.
    Disconnected,
}

/// The events of the agent's workspace. It connects again by itself, after a wait that grows from a second to a minute.
///
/// Events are hints: those that happen while there is no connection are not told later.
#[derive(Debug)]
pub struct EventStream {
    client: RemoteAgentClient,
    alarm: Alarm,
    connection: Option<Connection>,
    notices: VecDeque<EventNotice>,
    reconnect: Reconnect,
    last_id: String,
}

#[derive(Debug)]
struct Connection {
    body: Body,
    parser: EventStreamParser,
    /// When the first bytes came: something on the way may hold them back, and then there are no events.
    alive_since: Option<Duration>,
}

impl RemoteAgentClient {
    /// What happens at the agent's workspace, as it happens. Nothing is sent yet.
    ///
    /// ```no_run
    /// # async fn f(client: molecule_agent::RemoteAgentClient) -> Result<(), molecule_agent::AgentError> {
    /// use molecule_agent::EventNotice;
    ///
    /// let mut events = client.events();
    /// loop {
    ///     match events.next().await {
    ///         Ok(EventNotice::Event(event)) => println!("{}", event.kind),
    ///         Ok(_) => {}
    ///         Err(error) if error.may_pass() => eprintln!("no events for now: {error}"),
    ///         Err(error) => return Err(error),
    ///     }
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn events(&self) -> EventStream {
        EventStream {
            client: self.clone(),
            alarm: self.wakes().events.alarm(),
            connection: None,
            notices: VecDeque::new(),
            reconnect: Reconnect::default(),
            last_id: String::new(),
        }
    }
}

impl EventStream {
    /// What comes next. It may be dropped while it waits, and nothing is lost.
    ///
    /// # Errors
    /// When there is no connection. The next call waits for as long as it should, and tries again: a minute at most, or as long as the platform
    /// asks for; ten minutes where the platform has no such stream ([`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported)).
    pub async fn next(&mut self) -> Result<EventNotice, AgentError> {
        loop {
            if let Some(notice) = self.notices.pop_front() {
                return Ok(notice);
            }
            let Some(connection) = &mut self.connection else {
                self.connect().await?;
                continue;
            };
            tokio::select! {
                biased;
                () = self.alarm.rings() => {
                    self.disconnect();
                    self.reconnect.at_once();
                }
                piece = connection.body.chunk() => self.hear(piece),
            }
        }
    }

    async fn connect(&mut self) -> Result<(), AgentError> {
        let clock = self.client.clock().clone();
        self.reconnect.wait(clock.as_ref(), &mut self.alarm).await;
        let mut asked = None;
        match open(&self.client, &self.last_id, &mut asked).await {
            Ok(connection) => {
                self.connection = Some(connection);
                Ok(())
            }
            Err(error) => {
                self.reconnect.failed(clock.as_ref(), error.kind(), asked);
                Err(error)
            }
        }
    }

    fn hear(&mut self, piece: Result<Option<Bytes>, TransportError>) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        match piece {
            Ok(Some(bytes)) => {
                if connection.alive_since.is_none() {
                    connection.alive_since = Some(self.client.clock().now());
                    self.notices.push_back(EventNotice::Connected);
                }
                let items = connection.parser.feed(&bytes);
                self.notices.extend(items.into_iter().map(notice));
            }
            Ok(None) => self.disconnect(),
            Err(error) => {
                let error = describe(&error.into());
                tracing::debug!(error, "the stream of events broke");
                self.disconnect();
            }
        }
    }

    fn disconnect(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        connection.parser.last_id().clone_into(&mut self.last_id);
        let clock = self.client.clock().as_ref();
        let wait = connection.parser.retry();
        self.reconnect.ended(clock, connection.alive_since, wait);
        if connection.alive_since.is_some() {
            self.notices.push_back(EventNotice::Disconnected);
        }
    }
}

/// Opens the stream; `asked` is the wait that a refusal asks for.
async fn open(
    client: &RemoteAgentClient,
    last_id: &str,
    asked: &mut Option<Duration>,
) -> Result<Connection, AgentError> {
    let endpoint = StreamEvents::new(client.workspace_id()).with_last_id(last_id);
    let mut call = endpoint.call();
    // The waits between tries are this module's.
    call.repeatable = false;
    let result = client.settings().caller.open(&call, &options()).await;
    let (head, mut body) = client.explained(result).await?;
    let clock = client.clock().as_ref();
    let words = if head.status.is_success() {
        Vec::new()
    } else {
        *asked = reconnect::asked(&head.headers, clock.wall());
        within(clock, REFUSAL, beginning(&mut body))
            .await
            .unwrap_or_default()
    };
    let read = endpoint.read(&Answer::new(head.status, &head.headers, &words));
    let parser = client.explained(read.map_err(AgentError::from)).await?;
    Ok(Connection {
        body,
        parser,
        alive_since: None,
    })
}

fn options() -> CallOptions {
    CallOptions::new()
        .with_streamed(true)
        .with_endless(true)
        .with_timeouts(Timeouts::new(CONNECT, IDLE))
}

fn notice(item: StreamItem) -> EventNotice {
    let event = match item {
        StreamItem::Event(event) => PlatformEvent::parse(&event.data).ok(),
        _ => None,
    };
    event.map_or(EventNotice::Unreadable, EventNotice::Event)
}
