//! The cases.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _};
use molecule_a2a::{
    A2aClient, Artifact, ClientError, ErrorCode, Event, EventStream, ListTasks, Message, Part,
    PeerCard, PushConfig, PushConfigOf, Reply, Role, SendMessage, Task, TaskState, Version,
};
use molecule_transport::http::Uri;
use molecule_transport::{Clock as _, ReqwestTransport, SystemClock, Transport};

use crate::webhook::{TOKEN, Webhook};

pub(crate) struct Cases {
    transport: Arc<dyn Transport>,
    base: Uri,
    client: A2aClient,
    clock: SystemClock,
}

impl Cases {
    /// The client is made from the card, unless it prefers another version.
    pub(crate) async fn new(url: &str, version: Version) -> Result<Self> {
        let transport: Arc<dyn Transport> = Arc::new(ReqwestTransport::new()?);
        let base: Uri = url.parse()?;
        let mut client = A2aClient::discover(transport.clone(), &base).await?;
        if client.version() != version {
            client = A2aClient::new(transport.clone(), client.url().clone(), version);
        }
        Ok(Self {
            transport,
            base,
            client,
            clock: SystemClock::new(),
        })
    }

    pub(crate) async fn card(&self) -> Result<()> {
        let card = PeerCard::fetch(&*self.transport, &self.base).await?;
        let (version, url) = card
            .interface()
            .context("it speaks no version that we do")?;
        ensure!(url.authority() == self.base.authority(), "it is at {url}");
        let newest = self.client.version() == Version::V0_3 || version == Version::V1_0;
        ensure!(newest, "it does not say that it speaks version 1.0");
        Ok(())
    }

    pub(crate) async fn send(&self) -> Result<()> {
        check_done(&self.task("hello there").await?, "hello there")
    }

    pub(crate) async fn message(&self) -> Result<()> {
        let Reply::Message(message) = self.ask(said("msg hello")).await? else {
            bail!("a task is the answer");
        };
        check_message(&message, "msg hello")?;
        let mut stream = self.client.stream(said("msg again")).await?;
        match stream.next().await.context("the stream is empty")?? {
            Event::Message(message) => check_message(&message, "msg again")?,
            event => bail!("the stream begins with {event:?}"),
        }
        ensure!(stream.next().await.is_none(), "the stream goes on");
        Ok(())
    }

    pub(crate) async fn get(&self) -> Result<()> {
        let task = self.task("to be asked for").await?;
        let found = self.client.task(&task.id, Some(10)).await?;
        check_done(&found, "to be asked for")?;
        same(&found.context_id, &task.context_id)?;
        let first = found.history.iter().flatten().next();
        let first = first.context("there is no history")?;
        same(first.text().as_str(), "to be asked for")?;
        if self.client.version() == Version::V0_3 {
            return Ok(());
        }
        let mut which = ListTasks::default();
        which.context_id = Some(task.context_id.clone());
        let page = self.client.tasks(which).await?;
        let ids: Vec<_> = page.tasks.iter().map(|task| &task.id).collect();
        same(ids.as_slice(), &[&task.id])
    }

    pub(crate) async fn stream(&self) -> Result<()> {
        let events = all(self.client.stream(said("in pieces")).await?).await?;
        ensure!(
            matches!(events[0], Event::Task(_)),
            "it begins with {:?}",
            events[0]
        );
        same(&last_state(&events)?, &TaskState::Completed)?;
        let pieces = events.iter().filter_map(|event| match event {
            Event::Artifact(update) => Some(text_of(&update.artifact)),
            _ => None,
        });
        holds(&pieces.collect::<Vec<_>>().join(" "), "in pieces")
    }

    pub(crate) async fn non_blocking(&self) -> Result<()> {
        let task = self.start(said("sleep 1")).await?;
        loop {
            match self.client.task(&task.id, None).await?.status.state {
                TaskState::Completed => return Ok(()),
                TaskState::Submitted | TaskState::Working => {}
                state => bail!("it became {state:?}"),
            }
            self.clock.sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) async fn cancel(&self) -> Result<()> {
        let task = self.start(said("sleep 60")).await?;
        let canceled = self.client.cancel(&task.id).await?;
        same(&canceled.status.state, &TaskState::Canceled)?;
        let found = self.client.task(&task.id, None).await?;
        same(&found.status.state, &TaskState::Canceled)
    }

    pub(crate) async fn resubscribe(&self) -> Result<()> {
        let task = self.start(said("sleep 2")).await?;
        let events = all(self.client.resubscribe(&task.id).await?).await?;
        same(&last_state(&events)?, &TaskState::Completed)
    }

    pub(crate) async fn push(&self) -> Result<()> {
        let mut hook = Webhook::start().await?;
        let config = |name: &str| {
            let mut config = PushConfig::new(hook.url(name));
            config.id = Some(name.to_owned());
            config.token = Some(TOKEN.to_owned());
            config
        };
        let mut message = said("sleep 2");
        message.options.push = Some(config("first"));
        let task = self.start(message).await?;
        for name in ["later", "unwanted"] {
            let of_task = PushConfigOf::new(&task.id, config(name));
            self.client.set_push_config(of_task).await?;
        }
        // Version 0.3.26 of the Python SDK answers with the first, whichever is asked for.
        let found = self.client.push_config(&task.id, Some("first")).await?;
        same(&found.config.url, &hook.url("first"))?;
        self.client.delete_push_config(&task.id, "unwanted").await?;
        let list = self.client.push_configs(&task.id).await?;
        let mut names: Vec<_> = list
            .iter()
            .filter_map(|one| one.config.id.as_deref())
            .collect();
        names.sort_unstable();
        same(names.as_slice(), &["first", "later"])?;
        hook.wait_for(&["first", "later"], &task.id).await
    }

    pub(crate) async fn unknown(&self) -> Result<()> {
        let found = self.client.task("nobody-knows", None).await;
        check_refused(found, ErrorCode::TaskNotFound)?;
        let canceled = self.client.cancel("nobody-knows").await;
        check_refused(canceled, ErrorCode::TaskNotFound)
    }

    pub(crate) async fn finished(&self) -> Result<()> {
        let task = self.task("over at once").await?;
        let canceled = self.client.cancel(&task.id).await;
        check_refused(canceled, ErrorCode::TaskNotCancelable)
    }

    async fn ask(&self, mut message: SendMessage) -> Result<Reply> {
        message.options.blocking.get_or_insert(true);
        Ok(self.client.send(message).await?)
    }

    /// The task that comes of a text.
    async fn task(&self, text: &str) -> Result<Task> {
        task_of(self.ask(said(text)).await?)
    }

    /// A task that is not over yet.
    async fn start(&self, mut message: SendMessage) -> Result<Task> {
        message.options.blocking = Some(false);
        let task = task_of(self.ask(message).await?)?;
        let state = task.status.state;
        let begun = matches!(state, TaskState::Submitted | TaskState::Working);
        ensure!(begun, "it is {state:?} right after the start");
        Ok(task)
    }
}

fn said(text: &str) -> SendMessage {
    SendMessage::new(Message::user(text))
}

fn task_of(reply: Reply) -> Result<Task> {
    match reply {
        Reply::Task(task) => Ok(task),
        other => bail!("the answer is no task, but {other:?}"),
    }
}

async fn all(stream: EventStream) -> Result<Vec<Event>> {
    let events: Vec<_> = stream.try_collect().await?;
    ensure!(!events.is_empty(), "the stream is empty");
    Ok(events)
}

fn last_state(events: &[Event]) -> Result<TaskState> {
    match events.last() {
        Some(Event::Status(update)) => Ok(update.status.state),
        last => bail!("the last event is {last:?}"),
    }
}

fn check_done(task: &Task, text: &str) -> Result<()> {
    same(&task.status.state, &TaskState::Completed)?;
    let artifacts: Vec<_> = task.artifacts.iter().flatten().map(text_of).collect();
    holds(&artifacts.join(" "), text)
}

fn check_message(message: &Message, text: &str) -> Result<()> {
    same(&message.role, &Role::Agent)?;
    holds(&message.text(), text)
}

fn check_refused<T>(result: Result<T, ClientError>, code: ErrorCode) -> Result<()> {
    match result {
        Ok(_) => bail!("it was not refused"),
        Err(ClientError::Refused(error)) => same(&error.code, &code),
        Err(error) => Err(error.into()),
    }
}

fn text_of(artifact: &Artifact) -> String {
    artifact.parts.iter().filter_map(Part::as_text).collect()
}

fn same<T: PartialEq + std::fmt::Debug + ?Sized>(found: &T, expected: &T) -> Result<()> {
    ensure!(found == expected, "{found:?} instead of {expected:?}");
    Ok(())
}

fn holds(text: &str, expected: &str) -> Result<()> {
    ensure!(text.contains(expected), "{expected:?} is not in {text:?}");
    Ok(())
}
