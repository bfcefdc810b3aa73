//! Events as they happen: the stream of one workspace, and the socket of the canvas and of agents.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::asked::{Admins, Asked, TheWorkspace};
use crate::events::{Event, Listener};
use crate::platform::Platform;
use crate::reply::{Outcome, Reply, encode};
use crate::request::{Bearer, header, parse_id};
use crate::server::Stopping;

/// Nobody has anything to say to the platform over a socket.
const MAX_MESSAGE: usize = 64 * 1024;

#[derive(Serialize)]
struct Streamed<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    /// Milliseconds.
    timestamp: i64,
    data: &'a Value,
}

/// The events of one workspace, as server-sent events.
pub(crate) async fn stream(
    stopping: Stopping,
    asked: Asked<TheWorkspace>,
) -> Result<Response, Reply> {
    let workspace = asked.read(|tx| Ok(tx.row(&asked.id)?.id))?;
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-cache"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    let body = Body::from_stream(lines(asked.platform.listen(), workspace, stopping));
    Ok((headers, body).into_response())
}

fn lines(
    listener: Listener,
    workspace: Uuid,
    stopping: Stopping,
) -> impl stream::Stream<Item = Result<Bytes, Infallible>> + Send {
    let ping = Bytes::from_static(b": ping\n\n");
    stream::unfold((Some(ping), listener, stopping), move |state| async move {
        let (ping, mut listener, stopping) = state;
        let line = match ping {
            Some(ping) => ping,
            None => tokio::select! {
                event = next_of(&mut listener, workspace) => line(&*event?),
                () = stopping.0.cancelled() => return None,
            },
        };
        Some((Ok(line), (None, listener, stopping)))
    })
}

async fn next_of(listener: &mut Listener, workspace: Uuid) -> Option<Arc<Event>> {
    loop {
        let event = listener.next().await?;
        if event.workspace == workspace {
            return Some(event);
        }
    }
}

fn line(event: &Event) -> Bytes {
    let streamed = Streamed {
        kind: event.kind,
        timestamp: event.at.as_millisecond(),
        data: &event.payload,
    };
    format!("data: {}\n\n", encode(&streamed)).into()
}

#[derive(Serialize)]
struct Spoken<'a> {
    event: &'a str,
    workspace_id: Uuid,
    timestamp: jiff::Timestamp,
    payload: &'a Value,
}

/// The events of all workspaces for one who says no name, and of those it may talk to for an agent.
pub(crate) async fn socket(
    State(platform): State<Platform>,
    headers: HeaderMap,
    bearer: Bearer,
    stopping: Stopping,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let agent = header(&headers, "x-workspace-id").filter(|id| !id.is_empty());
    if let Some(id) = agent
        && let Err(refusal) = platform.read(|tx| tx.require_own_if_any(id, &bearer))
    {
        return refusal.into_response();
    }
    let Ok(upgrade) = upgrade else {
        return (StatusCode::BAD_REQUEST, "Bad Request\n").into_response();
    };
    let (agent, listener) = (agent.map(str::to_owned), platform.listen());
    let mut response = upgrade
        .max_message_size(MAX_MESSAGE)
        .on_upgrade(async move |socket| {
            tokio::select! {
                () = speak(socket, &platform, agent.as_deref(), listener) => {}
                () = stopping.0.cancelled() => {}
            }
        });
    // The server's own spelling.
    let upgrade = HeaderValue::from_static("Upgrade");
    response.headers_mut().insert(CONNECTION, upgrade);
    response
}

async fn speak(
    mut socket: WebSocket,
    platform: &Platform,
    agent: Option<&str>,
    mut listener: Listener,
) {
    loop {
        tokio::select! {
            event = listener.next() => {
                let Some(event) = event else { return };
                if hears(platform, agent, &event)
                    && socket.send(Message::Text(spoken(&event).into())).await.is_err()
                {
                    return;
                }
            }
            received = socket.recv() => {
                if !matches!(received, Some(Ok(_))) {
                    return;
                }
            }
        }
    }
}

fn hears(platform: &Platform, agent: Option<&str>, event: &Event) -> bool {
    let about = event.workspace.to_string();
    agent.is_none_or(|agent| platform.read(|tx| tx.may_talk(agent, &about)))
}

fn spoken(event: &Event) -> String {
    encode(&Spoken {
        event: event.kind,
        workspace_id: event.workspace,
        timestamp: event.at,
        payload: &event.payload,
    })
}

/// The events that are kept, newest first.
pub(crate) async fn list(asked: Asked<Admins>) -> Outcome {
    asked.read(|tx| Ok(Reply::ok(&tx.state.events.newest(|_| true))))
}

pub(crate) async fn list_of(asked: Asked<Admins>) -> Outcome {
    asked.read(|tx| {
        let Some(id) = parse_id(&asked.id) else {
            return Ok(Reply::ok(&json!([])));
        };
        let of = tx.state.events.newest(|event| event.workspace_id == id);
        Ok(Reply::ok(&of))
    })
}
