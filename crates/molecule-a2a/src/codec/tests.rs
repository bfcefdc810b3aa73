//! What is written is read again as it was, but for what a wire cannot say.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::{
    Artifact, ArtifactUpdate, Call, CallResult, Event, ListTasks, Message, Part, PartContent,
    PushAuthentication, PushConfig, PushConfigOf, Role, RpcId, SendMessage, SendOptions,
    StatusUpdate, Task, TaskPage, TaskState, TaskStatus, Version, parse_request,
};

const STATES: [TaskState; 9] = [
    TaskState::Submitted,
    TaskState::Working,
    TaskState::InputRequired,
    TaskState::AuthRequired,
    TaskState::Completed,
    TaskState::Canceled,
    TaskState::Failed,
    TaskState::Rejected,
    TaskState::Unknown,
];

/// What is left of a value once it went over a wire.
trait Left {
    fn left(&mut self, version: Version);

    fn left_all<'a>(list: impl IntoIterator<Item = &'a mut Self>, version: Version)
    where
        Self: 'a,
    {
        list.into_iter().for_each(|item| item.left(version));
    }
}

/// Version 0.3 knows names and types of files alone.
impl Left for Part {
    fn left(&mut self, version: Version) {
        let is_file = matches!(self.content, PartContent::Raw(_) | PartContent::Url(_));
        if version == Version::V0_3 && !is_file {
            (self.filename, self.media_type) = (None, None);
        }
    }
}

/// Version 1.0 has no word for what an answer cost.
impl Left for Message {
    fn left(&mut self, version: Version) {
        Left::left_all(&mut self.parts, version);
        self.usage.take_if(|_| version == Version::V1_0);
    }
}

impl Left for TaskStatus {
    fn left(&mut self, version: Version) {
        Left::left_all(&mut self.message, version);
    }
}

impl Left for Artifact {
    fn left(&mut self, version: Version) {
        Left::left_all(&mut self.parts, version);
    }
}

impl Left for Task {
    fn left(&mut self, version: Version) {
        self.status.left(version);
        Left::left_all(self.artifacts.iter_mut().flatten(), version);
        Left::left_all(self.history.iter_mut().flatten(), version);
        self.usage.take_if(|_| version == Version::V1_0);
    }
}

/// Version 1.0 has one scheme.
impl Left for PushConfig {
    fn left(&mut self, version: Version) {
        if let (Version::V1_0, Some(authentication)) = (version, &mut self.authentication) {
            authentication.schemes.resize(1, String::new());
        }
    }
}

/// Version 1.0 does not say whether a stream ends.
impl Left for Event {
    fn left(&mut self, version: Version) {
        match self {
            Self::Task(task) => task.left(version),
            Self::Message(message) => message.left(version),
            Self::Artifact(update) => update.artifact.left(version),
            Self::Status(update) => {
                update.status.left(version);
                if version == Version::V1_0 {
                    update.is_final = update.status.state.is_final();
                }
            }
        }
    }
}

/// In version 1.0 a state that is not specified is none.
impl Left for Call {
    fn left(&mut self, version: Version) {
        match self {
            Self::Send(send) | Self::Stream(send) => {
                send.message.left(version);
                Left::left_all(&mut send.options.push, version);
            }
            Self::SetPushConfig(push) => push.config.left(version),
            Self::ListTasks(list) => {
                list.state.take_if(|state| *state == TaskState::Unknown);
            }
            _ => {}
        }
    }
}

impl Left for CallResult {
    fn left(&mut self, version: Version) {
        match self {
            Self::Message(message) => message.left(version),
            Self::Sent(task) | Self::Task(task) => task.left(version),
            Self::Tasks(page) => Left::left_all(&mut page.tasks, version),
            Self::PushConfig(push) => push.config.left(version),
            Self::PushConfigs(list) => {
                Left::left_all(list.iter_mut().map(|push| &mut push.config), version);
            }
            Self::Deleted | Self::Card(_) => {}
        }
    }
}

fn text() -> impl Strategy<Value = String> + Clone {
    "[a-z\"\\\\{\n ü😀]{0,6}"
}

fn some<S: Strategy>(strategy: S) -> impl Strategy<Value = Option<S::Value>> {
    option::weighted(0.3, strategy)
}

/// Any JSON but null, which cannot be told from nothing everywhere.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(prop_oneof![Just(Value::Null), inner.clone()], 0..3).prop_map(Value::from),
            vec((text(), inner), 0..3).prop_map(|fields| Value::from(Map::from_iter(fields))),
        ]
    })
}

fn metadata() -> impl Strategy<Value = Option<Map<String, Value>>> {
    some(vec((text(), json()), 0..3).prop_map(Map::from_iter))
}

fn texts() -> impl Strategy<Value = Option<Vec<String>>> {
    some(vec(text(), 0..3))
}

fn part() -> impl Strategy<Value = Part> {
    let content = prop_oneof![
        text().prop_map(PartContent::Text),
        text().prop_map(PartContent::Raw),
        text().prop_map(PartContent::Url),
        json().prop_map(PartContent::Data),
        Just(PartContent::Data(Value::Null)),
    ];
    (content, metadata(), some(text()), some(text())).prop_map(
        |(content, metadata, filename, media_type)| Part {
            content,
            metadata,
            filename,
            media_type,
        },
    )
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::User), Just(Role::Agent)]
}

fn message(parts: usize) -> impl Strategy<Value = Message> {
    let ids = ("[a-z]{1,6}", some(text()), some(text()), texts());
    let rest = (vec(part(), parts..3), metadata(), texts(), some(json()));
    (ids, role(), rest).prop_map(|(ids, role, rest)| Message {
        message_id: ids.0,
        context_id: ids.1,
        task_id: ids.2,
        reference_task_ids: ids.3,
        role,
        parts: rest.0,
        metadata: rest.1,
        extensions: rest.2,
        usage: rest.3,
    })
}

fn status() -> impl Strategy<Value = TaskStatus> {
    (
        prop::sample::select(&STATES),
        some(message(0)),
        some(text()),
    )
        .prop_map(|(state, message, timestamp)| TaskStatus {
            state,
            message,
            timestamp,
        })
}

fn artifact() -> impl Strategy<Value = Artifact> {
    let names = (text(), some(text()), some(text()));
    (names, vec(part(), 0..3), metadata(), texts()).prop_map(
        |(names, parts, metadata, extensions)| Artifact {
            artifact_id: names.0,
            name: names.1,
            description: names.2,
            parts,
            metadata,
            extensions,
        },
    )
}

fn task() -> impl Strategy<Value = Task> {
    let made = (some(vec(artifact(), 0..3)), some(vec(message(0), 0..3)));
    (text(), text(), status(), made, metadata(), some(json())).prop_map(
        |(id, context_id, status, made, metadata, usage)| Task {
            id,
            context_id,
            status,
            artifacts: made.0,
            history: made.1,
            metadata,
            usage,
        },
    )
}

fn push() -> impl Strategy<Value = PushConfig> {
    let authentication =
        (vec(text(), 0..3), some(text())).prop_map(|(schemes, credentials)| PushAuthentication {
            schemes,
            credentials,
        });
    (some(text()), text(), some(text()), some(authentication)).prop_map(
        |(id, url, token, authentication)| PushConfig {
            id,
            url,
            token,
            authentication,
        },
    )
}

fn push_of() -> impl Strategy<Value = PushConfigOf> {
    (text(), push()).prop_map(|(task_id, config)| PushConfigOf { task_id, config })
}

fn event() -> impl Strategy<Value = Event> {
    let status = (text(), text(), status(), any::<bool>(), metadata()).prop_map(
        |(task_id, context_id, status, is_final, metadata)| StatusUpdate {
            task_id,
            context_id,
            status,
            is_final,
            metadata,
        },
    );
    let flags = (some(any::<bool>()), some(any::<bool>()));
    let made = (text(), text(), artifact(), flags, metadata()).prop_map(
        |(task_id, context_id, artifact, flags, metadata)| ArtifactUpdate {
            task_id,
            context_id,
            artifact,
            append: flags.0,
            last_chunk: flags.1,
            metadata,
        },
    );
    prop_oneof![
        task().prop_map(Event::Task),
        message(0).prop_map(Event::Message),
        status.prop_map(Event::Status),
        made.prop_map(Event::Artifact),
    ]
}

fn send() -> impl Strategy<Value = SendMessage> {
    let options = (
        some(any::<bool>()),
        some(any::<u32>()),
        texts(),
        some(push()),
    )
        .prop_map(
            |(blocking, history_length, accepted_output_modes, push)| SendOptions {
                blocking,
                history_length,
                accepted_output_modes,
                push,
            },
        );
    (message(1), options, metadata()).prop_map(|(message, options, metadata)| SendMessage {
        message,
        options,
        metadata,
    })
}

fn list() -> impl Strategy<Value = ListTasks> {
    let state = some(prop::sample::select(&STATES));
    let page = (some(1_u32..=100), some(text()), some(any::<u32>()));
    (some(text()), state, page, some(text()), some(any::<bool>())).prop_map(
        |(context_id, state, page, status_timestamp_after, include_artifacts)| ListTasks {
            context_id,
            state,
            page_size: page.0,
            page_token: page.1,
            history_length: page.2,
            status_timestamp_after,
            include_artifacts,
        },
    )
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        send().prop_map(Call::Send),
        send().prop_map(Call::Stream),
        (text(), some(any::<u32>()))
            .prop_map(|(id, history_length)| Call::GetTask { id, history_length }),
        list().prop_map(Call::ListTasks),
        text().prop_map(|id| Call::CancelTask { id }),
        text().prop_map(|id| Call::Resubscribe { id }),
        push_of().prop_map(Call::SetPushConfig),
        (text(), text()).prop_map(|(task_id, id)| Call::GetPushConfig {
            task_id,
            id: Some(id)
        }),
        text().prop_map(|task_id| Call::ListPushConfigs { task_id }),
        (text(), text()).prop_map(|(task_id, id)| Call::DeletePushConfig { task_id, id }),
        Just(Call::ExtendedCard),
    ]
}

fn page() -> impl Strategy<Value = TaskPage> {
    (vec(task(), 0..3), text(), any::<u32>(), any::<u32>()).prop_map(
        |(tasks, next_page_token, page_size, total_size)| TaskPage {
            tasks,
            next_page_token,
            page_size,
            total_size,
        },
    )
}

/// A result and a call that it answers.
fn answered() -> impl Strategy<Value = (Call, CallResult)> {
    let send = || Call::Send(SendMessage::new(Message::user("hi")));
    let id = String::new;
    let set = || Call::SetPushConfig(PushConfigOf::new("", PushConfig::new("")));
    prop_oneof![
        message(0).prop_map(move |message| (send(), CallResult::Message(message))),
        task().prop_map(move |task| (send(), CallResult::Sent(task))),
        task().prop_map(move |task| (Call::CancelTask { id: id() }, CallResult::Task(task))),
        page().prop_map(|page| (
            Call::ListTasks(ListTasks::default()),
            CallResult::Tasks(page)
        )),
        push_of().prop_map(move |push| (set(), CallResult::PushConfig(push))),
        vec(push_of(), 0..3).prop_map(move |list| (
            Call::ListPushConfigs { task_id: id() },
            CallResult::PushConfigs(list)
        )),
        Just((
            Call::DeletePushConfig {
                task_id: id(),
                id: id()
            },
            CallResult::Deleted
        )),
        json().prop_map(|card| (Call::ExtendedCard, CallResult::Card(card))),
    ]
}

fn versions() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V0_3), Just(Version::V1_0)]
}

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
