//! What A2A is about, in words that no version of the wire owns. `None` and an empty value are told apart wherever the wire
//! can tell them apart, so that what was read can be written again as it was.

mod event;
mod message;
mod push;
mod task;

pub use event::{ArtifactUpdate, Event, StatusUpdate};
pub use message::{Message, Part, PartContent};
pub use molecule_protocol::Role;
pub use push::{PushAuthentication, PushConfig};
pub use task::{Artifact, Task, TaskState, TaskStatus};
