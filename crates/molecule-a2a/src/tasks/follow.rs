//! Messages that go on with a task.

use std::sync::Arc;

use tokio::sync::OwnedMutexGuard;

use super::engine::over;
use super::{Engine, Live, Place, Webhook};
use crate::{A2aError, ErrorCode, Message, Task};

impl Engine {
    /// Takes a message to a task that is not over, and makes it part of its history. Its place says when the agent is to see it; without
    /// one it is refused and leaves no trace.
    pub(crate) async fn accept(
        self: &Arc<Self>,
        task_id: &str,
        message: Message,
        webhook: Option<Webhook>,
    ) -> Result<(Arc<Live>, Message, Place), A2aError> {
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
        let place = live.place(self.options.waiting)?;
        if let Some(webhook) = webhook {
            self.add_webhook(&mut state, webhook)?;
        }
        let message = state.of_this(message);
        // What the agent asked comes before what it is told.
        state.remember_status(self.options.room);
        state.say(message.clone(), self.options.room);
        self.save(&state).await;
        drop(state);
        Ok((live, message, place))
    }

    /// Waits until the message is the one to answer. With it comes the task without the message, if it is not over by now.
    pub(crate) async fn turn(
        &self,
        live: &Live,
        message: &Message,
        place: Place,
    ) -> Result<(OwnedMutexGuard<()>, Task), A2aError> {
        let turn = place.turn().await;
        let state = live.state().await;
        if state.is_final() {
            return Err(over());
        }
        let mut task = state.task.clone();
        if let Some(history) = &mut task.history
            // Clients may use an id again, and what they said before stays.
            && let Some(newest) = history.iter().rposition(|said| said == message)
        {
            history.remove(newest);
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
