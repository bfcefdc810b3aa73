//! Every route of the platform that exists here, in one table.

mod a2a;
mod about;
mod activity;
mod approvals;
mod chat;
mod checkpoints;
mod create;
mod delegations;
mod heartbeat;
mod lifecycle;
mod memories;
mod memory;
mod misc;
mod operator;
mod peers;
mod plugins;
mod register;
mod secrets;
mod session_search;
mod stream;
mod tokens;
mod workspaces;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, StatusCode, Uri};

use crate::faults::routes as faults;
use crate::platform::Platform;

pub(crate) use activity::gone;
pub(crate) use workspaces::removed;

const GET: MethodFilter = MethodFilter::GET;
const POST: MethodFilter = MethodFilter::POST;
const PUT: MethodFilter = MethodFilter::PUT;
const PATCH: MethodFilter = MethodFilter::PATCH;
const DELETE: MethodFilter = MethodFilter::DELETE;

/// The platform caps no body but those of messages; this only keeps a mistake from filling the memory.
const MAX_BODY: usize = 64 * 1024 * 1024;

pub(crate) fn router() -> Router<Platform> {
    let table = Table(Router::new())
        .add(GET, "/health", misc::health)
        .add(GET, "/metrics", misc::metrics)
        .add(POST, "/registry/register", register::register)
        .add(POST, "/registry/update-card", register::update_card)
        .add(POST, "/registry/heartbeat", heartbeat::heartbeat)
        .add(POST, "/registry/check-access", peers::check_access)
        .add(GET, "/registry/{id}/peers", peers::list)
        .add(GET, "/registry/discover/{id}", peers::discover)
        .add(GET, "/workspaces", workspaces::list)
        .add(POST, "/workspaces", create::create)
        .add(GET, "/workspaces/{id}", workspaces::show)
        .add(PATCH, "/workspaces/{id}", workspaces::patch)
        .add(DELETE, "/workspaces/{id}", lifecycle::delete)
        .add(GET, "/workspaces/{id}/state", lifecycle::state)
        .add(POST, "/workspaces/{id}/pause", lifecycle::pause)
        .add(POST, "/workspaces/{id}/resume", lifecycle::resume)
        .add(POST, "/workspaces/{id}/hibernate", lifecycle::hibernate)
        .add(POST, "/workspaces/{id}/restart", lifecycle::restart)
        .add(POST, "/workspaces/{id}/a2a", a2a::send)
        .add(POST, "/workspaces/{id}/delegate", delegations::delegate)
        .add(GET, "/workspaces/{id}/delegations", delegations::list)
        .add(
            POST,
            "/workspaces/{id}/delegations/record",
            delegations::record,
        )
        .add(
            POST,
            "/workspaces/{id}/delegations/{delegation}/update",
            delegations::update,
        )
        .add(GET, "/workspaces/{id}/activity", activity::list)
        .add(POST, "/workspaces/{id}/activity", activity::report)
        .add(POST, "/workspaces/{id}/notify", activity::notify)
        .add(GET, "/workspaces/{id}/chat-history", chat::history)
        .add(GET, "/workspaces/{id}/secrets", secrets::list)
        .add(POST, "/workspaces/{id}/secrets", secrets::save)
        .add(PUT, "/workspaces/{id}/secrets", secrets::save)
        .add(GET, "/workspaces/{id}/secrets/values", secrets::values)
        .add(DELETE, "/workspaces/{id}/secrets/{key}", secrets::delete)
        .add(GET, "/settings/secrets", secrets::list_global)
        .add(POST, "/settings/secrets", secrets::save_global)
        .add(PUT, "/settings/secrets", secrets::save_global)
        .add(DELETE, "/settings/secrets/{key}", secrets::delete_global)
        .add(GET, "/workspaces/{id}/tokens", tokens::list)
        .add(POST, "/workspaces/{id}/tokens", tokens::create)
        .add(DELETE, "/workspaces/{id}/tokens/{token}", tokens::revoke)
        .add(GET, "/plugins", plugins::list)
        .add(GET, "/plugins/sources", plugins::sources)
        .add(GET, "/workspaces/{id}/plugins", plugins::installed)
        .add(POST, "/workspaces/{id}/plugins", plugins::install)
        .add(
            GET,
            "/workspaces/{id}/plugins/available",
            plugins::available,
        )
        .add(
            DELETE,
            "/workspaces/{id}/plugins/{name}",
            plugins::uninstall,
        )
        .add(
            GET,
            "/workspaces/{id}/plugins/{name}/download",
            plugins::download,
        )
        .add(GET, "/org/tokens", tokens::list_of_org)
        .add(POST, "/org/tokens", tokens::create_for_org)
        .add(DELETE, "/org/tokens/{token}", tokens::revoke_of_org)
        .add(GET, "/admin/workspaces/{id}/test-token", tokens::test_token);
    let table = table
        .add(GET, "/emulator/faults", faults::list)
        .add(POST, "/emulator/faults", faults::add)
        .add(DELETE, "/emulator/faults", faults::clear)
        .add(DELETE, "/emulator/faults/{id}", faults::remove)
        .add(POST, "/emulator/workspaces/{id}", operator::change);
    lesser(table)
        .0
        .fallback(unrouted)
        .method_not_allowed_fallback(unrouted)
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

/// What no agent needs to run.
fn lesser(table: Table) -> Table {
    table
        .add(GET, "/ws", stream::socket)
        .add(GET, "/workspaces/{id}/events/stream", stream::stream)
        .add(GET, "/events", stream::list)
        .add(GET, "/events/{id}", stream::list_of)
        .add(
            GET,
            "/workspaces/{id}/session-search",
            session_search::search,
        )
        .add(GET, "/workspaces/{id}/memory", memory::list)
        .add(POST, "/workspaces/{id}/memory", memory::write)
        .add(GET, "/workspaces/{id}/memory/{key}", memory::show)
        .add(DELETE, "/workspaces/{id}/memory/{key}", memory::delete)
        .add(GET, "/workspaces/{id}/memories", memories::search)
        .add(POST, "/workspaces/{id}/memories", memories::commit)
        .add(
            DELETE,
            "/workspaces/{id}/memories/{memory}",
            memories::forget,
        )
        .add(GET, "/approvals/pending", approvals::list_pending)
        .add(GET, "/workspaces/{id}/approvals", approvals::list)
        .add(POST, "/workspaces/{id}/approvals", approvals::ask)
        .add(
            POST,
            "/workspaces/{id}/approvals/{approval}/decide",
            approvals::decide,
        )
        .add(POST, "/workspaces/{id}/checkpoints", checkpoints::save)
        .add(
            GET,
            "/workspaces/{id}/checkpoints/{workflow}",
            checkpoints::show,
        )
        .add(
            DELETE,
            "/workspaces/{id}/checkpoints/{workflow}",
            checkpoints::delete,
        )
        .add(GET, "/workspaces/{id}/budget", about::budget)
        .add(PATCH, "/workspaces/{id}/budget", about::set_budget)
        .add(GET, "/workspaces/{id}/metrics", about::metrics)
        .add(GET, "/workspaces/{id}/model", about::model)
        .add(GET, "/workspaces/{id}/config", about::config)
        .add(
            GET,
            "/workspaces/{id}/instructions/resolve",
            about::instructions,
        )
        .add(GET, "/workspaces/{id}/audit", about::audit)
        .add(GET, "/workspaces/{id}/transcript", about::transcript)
        .add(
            GET,
            "/workspaces/{id}/github-installation-token",
            about::github_token,
        )
        .add(POST, "/workspaces/{id}/chat/uploads", about::upload)
        .add(GET, "/workspaces/{id}/chat/download", about::download)
        .add(GET, "/workspaces/{id}/schedules", about::nothing)
        .add(GET, "/workspaces/{id}/channels", about::nothing)
        .add(GET, "/workspaces/{id}/traces", about::nothing)
        .add(GET, "/workspaces/{id}/shared-context", about::nothing)
        .add(GET, "/workspaces/{id}/files", about::nothing)
}

/// Routes, each with the redirect of its spelling with a trailing slash.
struct Table(Router<Platform>);

impl Table {
    fn add<H, T>(self, method: MethodFilter, path: &str, handler: H) -> Self
    where
        H: Handler<T, Platform>,
        T: 'static,
    {
        let slashed = format!("{path}/");
        Self(
            self.0
                .route(path, on(method, handler))
                .route(&slashed, on(method, without_slash)),
        )
    }
}

/// Unknown paths and wrong methods alike.
async fn unrouted() -> Response {
    let plain = [(CONTENT_TYPE, "text/plain")];
    (StatusCode::NOT_FOUND, plain, "404 page not found").into_response()
}

async fn without_slash(method: Method, uri: Uri) -> Response {
    let path = uri.path().trim_end_matches('/');
    let location = uri
        .query()
        .map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let keeps_method = StatusCode::TEMPORARY_REDIRECT;
    let status = if method == Method::GET {
        StatusCode::MOVED_PERMANENTLY
    } else {
        keeps_method
    };
    match HeaderValue::from_str(&location) {
        Ok(location) => (status, [(LOCATION, location)]).into_response(),
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}
