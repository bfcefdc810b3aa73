//! What a handler answers with besides text, where nothing but text goes back.

use molecule_a2a::{Artifact, Message, TaskContext, TaskOutcome, TaskState, TaskUpdate, TaskWork};
use molecule_protocol::InboundMessage;
use tokio_util::sync::CancellationToken;

use crate::HandlerOutcome;

/// Puts an outcome into words. Work is done for that, to its end; it is told to stop when this is dropped.
pub(super) async fn in_words(outcome: HandlerOutcome, message: &InboundMessage) -> HandlerOutcome {
    match outcome {
        HandlerOutcome::Message(answer) => spoken(answer.text()),
        HandlerOutcome::Task(work) => run(work, message).await,
        outcome => outcome,
    }
}

async fn run(work: TaskWork, message: &InboundMessage) -> HandlerOutcome {
    let cancel = CancellationToken::new();
    let _stop = cancel.clone().drop_guard();
    let activity = || message.activity_id.to_string();
    let id = message.task_id.clone().unwrap_or_else(activity);
    let context_id = message.context_id.clone().unwrap_or_else(activity);
    let (context, mut updates) = TaskContext::channel(id, context_id, cancel);
    let mut made = Made::default();
    let mut working = work.start(context);
    let outcome = loop {
        tokio::select! {
            biased;
            Some((update, taken)) = updates.next() => {
                made.take(update);
                // The work may have stopped to wait for it.
                let _ = taken.send(());
            }
            outcome = &mut working => break outcome,
        }
    };
    made.ended(&outcome)
}

/// What the work made so far.
#[derive(Debug, Default)]
struct Made(Vec<Artifact>);

impl Made {
    fn take(&mut self, update: TaskUpdate) {
        let TaskUpdate::Artifact {
            artifact, append, ..
        } = update
        else {
            return;
        };
        let known = self
            .0
            .iter_mut()
            .find(|known| known.artifact_id == artifact.artifact_id);
        match known {
            Some(known) if append => known.parts.extend(artifact.parts),
            Some(known) => *known = artifact,
            None => self.0.push(artifact),
        }
    }

    /// What there is to say at the end. Who will not do something, or was told to stop, has not failed.
    fn ended(&self, outcome: &TaskOutcome) -> HandlerOutcome {
        let text = self.text(outcome);
        match outcome.state() {
            TaskState::Failed if text.is_empty() => {
                HandlerOutcome::Error("the task failed, without a reason".to_owned())
            }
            TaskState::Failed => HandlerOutcome::Error(text),
            TaskState::Rejected if text.is_empty() => {
                HandlerOutcome::Reply("the agent will not do this".to_owned())
            }
            _ => spoken(text),
        }
    }

    fn text(&self, outcome: &TaskOutcome) -> String {
        // The pieces of an artifact are one text, wherever they were cut.
        let artifacts = self.0.iter().map(|artifact| {
            let pieces = artifact.parts.iter().filter_map(|part| part.as_text());
            pieces.collect::<String>()
        });
        let message = outcome.message().map(Message::text);
        let texts = artifacts.chain(message).filter(|text| !text.is_empty());
        texts.collect::<Vec<_>>().join("\n")
    }
}

fn spoken(text: String) -> HandlerOutcome {
    if text.is_empty() {
        HandlerOutcome::Nothing
    } else {
        HandlerOutcome::Reply(text)
    }
}

#[cfg(test)]
mod tests {
    use molecule_a2a::{Part, Role};
    use molecule_protocol::Sender;
    use serde_json::json;

    use super::*;

    fn message() -> InboundMessage {
        let id = "28aa9223-a2e1-4348-ac8d-55c47e1b030e".parse().unwrap();
        let time = "2026-11-22T04:01:56Z".parse().unwrap();
        InboundMessage::text(id, time, Sender::CanvasUser, "go")
    }

    async fn check(outcome: impl Into<HandlerOutcome>, expect: HandlerOutcome) {
        assert_eq!(in_words(outcome.into(), &message()).await, expect);
    }

    fn piece(text: &str) -> Artifact {
        Artifact::new("a").with_part(Part::text(text))
    }

    fn ends(outcome: TaskOutcome) -> TaskWork {
        TaskWork::new(async move |_: TaskContext| outcome)
    }

    fn error(text: &str) -> HandlerOutcome {
        HandlerOutcome::Error(text.to_owned())
    }

    #[tokio::test]
    async fn of_a_message_the_text_is_said() {
        let data = Message::new("m", Role::Agent).with_part(Part::data(json!(7)));
        check(data.clone(), HandlerOutcome::Nothing).await;
        check(data.with_part(Part::text("seven")), "seven".into()).await;
    }

    #[tokio::test]
    async fn of_a_task_what_it_made_and_its_last_word_are_said() {
        let work = TaskWork::new(async |task: TaskContext| {
            task.working("one moment").await.unwrap();
            task.chunk(piece("dra"), false, false).await.unwrap();
            task.artifact(Artifact::new("b").with_part(Part::text("two")))
                .await
                .unwrap();
            task.chunk(piece("on"), false, false).await.unwrap();
            task.chunk(piece("e"), true, true).await.unwrap();
            TaskOutcome::completed("done")
        });
        check(work, "one\ntwo\ndone".into()).await;
    }

    #[tokio::test]
    async fn how_a_task_ends_decides_what_it_is() {
        check(ends(TaskOutcome::input_required("which?")), "which?".into()).await;
        check(
            ends(TaskOutcome::rejected(())),
            "the agent will not do this".into(),
        )
        .await;
        check(ends(TaskOutcome::canceled()), HandlerOutcome::Nothing).await;
        check(ends(TaskOutcome::failed("no disk")), error("no disk")).await;
        check(
            ends(TaskOutcome::failed(())),
            error("the task failed, without a reason"),
        )
        .await;
    }

    #[tokio::test]
    async fn work_that_is_dropped_is_told_to_stop() {
        let (told, mut tell) = tokio::sync::mpsc::channel(1);
        let work = TaskWork::new(async move |task: TaskContext| {
            told.send(task.cancellation().clone()).await.unwrap();
            std::future::pending().await
        });
        let message = message();
        let running = in_words(work.into(), &message);
        let cancel = tokio::select! {
            _ = running => panic!("it cannot end"),
            cancel = tell.recv() => cancel.unwrap(),
        };
        assert!(cancel.is_cancelled());
    }

    #[tokio::test]
    async fn an_update_after_the_end_is_refused() {
        let (hand_over, handed_over) = tokio::sync::oneshot::channel();
        let work = TaskWork::new(async move |task: TaskContext| {
            hand_over.send(task).unwrap();
            TaskOutcome::completed("done")
        });
        check(work, "done".into()).await;
        assert!(handed_over.await.unwrap().working(()).await.is_err());
    }
}
