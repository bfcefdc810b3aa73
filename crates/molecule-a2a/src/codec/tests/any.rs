//! Any value of the model.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::{
    Artifact, ArtifactUpdate, Call, CallResult, Event, ListTasks, Message, Part, PartContent,
    PushAuthentication, PushConfig, PushConfigOf, Role, SendMessage, SendOptions, StatusUpdate,
    Task, TaskPage, TaskState, TaskStatus, Version,
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

pub(super) fn text() -> impl Strategy<Value = String> + Clone {
    "[a-z\"\\\\{\n ü😀]{0,6}"
}

pub(super) fn some<S: Strategy>(strategy: S) -> impl Strategy<Value = Option<S::Value>> {
    option::weighted(0.3, strategy)
}

/// Any JSON but null, which cannot be told from nothing everywhere.
pub(super) fn json() -> impl Strategy<Value = Value> {
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

pub(super) fn metadata() -> impl Strategy<Value = Option<Map<String, Value>>> {
    some(vec((text(), json()), 0..3).prop_map(Map::from_iter))
}

pub(super) fn texts() -> impl Strategy<Value = Option<Vec<String>>> {
    some(vec(text(), 0..3))
}

pub(super) fn part() -> impl Strategy<Value = Part> {
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

pub(super) fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::User), Just(Role::Agent)]
}

pub(super) fn message(parts: usize) -> impl Strategy<Value = Message> {
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

pub(super) fn status() -> impl Strategy<Value = TaskStatus> {
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

pub(super) fn artifact() -> impl Strategy<Value = Artifact> {
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

pub(super) fn task() -> impl Strategy<Value = Task> {
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

pub(super) fn push() -> impl Strategy<Value = PushConfig> {
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

pub(super) fn push_of() -> impl Strategy<Value = PushConfigOf> {
    (text(), push()).prop_map(|(task_id, config)| PushConfigOf { task_id, config })
}

pub(super) fn event() -> impl Strategy<Value = Event> {
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

pub(super) fn send() -> impl Strategy<Value = SendMessage> {
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

pub(super) fn list() -> impl Strategy<Value = ListTasks> {
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

pub(super) fn call() -> impl Strategy<Value = Call> {
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

pub(super) fn page() -> impl Strategy<Value = TaskPage> {
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
pub(super) fn answered() -> impl Strategy<Value = (Call, CallResult)> {
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

pub(super) fn versions() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V0_3), Just(Version::V1_0)]
}
