//! Webhooks: telling about tasks where somebody asked to be told.

mod request;
mod sender;

pub(crate) use request::check;
pub(crate) use sender::{PushLimits, Sender, Webhooks};
