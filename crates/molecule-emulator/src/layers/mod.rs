//! What every request passes before its route, in one list.

mod edge;
mod origin;
mod rate_limit;
mod security;
mod tenant;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};

use crate::platform::Platform;

pub(crate) use rate_limit::RateLimiter;

/// Wraps the routes. The layer that is added last sees a request first, so the order of a request is: security
/// headers, faults on purpose, edge, rate limit, origin rule, tenant guard, route. The security headers are outermost because
/// refusals of the other layers carry them as well.
pub(crate) fn wrap(routes: Router<Platform>, platform: &Platform) -> Router<Platform> {
    routes
        .layer(from_fn_with_state(platform.clone(), tenant::guard))
        .layer(from_fn(origin::check))
        .layer(from_fn_with_state(platform.clone(), rate_limit::limit))
        .layer(from_fn_with_state(platform.clone(), edge::check))
        .layer(from_fn_with_state(platform.clone(), crate::faults::inject))
        .layer(from_fn(security::headers))
}
