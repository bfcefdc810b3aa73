//! Memories, approvals, the conversation, and files that go along with a notification.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Program, Ran, World};

const ID: &str = "fc381c93-f14f-4112-a564-0b630b52d59d";

/// A platform that gives one answer after the other, each over a connection of its own, and notes what it is asked.
struct Canned {
    url: String,
    home: TempDir,
    requests: JoinHandle<Vec<(String, String)>>,
}

impl Canned {
    fn new(answers: &'static [(u16, &'static str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = std::thread::spawn(move || {
            let answer = |(status, body): &(u16, &str)| {
                let (mut stream, _) = listener.accept().unwrap();
                let request = read(&stream);
                write!(
                    stream,
                    "HTTP/1.1 {status} .\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                )
                .unwrap();
                request
            };
            answers.iter().map(answer).collect()
        });
        let home = tempfile::tempdir().unwrap();
        Self {
            url,
            home,
            requests,
        }
    }

    fn run(&self, args: &[&str]) -> Ran {
        Program::new(self.home.path(), args)
            .env("MOLECULE_PLATFORM_URL", &self.url)
            .env("MOLECULE_WORKSPACE_ID", ID)
            .env("MOLECULE_WORKSPACE_TOKEN", "a-token-for-tests")
            .run()
    }

    /// The lines and the bodies of what it was asked.
    fn requests(self) -> Vec<(String, String)> {
        self.requests.join().unwrap()
    }
}

fn read(stream: &TcpStream) -> (String, String) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        match header.trim().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().unwrap();
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let line = line.trim_end_matches(" HTTP/1.1\r\n").to_owned();
    (line, String::from_utf8(body).unwrap())
}

fn asked(line: &str, body: &str) -> (String, String) {
    (line.replace("ID", ID), body.to_owned())
}

#[test]
fn memories_are_added_and_listed() {
    let platform = Canned::new(&[
        (201, r#"{"id":"m-1","namespace":"general","scope":"LOCAL"}"#),
        (201, r#"{"id":"m-2","namespace":"facts","scope":"TEAM"}"#),
        (
            200,
            r#"[{"id":"m-2","content":"the sky\nis blue","scope":"TEAM","namespace":"facts"}]"#,
        ),
        (200, "[]"),
    ]);
    platform.run(&["memory", "add", "remember"]).prints("m-1\n");
    let args = ["memory", "add", "--scope", "team", "--namespace", "facts"];
    let args = [&args[..], &["the sky is blue", "--json"]].concat();
    assert_eq!(platform.run(&args).json()["scope"], "TEAM");
    platform
        .run(&["memory", "list", "--search", "sky", "--scope", "TEAM"])
        .prints("m-2  TEAM  facts\n    the sky\n    is blue\n");
    let none = platform.run(&["memory", "list", "--limit", "5"]);
    assert_eq!(none.prints("").stderr, "no memories\n");
    platform
        .run(&["memory", "add", " "])
        .fails(2, &["nothing to say"]);
    platform
        .run(&["memory", "add", "--scope", "galaxy", "x"])
        .fails(2, &["local, team or global"]);
    assert_eq!(
        platform.requests(),
        [
            asked(
                "POST /workspaces/ID/memories",
                r#"{"content":"remember","scope":"LOCAL"}"#
            ),
            asked(
                "POST /workspaces/ID/memories",
                r#"{"content":"the sky is blue","scope":"TEAM","namespace":"facts"}"#
            ),
            asked("GET /workspaces/ID/memories?scope=TEAM&q=sky&limit=50", ""),
            asked("GET /workspaces/ID/memories?limit=5", ""),
        ]
    );
}

#[test]
fn an_approval_is_requested_and_its_decision_is_the_exit_code() {
    let platform = Canned::new(&[
        (201, r#"{"approval_id":"a-1","status":"pending"}"#),
        (201, r#"{"approval_id":"a-2","status":"pending"}"#),
        (
            200,
            r#"[{"id":"a-2","action":"deploy","status":"approved","decided_by":"human"}]"#,
        ),
        (201, r#"{"approval_id":"a-3","status":"pending"}"#),
        (200, r#"[{"id":"a-3","action":"deploy","status":"denied"}]"#),
        (201, r#"{"approval_id":"a-4","status":"pending"}"#),
        (
            200,
            r#"[{"id":"a-4","action":"deploy","status":"pending"}]"#,
        ),
        (
            200,
            r#"[{"id":"a-4","action":"deploy","status":"pending"}]"#,
        ),
    ]);
    let request = ["approvals", "request", "deploy"];
    platform
        .run(&[&request[..], &["--reason", "x"]].concat())
        .prints("a-1  pending\n");
    platform
        .run(&["approvals", "request", " "])
        .fails(2, &["nothing to say"]);
    let waiting = |wait: &str| platform.run(&[&request[..], &["--wait", wait]].concat());
    waiting("1m").prints("a-2  approved by human  deploy\n");
    let denied = waiting("1m");
    assert_eq!(
        (denied.code, denied.stdout.as_str()),
        (1, "a-3  denied  deploy\n")
    );
    let undecided = waiting("0s");
    assert_eq!((undecided.code, undecided.stdout.as_str()), (75, ""));
    assert!(
        undecided.stderr.contains("nobody decided on a-4")
            && undecided.stderr.contains("approvals list"),
        "{undecided:?}"
    );
    platform
        .run(&["approvals", "list"])
        .prints("a-4  pending  deploy\n");
    let requests = platform.requests();
    assert_eq!(
        requests[0],
        asked(
            "POST /workspaces/ID/approvals",
            r#"{"action":"deploy","reason":"x"}"#
        )
    );
    assert_eq!(requests[7], asked("GET /workspaces/ID/approvals", ""));
}

#[test]
fn an_approval_has_the_same_keys_when_it_is_requested_and_decided() {
    let platform = Canned::new(&[
        (201, r#"{"approval_id":"a-1","status":"pending"}"#),
        (201, r#"{"approval_id":"a-2","status":"pending"}"#),
        (
            200,
            r#"[{"id":"a-2","action":"deploy","status":"approved"}]"#,
        ),
    ]);
    let request = ["approvals", "request", "deploy", "--json"];
    let requested = platform.run(&request).json();
    assert_eq!(
        requested,
        serde_json::json!({"id": "a-1", "status": "pending"})
    );
    let decided = platform.run(&[&request[..], &["--wait"]].concat()).json();
    assert_eq!(
        (&decided["id"], &decided["status"]),
        (&"a-2".into(), &"approved".into())
    );
}

#[test]
fn what_an_old_platform_lacks_has_an_exit_code_of_its_own() {
    let platform = Canned::new(&[(404, "404 page not found"); 3]);
    for command in [
        &["history"][..],
        &["memory", "list"],
        &["approvals", "list"],
    ] {
        platform
            .run(command)
            .fails(9, &["this platform cannot do that"]);
    }
    assert_eq!(platform.requests().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_along_with_a_notification_and_into_the_history() {
    let world = World::start().await;
    let agent = world.agent().await;
    agent.run(&["register"]).succeeds();
    agent.hears("where is it?").await;
    let file = "Q3.pdf=https://example.com/f?id=3;type=application/pdf;size=17";
    agent
        .run(&["notify", "here", "--attach", file])
        .prints("sent\n");
    let history = agent.run(&["history", "--json"]);
    history.succeeds();
    let lines: Vec<Value> = history
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["content"], "where is it?");
    assert_eq!(
        lines[1]["attachments"],
        serde_json::json!([{"uri": "https://example.com/f?id=3", "name": "Q3.pdf", "mimeType": "application/pdf", "size": 17}])
    );
    assert!(
        history.stderr.contains("no earlier messages"),
        "{}",
        history.stderr
    );
    let text = agent.run(&["history", "--limit", "1"]);
    assert!(
        text.stdout
            .ends_with("agent\n    here\n    [Q3.pdf] https://example.com/f?id=3\n"),
        "{}",
        text.stdout
    );
    assert!(text.stderr.contains("--before"), "{}", text.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_nobody_could_fetch_is_not_announced() {
    let world = World::start().await;
    let agent = world.agent().await;
    for (file, advice) in [
        ("report.pdf", "give an address"),
        ("/tmp/report.pdf", "give an address"),
        ("https://example.com/", "write NAME=URI"),
    ] {
        let ran = agent.run(&["notify", "here", "--attach", file]);
        ran.fails(2, &["--attach", advice]);
    }
    assert!(agent.notifications().await.is_empty());
}
