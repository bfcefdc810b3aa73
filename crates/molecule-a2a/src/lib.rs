#![doc = include_str!("../README.md")]

mod agent;
mod call;
mod error;
mod model;

pub use agent::{
    Agent, Answer, BoxFuture, Incoming, TaskContext, TaskEnded, TaskMessage, TaskOutcome,
    TaskUpdate, TaskUpdates, TaskWork,
};
pub use call::{Call, CallResult, ListTasks, PushConfigOf, SendMessage, SendOptions, TaskPage};
pub use error::{A2aError, ErrorCode};
pub use model::{
    Artifact, ArtifactUpdate, Event, Message, Part, PartContent, PushAuthentication, PushConfig,
    Role, StatusUpdate, Task, TaskState, TaskStatus,
};
