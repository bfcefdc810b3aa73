//! The bearer token: where it comes from, and who may see it.

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use http::header::AUTHORIZATION;

use crate::{
    BoxError, BoxFuture, CallOptions, Origin, Request, Response, Target, Transport, TransportError,
};

/// A token as the value of an `Authorization` header. `Debug` does not show it.
#[derive(Clone)]
pub struct Bearer(HeaderValue);

/// The token has characters that no header can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the token is empty or has characters other than visible ASCII; is the file the right one?"
)]
pub struct InvalidToken;

impl Bearer {
    /// A bearer of `token`, without the word `Bearer`.
    ///
    /// # Errors
    ///
    /// [`InvalidToken`] if it is empty or has characters other than visible ASCII.
    pub fn new(token: &str) -> Result<Self, InvalidToken> {
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidToken);
        }
        let mut value =
            HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| InvalidToken)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(..)")
    }
}

/// Where the token comes from. It is asked before each request, so a rotated token is used at
/// once.
pub trait TokenSource: Send + Sync + 'static {
    /// The token of now; `None` if there is none yet, and the request goes without.
    ///
    /// # Errors
    ///
    /// Any error that keeps the token from being read; the request is then not sent.
    fn bearer(&self) -> BoxFuture<'_, Result<Option<Bearer>, BoxError>>;
}

impl<S: TokenSource + ?Sized> TokenSource for Arc<S> {
    fn bearer(&self) -> BoxFuture<'_, Result<Option<Bearer>, BoxError>> {
        (**self).bearer()
    }
}

/// A fixed token.
impl TokenSource for Bearer {
    fn bearer(&self) -> BoxFuture<'_, Result<Option<Bearer>, BoxError>> {
        Box::pin(std::future::ready(Ok(Some(self.clone()))))
    }
}

/// No token at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoToken;

impl TokenSource for NoToken {
    fn bearer(&self) -> BoxFuture<'_, Result<Option<Bearer>, BoxError>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

/// Adds `Authorization: Bearer` to the requests that ask for it
/// ([`CallOptions::authorize`]) and go to the platform. Nobody else ever gets a token:
///
/// * a request to another origin that carries `Authorization` is refused;
/// * no token crosses plain http to a host that is not [private](Origin::is_private), unless
///   that is allowed explicitly.
pub struct Authorize<T> {
    inner: T,
    platform: Origin,
    tokens: Arc<dyn TokenSource>,
    allow_insecure_http: bool,
}

impl<T: Transport> Authorize<T> {
    /// Authorizes the requests that `inner` sends to `platform`.
    pub fn new(inner: T, platform: Origin, tokens: Arc<dyn TokenSource>) -> Self {
        Self {
            inner,
            platform,
            tokens,
            allow_insecure_http: false,
        }
    }

    /// Lets tokens cross plain http to public hosts.
    #[must_use]
    pub fn with_insecure_http(mut self, allow: bool) -> Self {
        self.allow_insecure_http = allow;
        self
    }

    async fn authorized(&self, mut request: Request) -> Result<Response, TransportError> {
        let to_platform = Origin::of(request.uri()).as_ref() == Ok(&self.platform);
        if to_platform && wants_token(&request) {
            self.add_token(&mut request).await?;
        }
        if request.headers().contains_key(AUTHORIZATION) {
            self.check_recipient(&request, to_platform)?;
        }
        self.inner.send(request).await
    }

    async fn add_token(&self, request: &mut Request) -> Result<(), TransportError> {
        let token = self.tokens.bearer().await;
        let token = token.map_err(|source| TransportError::Token {
            target: Target::of(request),
            source,
        })?;
        if let Some(Bearer(value)) = token {
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        Ok(())
    }

    fn check_recipient(&self, request: &Request, to_platform: bool) -> Result<(), TransportError> {
        let target = || Target::of(request);
        if !to_platform {
            return Err(TransportError::ForeignBearer { target: target() });
        }
        let platform = &self.platform;
        if platform.is_secure() || platform.is_private() || self.allow_insecure_http {
            return Ok(());
        }
        Err(TransportError::InsecureBearer { target: target() })
    }
}

/// A header that the request already carries is the caller's choice.
fn wants_token(request: &Request) -> bool {
    CallOptions::of(request).authorize && !request.headers().contains_key(AUTHORIZATION)
}

impl<T: Transport> Transport for Authorize<T> {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        Box::pin(self.authorized(request))
    }
}

impl<T: fmt::Debug> fmt::Debug for Authorize<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorize")
            .field("inner", &self.inner)
            .field("platform", &self.platform)
            .finish_non_exhaustive()
    }
}
