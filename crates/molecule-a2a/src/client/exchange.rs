//! One call and what comes back over HTTP.

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use molecule_transport::{Body, CallOptions, Request, Response, Target};
use serde::de::Error as _;
use uuid::Uuid;

use super::stream::EventStream;
use super::{A2aClient, ClientError};
use crate::{AnswerError, Call, CallResult, RpcId, Version};

/// The header that tells versions apart.
const A2A_VERSION: &str = "a2a-version";
const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

impl A2aClient {
    /// Makes a call that is not answered with a stream.
    pub(super) async fn ask<T>(
        &self,
        call: &Call,
        pick: fn(CallResult) -> Option<T>,
    ) -> Result<T, ClientError> {
        let options = self.options.clone().with_repeatable(is_repeatable(call));
        let (target, answer) = self.exchange(call, JSON, options).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?;
        let result = self.version.decode_result(call, &body);
        let picked = result.and_then(|result| pick(result).ok_or_else(another_result));
        picked.map_err(|error| failed(target, status, error))
    }

    /// Makes a call that is answered with a stream. An agent that says all at once may do without one.
    pub(super) async fn listen(&self, call: &Call) -> Result<EventStream, ClientError> {
        let options = self.options.clone().with_streamed(true).with_endless(true);
        let (target, answer) = self.exchange(call, EVENTS, options).await?;
        let status = answer.status();
        let is_stream = status.is_success() && is_stream(answer.headers());
        let body = answer.into_body();
        if is_stream {
            return Ok(EventStream::new(self.version, target, body, self.max_event));
        }
        let body = short(&target, body, self.options.limits.body_bytes).await?;
        let event = self.version.decode_event(&body);
        let event = event.map_err(|error| failed(target, status, error))?;
        Ok(EventStream::of(event))
    }

    async fn exchange(
        &self,
        call: &Call,
        accept: &str,
        options: CallOptions,
    ) -> Result<(Target, Response), ClientError> {
        let request = options.attach(self.request(call, accept)?);
        let target = Target::of(&request);
        let answer = self.transport.send(request).await?;
        Ok((target, answer))
    }

    fn request(&self, call: &Call, accept: &str) -> Result<Request, ClientError> {
        let id = RpcId::from(&*Uuid::new_v4().to_string());
        let body = self.version.encode_call(&id, call)?;
        let mut request = http::Request::post(self.url.clone())
            .header(CONTENT_TYPE, JSON)
            .header(ACCEPT, accept);
        // Version 0.3 has no such header, and is what is meant without it.
        if self.version != Version::V0_3 {
            request = request.header(A2A_VERSION, self.version.as_str());
        }
        let request = request.body(Bytes::from(body));
        Ok(request.expect("the address is parsed, and the headers are constants"))
    }
}

/// Whether asking twice is the same as asking once.
const fn is_repeatable(call: &Call) -> bool {
    matches!(
        call,
        Call::GetTask { .. }
            | Call::ListTasks(_)
            | Call::GetPushConfig { .. }
            | Call::ListPushConfigs { .. }
            | Call::ExtendedCard
    )
}

fn is_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(http::HeaderValue::as_bytes);
    kind.and_then(|kind| kind.get(..EVENTS.len()))
        .is_some_and(|kind| kind.eq_ignore_ascii_case(EVENTS.as_bytes()))
}

/// All of a body that was to be a stream and is none: nobody else limits it.
async fn short(target: &Target, mut body: Body, limit: u64) -> Result<Bytes, ClientError> {
    let mut whole = BytesMut::new();
    while let Some(chunk) = body.chunk().await? {
        whole.extend_from_slice(&chunk);
        if whole.len() as u64 > limit {
            let target = target.clone();
            return Err(ClientError::TooLarge { target, limit });
        }
    }
    Ok(whole.freeze())
}

fn another_result() -> AnswerError {
    serde_json::Error::custom("another result than was asked for").into()
}

/// A refusal counts whatever the status is; otherwise the status says more than a body that cannot be read.
fn failed(target: Target, status: StatusCode, error: AnswerError) -> ClientError {
    match error {
        AnswerError::Refused(error) => ClientError::Refused(error),
        AnswerError::Unreadable(_) if !status.is_success() => {
            ClientError::Status { target, status }
        }
        AnswerError::Unreadable(source) => ClientError::Unreadable { target, source },
    }
}
