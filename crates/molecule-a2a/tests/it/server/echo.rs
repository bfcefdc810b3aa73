//! The agent of the tests: the first word of a message says what it is to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use molecule_a2a::{
    A2aError, Agent, Answer, Artifact, BoxFuture, ErrorCode, Incoming, Message, Part, TaskContext,
    TaskOutcome, TaskWork,
};
use molecule_transport::Clock;
use serde_json::json;
use tokio::sync::Notify;

/// Clones are the same agent.
#[derive(Clone)]
pub(crate) struct Echo {
    clock: Arc<dyn Clock>,
    asked: Arc<AtomicUsize>,
    /// Lets `wait` go on.
    pub(crate) go: Arc<Notify>,
    /// Told when `wait` is reached.
    pub(crate) waits: Arc<Notify>,
}

impl Echo {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            asked: Arc::default(),
            go: Arc::default(),
            waits: Arc::default(),
        }
    }

    /// How many messages the agent has seen.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn message(self, incoming: Incoming) -> Result<Answer, A2aError> {
        let text = incoming.message.text();
        let (word, rest) = text.split_once(' ').unwrap_or((&text, ""));
        let rest = rest.to_owned();
        Ok(match word {
            "msg" => Message::agent(rest).into(),
            "context" => Message::agent(incoming.message.context_id.unwrap_or_default()).into(),
            "metadata" => Message::agent(json!(incoming.metadata).to_string()).into(),
            "usage" => Message::agent("cheap")
                .with_usage(json!({"input_tokens": 1}))
                .into(),
            "wait" => {
                self.waits.notify_one();
                self.go.notified().await;
                Message::agent(rest).into()
            }
            "later" => {
                self.waits.notify_one();
                self.go.notified().await;
                TaskWork::new(async |_| TaskOutcome::completed("at last")).into()
            }
            "before" => {
                let task = incoming.task.expect("a message to a task");
                let said = task.history.unwrap_or_default().len();
                Message::agent(format!("{:?} after {said}", task.status.state)).into()
            }
            "panic" => panic!("the test wants it"),
            "refuse" => return Err(A2aError::new(ErrorCode::ContentTypeNotSupported, "no")),
            _ => TaskWork::new(move |task| self.work(text, task)).into(),
        })
    }

    async fn work(self, text: String, task: TaskContext) -> TaskOutcome {
        match text.split_once(' ').unwrap_or((&text, "")) {
            ("sleep", seconds) => self.sleep(seconds.parse().unwrap(), &task).await,
            ("ask", _) => TaskOutcome::input_required("what else?"),
            ("stubborn", _) => std::future::pending().await,
            ("crash", _) => panic!("the test wants it"),
            ("reject", _) => TaskOutcome::rejected("never"),
            ("chunks", count) => chunks(count.parse().unwrap(), &task).await,
            ("burst", count) => {
                chunks(count.parse().unwrap(), &task).await;
                self.waits.notify_one();
                self.go.notified().await;
                TaskOutcome::completed("let go")
            }
            ("hold", _) => {
                self.waits.notify_one();
                self.go.notified().await;
                TaskOutcome::input_required("go on")
            }
            ("held", _) => {
                self.waits.notify_one();
                self.go.notified().await;
                TaskOutcome::completed("let go")
            }
            _ => {
                let part = Part::text(format!("echo: {text}"));
                let artifact = Artifact::new("a-1").with_name("echo").with_part(part);
                let _ = task.working(()).await;
                let _ = task.artifact(artifact).await;
                TaskOutcome::completed("done").with_usage(json!({"output_tokens": 2}))
            }
        }
    }

    async fn sleep(self, seconds: u64, task: &TaskContext) -> TaskOutcome {
        let _ = task.working("sleeping").await;
        tokio::select! {
            () = self.clock.sleep(Duration::from_secs(seconds)) => TaskOutcome::completed("awake"),
            () = task.cancellation().cancelled() => TaskOutcome::canceled(),
        }
    }
}

async fn chunks(count: usize, task: &TaskContext) -> TaskOutcome {
    for index in 0..count {
        let chunk = Artifact::new("log").with_part(Part::text(format!("line {index}")));
        if task
            .chunk(chunk, index > 0, index + 1 == count)
            .await
            .is_err()
        {
            return TaskOutcome::canceled();
        }
    }
    TaskOutcome::completed(())
}

impl Agent for Echo {
    fn answer(&self, incoming: Incoming) -> BoxFuture<'static, Result<Answer, A2aError>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(self.clone().message(incoming))
    }
}
