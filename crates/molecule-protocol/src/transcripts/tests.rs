//! The recordings are whole, and each can be replayed from an empty server.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::bindings::next_variable;
use super::*;

/// Variables that a replayer binds before it starts, by name or kind.
const WELL_KNOWN: [&str; 7] = [
    "admin_token",
    "bogus",
    "platform_url",
    "platform_host",
    "platform_port",
    "unknown",
    "agent",
];

#[test]
fn every_recorded_exchange_is_there() {
    let recordings = all();
    let count = |transcript: &Transcript, condensed: bool| {
        transcript
            .exchanges()
            .filter(|exchange| exchange.condensed.is_some() == condensed)
            .count()
    };
    let counts: Vec<_> = recordings
        .iter()
        .map(|found| {
            (
                found.source.as_str(),
                count(found, false),
                count(found, true),
            )
        })
        .collect();
    assert_eq!(
        counts,
        [
            ("01-create-register", 59, 0),
            ("02-heartbeat-state-lifecycle", 72, 23),
            ("03-peers-discover-a2a", 75, 4),
            ("04-delegate-activity-notify", 42, 16),
            ("05-secrets-plugins-tokens-misc", 90, 7),
            ("06-liveness-timeline", 2, 13),
            ("08-config-modes", 33, 18),
            ("09-stream-ws-extra", 15, 4),
            ("10-enum-fixed", 14, 0),
            ("11-timeouts-races", 4, 0),
            ("12-patch-runtime", 9, 0),
        ]
    );
}

#[test]
fn every_variable_is_bound_before_it_is_used() {
    for text in FILES {
        let transcript: Value = serde_json::from_str(text).unwrap();
        let mut bound = BTreeSet::new();
        for section in transcript["sections"].as_array().unwrap() {
            for setup in section["setup"].as_array().unwrap() {
                bind_setup(&mut bound, setup);
            }
            for step in section["steps"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|step| step.get("observed").is_none())
            {
                bound.extend(
                    step["capture"]
                        .as_object()
                        .into_iter()
                        .flat_map(|names| names.keys().cloned()),
                );
                assert_bound(&bound, &step["request"]);
                assert_bound(&bound, &step["response"]);
                assert_bound(&bound, &step["expect"]);
                assert_bound(&bound, &step["unrecorded"]);
            }
        }
    }
}

/// A token is issued at once to an external workspace without a url, and to any other when it first registers.
fn bind_setup(bound: &mut BTreeSet<String>, setup: &Value) {
    assert_bound(bound, &setup["create"]);
    assert_bound(bound, &setup["register"]);
    let name = setup["workspace"].as_str().unwrap();
    bound.insert(format!("workspace:{name}"));
    let external =
        setup["create"]["external"] == json!(true) && setup["create"].get("url").is_none();
    if external || setup["register"].is_object() {
        bound.insert(format!("token:{name}"));
    }
}

fn assert_bound(bound: &BTreeSet<String>, value: &Value) {
    match value {
        Value::String(text) => {
            let mut rest = text.as_str();
            while let Some((_, name, after)) = next_variable(rest) {
                let kind = name.split(':').next().unwrap().to_ascii_lowercase();
                let lower = name.replacen(&kind.to_ascii_uppercase(), &kind, 1);
                assert!(
                    WELL_KNOWN.contains(&kind.as_str()) || bound.contains(&lower),
                    "{name} in {text}"
                );
                rest = after;
            }
        }
        Value::Array(items) => items.iter().for_each(|item| assert_bound(bound, item)),
        Value::Object(fields) => fields.values().for_each(|field| assert_bound(bound, field)),
        _ => {}
    }
}

#[test]
fn every_recorded_answer_has_its_own_shape() {
    for transcript in all() {
        for exchange in transcript.exchanges() {
            if let Some(body) = &exchange.response.json {
                assert_eq!(same_shape(body, body), Ok(()), "{}", exchange.request.path);
            }
        }
    }
}

#[test]
fn topics_of_steps_are_topics_of_their_section() {
    for section in all().iter().flat_map(|transcript| &transcript.sections) {
        for exchange in section.exchanges() {
            assert!(
                section.topics.contains(&exchange.topic),
                "{} in {}",
                exchange.topic,
                section.title
            );
        }
    }
}

#[test]
fn a_large_body_has_the_recorded_length() {
    let transcript = find("01-create-register").unwrap();
    let request = &transcript
        .exchanges()
        .find(|exchange| exchange.request.generate.is_some())
        .unwrap()
        .request;
    let mut bindings = Bindings::new("http://127.0.0.1:8080");
    assert_eq!(request.body(&bindings).unwrap_err().name, "workspace:alpha");
    bindings.bind("workspace:alpha", "9e453dad-99f0-4e01-8c72-0031bf974e26");
    assert_eq!(request.body(&bindings).unwrap().unwrap().len(), 3_000_121);
}

#[test]
fn a_body_of_text_is_sent_as_it_is() {
    let transcript = find("01-create-register").unwrap();
    let bindings = Bindings::new("http://127.0.0.1:8080");
    let texts: Vec<_> = transcript
        .exchanges()
        .filter(|exchange| exchange.request.text.is_some())
        .collect();
    let bodies: Vec<_> = texts
        .iter()
        .map(|exchange| exchange.request.body(&bindings).unwrap().unwrap())
        .collect();
    assert_eq!(bodies, ["{bad json", ""]);
}

#[test]
fn a_recording_is_found_by_its_name_alone() {
    assert!(
        all()
            .iter()
            .all(|transcript| find(&transcript.source).is_some())
    );
    assert!(find("07-never-made").is_none());
}
