//! What the official Python SDKs really send and answer, exchange by exchange: version 0.3.26, and version 1.3.0 on both wires.

use molecule_a2a::{
    AnswerError, Call, ErrorCode, Event, RpcId, Task, TaskState, Version, parse_request, version_of,
};
use molecule_protocol::{EventStreamParser, StreamItem};
use serde::Deserialize;
use serde_json::{Value, json};

const V03: Version = Version::V0_3;
const V10: Version = Version::V1_0;

/// Each capture and the version that it is in.
const CAPTURES: [(Version, &str, &str); 3] = [
    (
        V03,
        "0.3.26",
        include_str!("../fixtures/sdk-0.3.26-wire-0.3.json"),
    ),
    (
        V03,
        "1.3.0",
        include_str!("../fixtures/sdk-1.3.0-wire-0.3.json"),
    ),
    (
        V10,
        "1.3.0",
        include_str!("../fixtures/sdk-1.3.0-wire-1.0.json"),
    ),
];

#[derive(Deserialize)]
pub(crate) struct Exchange {
    pub(crate) case: String,
    pub(crate) request: Option<Value>,
    pub(crate) answer: Option<String>,
    #[serde(default)]
    pub(crate) is_stream: bool,
    #[serde(default)]
    received: Vec<Notification>,
}

#[derive(Deserialize)]
struct Notification {
    token: String,
    body: Value,
}

impl Exchange {
    /// The bytes of the request; those that are no JSON are kept as a text.
    pub(crate) fn body(&self) -> Option<String> {
        let request = self.request.as_ref()?;
        Some(
            request
                .as_str()
                .map_or_else(|| request.to_string(), str::to_owned),
        )
    }

    /// The JSON-RPC answers: the one there is, or those of a stream.
    pub(crate) fn answers(&self) -> Vec<String> {
        let answer = self.answer.clone().unwrap_or_default();
        if !self.is_stream {
            return vec![answer];
        }
        let items = EventStreamParser::new().feed(answer.as_bytes()).into_iter();
        items
            .map(|item| match item {
                StreamItem::Event(event) => event.data,
                other => panic!("{other:?}"),
            })
            .collect()
    }
}

pub(crate) fn exchanges() -> impl Iterator<Item = (Version, &'static str, Exchange)> {
    CAPTURES.into_iter().flat_map(|(version, sdk, capture)| {
        let exchanges: Vec<Exchange> = serde_json::from_str(capture).unwrap();
        assert_eq!(exchanges.len(), 24);
        exchanges
            .into_iter()
            .map(move |exchange| (version, sdk, exchange))
    })
}

/// What a server makes of a body that comes with this header.
pub(crate) fn call(header: Option<&str>, body: &str) -> Result<(Version, Call), ErrorCode> {
    let request = parse_request(body.as_bytes()).map_err(|(_, error)| error.code)?;
    let version = version_of(header, None, &request.method).map_err(|error| error.code)?;
    let call = version.decode_call(&request.method, request.params);
    Ok((version, call.map_err(|error| error.code)?))
}

fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn id_of(answer: &Value) -> RpcId {
    answer["id"].as_str().map_or(RpcId::Null, RpcId::from)
}

/// What we refuse before anybody is asked. Where an SDK differs: 1.3.0 answers a wrong 0.3 message with -32600, although its
/// parameters are what is wrong, and both SDKs take another version than theirs for an internal error or for their own when a 0.3
/// method is called; -32602 and -32009 are what the specifications say.
fn refusal(version: Version, case: &str) -> Option<ErrorCode> {
    match case {
        "parse_error" => Some(ErrorCode::Parse),
        "invalid_request" => Some(ErrorCode::InvalidRequest),
        "invalid_params" => Some(ErrorCode::InvalidParams),
        "unknown_method" => Some(ErrorCode::MethodNotFound),
        "list" if version == V03 => Some(ErrorCode::MethodNotFound),
        "bad_version" => Some(ErrorCode::VersionNotSupported),
        _ => None,
    }
}

#[test]
fn every_request_is_read_and_written_again_as_it_was_or_refused() {
    let mut read = 0;
    for (version, sdk, exchange) in exchanges() {
        let Some(body) = exchange.body() else {
            continue;
        };
        let case = format!("{sdk} {version} {}", exchange.case);
        let header = match (exchange.case.as_str(), version) {
            ("bad_version", _) => Some("9.9"),
            (_, V10) => Some("1.0"),
            _ => None,
        };
        let called = call(header, &body);
        if let Some(code) = refusal(version, &exchange.case) {
            assert_eq!(called.unwrap_err(), code, "{case}");
            continue;
        }
        let (found, called) = called.unwrap();
        assert_eq!(found, version, "{case}");
        let again = version
            .encode_call(&RpcId::from(&*exchange.case), &called)
            .unwrap();
        assert_eq!(parsed(&again), parsed(body.as_bytes()), "{case}");
        read += 1;
    }
    assert_eq!(read, 16 + 16 + 17);
}

#[test]
fn every_answer_is_read_and_written_again_as_it_was() {
    let mut events = 0;
    for (version, sdk, exchange) in exchanges() {
        let Some(body) = exchange.body() else {
            continue;
        };
        for answer in exchange.answers() {
            let case = format!("{sdk} {version} {}", exchange.case);
            let expect = parsed(answer.as_bytes());
            let id = id_of(&expect);
            let again = if exchange.is_stream {
                events += 1;
                let event = version.decode_event(answer.as_bytes()).unwrap();
                version.encode_event(&id, &event)
            } else if expect.get("error").is_some() {
                refused(version, &answer)
            } else {
                // The SDK 0.3.26 does not look at the version of a request, so that this one has an answer.
                let header = Some(version.as_str());
                let (_, called) = call(header, &body).unwrap();
                let result = version.decode_result(&called, answer.as_bytes()).unwrap();
                version.encode_result(&id, &result)
            };
            assert_eq!(parsed(&again), as_we_say_it(version, expect), "{case}");
        }
    }
    assert_eq!(events, 3 * (4 + 1) + 2 + 3 + 3);
}

/// Reads an error, as an answer to whatever, and writes it again.
fn refused(version: Version, answer: &str) -> Vec<u8> {
    let result = version.decode_result(&Call::ExtendedCard, answer.as_bytes());
    let Err(AnswerError::Refused(error)) = result else {
        panic!("{answer} is an error");
    };
    let answer = parsed(answer.as_bytes());
    match &answer["id"] {
        Value::Number(id) => version.encode_error(&RpcId::from(id.as_u64().unwrap()), &error),
        _ => version.encode_error(&id_of(&answer), &error),
    }
}

/// There is an id in each of our answers, and a reason in each error of version 1.0; the SDKs leave them out of some.
fn as_we_say_it(version: Version, mut answer: Value) -> Value {
    let id = answer.get("id").cloned();
    answer["id"] = id.unwrap_or_default();
    let reason = match answer["error"]["code"].as_i64() {
        Some(-32700) => "PARSE_ERROR",
        Some(-32601) => "METHOD_NOT_FOUND",
        _ => return answer,
    };
    if version == V10 {
        answer["error"]["data"] = json!([{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": reason,
            "domain": "a2a-protocol.org",
            "metadata": {},
        }]);
    }
    answer
}

#[test]
fn every_notification_is_read_and_written_again_as_it_was() {
    let mut seen = 0;
    for (_, sdk, exchange) in exchanges() {
        for notification in exchange.received {
            // The SDK 1.3.0 posts the shape of 1.0 to whoever asked in 0.3.
            let version = if sdk == "0.3.26" { V03 } else { V10 };
            let body = notification.body.to_string();
            let event = version.decode_notification(body.as_bytes()).unwrap();
            let task = match &event {
                Event::Task(task) => task.clone(),
                _ => Task::new("t", "c"),
            };
            let again = version.encode_notification(&task, &event);
            assert_eq!(parsed(&again), notification.body, "{sdk}");
            assert_eq!(notification.token, "tok");
            seen += 1;
        }
    }
    assert_eq!(seen, 6);
}

#[test]
fn the_same_exchange_means_the_same_on_all_wires() {
    let mut texts = Vec::new();
    for (version, _, exchange) in exchanges().filter(|(.., exchange)| exchange.case == "stream") {
        let read = |answer: String| version.decode_event(answer.as_bytes()).unwrap();
        let events: Vec<Event> = exchange.answers().into_iter().map(read).collect();
        let [
            Event::Task(task),
            Event::Status(working),
            Event::Artifact(update),
            Event::Status(done),
        ] = events.as_slice()
        else {
            panic!("{events:?}");
        };
        assert_eq!(task.status.state, TaskState::Submitted);
        assert_eq!(working.status.state, TaskState::Working);
        assert!(!working.is_final && done.is_final);
        assert_eq!(done.status.state, TaskState::Completed);
        texts.push(update.artifact.parts[0].as_text().unwrap().to_owned());
    }
    assert_eq!(texts, ["echo: hi"; 3]);
}

#[test]
fn every_answer_is_compact() {
    let asked = Call::GetTask {
        id: "t".to_owned(),
        history_length: None,
    };
    let (_, _, exchange) = exchanges()
        .find(|(.., exchange)| exchange.case == "get")
        .unwrap();
    let answer = exchange.answer.unwrap();
    let task = V03.decode_result(&asked, answer.as_bytes()).unwrap();
    for version in [V03, V10] {
        let bytes = version.encode_result(&RpcId::from("get"), &task);
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(
            text.len(),
            serde_json::from_str::<Value>(&text)
                .unwrap()
                .to_string()
                .len()
        );
        assert!(text.contains(r#""id":"get""#), "{text}");
    }
}
