//! From a call to a message, and from what a handler made of it to an answer.

use molecule_a2a::{Answer, Incoming, Message, PartContent};
use molecule_protocol::{InboundMessage, Part, Role, Sender, Timestamp};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::HandlerOutcome;

/// What platforms understand as: the agent has nothing to say.
const NOTHING: &str = "(no response generated)";

/// The message in a call that came at `now`. Nobody knows who called, and the platform's log has no row of it yet.
pub(super) fn message_of(incoming: Incoming, now: Timestamp) -> InboundMessage {
    let Incoming {
        message, metadata, ..
    } = incoming;
    let (id, sender) = (Uuid::new_v4().into(), Sender::Unknown(String::new()));
    let mut inbound = InboundMessage::text(id, now, sender, message.text());
    inbound.parts = message.parts.iter().map(part_of).collect();
    inbound.role = match message.role {
        molecule_a2a::Role::Agent => Role::Agent,
        _ => Role::User,
    };
    inbound.metadata = merged(metadata, message.metadata);
    inbound.message_id = Some(message.message_id);
    inbound.task_id = message.task_id;
    inbound.context_id = message.context_id;
    inbound
}

/// The message's metadata over that of the call, as it is with messages from the log.
fn merged(
    call: Option<Map<String, Value>>,
    message: Option<Map<String, Value>>,
) -> Map<String, Value> {
    let mut all = call.unwrap_or_default();
    all.extend(message.unwrap_or_default());
    all
}

fn part_of(part: &molecule_a2a::Part) -> Part {
    let file = |place: &str, content: &str| {
        let mut file = Map::new();
        file.insert(place.to_owned(), content.into());
        if let Some(name) = &part.filename {
            file.insert("name".to_owned(), name.as_str().into());
        }
        if let Some(media_type) = &part.media_type {
            file.insert("mimeType".to_owned(), media_type.as_str().into());
        }
        Part::from_json(&json!({"kind": "file", "file": file}))
    };
    match &part.content {
        PartContent::Text(text) => Part::Text(text.clone()),
        PartContent::Data(data) => Part::Data(data.clone()),
        PartContent::Raw(base64) => file("bytes", base64),
        PartContent::Url(url) => file("uri", url),
        other => Part::Unknown(json!(format!("{other:?}"))),
    }
}

/// What goes back on the connection. It is never empty: platforms would take that for no answer at all. A failure is said in the words
/// in which a platform recognises one.
pub(super) fn answer_of(outcome: HandlerOutcome) -> Answer {
    match outcome {
        HandlerOutcome::Task(work) => Answer::Task(work),
        HandlerOutcome::Message(message) if !message.parts.is_empty() => Answer::Message(message),
        HandlerOutcome::Reply(text) if !text.is_empty() => Message::agent(text).into(),
        HandlerOutcome::Error(error) => Message::agent(format!("Agent error: {error}")).into(),
        _ => Message::agent(NOTHING).into(),
    }
}

#[cfg(test)]
mod tests {
    use molecule_a2a::TaskOutcome;
    use molecule_protocol::FilePart;

    use super::*;

    fn map(json: Value) -> Option<Map<String, Value>> {
        json.as_object().cloned()
    }

    fn answer(outcome: impl Into<HandlerOutcome>) -> Message {
        match answer_of(outcome.into()) {
            Answer::Message(message) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_call_becomes_a_message_whose_sender_is_unknown() {
        let mut message = molecule_a2a::Message::new("m-1", molecule_a2a::Role::Agent)
            .with_part(molecule_a2a::Part::text("one"))
            .with_part(
                molecule_a2a::Part::raw("MSwyCg==")
                    .with_filename("a.csv")
                    .with_media_type("text/csv"),
            )
            .with_part(molecule_a2a::Part::url("workspace:/a"))
            .with_part(molecule_a2a::Part::data(json!([7])))
            .with_part(molecule_a2a::Part::text("two"))
            .with_task("t-1", "c-1");
        message.metadata = map(json!({"a": 1}));
        let mut incoming = Incoming::new(message);
        incoming.metadata = map(json!({"a": 2, "history": []}));
        let now: Timestamp = "2026-11-22T04:01:56Z".parse().unwrap();
        let inbound = message_of(incoming, now);
        assert_eq!(inbound.text, "one\ntwo");
        assert_eq!(inbound.sender, Sender::Unknown(String::new()));
        assert_eq!((inbound.role, inbound.created_at), (Role::Agent, now));
        let ids = [inbound.message_id, inbound.task_id, inbound.context_id];
        assert_eq!(ids, ["m-1", "t-1", "c-1"].map(|id| Some(id.to_owned())));
        assert_eq!(
            Value::from(inbound.metadata),
            json!({"a": 1, "history": []})
        );
        let file = FilePart::from_bytes(b"1,2\n")
            .with_name("a.csv")
            .with_mime_type("text/csv");
        assert_eq!(inbound.parts[1], Part::File(file));
        assert_eq!(
            inbound.parts[2],
            Part::File(FilePart::from_uri("workspace:/a"))
        );
        assert_eq!(inbound.parts[3], Part::Data(json!([7])));
    }

    #[test]
    fn two_calls_are_two_messages() {
        let now: Timestamp = "2026-11-22T04:01:56Z".parse().unwrap();
        let of = |id: &str| {
            message_of(
                Incoming::new(Message::new(id, molecule_a2a::Role::User)),
                now,
            )
        };
        assert_ne!(of("m").activity_id, of("m").activity_id);
    }

    #[test]
    fn there_is_always_something_to_read() {
        assert_eq!(answer("hello").text(), "hello");
        for nothing in [
            HandlerOutcome::Nothing,
            "".into(),
            Message::new("m", molecule_a2a::Role::Agent).into(),
        ] {
            assert_eq!(answer(nothing).text(), NOTHING);
        }
        let failed = HandlerOutcome::Error("exit status 1".to_owned());
        assert_eq!(answer(failed).text(), "Agent error: exit status 1");
    }

    #[test]
    fn a_message_goes_back_whole_and_a_task_as_a_task() {
        let whole = Message::agent("hi")
            .with_usage(json!({"input_tokens": 7}))
            .with_metadata("tool_trace", json!(["ls"]));
        assert_eq!(answer(whole.clone()), whole);
        let work = molecule_a2a::TaskWork::new(async |_| TaskOutcome::canceled());
        assert!(matches!(answer_of(work.into()), Answer::Task(_)));
    }
}
