//! Other workspaces, from the command line.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use crate::support::{Agent, World};
use molecule_emulator::{EmulatorConfig, Fault, FaultRule, Generation};
use serde_json::{Value, json};

/// An agent that answers every message alike, over a real socket.
struct Listening {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Listening {
    fn answering(status: &'static str, body: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                seen.lock().unwrap().push(read_request(&mut stream));
                let length = body.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
            }
        });
        Self { port, requests }
    }

    fn url(&self) -> String {
        format!("http://localhost:{}/a2a", self.port)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    fn last_parts(&self) -> Value {
        let request = self.requests().pop().unwrap();
        let body: Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
        body["params"]["message"]["parts"].clone()
    }
}

fn read_request(stream: &mut std::net::TcpStream) -> String {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body);
        if body.is_some_and(|body| serde_json::from_str::<Value>(body).is_ok()) {
            return text;
        }
        match stream.read(&mut chunk).unwrap_or(0) {
            0 => return text,
            read => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}

const HELLO: &str = r#"{"jsonrpc":"2.0","id":"x","result":{"kind":"message","role":"agent","parts":[{"kind":"text","text":"hello\u001b[31m"}]}}"#;

/// Registers an agent where `listening` takes its messages.
fn at(agent: &Agent<'_>, listening: &Listening, skill: &str) {
    let url = listening.url();
    let ran = agent.run(&[
        "register",
        "--reported-url",
        &url,
        "--skill",
        skill,
        "--agent-name",
        "desk",
    ]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_are_listed_found_and_discovered() {
    let world = World::start().await;
    let (me, peer) = (world.agent().await, world.agent().await);
    me.run(&["peers"]).succeeds();
    let listening = Listening::answering("200 OK", HELLO);
    at(&peer, &listening, "sql");
    let (id, url) = (peer.id.to_string(), listening.url());
    let line = format!("{id}  online  tester  {url}\n");
    me.run(&["peers", "--skill", "SQL"]).prints(&line);
    me.run(&["peers", "--query", "TEST"]).prints(&line);
    assert_eq!(
        me.run(&["peers", "--skill", "fly"]).prints("").stderr,
        "no peers\n"
    );
    me.run(&["peers", "--capability", "streaming"]).prints("");
    let listed = me.run(&["peers", "--json"]).json();
    assert_eq!((&listed["id"], &listed["role"]), (&json!(id), &Value::Null));
    assert_eq!(listed["agent_card"]["skills"][0]["id"], "sql");
    me.run(&["discover", &id]).prints(&format!("{url}\n"));
    assert_eq!(
        me.run(&["discover", &id, "--json"]).json()["container_only"],
        false
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_nowhere_is_a_temporary_problem() {
    let world = World::start().await;
    let (me, peer) = (world.agent().await, world.agent().await);
    let id = peer.id.to_string();
    me.run(&["discover", &id])
        .fails(75, &["no address now", &id]);
    let unknown = "00000000-0000-4000-8000-000000000001";
    me.run(&["discover", unknown]).fails(2, &["not authorized"]);
    me.run(&["call", unknown, "hi"])
        .fails(2, &["not authorized"]);
    me.run(&["call", unknown, "hi", "--proxy"])
        .fails(2, &["access denied", "peers"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_was_deleted_is_not_waited_for() {
    let world = World::start().await;
    let (me, peer) = (world.agent().await, world.agent().await);
    let id = peer.id.to_string();
    world
        .as_admin(&["workspace", "delete", &id])
        .run()
        .succeeds();
    me.run(&["discover", &id])
        .fails(2, &["was deleted", "peers"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_goes_through_the_platform_unless_private_peers_are_allowed() {
    let world = World::start().await;
    let (me, peer) = (world.agent().await, world.agent().await);
    let listening = Listening::answering("200 OK", HELLO);
    at(&peer, &listening, "x");
    let id = peer.id.to_string();
    me.run(&["call", &id, "hi"]).prints("hello\u{fffd}[31m\n");
    assert!(listening.requests()[0].contains("Go-http-client"));
    let call = [
        "call",
        &id,
        "hi",
        "--allow-private-peers",
        "--json",
        "--message-id",
        "m-9",
    ];
    let answer = me.run(&call).json();
    assert_eq!(
        (&answer["outcome"], &answer["route"]),
        (&json!("answered"), &json!("direct"))
    );
    assert_eq!(
        (&answer["message_id"], &answer["text"]),
        (&json!("m-9"), &json!("hello\u{1b}[31m"))
    );
    let direct = listening.requests()[1].to_lowercase();
    assert!(
        direct.contains(&format!("x-workspace-id: {}", me.id)),
        "{direct}"
    );
    assert!(direct.contains(r#""messageid":"m-9""#), "{direct}");
    assert!(
        !direct.contains("authorization") && !direct.contains("origin:"),
        "{direct}"
    );
    assert!(!listening.requests()[1].contains(me.token().expose()));
    let answer = me
        .run(&[
            "call",
            &id,
            "hi",
            "--allow-private-peers",
            "--proxy",
            "--json",
        ])
        .json();
    assert_eq!(answer["route"], "proxy");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_may_have_text_data_and_files() {
    let world = World::start().await;
    let (me, peer) = (world.agent().await, world.agent().await);
    let listening = Listening::answering("200 OK", HELLO);
    at(&peer, &listening, "x");
    let file = world.home.path().join("table.csv");
    std::fs::write(&file, "1,2\n").unwrap();
    let (id, file) = (peer.id.to_string(), file.to_str().unwrap());
    me.program(&[
        "call",
        &id,
        "-",
        "--data",
        r#"{"rows":1}"#,
        "--file",
        file,
        "--file",
        "https://f.example/1",
    ])
    .input("two\nlines\n")
    .run()
    .succeeds();
    assert_eq!(
        listening.last_parts(),
        json!([{"kind": "text", "text": "two\nlines"}, {"kind": "data", "data": {"rows": 1}},
            {"kind": "file", "file": {"bytes": "MSwyCg==", "name": "table.csv"}},
            {"kind": "file", "file": {"uri": "https://f.example/1"}}])
    );
    me.run(&["call", &id, "--data", "7"]).succeeds();
    assert_eq!(listening.last_parts(), json!([{"kind": "data", "data": 7}]));
    let before = listening.requests().len();
    me.run(&["call", &id, "--data", "{"]).fails(2, &["error: "]);
    me.run(&["call", &id]).fails(2, &["error: "]);
    me.run(&["call", &id, " "]).fails(2, &["nothing to say"]);
    me.run(&["call", &id, "--file", "/no/such/file"])
        .fails(2, &["--file", "/no/such/file"]);
    let large = world.home.path().join("large");
    std::fs::write(&large, vec![0; 3 << 20]).unwrap();
    me.run(&["call", &id, "--file", large.to_str().unwrap()])
        .fails(2, &["1048576"]);
    assert_eq!(listening.requests().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_outcome_has_its_exit_code() {
    let world = World::start().await;
    let (me, peer) = (world.agent().await, world.agent().await);
    let id = peer.id.to_string();
    let check = |status, body, code: i32, part: &str| {
        at(&peer, &Listening::answering(status, body), "x");
        for route in ["--proxy", "--allow-private-peers"] {
            me.run(&["call", &id, "hi", route]).fails(code, &[part]);
        }
    };
    let failed = r#"{"jsonrpc":"2.0","id":"x","error":{"code":-32000,"message":"app error"}}"#;
    check("200 OK", failed, 1, "(-32000): app error");
    check("200 OK", "<html>", 1, "cannot be read");
    check("404 Not Found", "gone", 1, "the agent itself answered");
    check(
        "500 Oops",
        r#"{"error":"agent exploded"}"#,
        75,
        "agent exploded",
    );
    at(&peer, &Listening::answering("200 OK", failed), "x");
    let ran = me.run(&["call", &id, "hi", "--json"]);
    let data: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &data["outcome"]), (1, &json!("failed")));
    assert_eq!(data["envelope"]["error"]["code"], -32000);
    at(&peer, &Listening::answering("200 OK", "<html>"), "x");
    let ran = me.run(&["call", &id, "hi", "--json"]);
    let data: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &data["raw"]), (1, &json!("<html>")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_to_a_polling_agent_waits_for_it() {
    let world = World::start().await;
    let (me, peer) = (world.agent().await, world.agent().await);
    peer.run(&["register"]).succeeds();
    let id = peer.id.to_string();
    let ran = me.run(&["call", &id, "hi"]);
    assert!(
        ran.code == 0 && ran.stdout.starts_with("queued "),
        "{ran:?}"
    );
    let message = peer.only_message();
    assert_eq!(
        (&message["text"], &message["peer_id"]),
        (&json!("hi"), &json!(me.id.to_string()))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_workspace_has_no_peers_although_its_platform_would_answer() {
    for generation in [Generation::A, Generation::B] {
        let world = World::with(EmulatorConfig::new().with_generation(generation)).await;
        let (me, peer) = (world.agent().await, world.agent().await);
        world.admin.delete(me.id).await.unwrap();
        let id = peer.id.to_string();
        for args in [
            &["peers"][..],
            &["discover", &id],
            &["call", &id, "hello"],
            &["call", &id, "hello", "--proxy"],
            &["heartbeat"],
            &["card", "update", "--agent-name", "a"],
        ] {
            me.run(args).fails(5, &["was deleted", "workspace create"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_a_peer_from_answering_says_what_to_do() {
    let world = World::start().await;
    let (me, peer) = (world.agent().await, world.agent().await);
    me.run(&["register"]).succeeds();
    let id = peer.id.to_string();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://localhost:{}/", gone.local_addr().unwrap().port());
    drop(gone);
    peer.run(&["register", "--reported-url", &url]).succeeds();
    me.run(&["call", &id, "hello"]).fails(
        75,
        &["cannot reach the agent", "is it running", "try again"],
    );
    world.admin.pause(peer.id).await.unwrap();
    me.run(&["call", &id, "hello", "--proxy"])
        .fails(75, &["paused by its user", "when it was resumed"]);
    me.run(&["discover", &id])
        .fails(75, &["paused by its user", "when it was resumed"]);
}

/// Whoever calls once more has to say that it is the same message.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_peer_may_have_is_not_called_temporary_and_its_id_is_told() {
    let world = World::start().await;
    let (me, peer) = (world.agent().await, world.agent().await);
    let id = peer.id.to_string();
    let check = |status: u16, body: &str, code: i32, told: &[&str]| {
        let answer = Fault::Answer {
            status,
            headers: Default::default(),
            body: body.to_owned(),
        };
        let rule = FaultRule::new(answer)
            .with_path("/workspaces/*/a2a")
            .with_times(1);
        world.emulator.platform().add_fault(rule).unwrap();
        me.run(&["call", &id, "hi", "--proxy", "--message-id", "m-9"])
            .fails(code, told);
    };
    let lost = |confirmed: bool| {
        format!(r#"{{"error":"failed to read agent response","delivery_confirmed":{confirmed}}}"#)
    };
    let again = "--message-id m-9";
    check(502, &lost(true), 1, &["do not send it again"]);
    check(502, &lost(false), 4, &[again]);
    check(503, r#"{"busy":true,"error":"busy"}"#, 75, &[again]);
    let refused = r#"{"error":"failed to reach workspace agent"}"#;
    check(502, refused, 75, &["cannot reach the agent"]);
}
