//! The rate limit: a fixed window of a minute per client address, for every route there is and is not.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;

use crate::platform::Platform;
use crate::reply::Reply;
use crate::server::Client;

const WINDOW: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Window {
    start: Duration,
    used: u32,
}

/// The windows of all clients.
#[derive(Debug, Default)]
pub(crate) struct RateLimiter(Mutex<HashMap<IpAddr, Window>>);

/// What the headers of a response say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Quota {
    limit: u32,
    remaining: u32,
    /// Whole seconds until the window ends, rounded down.
    reset: u32,
    allowed: bool,
}

impl RateLimiter {
    /// Counts a request of a client.
    fn take(&self, client: IpAddr, limit: u32, now: Duration) -> Quota {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.entry(client).or_insert(Window {
            start: now,
            used: 0,
        });
        if now.saturating_sub(window.start) >= WINDOW {
            *window = Window {
                start: now,
                used: 0,
            };
        }
        let allowed = window.used < limit;
        window.used += u32::from(allowed);
        let left = (window.start + WINDOW).saturating_sub(now + Duration::from_nanos(1));
        let reset = u32::try_from(left.as_secs()).unwrap_or(u32::MAX);
        Quota {
            limit,
            remaining: limit - window.used.min(limit),
            reset,
            allowed,
        }
    }
}

impl Quota {
    fn write(self, headers: &mut HeaderMap) {
        headers.insert("x-ratelimit-limit", HeaderValue::from(self.limit));
        headers.insert("x-ratelimit-remaining", HeaderValue::from(self.remaining));
        headers.insert("x-ratelimit-reset", HeaderValue::from(self.reset));
    }

    fn refusal(self) -> Response {
        let body = json!({ "error": "rate limit exceeded", "retry_after": self.reset });
        Reply::new(StatusCode::TOO_MANY_REQUESTS, &body)
            .with_retry_after(self.reset)
            .into_response()
    }
}

pub(crate) async fn limit(
    State(platform): State<Platform>,
    request: Request,
    next: Next,
) -> Response {
    if platform.read(|tx| tx.is_fail_open()) {
        let mut response = next.run(request).await;
        response
            .headers_mut()
            .insert("x-ratelimit-limit", HeaderValue::from_static("unlimited"));
        return response;
    }
    let now = platform.config().clock.monotonic();
    let quota = platform
        .limiter()
        .take(client_of(&request), platform.rate_limit(), now);
    let mut response = if quota.allowed {
        next.run(request).await
    } else {
        quota.refusal()
    };
    quota.write(response.headers_mut());
    response
}

/// The peer of the connection; `X-Forwarded-For` is not believed.
fn client_of(request: &Request) -> IpAddr {
    let client = request.extensions().get::<Client>();
    client.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |client| client.0.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn at(limiter: &RateLimiter, milliseconds: u64) -> Quota {
        limiter.take(ME, 2, Duration::from_millis(milliseconds))
    }

    #[test]
    fn a_limit_of_n_gives_exactly_n_requests_per_window() {
        let limiter = RateLimiter::default();
        assert_eq!(
            at(&limiter, 0),
            Quota {
                limit: 2,
                remaining: 1,
                reset: 59,
                allowed: true
            }
        );
        assert_eq!(
            at(&limiter, 1_500),
            Quota {
                limit: 2,
                remaining: 0,
                reset: 58,
                allowed: true
            }
        );
        assert!(!at(&limiter, 2_000).allowed);
        assert_eq!(
            at(&limiter, 59_500),
            Quota {
                limit: 2,
                remaining: 0,
                reset: 0,
                allowed: false
            }
        );
        assert!(at(&limiter, 60_000).allowed);
    }

    #[test]
    fn clients_do_not_share_a_window() {
        let limiter = RateLimiter::default();
        limiter.take(ME, 1, Duration::ZERO);
        let other = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
        assert!(limiter.take(other, 1, Duration::ZERO).allowed);
        assert!(!limiter.take(ME, 1, Duration::ZERO).allowed);
    }
}
