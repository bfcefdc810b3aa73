//! The one route of the Python SDK's server, as its callers know it: the answer says that it went well, and what the result is.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::kept::Kept;
use super::reply::{busy, json as answer, with_status};
use super::shared::Shared;
use crate::{Call, CallResult, RpcId, Version};

pub(super) async fn post(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    if let Err(refusal) = shared.admit(&head.headers) {
        return *refusal;
    }
    let body = match shared.read(body).await {
        Ok(body) => body,
        Err(error) => return with_status(StatusCode::BAD_REQUEST, &error.message),
    };
    let Ok(Value::Object(request)) = molecule_protocol::parse_json::<Value>(&body) else {
        return with_status(StatusCode::BAD_REQUEST, "the body is no JSON object");
    };
    if request.contains_key("jsonrpc") {
        return with_ok(shared.answer(&head, &body).await).await;
    }
    shared.answer_flat(request).await
}

/// The platform posts JSON-RPC here when this is the reported address. Its answer is that of JSON-RPC, and says in the words of this
/// route that it went well.
async fn with_ok(response: Response) -> Response {
    let is_json = response.headers().get("content-type");
    if is_json.is_none_or(|kind| kind != "application/json") || response.status() != StatusCode::OK
    {
        return response;
    }
    let (head, body) = response.into_parts();
    let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else {
        return with_status(StatusCode::INTERNAL_SERVER_ERROR, "the answer is lost");
    };
    let mut body = body.to_vec();
    if is_result(&body) && body.pop() == Some(b'}') {
        body.extend_from_slice(br#","status":"ok"}"#);
    }
    Response::from_parts(head, body.into())
}

fn is_result(answer: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        result: Option<&'a RawValue>,
    }
    serde_json::from_slice::<Answer<'_>>(answer).is_ok_and(|answer| answer.result.is_some())
}

impl Shared {
    /// A request whose parts stand at its top, as the original's examples have it.
    async fn answer_flat(self: &Arc<Self>, request: Map<String, Value>) -> Response {
        let Ok(permit) = self.calls.clone().try_acquire_owned() else {
            return busy("the agent is busy; send it again later");
        };
        let params = json!({"message": message(&request), "metadata": metadata(&request)});
        let params = to_raw_value(&params).ok();
        let send = match Version::V0_3.decode_call("message/send", params.as_deref()) {
            Ok(Call::Send(send)) => send,
            Ok(_) => return with_status(StatusCode::BAD_REQUEST, "this is no message"),
            Err(error) => return with_status(StatusCode::BAD_REQUEST, &error.message),
        };
        let delivery = params.and_then(|params| self.redeliveries.take(params.get()));
        let shared = self.clone();
        let work = Box::pin(async move {
            let _permit = permit;
            shared.deliver(Version::V0_3, send, delivery).await
        });
        match Kept::new(work, self).await {
            Ok(result) => answer(ok(&result)),
            Err(error) => with_status(StatusCode::INTERNAL_SERVER_ERROR, &error.message),
        }
    }
}

/// The message of a flat request, whatever it calls its pieces.
fn message(request: &Map<String, Value>) -> Value {
    let mut message = match request.get("message") {
        Some(Value::Object(message)) => message.clone(),
        Some(Value::String(text)) => text_message(text),
        _ => Map::new(),
    };
    if let Some(parts) = request.get("parts") {
        message.insert("parts".into(), parts.clone());
    }
    if let (false, Some(Value::String(text))) = (message.contains_key("parts"), request.get("text"))
    {
        message.extend(text_message(text));
    }
    let given = ["message_id", "idempotency_key"].map(|name| request.get(name));
    let given = given
        .into_iter()
        .flatten()
        .find(|id| id.is_string())
        .cloned();
    let id = given.unwrap_or_else(|| Uuid::new_v4().to_string().into());
    message.entry("messageId").or_insert(id);
    message.entry("role").or_insert("user".into());
    message.entry("kind").or_insert("message".into());
    message.into()
}

fn text_message(text: &str) -> Map<String, Value> {
    let parts = json!([{"kind": "text", "text": text}]);
    Map::from_iter([("parts".to_owned(), parts)])
}

/// The rest of it, for the agent to see. The original's task ids are the platform's, and name no task of ours.
fn metadata(request: &Map<String, Value>) -> Value {
    let rest = request
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "message" | "parts"));
    rest.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// What was answered, as the original puts it.
fn ok(result: &CallResult) -> Vec<u8> {
    let envelope = Version::V0_3.encode_result(&RpcId::Null, result);
    let envelope: Value = serde_json::from_slice(&envelope).unwrap_or_default();
    json!({"status": "ok", "result": envelope["result"]})
        .to_string()
        .into_bytes()
}
