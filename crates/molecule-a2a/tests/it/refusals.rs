//! What is refused, with which code, and what is not.

use molecule_a2a::{Call, ErrorCode, PartContent, Version};
use serde_json::value::RawValue;
use serde_json::{Value, json};

const V03: Version = Version::V0_3;
const V10: Version = Version::V1_0;

fn decode(version: Version, method: &str, params: &Value) -> Result<Call, ErrorCode> {
    let params = RawValue::from_string(params.to_string()).unwrap();
    let call = version.decode_call(method, Some(&params));
    call.map_err(|error| error.code)
}

/// A message with these parts.
fn with_parts(version: Version, parts: Value) -> Value {
    let role = if version == V03 { "user" } else { "ROLE_USER" };
    json!({"message": {"messageId": "m", "role": role, "parts": parts}})
}

fn send(version: Version, params: &Value) -> Result<Call, ErrorCode> {
    let method = if version == V03 {
        "message/send"
    } else {
        "SendMessage"
    };
    decode(version, method, params)
}

fn content(version: Version, part: Value) -> Result<PartContent, ErrorCode> {
    match send(version, &with_parts(version, json!([part])))? {
        Call::Send(send) => Ok(send.message.parts[0].content.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn parts_are_tagged_in_either_spelling() {
    let text = || Ok(PartContent::Text("hi".to_owned()));
    assert_eq!(content(V03, json!({"kind": "text", "text": "hi"})), text());
    assert_eq!(content(V03, json!({"type": "text", "text": "hi"})), text());
    let both = json!({"kind": "text", "type": "text", "text": "hi"});
    assert_eq!(content(V03, both), text());
    let data = json!({"type": "data", "data": {"a": [1, null]}});
    assert_eq!(
        content(V03, data),
        Ok(PartContent::Data(json!({"a": [1, null]})))
    );
    let file =
        json!({"kind": "file", "file": {"name": "a", "mimeType": "b", "uri": "workspace:/c"}});
    assert_eq!(
        content(V03, file),
        Ok(PartContent::Url("workspace:/c".to_owned()))
    );
    let bytes = json!({"type": "file", "file": {"bytes": "aGk=", "mime_type": "b"}});
    assert_eq!(content(V03, bytes), Ok(PartContent::Raw("aGk=".to_owned())));
}

#[test]
fn parts_of_no_or_of_unknown_kind_are_refused() {
    for part in [
        json!({"type": "unsupported_type", "text": "hi"}),
        json!({"kind": "hologram"}),
        json!({"kind": 7, "text": "hi"}),
        json!({"text": "hi"}),
        json!({"kind": "text"}),
        json!({"kind": "text", "text": 7}),
        json!({"kind": "data"}),
        json!({"kind": "file"}),
        json!({"kind": "file", "file": {"name": "nowhere"}}),
        json!({"kind": "file", "file": ["aGk="]}),
        json!(["text", null, "hi", null, null, null]),
        json!("hi"),
        json!(null),
    ] {
        assert_eq!(
            content(V03, part.clone()),
            Err(ErrorCode::InvalidParams),
            "{part}"
        );
    }
}

#[test]
fn in_version_1_0_a_part_has_exactly_one_content() {
    for (part, expect) in [
        (json!({"text": ""}), PartContent::Text(String::new())),
        (
            json!({"raw": "aGk=", "filename": "f"}),
            PartContent::Raw("aGk=".to_owned()),
        ),
        (
            json!({"url": "https://e.x"}),
            PartContent::Url("https://e.x".to_owned()),
        ),
        (json!({"data": null}), PartContent::Data(Value::Null)),
        (
            json!({"text": "a", "raw": null}),
            PartContent::Text("a".to_owned()),
        ),
    ] {
        assert_eq!(content(V10, part), Ok(expect));
    }
    for part in [
        json!({}),
        json!({"text": "a", "url": "b"}),
        json!({"text": null}),
        json!({"kind": "text"}),
        json!({"text": "a", "data": null}),
        json!(["a", null, null, null, null, null, null]),
    ] {
        assert_eq!(
            content(V10, part.clone()),
            Err(ErrorCode::InvalidParams),
            "{part}"
        );
    }
}

#[test]
fn a_message_that_is_not_whole_is_refused() {
    for version in [V03, V10] {
        let whole = match version {
            V03 => with_parts(version, json!([{"kind": "text", "text": "hi"}])),
            _ => with_parts(version, json!([{"text": "hi"}])),
        };
        assert!(send(version, &whole).is_ok());
        for missing in ["messageId", "role", "parts"] {
            let mut params = whole.clone();
            params["message"].as_object_mut().unwrap().remove(missing);
            assert_eq!(
                send(version, &params),
                Err(ErrorCode::InvalidParams),
                "{missing}"
            );
        }
        for (field, wrong) in [
            ("role", json!("system")),
            ("role", json!(null)),
            ("role", json!("ROLE_UNSPECIFIED")),
            ("parts", json!([])),
            ("parts", json!("x")),
            ("messageId", json!(7)),
        ] {
            let mut params = whole.clone();
            params["message"][field] = wrong;
            assert_eq!(
                send(version, &params),
                Err(ErrorCode::InvalidParams),
                "{params}"
            );
        }
        for params in [
            json!({"": "x"}),
            json!({}),
            json!([]),
            json!("x"),
            json!({"message": []}),
        ] {
            assert_eq!(
                send(version, &params),
                Err(ErrorCode::InvalidParams),
                "{params}"
            );
        }
    }
}

#[test]
fn words_of_the_other_version_are_refused() {
    let old = json!({"message": {"messageId": "m", "role": "ROLE_USER", "parts": [{"kind": "text", "text": "hi"}]}});
    assert_eq!(send(V03, &old), Err(ErrorCode::InvalidParams));
    let new = json!({"message": {"messageId": "m", "role": "user", "parts": [{"text": "hi"}]}});
    assert_eq!(send(V10, &new), Err(ErrorCode::InvalidParams));
    assert_eq!(
        decode(V10, "message/send", &json!({})),
        Err(ErrorCode::MethodNotFound)
    );
    assert_eq!(
        decode(V03, "SendMessage", &json!({})),
        Err(ErrorCode::MethodNotFound)
    );
    assert_eq!(
        decode(V03, "tasks/list", &json!({})),
        Err(ErrorCode::MethodNotFound)
    );
}

#[test]
fn lengths_and_sizes_out_of_range_are_refused() {
    let refused = Err(ErrorCode::InvalidParams);
    for length in [json!(-1), json!(1.5), json!("1"), json!(1_u64 << 40)] {
        let params = json!({"id": "t", "historyLength": length});
        assert_eq!(decode(V03, "tasks/get", &params), refused, "{params}");
        assert_eq!(decode(V10, "GetTask", &params), refused, "{params}");
    }
    for size in [0, 101] {
        assert_eq!(
            decode(V10, "ListTasks", &json!({"pageSize": size})),
            refused
        );
    }
    assert_eq!(
        decode(V10, "ListTasks", &json!({"status": "TASK_STATE_ODD"})),
        refused
    );
    assert!(
        decode(
            V10,
            "ListTasks",
            &json!({"page_size": 100, "context_id": "c"})
        )
        .is_ok()
    );
}

#[test]
fn unknown_members_are_passed_over_and_metadata_is_kept() {
    let params = json!({
        "message": {"kind": "message", "messageId": "m", "role": "user", "color": 7,
            "parts": [{"kind": "text", "text": "hi", "weight": {}}], "metadata": {"a": 1}},
        "configuration": {"speed": "high", "blocking": true},
        "metadata": {"history": [{"role": "user", "parts": [{"kind": "text", "text": "before"}]}]},
        "more": [[]],
    });
    let Ok(Call::Send(send)) = send(V03, &params) else {
        panic!("refused");
    };
    assert_eq!(send.options.blocking, Some(true));
    assert_eq!(Value::from(send.message.metadata.unwrap()), json!({"a": 1}));
    assert_eq!(Value::from(send.metadata.unwrap()), params["metadata"]);
}

#[test]
fn missing_parameters_are_empty_ones() {
    let card = V03.decode_call("agent/getAuthenticatedExtendedCard", None);
    assert_eq!(card, Ok(Call::ExtendedCard));
    let get = V10.decode_call("GetTask", None).unwrap_err();
    assert_eq!(get.code, ErrorCode::InvalidParams);
}

#[test]
fn a_list_is_no_object_however_well_its_elements_fit() {
    let refused = Err(ErrorCode::InvalidParams);
    assert_eq!(decode(V03, "tasks/get", &json!(["t", null, null])), refused);
    assert_eq!(decode(V10, "CancelTask", &json!(["t", null])), refused);
}

#[test]
fn depth_is_bounded_and_errors_quote_no_more_than_a_little() {
    let deep = format!("{}1{}", r#"{"a":"#.repeat(10_000), "}".repeat(10_000));
    let disguised = r#"{"$serde_json::private::RawValue":"[[[]]]"}"#;
    let long = format!("{{\"role\":\"{}\"}}", "x".repeat(100_000));
    for metadata in [&deep, disguised] {
        let params = format!(
            r#"{{"message":{{"messageId":"m","role":"user","parts":[{{"kind":"text","text":"hi"}}]}},"metadata":{metadata}}}"#
        );
        refused(&params);
    }
    refused(&format!(r#"{{"message":{long}}}"#));
}

fn refused(params: &str) {
    let params: &RawValue = serde_json::from_str(params).unwrap();
    let error = V03.decode_call("message/send", Some(params)).unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidParams);
    assert!(error.message.len() < 300, "{}", error.message.len());
}
