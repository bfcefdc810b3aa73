//! What is answered, and to whom.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use molecule_agent::protocol::ActivityId;
use molecule_agent::{AgentError, Journal};
use serde_json::json;

use super::{Agents, Watched, metrics, ready};
use crate::commands::dead_letters::{listed, whole};
use crate::exit::Exit;

/// What whoever reaches the address may know: nothing can be changed, and no message is shown.
pub(super) fn public(agents: Agents) -> Router {
    Router::new()
        .route("/healthz", get(async || Json(json!({"alive": true}))))
        .route("/readyz", get(readyz))
        .route("/metrics", get(numbers))
        .with_state(agents)
}

/// What the owner of an agent's directory may do.
pub(super) fn private(agent: Watched) -> Router {
    let agents = Agents::expected([]);
    agents.add(agent.clone());
    let dead = Router::new()
        .route("/inbox/dead", get(list))
        .route("/inbox/dead/{id}", get(show).delete(remove))
        .route("/inbox/dead/{id}/retry", post(retry))
        .with_state(agent.journal);
    let status = Router::new()
        .route(
            "/status",
            get(async |State(agents): State<Agents>| Json(agents.rows())),
        )
        .with_state(agents.clone());
    public(agents).merge(status).merge(dead)
}

async fn readyz(State(agents): State<Agents>) -> Response {
    match ready::unready(&agents) {
        None => Json(json!({"ready": true})).into_response(),
        Some(reasons) => (StatusCode::SERVICE_UNAVAILABLE, Json(reasons)).into_response(),
    }
}

async fn numbers(State(agents): State<Agents>) -> Response {
    match metrics::text(&agents) {
        Ok(text) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn list(State(journal): State<Journal>) -> Result<Response, Failure> {
    let letters = journal.dead().await?;
    let letters: Vec<_> = letters.iter().map(listed).collect();
    Ok(Json(letters).into_response())
}

async fn show(
    State(journal): State<Journal>,
    Path(id): Path<ActivityId>,
) -> Result<Response, Failure> {
    Ok(match whole(&journal, id).await? {
        Some(letter) => Json(letter).into_response(),
        None => none_such(),
    })
}

async fn retry(
    State(journal): State<Journal>,
    Path(id): Path<ActivityId>,
) -> Result<Response, Failure> {
    Ok(done(id, "retried", journal.retry(id).await?))
}

async fn remove(
    State(journal): State<Journal>,
    Path(id): Path<ActivityId>,
) -> Result<Response, Failure> {
    Ok(done(id, "dropped", journal.remove(id).await?))
}

fn done(id: ActivityId, status: &str, found: bool) -> Response {
    match found {
        true => Json(json!({"activity_id": id, "status": status})).into_response(),
        false => none_such(),
    }
}

fn none_such() -> Response {
    let answer = json!({"error": {"message": "there is no such dead letter"}});
    (StatusCode::NOT_FOUND, Json(answer)).into_response()
}

/// The journal failed. Whoever asked ends as if it had used the journal itself.
struct Failure(AgentError);

impl From<AgentError> for Failure {
    fn from(error: AgentError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let error = anyhow::Error::new(self.0);
        let (exit, message) = (Exit::of(&error), format!("{error:#}"));
        let answer =
            json!({"error": {"kind": exit.kind(), "exit_code": exit.code(), "message": message}});
        (StatusCode::INTERNAL_SERVER_ERROR, Json(answer)).into_response()
    }
}
