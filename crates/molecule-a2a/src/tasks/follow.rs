//! Messages that go on with a task.

use std::sync::Arc;

use tokio::sync::OwnedMutexGuard;

use super::engine::over;
use super::{Engine, Live, Webhook};
use crate::{A2aError, ErrorCode, Message, Task};

impl Engine {
    /// Takes a message to a task that is not over, and makes it part of its history.
    pub(crate) async fn accept(
        self: &Arc<Self>,
        task_id: &str,
        message: Message,
        webhook: Option<Webhook>,
    ) -> Result<(Arc<Live>, Message), A2aError> {
        let live = self.find(task_id).await?;
        let mut state = live.state().await;
        let elsewhere = |context: &String| *context != state.task.context_id;
        if message.context_id.as_ref().is_some_and(elsewhere) {
            return Err(A2aError::new(
                ErrorCode::InvalidParams,
                "the message's contextId is not that of its task; leave it out",
            ));
        }
        if state.is_final() {
            return Err(over());
        }
        if let Some(webhook) = webhook {
            self.add_webhook(&mut state, webhook)?;
        }
        let message = state.of_this(message);
        // What the agent asked comes before what it is told.
        state.remember_status(self.options.room);
        state.say(message.clone(), self.options.room);
        self.save(&state).await;
        drop(state);
        Ok((live, message))
    }

    /// Whether the message that was taken has to wait for others.
    pub(crate) fn has_to_wait(live: &Live) -> bool {
        live.is_taken()
    }

    /// Waits until the message is the one to answer. With it comes the task without the message; none if it is over by now.
    pub(crate) async fn turn(
        &self,
        live: &Live,
        message: &Message,
    ) -> Result<(OwnedMutexGuard<()>, Option<Task>), A2aError> {
        let turn = live.turn(self.options.waiting).await?;
        let state = live.state().await;
        let mut task = (!state.is_final()).then(|| state.task.clone());
        if let Some(history) = task.as_mut().and_then(|task| task.history.as_mut()) {
            history.retain(|said| said.message_id != message.message_id);
        }
        Ok((turn, task))
    }

    /// Makes the agent's answer part of the history of the task that it is about.
    pub(crate) async fn answered(&self, live: &Live, answer: Message) -> Message {
        let mut state = live.state().await;
        let answer = state.of_this(answer);
        if !state.is_final() {
            state.say(answer.clone(), self.options.room);
            self.save(&state).await;
        }
        answer
    }
}
