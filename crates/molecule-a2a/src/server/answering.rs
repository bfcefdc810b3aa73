//! How calls are answered.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::redelivery::{Answered, Delivery};
use super::shared::Shared;
use crate::push::check;
use crate::tasks::{Live, Place, Started, Webhook, shorten};
use crate::{
    A2aError, Answer, Call, CallResult, ErrorCode, Incoming, ListTasks, Message, PushConfig,
    PushConfigOf, SendMessage, Task, Version,
};

/// What the agent made of a message.
pub(super) enum Opened {
    Message(Message),
    Task(Started),
    /// The message waits for its turn.
    Waiting(Task),
}

/// A message, and what the agent is told besides.
struct Asked {
    message: Message,
    metadata: Option<Map<String, Value>>,
    modes: Option<Vec<String>>,
}

/// What the caller waits for.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Wait {
    /// Not for the work.
    No,
    /// For its end.
    End,
    /// For each event.
    Events,
}

impl Shared {
    /// A call that is not answered with a stream, and is no message.
    pub(super) async fn ask_about(
        &self,
        version: Version,
        call: Call,
    ) -> Result<CallResult, A2aError> {
        let engine = &self.engine;
        match call {
            Call::GetTask { id, history_length } => {
                engine.get(&id, history_length).await.map(CallResult::Task)
            }
            Call::ListTasks(wanted) => {
                check_list(&wanted)?;
                engine.list(&wanted).await.map(CallResult::Tasks)
            }
            Call::CancelTask { id } => engine.cancel(&id).await.map(CallResult::Task),
            Call::ExtendedCard => self.cards.extended().map(CallResult::Card),
            call => self.about_webhooks(version, call).await,
        }
    }

    async fn about_webhooks(&self, version: Version, call: Call) -> Result<CallResult, A2aError> {
        if !self.webhooks.is_supported() {
            return Err(ErrorCode::PushNotSupported.into());
        }
        let engine = &self.engine;
        match call {
            Call::SetPushConfig(PushConfigOf { task_id, config }) => {
                check(&config)?;
                let webhook = Webhook::new(config, version);
                let set = engine.set_webhook(&task_id, webhook).await?;
                Ok(CallResult::PushConfig(set))
            }
            Call::GetPushConfig { task_id, id } => {
                let found = engine.webhook(&task_id, id.as_deref()).await?;
                Ok(CallResult::PushConfig(found))
            }
            Call::ListPushConfigs { task_id } => {
                let all = engine.webhooks(&task_id).await?;
                Ok(CallResult::PushConfigs(all))
            }
            Call::DeletePushConfig { task_id, id } => {
                engine.delete_webhook(&task_id, &id).await?;
                Ok(CallResult::Deleted)
            }
            _ => Err(ErrorCode::UnsupportedOperation.into()),
        }
    }

    /// Answers a message, or finds the answer that it got when it came before.
    pub(super) async fn deliver(
        self: Arc<Self>,
        version: Version,
        send: SendMessage,
        delivery: Option<Delivery>,
    ) -> Answered {
        let first = match delivery {
            None => None,
            Some(Delivery::First(first)) => Some(first),
            Some(Delivery::Answered(result)) => return Ok(result),
            Some(Delivery::Pending(answered)) => {
                return answered.await.unwrap_or_else(|_| Err(failed()));
            }
        };
        let answered = self.send(version, send).await.map(Arc::new);
        if let Some(first) = first {
            first.answered(&answered);
        }
        answered
    }

    async fn send(
        self: &Arc<Self>,
        version: Version,
        send: SendMessage,
    ) -> Result<CallResult, A2aError> {
        // Version 1.0 itself says what is meant when a message does not: wait.
        let blocking = self.blocking || version == Version::V1_0;
        let wait = match send.options.blocking.unwrap_or(blocking) {
            true => Wait::End,
            false => Wait::No,
        };
        let history_length = send.options.history_length;
        let mut task = match self.open(version, send, wait).await? {
            Opened::Message(message) => return Ok(CallResult::Message(message)),
            Opened::Waiting(task) => task,
            Opened::Task(started) if wait == Wait::No => started.first,
            Opened::Task(started) => {
                started.ended.cancelled().await;
                started.live.task().await
            }
        };
        shorten(&mut task, history_length);
        Ok(CallResult::Sent(task))
    }

    /// Gives a message to the agent, and begins the work that it answers with.
    pub(super) async fn open(
        self: &Arc<Self>,
        version: Version,
        send: SendMessage,
        wait: Wait,
    ) -> Result<Opened, A2aError> {
        let webhook = self.wanted_webhook(version, send.options.push)?;
        let asked = Asked {
            message: send.message,
            metadata: send.metadata,
            modes: send.options.accepted_output_modes,
        };
        match asked.message.task_id.clone() {
            None => self.begin(asked, webhook, wait).await,
            Some(task_id) => self.go_on(&task_id, asked, webhook, wait).await,
        }
    }

    async fn begin(
        &self,
        mut asked: Asked,
        webhook: Option<Webhook>,
        wait: Wait,
    ) -> Result<Opened, A2aError> {
        let context_id = asked
            .message
            .context_id
            .get_or_insert_with(fresh_id)
            .clone();
        let message = asked.message.clone();
        match self.ask(asked, None).await? {
            Answer::Message(mut answer) => {
                answer.context_id.get_or_insert(context_id);
                Ok(Opened::Message(answer))
            }
            Answer::Task(work) => {
                let live = self.engine.create(message, webhook).await?;
                let turn = live.place(1)?.turn().await;
                let listen = wait == Wait::Events;
                let started = self.engine.start(live, work, turn, listen).await?;
                Ok(Opened::Task(started))
            }
        }
    }

    async fn go_on(
        self: &Arc<Self>,
        task_id: &str,
        mut asked: Asked,
        webhook: Option<Webhook>,
        wait: Wait,
    ) -> Result<Opened, A2aError> {
        let accepted = self.engine.accept(task_id, asked.message, webhook).await?;
        let (live, message, place) = accepted;
        asked.message = message;
        if wait == Wait::No && place.has_to_wait() {
            let task = live.task().await;
            let shared = self.clone();
            self.tracker.spawn(async move {
                if let Err(error) = shared.take_turn(live, asked, place, wait).await {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "a message to a task was not answered");
                }
            });
            return Ok(Opened::Waiting(task));
        }
        self.take_turn(live, asked, place, wait).await
    }

    async fn take_turn(
        &self,
        live: Arc<Live>,
        asked: Asked,
        place: Place,
        wait: Wait,
    ) -> Result<Opened, A2aError> {
        let turn = self.engine.turn(&live, &asked.message, place);
        let (turn, task) = turn.await?;
        match self.ask(asked, Some(task)).await? {
            Answer::Message(answer) => {
                let answer = self.engine.answered(&live, answer).await;
                Ok(Opened::Message(answer))
            }
            Answer::Task(work) => {
                let listen = wait == Wait::Events;
                let started = self.engine.start(live, work, turn, listen).await?;
                Ok(Opened::Task(started))
            }
        }
    }

    /// What the agent makes of a message. When it panics, it has failed to answer this one.
    async fn ask(&self, asked: Asked, task: Option<Task>) -> Result<Answer, A2aError> {
        let incoming = Incoming {
            message: asked.message,
            task,
            metadata: asked.metadata,
            accepted_output_modes: asked.modes,
        };
        let answer = async { self.agent.answer(incoming).await };
        let answer = AssertUnwindSafe(answer).catch_unwind().await;
        answer.unwrap_or_else(|_| {
            tracing::error!("the agent panicked over a message");
            Err(failed())
        })
    }

    fn wanted_webhook(
        &self,
        version: Version,
        config: Option<PushConfig>,
    ) -> Result<Option<Webhook>, A2aError> {
        let Some(config) = config else {
            return Ok(None);
        };
        if !self.webhooks.is_supported() {
            return Err(ErrorCode::PushNotSupported.into());
        }
        check(&config)?;
        Ok(Some(Webhook::new(config, version)))
    }
}

pub(super) fn failed() -> A2aError {
    A2aError::new(ErrorCode::Internal, "the agent failed")
}

fn fresh_id() -> String {
    Uuid::new_v4().to_string()
}

fn check_list(wanted: &ListTasks) -> Result<(), A2aError> {
    if wanted
        .page_size
        .is_some_and(|size| !(1..=100).contains(&size))
    {
        let text = "pageSize is 1 to 100";
        return Err(A2aError::new(ErrorCode::InvalidParams, text));
    }
    Ok(())
}
