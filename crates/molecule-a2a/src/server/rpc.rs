//! JSON-RPC over HTTP.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use http::request::Parts;
use tokio::sync::oneshot;

use super::answering::Wait;
use super::auth::{authorized, is_from_a_page};
use super::kept::Kept;
use super::options::Limits;
use super::reply::{busy, json};
use super::shared::Shared;
use super::stream::{EventStream, Source};
use crate::{
    A2aError, Call, ErrorCode, RpcId, RpcRequest, SendMessage, Version, parse_request, version_of,
};

pub(super) const VERSION: &str = "A2A-Version";

pub(super) async fn post(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    if let Err(refusal) = shared.admit(&head.headers) {
        return *refusal;
    }
    match shared.read(body).await {
        Ok(body) => shared.answer(&head, &body).await,
        Err(error) => refused(&head, "", &RpcId::Null, &error),
    }
}

/// The answer to a call that is not made. It is in the words of the version that was asked for, as far as that is known.
fn refused(head: &Parts, method: &str, id: &RpcId, error: &A2aError) -> Response {
    let version = version(head, method).unwrap_or(Version::V1_0);
    json(version.encode_error(id, error))
}

fn version(head: &Parts, method: &str) -> Result<Version, A2aError> {
    let header = head.headers.get(VERSION);
    let header = header.and_then(|value| value.to_str().ok());
    let query = head.uri.query().and_then(|query| {
        let mut members = query.split('&').filter_map(|member| member.split_once('='));
        members.find(|(name, _)| name.eq_ignore_ascii_case(VERSION))
    });
    version_of(header, query.map(|(_, value)| value), method)
}

impl Shared {
    /// Whether calls of this caller are taken now.
    pub(super) fn admit(&self, headers: &HeaderMap) -> Result<(), Box<Response>> {
        authorized(self.token.as_ref(), headers)?;
        // No page has the token.
        if self.token.is_none() && is_from_a_page(headers) {
            let error = A2aError::new(
                ErrorCode::InvalidRequest,
                "calls of web pages are not taken; give the agent an inbound token",
            );
            return Err(Box::new(json(
                Version::V0_3.encode_error(&RpcId::Null, &error),
            )));
        }
        if self.is_stopping() {
            return Err(Box::new(busy("the agent is stopping; send it again")));
        }
        Ok(())
    }

    /// The whole body of a request.
    pub(super) async fn read(&self, body: Body) -> Result<Bytes, A2aError> {
        let Limits {
            body_bytes,
            request_time,
            ..
        } = self.limits;
        super::body::read(body, body_bytes, request_time, &*self.clock).await
    }

    pub(super) async fn answer(self: &Arc<Self>, head: &Parts, body: &[u8]) -> Response {
        let request = match parse_request(body) {
            Ok(request) => request,
            Err((id, error)) => return refused(head, "", &id, &error),
        };
        let version = match version(head, &request.method) {
            Ok(version) => version,
            Err(error) => return json(Version::V1_0.encode_error(&request.id, &error)),
        };
        match version.decode_call(&request.method, request.params) {
            Ok(call) => self.call(head, version, &request, call).await,
            Err(error) => json(version.encode_error(&request.id, &error)),
        }
    }

    async fn call(
        self: &Arc<Self>,
        head: &Parts,
        version: Version,
        request: &RpcRequest<'_>,
        call: Call,
    ) -> Response {
        let Ok(permit) = self.calls.clone().try_acquire_owned() else {
            return busy("the agent is busy; send it again later");
        };
        let id = &request.id;
        match call {
            Call::Send(send) => {
                let params = request.params.map_or("", |params| params.get());
                let delivery = self.redeliveries.take(params);
                let shared = self.clone();
                let work = Box::pin(async move {
                    let _permit = permit;
                    shared.deliver(version, send, delivery).await
                });
                match Kept::new(work, self).await {
                    Ok(result) => json(version.encode_result(id, &result)),
                    Err(error) => json(version.encode_error(id, &error)),
                }
            }
            Call::Stream(send) => {
                drop(permit);
                self.stream(version, id, || self.opening(version, send))
                    .await
            }
            Call::Resubscribe { id: task } => {
                let after = head.headers.get("last-event-id");
                let after = after.and_then(|name| name.to_str().ok());
                let source = match self.engine.subscribe(&task, after).await {
                    Ok(events) => Source::Task(events),
                    Err(error) => Source::Failed(error),
                };
                self.stream(version, id, || source).await
            }
            call => {
                let shared = self.clone();
                let work = Box::pin(async move {
                    let _permit = permit;
                    shared.ask_about(version, call).await
                });
                match Kept::new(work, self).await {
                    Ok(result) => json(version.encode_result(id, &result)),
                    Err(error) => json(version.encode_error(id, &error)),
                }
            }
        }
    }

    async fn stream(
        &self,
        version: Version,
        id: &RpcId,
        source: impl FnOnce() -> Source,
    ) -> Response {
        let Ok(permit) = self.streams.clone().try_acquire_owned() else {
            return busy("too many streams are open; send it again later");
        };
        let mut stream = EventStream {
            version,
            id: id.clone(),
            source: source(),
            clock: self.clock.clone(),
            stop: self.stop.clone(),
            _permit: permit,
        };
        // Clients of version 0.3 read nothing but events, those of version 1.0 take a refusal for one only if it is none.
        if version == Version::V1_0
            && let Some(error) = stream.refusal().await
        {
            return json(version.encode_error(id, error));
        }
        stream.into_response()
    }

    /// Gives a message to the agent, which goes on when nobody listens any more.
    fn opening(self: &Arc<Self>, version: Version, send: SendMessage) -> Source {
        let (tell, opening) = oneshot::channel();
        let (shared, stop) = (self.clone(), self.stop.clone());
        self.tracker.spawn(async move {
            let opened = tokio::select! {
                opened = shared.open(version, send, Wait::Events) => opened,
                () = stop.cancelled() => return,
            };
            // Nobody may listen any more.
            let _ = tell.send(opened);
        });
        Source::Opening(opening)
    }
}
