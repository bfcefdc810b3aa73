//! Directory trees through handles: walked, removed, synced, with no link followed.

mod remove;
mod sync;
mod walk;

pub use remove::remove;
pub(crate) use remove::remove_in;
pub use sync::sync;
pub(crate) use sync::sync_in;
pub use walk::{Node, walk};
