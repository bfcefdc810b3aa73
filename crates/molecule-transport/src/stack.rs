//! All layers, in the order that makes them work together.

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;

use crate::{
    Authorize, Clock, Deadline, Logged, NoToken, Origin, Pace, RateBudget, Retry, RetryPolicy,
    TenantHeaders, TokenSource, Transport,
};

/// A transport with all layers around it, as [`stack`] builds it.
pub type PlatformTransport<T> = Deadline<Retry<Pace<Logged<TenantHeaders<Authorize<T>>>>>>;

/// What [`stack`] needs to know.
#[non_exhaustive]
#[derive(Clone)]
pub struct StackOptions {
    /// The platform: who is paced, who gets the tenant headers and the token.
    pub platform: Origin,
    /// Time, sleep and jitter of all layers.
    pub clock: Arc<dyn Clock>,
    /// Where the token comes from. Default: nowhere.
    pub tokens: Arc<dyn TokenSource>,
    /// The value of `X-Molecule-Org-Id`. Default: none.
    pub org_id: Option<HeaderValue>,
    /// Whether requests carry `Origin`. Default: true.
    pub origin_header: bool,
    /// Whether tokens may cross plain http to public hosts. Default: false.
    pub insecure_http: bool,
    /// How often and how long to retry.
    pub retry: RetryPolicy,
    /// The rate limit that is shared with other clients. Default: none, and the platform's answers set the pace.
    pub budget: Option<RateBudget>,
}

impl StackOptions {
    /// The defaults for a platform.
    pub fn new(platform: Origin, clock: Arc<dyn Clock>) -> Self {
        Self {
            platform,
            clock,
            tokens: Arc::new(NoToken),
            org_id: None,
            origin_header: true,
            insecure_http: false,
            retry: RetryPolicy::new(),
            budget: None,
        }
    }

    /// Sets where the token comes from.
    #[must_use]
    pub fn with_tokens(mut self, tokens: Arc<dyn TokenSource>) -> Self {
        self.tokens = tokens;
        self
    }

    /// Sets `X-Molecule-Org-Id`.
    #[must_use]
    pub fn with_org_id(mut self, org_id: HeaderValue) -> Self {
        self.org_id = Some(org_id);
        self
    }

    /// Says whether requests carry `Origin`.
    #[must_use]
    pub fn with_origin_header(mut self, send: bool) -> Self {
        self.origin_header = send;
        self
    }

    /// Says whether tokens may cross plain http to public hosts.
    #[must_use]
    pub fn with_insecure_http(mut self, allow: bool) -> Self {
        self.insecure_http = allow;
        self
    }

    /// Sets the retry policy.
    #[must_use]
    pub fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Shares a rate limit with other clients.
    #[must_use]
    pub fn with_budget(mut self, budget: RateBudget) -> Self {
        self.budget = Some(budget);
        self
    }
}

impl fmt::Debug for StackOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StackOptions")
            .field("platform", &self.platform)
            .finish_non_exhaustive()
    }
}

/// Puts all layers around `inner`. From the outside in:
///
/// 1. [`Deadline`] covers everything below, waits included.
/// 2. [`Retry`] sees each try as a new request, so that a retry is paced too and takes the token
///    of its own time.
/// 3. [`Pace`] waits while the rate limit is nearly used up, or for its turn where the limit is shared.
/// 4. [`Logged`] logs each try, without the waits before it.
/// 5. [`TenantHeaders`] and [`Authorize`] look at what is really sent, last.
pub fn stack<T: Transport>(inner: T, options: StackOptions) -> PlatformTransport<T> {
    let StackOptions {
        platform,
        clock,
        tokens,
        org_id,
        origin_header,
        insecure_http,
        retry,
        budget,
    } = options;
    let authorized =
        Authorize::new(inner, platform.clone(), tokens).with_insecure_http(insecure_http);
    let mut tenant = TenantHeaders::new(authorized, platform.clone());
    if let Some(org_id) = org_id {
        tenant = tenant.with_org_id(org_id);
    }
    if !origin_header {
        tenant = tenant.without_origin_header();
    }
    let logged = Logged::new(tenant, clock.clone());
    let mut paced = Pace::new(logged, platform, clock.clone());
    if let Some(budget) = budget {
        paced = paced.with_budget(&budget);
    }
    Deadline::new(Retry::new(paced, retry, clock.clone()), clock)
}
