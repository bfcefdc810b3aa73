//! How much memory answers take that become many times their size when they are read. Each is read by a process of its own: this
//! test binary again, running the one ignored test below.

use std::process::Command;

use http::{HeaderMap, StatusCode};
use molecule_protocol::endpoints::{
    A2aOutcome, ChatHistory, ListActivity, ListApprovals, ListDelegations, ListMemories, ListPeers,
    ListPlugins, ListSecrets, ListTokens, MemoryQuery, SendMessage,
};
use molecule_protocol::{ActivityId, Answer, ApiError, Endpoint, Message, WorkspaceId};

/// What no answer of 10 MiB may exceed, in KiB, with all that the test binary itself takes and the answer's own bytes.
const BOUND: u64 = 150 << 10;
/// What the largest answer that is asked for may not exceed: one of 64 MiB, with a single row.
const ROW_BOUND: u64 = 200 << 10;

/// The environment variables that tell the child what to read.
const BODY: &str = "MOLECULE_PROTOCOL_TEST_BODY";
const READER: &str = "MOLECULE_PROTOCOL_TEST_READER";
const BYTES: &str = "MOLECULE_PROTOCOL_TEST_BYTES";

/// What stands at the beginning of a row, so that it can be read.
const ROW: &str = r#"{"id":"28aa9223-a2e1-4348-ac8d-55c47e1b030e","created_at":"2026-11-22T04:01:56Z","activity_type":"a2a_receive""#;

/// Elements that become many times their size.
const SHAPES: [&str; 7] = [
    r#"{"":0}"#,
    "{}",
    "[[]]",
    "0",
    r#""a""#,
    r#"{"a":"","b":[""]}"#,
    r#"{"id":"28aa9223-a2e1-4348-ac8d-55c47e1b030e","name":"","created_at":"2026-11-22T04:01:56Z","key":""}"#,
];

/// As many elements as make so many bytes, between `head` and `tail`.
fn body(head: &str, element: &str, tail: &str, bytes: usize) -> Vec<u8> {
    let count = bytes.saturating_sub(head.len()) / (element.len() + 1);
    let elements = format!("{element},").repeat(count);
    format!("{head}{elements}{element}{tail}").into_bytes()
}

/// A body of so many bytes, by its name: where a shape of element stands, and which.
fn body_named(name: &str, bytes: usize) -> Vec<u8> {
    let (place, shape) = name.split_once(' ').unwrap();
    let element = SHAPES[shape.parse::<usize>().unwrap()];
    match place {
        "list" => body("[", element, "]", bytes),
        "result" => body(r#"{"result":["#, element, "]}", bytes),
        "messages" => body(r#"{"messages":["#, element, "]}", bytes),
        "row" => body(
            &format!(r#"[{ROW},"request_body":["#),
            element,
            "]}]",
            bytes,
        ),
        "rows" => {
            let inner = String::from_utf8(body("", element, "", 100_000)).unwrap();
            let row = format!(r#"{ROW},"data":{{"a":[{inner}]}}}}"#);
            body("[", &row, "]", bytes)
        }
        "objects" => r#"{"a":"#.repeat(bytes / 5).into_bytes(),
        "brackets" => vec![b'['; bytes],
        "text" => body(r#"{"result":""#, r"\u00e9", r#""}"#, bytes),
        other => panic!("{other}"),
    }
}

/// Reads a good answer, and one that is none, and says in a word what came of it.
fn read_as<E: Endpoint>(endpoint: &E, body: &[u8]) -> String {
    let headers = HeaderMap::new();
    let word = |status| match endpoint.read(&Answer::new(status, &headers, body)) {
        Ok(_) => "read",
        Err(ApiError::TooDear { .. }) => "too dear",
        Err(ApiError::Malformed { .. }) => "malformed",
        Err(_) => "refused",
    };
    format!(
        "{}, {}",
        word(StatusCode::OK),
        word(StatusCode::BAD_GATEWAY)
    )
}

fn read(reader: &str, body: &[u8]) -> String {
    let id: WorkspaceId = "9e453dad-99f0-4e01-8c72-0031bf974e26".parse().unwrap();
    let headers = HeaderMap::new();
    match reader {
        "a2a" => {
            let send = SendMessage::from_workspace(id, id, Message::text("m", "hi"));
            let answer = Answer::new(StatusCode::OK, &headers, body);
            let reply = send.read(&answer).unwrap();
            // The envelope is a second copy beside the outcome.
            let envelope = reply.envelope();
            match reply.outcome {
                A2aOutcome::Unreadable if envelope.is_none() => "too dear".to_owned(),
                A2aOutcome::Answered(_) if envelope.is_some() => "read".to_owned(),
                other => panic!("{other:?}"),
            }
        }
        "activity" => {
            let log = ListActivity::inbound(id).since_id(ActivityId::NIL);
            read_as(&log, body)
        }
        "peers" => read_as(&ListPeers::new(id), body),
        "delegations" => read_as(&ListDelegations::new(id), body),
        "memories" => read_as(&ListMemories::new(id, MemoryQuery::default()), body),
        "approvals" => read_as(&ListApprovals::new(id), body),
        "chat" => read_as(&ChatHistory::new(id), body),
        "tokens" => read_as(&ListTokens::new(id), body),
        "secrets" => read_as(&ListSecrets::new(id), body),
        "plugins" => read_as(&ListPlugins::new(), body),
        other => panic!("{other}"),
    }
}

#[test]
#[ignore = "the child of the other tests"]
#[expect(
    clippy::disallowed_methods,
    reason = "the parent names the answer and its reader"
)]
fn child() {
    let [name, reader, bytes] = [BODY, READER, BYTES].map(|name| std::env::var(name).unwrap());
    let mut bytes: usize = bytes.parse().unwrap();
    let whole = read(&reader, &body_named(&name, bytes));
    // The most that is read of its kind takes more than what is refused at once.
    let mut word = whole.clone();
    while word.starts_with("too dear") && bytes > 100_000 {
        bytes = bytes / 4 * 3;
        word = read(&reader, &body_named(&name, bytes));
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM"));
    println!("\n{}\nresult: {whole}; {word} at {bytes}", peak.unwrap());
}

/// The peak of a process that reads it is within the bound, in KiB. Gives what came of reading.
#[expect(clippy::disallowed_methods, reason = "the peak is that of a process")]
fn check(body: &str, reader: &str, bytes: usize, bound: u64) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "memory::child", "--ignored", "--nocapture"])
        .envs([(BODY, body), (READER, reader), (BYTES, &bytes.to_string())])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{reader} of {body}: {text}");
    let line = |name| text.lines().find_map(|line| line.strip_prefix(name));
    let peak = line("VmHWM:").unwrap().trim().trim_end_matches(" kB");
    let result = line("result: ").unwrap().to_owned();
    assert!(
        peak.parse::<u64>().unwrap() < bound,
        "{reader} of {body}: {peak} KiB, {result}"
    );
    result
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the peak is read from /proc")]
fn answers_to_messages_take_little_memory() {
    for body in [
        "result 0",
        "result 1",
        "result 2",
        "result 3",
        "result 4",
        "objects 0",
        "brackets 0",
        "text 0",
    ] {
        check(body, "a2a", 10 << 20, BOUND);
    }
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the peak is read from /proc")]
fn lists_take_little_memory() {
    for (body, reader) in [
        ("list 3", "activity"),
        ("list 6", "activity"),
        ("list 6", "peers"),
        ("list 6", "delegations"),
        ("list 0", "memories"),
        ("list 4", "approvals"),
        ("messages 3", "chat"),
        ("list 6", "secrets"),
        ("list 6", "plugins"),
        ("list 1", "tokens"),
    ] {
        check(body, reader, 10 << 20, BOUND);
    }
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the peak is read from /proc")]
fn rows_take_little_memory_together() {
    for (body, reader) in [
        ("rows 0", "activity"),
        ("rows 5", "activity"),
        ("rows 5", "peers"),
    ] {
        check(body, reader, 10 << 20, BOUND);
    }
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the peak is read from /proc")]
fn the_largest_row_that_is_asked_for_takes_little_more_than_its_own_bytes() {
    let result = check("row 0", "activity", 64 << 20, ROW_BOUND);
    assert!(result.starts_with("read, "), "it hides no other: {result}");
}
