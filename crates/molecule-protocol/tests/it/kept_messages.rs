//! A message that is kept as JSON is the same when it is read again.

use molecule_protocol::{ActivityRow, Inbound, InboundMessage, parse_json};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,6}", inner, 0..4)
                .prop_map(|map| Value::from(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn part() -> impl Strategy<Value = Value> {
    prop_oneof![
        ".{0,30}".prop_map(|text| json!({"kind": "text", "text": text})),
        ".{0,30}".prop_map(|text| json!({"type": "text", "text": text})),
        any_json().prop_map(|data| json!({"kind": "data", "data": data})),
        ".{0,9}".prop_map(|uri| json!({"kind": "file", "file": {"uri": uri, "size": 7}})),
        any_json(),
    ]
}

fn source() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!("c7a82861-b15f-421d-903c-f767f108d62f")),
        ".{1,20}".prop_map(Value::from),
    ]
}

/// The message of a row, as a platform would hand it out.
fn message(row: Value) -> InboundMessage {
    let row: ActivityRow = serde_json::from_value(row).unwrap();
    let me = "aa4182ce-f4e6-423f-a503-ed23ade8b5ac".parse().unwrap();
    match row.inbound(&me) {
        Inbound::Message(message) => *message,
        other => panic!("{other:?}"),
    }
}

fn again(message: &InboundMessage) -> InboundMessage {
    parse_json(&serde_json::to_vec(message).unwrap()).unwrap()
}

proptest! {
    #[test]
    fn whatever_a_platform_hands_out(
        parts in prop::collection::vec(part(), 0..5), source in source(), id in prop::option::of(".{0,20}"),
        role in prop::sample::select(vec!["user", "agent", "else"]), metadata in any_json(), micros in 0u32..1_000_000,
    ) {
        let message = message(json!({
            "id": "28aa9223-a2e1-4348-ac8d-55c47e1b030e", "created_at": format!("2026-11-22T04:01:56.{micros:06}Z"),
            "activity_type": "a2a_receive", "method": "message/send", "source_id": source,
            "request_body": {"params": {"message": {"messageId": id, "role": role, "parts": parts, "metadata": metadata}}},
            "data": {"peer_name": "Ann"}}));
        prop_assert_eq!(again(&message), message);
    }
}

#[test]
fn a_message_of_megabytes() {
    let text = "x".repeat(8_000_000);
    let time = "2026-11-22T04:01:56Z".parse().unwrap();
    let id = "28aa9223-a2e1-4348-ac8d-55c47e1b030e".parse().unwrap();
    let message = InboundMessage::text(id, time, molecule_protocol::Sender::CanvasUser, text);
    assert_eq!(again(&message), message);
}

#[test]
fn one_that_an_earlier_version_kept_has_only_what_that_knew() {
    let kept = json!({"activity_id": "28aa9223-a2e1-4348-ac8d-55c47e1b030e", "created_at": "2026-11-22T04:01:56Z",
        "sender": {"peer": "c7a82861-b15f-421d-903c-f767f108d62f"}, "text": "hi", "parts": [{"kind": "text", "text": "hi"}],
        "method": "message/send", "role": "user"});
    let message: InboundMessage = serde_json::from_value(kept.clone()).unwrap();
    assert_eq!(serde_json::to_value(&message).unwrap(), kept);
}
