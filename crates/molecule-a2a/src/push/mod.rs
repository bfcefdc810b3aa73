//! Webhooks: telling about tasks where somebody asked to be told.

mod queues;
mod request;
mod sender;

pub(crate) use queues::PushLimits;
pub(crate) use request::check;
pub(crate) use sender::{Sender, Webhooks};
