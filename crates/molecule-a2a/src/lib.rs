#![doc = include_str!("../README.md")]

mod agent;
mod call;
#[cfg(feature = "server")]
mod card;
mod client;
mod codec;
mod error;
mod model;
#[cfg(feature = "server")]
mod push;
mod rpc;
#[cfg(feature = "server")]
mod server;
#[cfg(feature = "server")]
mod tasks;

pub use agent::{
    Agent, Answer, BoxFuture, Incoming, TaskContext, TaskEnded, TaskMessage, TaskOutcome,
    TaskUpdate, TaskUpdates, TaskWork,
};
pub use call::{Call, CallResult, ListTasks, PushConfigOf, SendMessage, SendOptions, TaskPage};
#[cfg(feature = "server")]
pub use card::{Card, CardProfile, Skill};
pub use client::{A2aClient, ClientError, EventStream, PeerCard, Reply};
pub use codec::{AnswerError, Version, version_of};
pub use error::{A2aError, ErrorCode};
pub use model::{
    Artifact, ArtifactUpdate, Event, Message, Part, PartContent, PushAuthentication, PushConfig,
    Role, StatusUpdate, Task, TaskState, TaskStatus,
};
pub use rpc::{GivenId, RpcId, RpcRequest, parse_request};
#[cfg(feature = "server")]
pub use server::{A2aServer, Limits, ServeOptions, ServerError, ServerOptions, router, serve};
#[cfg(feature = "server")]
pub use tasks::{MemoryTaskStore, StoreError, StoredTask, TaskStore, Webhook};
