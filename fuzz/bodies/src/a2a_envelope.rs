//! Whatever comes to an A2A server is answered in JSON-RPC, and what is read can be written and read again.

use molecule_a2a::{
    A2aError, Call, CallResult, Message, RpcId, SendMessage, Version, parse_request,
};
use serde_json::Value;

/// The most bytes of a refusal: the longest id, and a text that quotes a little.
const MAX_REFUSAL: usize = 4096;

/// Takes the bytes for the body of a call, and for an answer, an event and a notification, in both versions.
///
/// # Panics
/// When a refusal is no answer or a long one, or when something does not survive being sent on.
pub fn run(bytes: &[u8]) {
    let is_exact = !may_hold_floats(bytes);
    for version in [Version::V0_3, Version::V1_0] {
        match called(version, bytes) {
            Ok(call) => survives(version, &call, is_exact),
            Err((id, error)) => check_refusal(&version.encode_error(&id, &error), bytes),
        }
        answered(version, bytes, is_exact);
    }
}

fn called(version: Version, bytes: &[u8]) -> Result<Call, (RpcId, A2aError)> {
    let request = parse_request(bytes)?;
    let call = version.decode_call(&request.method, request.params);
    call.map_err(|error| (request.id, error))
}

fn survives(version: Version, call: &Call, is_exact: bool) {
    let sent = version.encode_call(&RpcId::Null, call);
    let again = called(version, &sent.expect("the version has what it has read"));
    let again = again.expect("what was read is read again");
    assert!(!is_exact || again == *call, "{again:?} was {call:?}");
}

fn check_refusal(answer: &[u8], bytes: &[u8]) {
    assert!(answer.len() <= MAX_REFUSAL, "{} bytes", answer.len());
    let answer: Value = serde_json::from_slice(answer).expect("an answer is JSON");
    assert_eq!(answer["jsonrpc"], "2.0");
    assert!(answer["error"]["code"].is_i64());
    // Half a character may stand in a member that nobody looks at; a `Value` cannot hold it.
    if let Ok(asked) = serde_json::from_slice::<Value>(bytes) {
        assert!(answer["id"].is_null() || answer["id"] == asked["id"]);
    }
}

fn answered(version: Version, bytes: &[u8], is_exact: bool) {
    let hello = Call::Send(SendMessage::new(Message::new(
        "m",
        molecule_a2a::Role::User,
    )));
    let id = RpcId::from(1);
    if let Ok(result) = version.decode_result(&hello, bytes) {
        let sent = version.encode_result(&id, &result);
        let again: CallResult = version.decode_result(&hello, &sent).expect("read before");
        assert!(!is_exact || again == result, "{again:?} was {result:?}");
    }
    let events = [
        version.decode_event(bytes),
        version.decode_notification(bytes),
    ];
    for event in events.into_iter().flatten() {
        let sent = version.encode_event(&id, &event);
        let again = version.decode_event(&sent).expect("read before");
        assert!(!is_exact || again == event, "{again:?} was {event:?}");
    }
}

/// Numbers that are no integers are read to within their last digit, so that they need not survive.
fn may_hold_floats(bytes: &[u8]) -> bool {
    let pairs = bytes.windows(2);
    pairs
        .filter(|pair| pair[0].is_ascii_digit())
        .any(|pair| matches!(pair[1], b'.' | b'e' | b'E'))
        || bytes
            .windows(20)
            .any(|digits| digits.iter().all(u8::is_ascii_digit))
}
