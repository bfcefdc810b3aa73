//! What a workspace has on the platform besides its messages: tokens, memories, approvals, a conversation, files.

mod approvals;
mod attachments;
mod chat;
mod memories;
mod rotation;
mod tokens;

pub use chat::ChatPages;
pub use rotation::{OldToken, Rotation};
