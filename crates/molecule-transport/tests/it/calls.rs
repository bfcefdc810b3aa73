//! Requests and collaborators that the other modules share.

use std::sync::Arc;

use molecule_transport::testing::SimulatedClock;
use molecule_transport::{
    Bearer, BoxError, BoxFuture, Bytes, CallOptions, Clock, Origin, Request, StackOptions,
    TokenSource,
};

/// The token of the tests; it must not show up where it does not belong.
pub(crate) const TOKEN: &str = "tok-Secret123";

/// A platform on a private network, so that a bearer may go there.
pub(crate) const PLATFORM: &str = "http://platform:8080";

pub(crate) fn platform() -> Origin {
    PLATFORM.parse().unwrap()
}

pub(crate) fn get(url: &str) -> Request {
    http::Request::get(url).body(Bytes::new()).unwrap()
}

pub(crate) fn post(url: &str, body: &'static str) -> Request {
    http::Request::post(url).body(Bytes::from(body)).unwrap()
}

/// A repeatable call of the platform.
pub(crate) fn repeatable() -> Request {
    CallOptions::new()
        .with_repeatable(true)
        .attach(get(&format!("{PLATFORM}/x")))
}

/// A call of the platform that must not be repeated.
pub(crate) fn once() -> Request {
    post(&format!("{PLATFORM}/x"), "{}")
}

pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(SimulatedClock::new())
}

pub(crate) fn options(clock: &Arc<dyn Clock>) -> StackOptions {
    StackOptions::new(platform(), clock.clone())
}

pub(crate) fn bearer() -> Arc<dyn TokenSource> {
    Arc::new(Bearer::new(TOKEN).unwrap())
}

/// A token file that cannot be read.
pub(crate) struct Broken;

impl TokenSource for Broken {
    fn bearer(&self) -> BoxFuture<'_, Result<Option<Bearer>, BoxError>> {
        Box::pin(async { Err("the file is locked".into()) })
    }
}
