//! Why there is no usable answer.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use crate::{AddressKind, Origin, Request};

/// Any error, boxed.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The call an error is about: method, origin and path. Credentials in the address, the query
/// and all headers are left out, so a target can be printed anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target(Arc<str>);

impl Target {
    /// The target of `request`.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        let uri = request.uri();
        let origin = Origin::of(uri).map_or_else(|_| String::new(), |origin| origin.to_string());
        Self(format!("{} {origin}{}", request.method(), uri.path()).into())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a call waited for when its time ran out.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// A connection, including name lookup and TLS handshake.
    Connect,
    /// The head of the answer.
    Head,
    /// The next piece of the body.
    Body,
    /// The whole body, which comes slower than a thousand bytes a second.
    Rest,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "a connection",
            Self::Head => "an answer",
            Self::Body => "more of the answer",
            Self::Rest => "the rest of the answer",
        })
    }
}

/// Why there is no usable answer. No variant contains a token, a header or a query.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// No connection came about: unknown host, refused, unreachable, or the TLS handshake broke.
    #[error("{target}: cannot connect; is the platform running, and is its address right?")]
    Connect {
        /// The call.
        target: Target,
        /// What the network said.
        #[source]
        source: BoxError,
    },
    /// The TLS handshake was refused by one of the two sides.
    #[error("{target}: no trusted TLS connection; a private CA needs --ca-file or SSL_CERT_FILE")]
    Tls {
        /// The call.
        target: Target,
        /// What the handshake failed on.
        #[source]
        source: BoxError,
    },
    /// Nothing moved for too long.
    #[error("{target}: waited {after:?} for {phase} in vain")]
    Timeout {
        /// The call.
        target: Target,
        /// What it waited for.
        phase: Phase,
        /// How long it waited.
        after: Duration,
    },
    /// The whole call, with its retries, took longer than the caller allowed.
    #[error("{target}: not done within the deadline of {after:?}")]
    Deadline {
        /// The call.
        target: Target,
        /// The caller's deadline.
        after: Duration,
    },
    /// The connection broke after the request may have been sent.
    #[error("{target}: the connection broke before the answer was complete")]
    Interrupted {
        /// The call.
        target: Target,
        /// What the network said.
        #[source]
        source: BoxError,
    },
    /// The body ended early.
    #[error("{target}: the answer ended after {received} bytes{}", announced(*.expected))]
    Truncated {
        /// The call.
        target: Target,
        /// The bytes that `Content-Length` announced, if it did.
        expected: Option<u64>,
        /// The bytes that came.
        received: u64,
    },
    /// The answer is not HTTP as it should be.
    #[error("{target}: the answer is not valid HTTP; does another service listen there?")]
    Malformed {
        /// The call.
        target: Target,
        /// What is wrong with it.
        #[source]
        source: BoxError,
    },
    /// The body is larger than the caller allows.
    #[error("{target}: the answer is larger than {limit} bytes")]
    BodyTooLarge {
        /// The call.
        target: Target,
        /// The limit in bytes.
        limit: u64,
    },
    /// The headers are more, or larger, than the caller allows.
    #[error("{target}: the answer has more than {count} headers or {bytes} bytes of them")]
    HeadersTooLarge {
        /// The call.
        target: Target,
        /// The limit on their number.
        count: usize,
        /// The limit on their size.
        bytes: usize,
    },
    /// The JSON body is nested deeper than the caller allows.
    #[error("{target}: the JSON answer is nested deeper than {limit} levels")]
    JsonTooDeep {
        /// The call.
        target: Target,
        /// The limit.
        limit: usize,
    },
    /// The answer is compressed, which was not asked for and is not undone.
    #[error("{target}: the answer is encoded as {encoding:?} although no encoding was offered")]
    Encoded {
        /// The call.
        target: Target,
        /// The value of `Content-Encoding`.
        encoding: String,
    },
    /// The answer redirects to another origin, which is not followed.
    #[error("{target}: redirected to {to}, which is not followed; use that address if it is meant")]
    Redirect {
        /// The call.
        target: Target,
        /// Where it pointed; the path and query are left out.
        to: String,
    },
    /// The answers redirect in a circle, or nowhere.
    #[error("{target}: the redirects of the answer lead nowhere")]
    RedirectLoop {
        /// The call.
        target: Target,
    },
    /// The server asks for a longer wait than the policy allows.
    #[error("{target}: answered {status} and asks to wait {} s, too long to wait here; try again then", .after.as_secs())]
    RetryAfterTooLong {
        /// The call.
        target: Target,
        /// The status of the answer.
        status: StatusCode,
        /// The wait that the server asked for.
        after: Duration,
    },
    /// There is no root certificate to check an https server with.
    #[error(
        "{target}: this machine has no CA certificates; install ca-certificates, or pass --ca-file or SSL_CERT_FILE"
    )]
    NoCertificates {
        /// The call.
        target: Target,
        /// What was found instead.
        #[source]
        source: BoxError,
    },
    /// The extra CA file is not usable.
    #[error("cannot read CA certificates from {}; it has to be a PEM file", .path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: BoxError,
    },
    /// The bearer would have crossed a public network unencrypted. Nothing was sent.
    #[error(
        "{target}: the token is not sent over plain http to a public host; use https, or --allow-insecure-http"
    )]
    InsecureBearer {
        /// The call.
        target: Target,
    },
    /// The request carries an `Authorization` header for a host that is not the platform.
    /// Nothing was sent.
    #[error(
        "{target}: credentials are sent to the platform alone; remove the authorization header"
    )]
    ForeignBearer {
        /// The call.
        target: Target,
    },
    /// The token could not be had. Nothing was sent.
    #[error("{target}: cannot read the token")]
    Token {
        /// The call.
        target: Target,
        /// What the token source said.
        #[source]
        source: BoxError,
    },
    /// The address that a stranger chose is none that may be called. Nothing was sent.
    #[error(
        "{target}: not sent, because the address {address} is {kind}{}",
        allowed_by(*.kind)
    )]
    ForbiddenAddress {
        /// The call.
        target: Target,
        /// The address, which the name in the target may have been looked up to.
        address: IpAddr,
        /// What kind of address it is.
        kind: AddressKind,
    },
    /// The request has no absolute http or https address. Nothing was sent.
    #[error("{target}: the address is not an absolute http or https url")]
    Url {
        /// The call.
        target: Target,
        /// What is wrong with it.
        #[source]
        source: BoxError,
    },
    /// The HTTP client could not be set up.
    #[error("cannot set up the http client")]
    Setup {
        /// Why.
        #[source]
        source: BoxError,
    },
}

/// What kind of failure it is; the part that code branches on.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// No connection.
    Connect,
    /// No trusted connection.
    Tls,
    /// A wait ran out.
    Timeout,
    /// The caller's deadline ran out.
    Deadline,
    /// The connection broke, or the body ended early.
    Interrupted,
    /// The answer is not what HTTP, or this crate, allows.
    BadAnswer,
    /// The answer exceeds a limit.
    TooLarge,
    /// A redirect to another origin.
    Redirect,
    /// The server asks for a wait that is too long.
    Throttled,
    /// The token may not, or cannot, be sent.
    Credentials,
    /// The address is none that may be called.
    ForbiddenAddress,
    /// Settings of this machine or this program are at fault.
    Configuration,
}

impl TransportError {
    /// What kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Connect { .. } => ErrorKind::Connect,
            Self::Tls { .. } => ErrorKind::Tls,
            Self::Timeout { .. } => ErrorKind::Timeout,
            Self::Deadline { .. } => ErrorKind::Deadline,
            Self::Interrupted { .. } | Self::Truncated { .. } => ErrorKind::Interrupted,
            Self::Malformed { .. } | Self::Encoded { .. } => ErrorKind::BadAnswer,
            Self::BodyTooLarge { .. } | Self::HeadersTooLarge { .. } | Self::JsonTooDeep { .. } => {
                ErrorKind::TooLarge
            }
            Self::Redirect { .. } | Self::RedirectLoop { .. } => ErrorKind::Redirect,
            Self::RetryAfterTooLong { .. } => ErrorKind::Throttled,
            Self::InsecureBearer { .. } | Self::ForeignBearer { .. } | Self::Token { .. } => {
                ErrorKind::Credentials
            }
            Self::ForbiddenAddress { .. } => ErrorKind::ForbiddenAddress,
            Self::NoCertificates { .. }
            | Self::CaFile { .. }
            | Self::Url { .. }
            | Self::Setup { .. } => ErrorKind::Configuration,
        }
    }

    /// Whether the request certainly never reached the server, so that sending it again, or
    /// elsewhere, cannot do its work twice. `false` means that nobody knows.
    ///
    /// After retries this speaks of the last attempt; only repeatable requests are retried, and
    /// those may be sent again anyway.
    #[must_use]
    pub fn surely_not_delivered(&self) -> bool {
        matches!(
            self,
            Self::Timeout {
                phase: Phase::Connect,
                ..
            }
        ) || matches!(
            self.kind(),
            ErrorKind::Connect
                | ErrorKind::Tls
                | ErrorKind::Credentials
                | ErrorKind::ForbiddenAddress
                | ErrorKind::Configuration
        )
    }
}

/// What to do about an address that may not be called, if there is anything.
const fn allowed_by(kind: AddressKind) -> &'static str {
    if kind.is_local() {
        "; --allow-private-peers allows it"
    } else {
        ""
    }
}

fn announced(expected: Option<u64>) -> String {
    expected.map_or_else(String::new, |expected| format!(" of {expected}"))
}
