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

    fn program(&self, args: &[&str]) -> Program {
        Program::new(self.home.path(), args)
            .env("MOLECULE_PLATFORM_URL", &self.url)
            .env("MOLECULE_WORKSPACE_ID", ID)
            .env("MOLECULE_WORKSPACE_TOKEN", "a-token-for-tests")
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.program(args).run()
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
        (200, r#"{"status":"deleted"}"#),
        (
            404,
            r#"{"error":"memory not found or not owned by this workspace"}"#,
        ),
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
    platform
        .run(&["memory", "delete", "m-1"])
        .prints("deleted m-1\n");
    platform
        .run(&["memory", "delete", "m-1"])
        .fails(2, &["not owned by this workspace"]);
    platform
        .run(&["memory", "delete", ""])
        .fails(2, &["memory list"]);
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
            asked("DELETE /workspaces/ID/memories/m-1", ""),
            asked("DELETE /workspaces/ID/memories/m-1", ""),
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
    assert_eq!(
        denied.stderr.lines().last(),
        Some("error: a-3 is denied, not approved; do not do it, or ask for something else")
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

const KEPT: &str = r#"{"files":[{"uri":"platform-pending:fc381c93-f14f-4112-a564-0b630b52d59d/28aa9223-a2e1-4348-ac8d-55c47e1b030e",
    "name":"report.txt","mimeType":"text/plain","size":5}]}"#;

#[test]
fn a_file_is_given_to_the_platform_from_a_path_or_stdin() {
    let platform = Canned::new(&[(200, KEPT), (200, KEPT)]);
    let path = platform.home.path().join("report.txt");
    std::fs::write(&path, "hello").unwrap();
    let path = path.to_str().unwrap();
    let uri = format!("platform-pending:{ID}/28aa9223-a2e1-4348-ac8d-55c47e1b030e");
    platform
        .run(&["attachments", "upload", path, "--type", "text/plain"])
        .prints(&format!("report.txt={uri};type=text/plain;size=5\n"));
    let nameless = platform.run(&["attachments", "upload", "-"]);
    assert_eq!(nameless.code, 2, "{nameless:?}");
    assert!(nameless.stderr.contains("--name"), "{nameless:?}");
    let json = platform
        .program(&["attachments", "upload", "-", "--name", "a.txt", "--json"])
        .input("hello")
        .run()
        .json();
    assert_eq!((&json["uri"], &json["size"]), (&uri.into(), &5.into()));
    let requests = platform.requests();
    for ((line, body), name) in requests.iter().zip(["report.txt", "a.txt"]) {
        assert_eq!(*line, asked("POST /workspaces/ID/chat/uploads", "").0);
        assert!(body.contains(&format!("filename=\"{name}\"")), "{body}");
        assert!(body.contains("\r\n\r\nhello\r\n"), "{body}");
    }
}

#[test]
fn a_file_that_the_platform_would_not_take_is_not_sent() {
    let platform = Canned::new(&[]);
    let path = platform.home.path().join("large");
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(25 * 1024 * 1024 + 1).unwrap();
    platform
        .run(&["attachments", "upload", path.to_str().unwrap()])
        .fails(2, &["larger than 25 MiB"]);
    platform
        .run(&["attachments", "upload", "/nowhere/at/all"])
        .fails(2, &["cannot read /nowhere/at/all"]);
    assert!(platform.requests().is_empty());
}

#[test]
fn a_file_is_fetched_into_a_file_or_to_stdout() {
    let platform = Canned::new(&[(200, "hello"), (200, "hello\u{1b}[2J")]);
    let path = platform.home.path().join("fetched");
    std::fs::write(&path, "an older and longer one").unwrap();
    let to = path.to_str().unwrap();
    let download = ["attachments", "download", "workspace:/a b.txt", "-o"];
    platform
        .run(&[&download[..], &[to]].concat())
        .prints(&format!("wrote 5 bytes to {to}\n"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "hello");
    let piped = platform.run(&[&download[..], &["-", "--json"]].concat());
    piped.prints("hello\u{1b}[2J");
    let data: Value = serde_json::from_str(&piped.stderr).unwrap();
    assert_eq!(
        data,
        serde_json::json!({"uri": "workspace:/a b.txt", "path": "-", "bytes": 9, "mime_type": "application/json"})
    );
    let line = asked("GET /workspaces/ID/chat/download?path=%2Fa+b.txt", "");
    assert_eq!(platform.requests(), [line.clone(), line]);
}

#[test]
fn nothing_is_fetched_that_could_not_be_kept_or_is_elsewhere() {
    let platform = Canned::new(&[]);
    let home = platform.home.path();
    let link = home.join("link");
    std::os::unix::fs::symlink("/dev/null", &link).unwrap();
    let places = [home, &link, std::path::Path::new("/nowhere/at/all")];
    let uri = "workspace:/a.txt";
    for place in places.map(|path| path.to_str().unwrap()) {
        platform
            .run(&["attachments", "download", uri, "-o", place])
            .fails(2, &["-o", "name a regular file"]);
    }
    let plain = home.join("plain");
    let plain = plain.to_str().unwrap();
    let elsewhere = "https://example.com/a.txt";
    platform
        .run(&["attachments", "download", elsewhere, "-o", plain])
        .fails(2, &[elsewhere, "without the workspace's token"]);
    let format = platform.run(&["attachments", "download", uri, "-o", "json"]);
    assert_eq!(format.code, 2, "{format:?}");
    assert!(format.stderr.contains("./json"), "{format:?}");
    for before in [["-o", "text", "attachments"], ["attachments", "-o", "text"]] {
        let download = ["download", uri, "-o", plain];
        platform
            .run(&[&before[..], &download].concat())
            .fails(2, &["before `download`"]);
    }
    let nowhere = platform.run(&["attachments", "download", uri]);
    assert_eq!(nowhere.code, 2, "{nowhere:?}");
    assert!(platform.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_keeps_no_files_says_what_to_do_instead() {
    let world = World::start().await;
    let agent = world.agent().await;
    let path = world.home.path().join("report.txt");
    std::fs::write(&path, "hello").unwrap();
    agent
        .run(&["attachments", "upload", path.to_str().unwrap()])
        .fails(9, &["notify --attach URI"]);
    let to = world.home.path().join("fetched");
    let to = to.to_str().unwrap();
    agent
        .run(&["attachments", "download", "workspace:/a.txt", "-o", to])
        .fails(9, &["keeps no files"]);
    assert!(!std::path::Path::new(to).exists());
}
