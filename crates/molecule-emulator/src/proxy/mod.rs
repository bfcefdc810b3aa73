//! The message proxy: from a sender's request to an agent's answer.

pub(crate) mod dispatch;
pub(crate) mod envelope;
pub(crate) mod message;
pub(crate) mod outcome;
pub(crate) mod queue;
pub(crate) mod target;
