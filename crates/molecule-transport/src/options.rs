//! What a caller wants of one call, carried in the request's extensions.

use std::time::Duration;

use crate::{Priority, Request};

/// How one call is to be made. Requests without options get the defaults.
///
/// ```
/// use molecule_transport::{Bytes, CallOptions, Request, Timeouts};
///
/// let request: Request = CallOptions::new()
///     .with_repeatable(true)
///     .with_authorize(true)
///     .with_timeouts(Timeouts::A2A)
///     .attach(http::Request::get("http://localhost:8080/health").body(Bytes::new())?);
/// assert!(CallOptions::of(&request).repeatable);
/// # Ok::<(), http::Error>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallOptions {
    /// Sending the request twice does what sending it once does, so it may be retried after a
    /// failure that leaves open whether it arrived. Default: false.
    pub repeatable: bool,
    /// Carry the platform's bearer token, if the request goes to the platform. Default: false.
    pub authorize: bool,
    /// Hand the body of a repeatable request on as it arrives. Otherwise [`Retry`](crate::Retry)
    /// reads it to its end first, so that an answer that breaks off is retried as well. Bodies
    /// of requests that are not repeatable always stream. Default: false.
    pub streamed: bool,
    /// The body is a stream without an end, such as one of events: neither its size nor its pace is limited, and only
    /// [`idle_read`](Timeouts::idle_read) says when it is over. Default: false.
    pub endless: bool,
    /// How long to wait for a connection, and for each further piece of the answer.
    pub timeouts: Timeouts,
    /// How long the whole call may take, from the outermost `send` to the end of the body,
    /// with all retries and waits between. Default: no limit.
    pub deadline: Option<Duration>,
    /// When it goes, among requests that share a [`RateBudget`](crate::RateBudget). Default: [`Priority::Message`].
    pub priority: Priority,
    /// What an answer may measure.
    pub limits: Limits,
}

impl CallOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The options that `request` carries, or the defaults.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        request.extensions().get().cloned().unwrap_or_default()
    }

    /// Puts these options on `request`, in place of earlier ones.
    #[must_use]
    pub fn attach(self, mut request: Request) -> Request {
        request.extensions_mut().insert(self);
        request
    }

    /// Says whether the request may be repeated.
    #[must_use]
    pub fn with_repeatable(mut self, repeatable: bool) -> Self {
        self.repeatable = repeatable;
        self
    }

    /// Says whether the platform's bearer token goes along.
    #[must_use]
    pub fn with_authorize(mut self, authorize: bool) -> Self {
        self.authorize = authorize;
        self
    }

    /// Says whether the body is handed on as it arrives.
    #[must_use]
    pub fn with_streamed(mut self, streamed: bool) -> Self {
        self.streamed = streamed;
        self
    }

    /// Says whether the body is a stream without an end.
    #[must_use]
    pub fn with_endless(mut self, endless: bool) -> Self {
        self.endless = endless;
        self
    }

    /// Sets the waits for a connection and for each piece of the answer.
    #[must_use]
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Sets the limit of the whole call.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets when the request goes, among those that share a rate budget.
    #[must_use]
    pub fn with_priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Sets what the answer may measure.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

/// Two waits, neither of which limits the whole call: a download that keeps flowing never ends
/// by them.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Resolving, connecting and the TLS handshake together.
    pub connect: Duration,
    /// Silence: from the request to the head of the answer, and from one piece of the body to
    /// the next.
    pub idle_read: Duration,
}

impl Timeouts {
    /// 10 s, for the platform's short calls.
    pub const DEFAULT: Self = Self::both(Duration::from_secs(10));
    /// 30 s, for messages between agents.
    pub const A2A: Self = Self::both(Duration::from_secs(30));
    /// 60 s, for plugin archives.
    pub const DOWNLOAD: Self = Self::both(Duration::from_secs(60));
    /// 300 s, for delegated tasks.
    pub const DELEGATE: Self = Self::both(Duration::from_secs(300));

    /// The same limit for both waits.
    #[must_use]
    pub const fn both(limit: Duration) -> Self {
        Self {
            connect: limit,
            idle_read: limit,
        }
    }

    /// A limit for each wait.
    #[must_use]
    pub const fn new(connect: Duration, idle_read: Duration) -> Self {
        Self { connect, idle_read }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What an answer may measure; anything larger is an error, never cut silently.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the body. Default: 10 MiB.
    pub body_bytes: u64,
    /// Bytes of all header names and values together. Default: 64 KiB.
    pub header_bytes: usize,
    /// Number of headers. Default: 100, which is also the most that `ReqwestTransport` reads.
    pub header_count: usize,
    /// Nesting of arrays and objects in a JSON body. Default: 64.
    pub json_depth: usize,
}

impl Limits {
    /// The default limits.
    pub const DEFAULT: Self = Self {
        body_bytes: 10 * 1024 * 1024,
        header_bytes: 64 * 1024,
        header_count: 100,
        json_depth: 64,
    };

    /// Sets the largest body, in bytes.
    #[must_use]
    pub const fn with_body_bytes(mut self, bytes: u64) -> Self {
        self.body_bytes = bytes;
        self
    }

    /// Sets the most bytes of header names and values.
    #[must_use]
    pub const fn with_header_bytes(mut self, bytes: usize) -> Self {
        self.header_bytes = bytes;
        self
    }

    /// Sets the most headers.
    #[must_use]
    pub const fn with_header_count(mut self, count: usize) -> Self {
        self.header_count = count;
        self
    }

    /// Sets the deepest JSON nesting.
    #[must_use]
    pub const fn with_json_depth(mut self, depth: usize) -> Self {
        self.json_depth = depth;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
