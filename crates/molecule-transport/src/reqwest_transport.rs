//! The transport over real sockets.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use http_body_util::BodyExt;
use reqwest::redirect::Policy;

use crate::connect::{ConnectTimedOut, LimitConnect, Waits};
use crate::foreign::forbidden_address;
use crate::guard::Call;
use crate::resolve::Forbidden;
use crate::tls::Tls;
use crate::{
    Body, BoxFuture, Clock, Origin, Phase, Request, Response, SystemClock, Target, Transport,
    TransportError, redirect, tls,
};

/// The most headers that are read at all.
const MOST_HEADERS: usize = 100;

const USER_AGENT: &str = concat!("molecule-agent/", env!("CARGO_PKG_VERSION"));

/// Sends requests with reqwest over HTTP/1.1, and TLS by rustls with ring.
///
/// * TLS trusts the roots of the system, or `SSL_CERT_FILE` and `SSL_CERT_DIR`, and a CA file.
/// * `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` hold, except for this machine itself, which is
///   always reached directly.
/// * Redirects are followed on the same origin alone, and only as the same request.
/// * Nothing is decompressed, and no encoding is offered.
///
/// It needs a tokio runtime. Clones share their connections.
#[derive(Clone)]
pub struct ReqwestTransport {
    proxied: Client,
    direct: Client,
}

/// Settings of a [`ReqwestTransport`].
#[derive(Debug, Clone)]
#[must_use]
pub struct ReqwestBuilder {
    ca_file: Option<PathBuf>,
    system_roots: bool,
    user_agent: String,
    clock: Option<Arc<dyn Clock>>,
}

impl ReqwestBuilder {
    /// Trusts the CA certificates of a PEM file as well.
    pub fn with_ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(path.into());
        self
    }

    /// Says whether the roots of the system are trusted. Default: true.
    pub fn with_system_roots(mut self, trust: bool) -> Self {
        self.system_roots = trust;
        self
    }

    /// Sets the `User-Agent`. Default: `molecule-agent/<version>`.
    pub fn with_user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// Sets the clock that the waits are measured by. Default: a [`SystemClock`].
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Reads the certificates and sets up the client.
    ///
    /// # Errors
    ///
    /// [`TransportError::CaFile`] if the CA file is not usable, [`TransportError::Setup`] if the
    /// user agent is not. A machine without certificates is no error until https is called.
    pub fn build(self) -> Result<ReqwestTransport, TransportError> {
        let tls = tls::configure(self.system_roots, self.ca_file.as_deref())?;
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        let client = |builder: reqwest::ClientBuilder| {
            let client = built(builder.user_agent(self.user_agent.as_str()))?;
            Ok(Client::new(client, tls.no_roots.clone(), clock.clone()))
        };
        Ok(ReqwestTransport {
            proxied: client(base_client(&tls))?,
            direct: client(base_client(&tls).no_proxy())?,
        })
    }
}

/// What all clients have in common.
pub(crate) fn base_client(tls: &Tls) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls.config.clone())
        .user_agent(USER_AGENT)
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .http1_only()
        .http1_max_headers(MOST_HEADERS)
        .connector_layer(LimitConnect)
}

pub(crate) fn built(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, TransportError> {
    builder.build().map_err(|error| TransportError::Setup {
        source: error.into(),
    })
}

impl ReqwestTransport {
    /// A transport with the default settings.
    ///
    /// # Errors
    ///
    /// As [`ReqwestBuilder::build`].
    pub fn new() -> Result<Self, TransportError> {
        Self::builder().build()
    }

    /// A transport with settings of your own.
    pub fn builder() -> ReqwestBuilder {
        ReqwestBuilder {
            ca_file: None,
            system_roots: true,
            user_agent: USER_AGENT.to_owned(),
            clock: None,
        }
    }

    async fn follow(&self, mut request: Request) -> Result<Response, TransportError> {
        for _ in 0..=redirect::MOST {
            let response = self.once(request.clone()).await?;
            match redirect::next(&request, &response)? {
                None => return Ok(response),
                Some(next) => *request.uri_mut() = next,
            }
        }
        Err(TransportError::RedirectLoop {
            target: Target::of(&request),
        })
    }

    async fn once(&self, request: Request) -> Result<Response, TransportError> {
        let client = if origin(&request)?.is_loopback() {
            &self.direct
        } else {
            &self.proxied
        };
        client.send(request).await
    }
}

fn origin(request: &Request) -> Result<Origin, TransportError> {
    Origin::of(request.uri()).map_err(|error| TransportError::Url {
        target: Target::of(request),
        source: error.into(),
    })
}

/// An HTTP client that holds each call to its waits and limits.
#[derive(Clone)]
pub(crate) struct Client {
    client: reqwest::Client,
    no_roots: Option<Arc<str>>,
    clock: Arc<dyn Clock>,
}

impl Client {
    pub(crate) fn new(
        client: reqwest::Client,
        no_roots: Option<Arc<str>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            client,
            no_roots,
            clock,
        }
    }

    /// Sends the request; a redirect is an answer.
    pub(crate) async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let call = Call::of(&request);
        self.check_roots(&request)?;
        let request = reqwest::Request::try_from(request).map_err(|error| TransportError::Url {
            target: call.target.clone(),
            source: error.without_url().into(),
        })?;
        let timeouts = call.options.timeouts;
        let waits = Waits::new(self.clock.clone(), timeouts.connect);
        let response = waits
            .watch(timeouts.idle_read, self.client.execute(request))
            .await
            .map_err(|_| call.silent(Phase::Head))?
            .map_err(|error| classify(&call, error))?;
        call.admit(stream(&call, response.into()), self.clock.clone())
    }

    fn check_roots(&self, request: &Request) -> Result<(), TransportError> {
        let is_secure = origin(request)?.is_secure();
        match self.no_roots.as_deref().filter(|_| is_secure) {
            None => Ok(()),
            Some(problem) => Err(TransportError::NoCertificates {
                target: Target::of(request),
                source: problem.into(),
            }),
        }
    }
}

impl Transport for ReqwestTransport {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        Box::pin(self.follow(request))
    }
}

impl fmt::Debug for ReqwestTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestTransport")
            .field("has_roots", &self.direct.no_roots.is_none())
            .finish_non_exhaustive()
    }
}

/// The answer as one of ours, with errors that name the call.
fn stream(call: &Call, response: http::Response<reqwest::Body>) -> Response {
    let call = call.clone();
    response.map(|body| Body::wrap(body.map_err(move |error| classify(&call, error))))
}

/// What an error of the client means for the call.
fn classify(call: &Call, error: reqwest::Error) -> TransportError {
    let (target, error) = (call.target.clone(), error.without_url());
    if error.is_connect() {
        return no_connection(call, error);
    }
    match cause::<hyper::Error>(&error) {
        Some(cause) if cause.is_parse_too_large() => call.headers_too_large(),
        Some(cause) if cause.is_parse() || has_bad_chunks(&error) => TransportError::Malformed {
            target,
            source: error.into(),
        },
        _ => TransportError::Interrupted {
            target,
            source: error.into(),
        },
    }
}

/// The client reports chunks that cannot be read as invalid data of the connection, as TLS does with its own trouble.
fn has_bad_chunks(error: &reqwest::Error) -> bool {
    let is_tls = cause::<rustls::Error>(error).is_some();
    let kind = cause::<io::Error>(error).map(io::Error::kind);
    !is_tls
        && matches!(
            kind,
            Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
        )
}

fn no_connection(call: &Call, error: reqwest::Error) -> TransportError {
    let target = call.target.clone();
    if let Some(forbidden) = cause::<Forbidden>(&error) {
        return forbidden_address(target, forbidden);
    }
    if cause::<ConnectTimedOut>(&error).is_some() {
        let after = call.options.timeouts.connect;
        return TransportError::Timeout {
            target,
            phase: Phase::Connect,
            after,
        };
    }
    if cause::<rustls::Error>(&error).is_some() {
        return TransportError::Tls {
            target,
            source: error.into(),
        };
    }
    TransportError::Connect {
        target,
        source: error.into(),
    }
}

/// The first error of type `E` among the causes of `error`.
fn cause<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        let found = error.downcast_ref().or_else(|| inside_io(error));
        if found.is_some() {
            return found;
        }
        next = error.source();
    }
    None
}

/// An I/O error shows the cause of what it wraps, but not what it wraps.
fn inside_io<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    cause(error.downcast_ref::<io::Error>()?.get_ref()?)
}
