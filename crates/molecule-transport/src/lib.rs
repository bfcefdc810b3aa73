#![doc = include_str!("../README.md")]

mod address;
mod authorize;
mod body;
mod budget;
mod clock;
mod deadline;
mod error;
mod guard;
mod json_depth;
mod logged;
mod options;
mod origin;
mod pace;
mod retry;
mod stack;
mod steady;
mod tenant;
mod transport;

#[cfg(feature = "reqwest")]
mod connect;
#[cfg(feature = "reqwest")]
mod foreign;
#[cfg(feature = "reqwest")]
mod redirect;
#[cfg(feature = "reqwest")]
mod reqwest_transport;
#[cfg(feature = "reqwest")]
mod resolve;
#[cfg(feature = "reqwest")]
mod tls;

#[cfg(feature = "testing")]
pub mod testing;

pub use address::AddressKind;
pub use authorize::{Authorize, Bearer, InvalidToken, NoToken, TokenSource};
pub use body::Body;
pub use budget::{Priority, RateBudget, Share, Turn};
#[cfg(feature = "reqwest")]
pub use clock::SystemClock;
pub use clock::{Clock, Elapsed, within};
pub use deadline::Deadline;
pub use error::{BoxError, ErrorKind, Phase, Target, TransportError};
#[cfg(feature = "reqwest")]
pub use foreign::{ForeignBuilder, ForeignTransport};
pub use guard::Guard;
pub use logged::Logged;
pub use options::{CallOptions, Limits, Timeouts};
pub use origin::{Origin, OriginError};
pub use pace::{Pace, Pacer, Quota, gap};
#[cfg(feature = "reqwest")]
pub use reqwest_transport::{ReqwestBuilder, ReqwestTransport};
#[cfg(feature = "reqwest")]
pub use resolve::{Resolve, SystemResolver};
pub use retry::{
    Budget, Decision, Outcome, Reason, Retry, RetryAfter, RetryPolicy, decide, retry_after,
};
pub use stack::{PlatformTransport, StackOptions, stack};
pub use tenant::TenantHeaders;
pub use transport::{BoxFuture, Request, Response, Transport};

/// The vocabulary of requests and answers: the `http` crate this crate is built on.
pub use bytes::Bytes;
pub use http;
