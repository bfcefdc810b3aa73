#![doc = include_str!("../README.md")]

mod agent;
mod call;
mod client;
mod codec;
mod error;
mod model;
mod rpc;

pub use agent::{
    Agent, Answer, BoxFuture, Incoming, TaskContext, TaskEnded, TaskMessage, TaskOutcome,
    TaskUpdate, TaskUpdates, TaskWork,
};
pub use call::{Call, CallResult, ListTasks, PushConfigOf, SendMessage, SendOptions, TaskPage};
pub use client::{A2aClient, ClientError, EventStream, PeerCard, Reply};
pub use codec::{AnswerError, Version, version_of};
pub use error::{A2aError, ErrorCode};
pub use model::{
    Artifact, ArtifactUpdate, Event, Message, Part, PartContent, PushAuthentication, PushConfig,
    Role, StatusUpdate, Task, TaskState, TaskStatus,
};
pub use rpc::{GivenId, RpcId, RpcRequest, parse_request};
