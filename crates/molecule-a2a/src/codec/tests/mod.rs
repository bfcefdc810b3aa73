//! What is written is read again as it was, but for what a wire cannot say.

mod any;
mod left;

use any::{answered, call, event, task, versions};
use left::Left as _;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

use crate::{
    Call, CallResult, Event, Message, Role, RpcId, SendMessage, TaskState, Version, parse_request,
};

/// What a server answers to these bytes, whoever is asked then.
fn answer(version: Version, body: &[u8]) -> Vec<u8> {
    let request = match parse_request(body) {
        Ok(request) => request,
        Err((id, error)) => return version.encode_error(&id, &error),
    };
    match version.decode_call(&request.method, request.params) {
        Ok(_) => version.encode_result(&request.id, &CallResult::Deleted),
        Err(error) => version.encode_error(&request.id, &error),
    }
}

/// Something like a request: pieces of some, in any order.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "null",
        "-1",
        "1e9",
        "\"2.0\"",
        "\"jsonrpc\"",
        "\"id\"",
        "\"method\"",
        "\"params\"",
        "\"message\"",
        "\"parts\"",
        "\"kind\"",
        "\"text\"",
        "\"role\"",
        "\"user\"",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"message/send\",\"params\":",
        "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"SendMessage\",\"params\":",
        "{\"message\":{\"messageId\":\"m\",\"role\":\"user\",\"parts\":[",
        "{\"type\":\"text\",\"text\":\"hi\"}",
        "\u{fffd}",
        " ",
        "\0",
    ];
    vec(prop::sample::select(pieces.to_vec()), 0..12)
        .prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn calls_survive_the_wire(version in versions(), call in call()) {
        let bytes = version.encode_call(&RpcId::from("c"), &call);
        let is_list = matches!(call, Call::ListTasks(_));
        prop_assert_eq!(bytes.is_err(), is_list && version == Version::V0_3);
        if let Ok(bytes) = bytes {
            let request = parse_request(&bytes).unwrap();
            prop_assert_eq!(request.id.as_json(), r#""c""#);
            let again = version.decode_call(&request.method, request.params);
            let mut expect = call;
            expect.left(version);
            prop_assert_eq!(again, Ok(expect));
        }
    }

    #[test]
    fn results_survive_the_wire(version in versions(), (call, result) in answered()) {
        let bytes = version.encode_result(&RpcId::from(7), &result);
        let again = version.decode_result(&call, &bytes).unwrap();
        let mut expect = result;
        expect.left(version);
        prop_assert_eq!(again, expect);
    }

    #[test]
    fn events_survive_the_wire(version in versions(), event in event()) {
        let bytes = version.encode_event(&RpcId::Null, &event);
        let again = version.decode_event(&bytes).unwrap();
        let mut expect = event;
        expect.left(version);
        prop_assert_eq!(again, expect);
    }

    #[test]
    fn notifications_survive_the_wire(version in versions(), task in task(), event in event()) {
        let bytes = version.encode_notification(&task, &event);
        let again = version.decode_notification(&bytes).unwrap();
        let mut expect = if version == Version::V0_3 { Event::Task(task) } else { event };
        expect.left(version);
        prop_assert_eq!(again, expect);
    }

    #[test]
    fn any_bytes_are_answered(
        version in versions(),
        body in prop_oneof![vec(any::<u8>(), 0..60), nearly()],
    ) {
        let answer: Value = serde_json::from_slice(&answer(version, &body)).unwrap();
        prop_assert_eq!(&answer["jsonrpc"], "2.0");
        let id = serde_json::from_slice::<Value>(&body).ok().and_then(|body| body.get("id").cloned());
        let is_scalar = |id: &Value| id.is_string() || id.is_number();
        prop_assert!(answer["id"].is_null() || id.filter(is_scalar) == Some(answer["id"].clone()));
        prop_assert!(answer.get("result").is_some() != answer.get("error").is_some());
    }

    #[test]
    fn any_answer_is_read_or_refused(version in versions(), body in nearly(), (call, _) in answered()) {
        let _ = version.decode_result(&call, &body);
        let _ = version.decode_event(&body);
        let _ = version.decode_notification(&body);
    }
}

#[test]
fn what_is_left_out_of_an_answer_is_empty() {
    let call = Call::Send(SendMessage::new(Message::user("hi")));
    let body = br#"{"jsonrpc":"2.0","id":1,"result":{"parts":[{"kind":"text","text":"hello"}]}}"#;
    let Ok(CallResult::Message(message)) = Version::V0_3.decode_result(&call, body) else {
        panic!("a message");
    };
    assert_eq!(
        (message.text(), message.role),
        ("hello".to_owned(), Role::Agent)
    );
    let body = br#"{"result":{"id":"t","status":{"state":"dreaming"}}}"#;
    let Ok(CallResult::Sent(task)) = Version::V0_3.decode_result(&call, body) else {
        panic!("a task");
    };
    assert_eq!(task.status.state, TaskState::Unknown);
}

#[test]
fn a_result_of_null_is_there() {
    let bytes = Version::V0_3.encode_result(&RpcId::from(1), &CallResult::Deleted);
    assert_eq!(bytes, br#"{"jsonrpc":"2.0","id":1,"result":null}"#);
    let neither = Version::V0_3.decode_result(&Call::ExtendedCard, br#"{"id":1}"#);
    assert!(neither.is_err());
}

#[test]
fn an_error_of_version_1_0_says_its_reason_and_keeps_what_it_had() {
    let mut error = crate::A2aError::from(crate::ErrorCode::TaskNotFound);
    error.data = Some(serde_json::json!({"hint": 1}));
    let bytes = Version::V1_0.encode_error(&RpcId::Null, &error);
    let answer: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(answer["error"]["data"][0]["reason"], "TASK_NOT_FOUND");
    assert_eq!(answer["error"]["data"][1], serde_json::json!({"hint": 1}));
    let odd = crate::A2aError::new(crate::ErrorCode::Other(-7), "odd");
    let bytes = Version::V1_0.encode_error(&RpcId::Null, &odd);
    assert_eq!(
        bytes,
        br#"{"jsonrpc":"2.0","id":null,"error":{"code":-7,"message":"odd"}}"#
    );
}
