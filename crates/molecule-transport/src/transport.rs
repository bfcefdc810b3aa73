//! The one function everything here is about: a request in, an answer out.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use crate::{Body, TransportError};

/// A request with its whole body. [`CallOptions`](crate::CallOptions) travel in its extensions.
pub type Request = http::Request<Bytes>;

/// An answer whose body streams.
pub type Response = http::Response<Body>;

/// A boxed future that can move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Sends one request and gives back its answer, whatever the status.
///
/// Retrying, pacing, tenant headers and authorization are transports around a transport.
/// Dropping the future cancels the request.
pub trait Transport: Send + Sync + 'static {
    /// Sends `request`. Any status is an `Ok`; an `Err` means that there is no usable answer.
    ///
    /// # Errors
    ///
    /// A [`TransportError`] names the call and says what went wrong, and whether the request can
    /// have reached the server.
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>>;
}

impl<T: Transport + ?Sized> Transport for Arc<T> {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        (**self).send(request)
    }
}

impl<T: Transport + ?Sized> Transport for Box<T> {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        (**self).send(request)
    }
}
