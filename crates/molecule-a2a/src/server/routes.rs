//! What is where.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get, post};
use http::StatusCode;

use super::reply::{json, with_status};
use super::shared::Shared;
use super::{cards, inbound, rpc};

const CARDS: [&str; 2] = ["/.well-known/agent-card.json", "/.well-known/agent.json"];
pub(super) const INBOUND: &str = "/a2a/inbound";

/// The routes of an agent that takes messages at `/` and at `path`.
pub(super) fn routes(shared: Arc<Shared>, path: &str) -> Router {
    // A path may begin with what was a pattern in former versions of the router.
    let router = Router::new().without_v07_checks();
    let routes = all(path).into_iter();
    routes
        .fold(router, |router, (path, answers)| {
            router.route(&path, answers)
        })
        .fallback(async || with_status(StatusCode::NOT_FOUND, "not found"))
        .method_not_allowed_fallback(async || {
            with_status(StatusCode::METHOD_NOT_ALLOWED, "method not allowed")
        })
        .with_state(shared)
}

/// What answers at each path. Messages are taken wherever the agent was reported to be, even where something else is read.
fn all(path: &str) -> BTreeMap<String, MethodRouter<Arc<Shared>>> {
    let mut all = BTreeMap::new();
    for base in bases(path) {
        for card in CARDS {
            all.insert(format!("{base}{card}"), get(cards::get));
        }
    }
    for path in paths(path) {
        let read = all.remove(&path).unwrap_or_else(|| get(health));
        all.insert(path, read.post(rpc::post));
    }
    all.entry("/health".into()).or_insert_with(|| get(health));
    all.insert(INBOUND.into(), post(inbound::post).get(health));
    all
}

/// Where everything is: at the root, and where the agent was reported to be.
fn bases(path: &str) -> BTreeSet<String> {
    let path = path.trim_matches('/');
    // The router's patterns give braces a meaning.
    let path = path.replace('{', "{{").replace('}', "}}");
    let reported = match &*path {
        "" => String::new(),
        path => format!("/{path}"),
    };
    [String::new(), reported].into()
}

/// Where messages are taken: the platform's bridge puts `/a2a` behind the address, and some clients a slash.
fn paths(path: &str) -> BTreeSet<String> {
    let bases = bases(path).into_iter();
    let paths = bases.flat_map(|base| ["", "/", "/a2a", "/a2a/"].map(|end| format!("{base}{end}")));
    paths
        .filter(|path| !path.is_empty() && path != INBOUND)
        .collect()
}

async fn health(State(shared): State<Arc<Shared>>) -> Response {
    if shared.is_stopping() {
        let stopping = json(br#"{"status":"stopping"}"#.to_vec());
        return (StatusCode::SERVICE_UNAVAILABLE, stopping).into_response();
    }
    json(br#"{"status":"ok"}"#.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expect: &[&str]) {
        let paths: Vec<_> = paths(path).into_iter().collect();
        assert_eq!(paths, expect, "{path}");
    }

    #[test]
    fn messages_are_taken_at_the_root_and_the_reported_path_with_what_clients_put_behind() {
        check("", &["/", "/a2a", "/a2a/"]);
        check("/", &["/", "/a2a", "/a2a/"]);
        let reported = [
            "/",
            "/a2a",
            "/a2a/",
            "/x/y",
            "/x/y/",
            "/x/y/a2a",
            "/x/y/a2a/",
        ];
        check("/x/y/", &reported);
        check("x/y", &reported);
    }

    #[test]
    fn any_reported_path_makes_a_router() {
        for path in [
            "/health",
            "/a2a",
            "/a2a/inbound",
            "/.well-known/agent-card.json",
            "/.well-known/agent.json/",
            "/:agent",
            "/x/*rest",
            "/{agent}/{*rest}",
            "//",
            "a//b",
            "a b?c#d",
        ] {
            let routes = all(path).into_keys();
            let router = Router::<()>::new().without_v07_checks();
            let _ = routes.fold(router, |router, path| router.route(&path, get(async || ())));
        }
        assert!(paths("/health").contains("/health"));
    }

    #[test]
    fn the_compatible_route_stays_itself_when_it_is_the_reported_path() {
        let paths = paths("/a2a/inbound");
        assert!(!paths.contains("/a2a/inbound") && paths.contains("/a2a/inbound/a2a"));
    }
}
