//! A log that is longer than what is fetched at once: in order, each row once, and never much of it in memory.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use molecule_agent::protocol::Message;
use molecule_agent::transport::testing::{ScriptedTransport, answer};
use molecule_agent::transport::{Request, Response};
use molecule_agent::{InboundLog, RemoteAgentClient, Since};
use molecule_emulator::EmulatorConfig;
use tower::ServiceExt as _;

use crate::world::World;

fn patient_world() -> World {
    World::with(EmulatorConfig::new().with_rate_limit(1_000_000))
}

/// The canvas user writes so many messages, the number of each being its text; `together` of them in the same microsecond.
async fn say_many(world: &World, client: &RemoteAgentClient, range: Range<u32>, together: u32) {
    let (id, router) = (client.workspace_id(), world.platform.router());
    for number in range {
        let message = Message::text(format!("m-{number}"), number.to_string());
        let request = http::Request::post(format!("/workspaces/{id}/a2a"))
            .body(Body::from(message.to_request().to_string()))
            .unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        assert!(response.status().is_success(), "{}", response.status());
        if number % together == 0 {
            world.clock_tick().await;
        }
    }
}

/// What a reader of the log is handed on until there is no more, and how many rows at once.
#[derive(Default)]
struct Read {
    texts: Vec<String>,
    largest: usize,
    batches: usize,
}

impl Read {
    async fn all(log: &mut InboundLog) -> Self {
        let mut read = Self::default();
        while read.batch(log).await {}
        read
    }

    async fn batch(&mut self, log: &mut InboundLog) -> bool {
        let batch = log.poll().await.unwrap();
        self.largest = self.largest.max(batch.items.len());
        self.batches += 1;
        let messages = batch.items.iter().filter_map(|item| item.message.as_ref());
        self.texts
            .extend(messages.map(|message| message.text.clone()));
        log.acknowledge(&batch.items).await.unwrap();
        batch.more
    }
}

fn numbers(range: Range<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

async fn open(client: &RemoteAgentClient, since: Since) -> InboundLog {
    InboundLog::open(client.clone(), None, since).await.unwrap()
}

/// The platform forgets the row that the cursor stands at: as if it had been written by a run of long ago.
fn forget_the_cursor(client: &RemoteAgentClient) {
    let path = client.state_dir().join("cursor");
    let known = fs::read_to_string(&path).unwrap();
    let gone = "99c068b6-5999-43c5-a38c-731adb21acaf 2026-01-01T00:00:00Z\n";
    fs::write(&path, format!("{gone}{known}")).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_first_run_is_handed_all_that_waits_page_by_page() {
    let world = patient_world();
    let client = world.registered("alpha").await;
    say_many(&world, &client, 0..3000, 1).await;
    let read = Read::all(&mut open(&client, Since::All).await).await;
    assert_eq!(read.texts, numbers(0..3000));
    assert!(read.largest <= 500, "{} rows at once", read.largest);
}

#[tokio::test(start_paused = true)]
async fn rows_of_one_microsecond_at_the_edges_of_pages_come_once_and_in_order() {
    let world = patient_world();
    let client = world.registered("alpha").await;
    say_many(&world, &client, 0..1700, 7).await;
    let read = Read::all(&mut open(&client, Since::All).await).await;
    assert_eq!(read.texts, numbers(0..1700));
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_cursor_costs_nothing_of_what_came_since() {
    let world = patient_world();
    let client = world.registered("alpha").await;
    say_many(&world, &client, 0..700, 1).await;
    let mut log = open(&client, Since::All).await;
    assert_eq!(Read::all(&mut log).await.texts, numbers(0..700));
    forget_the_cursor(&client);
    say_many(&world, &client, 700..3700, 1).await;
    let read = Read::all(&mut open(&client, Since::Now).await).await;
    assert_eq!(read.texts, numbers(700..3700));
    assert!(read.largest <= 500, "{} rows at once", read.largest);
}

#[tokio::test(start_paused = true)]
async fn a_cursor_that_is_forgotten_again_and_again_is_found_again() {
    let world = patient_world();
    let client = world.registered("alpha").await;
    say_many(&world, &client, 0..1600, 3).await;
    let mut read = Read::default();
    let mut log = open(&client, Since::All).await;
    while read.batch(&mut log).await {
        forget_the_cursor(&client);
        log = open(&client, Since::All).await;
    }
    assert_eq!(read.texts, numbers(0..1600));
    assert_eq!(read.batches, 4);
}

#[tokio::test(start_paused = true)]
async fn what_comes_while_a_long_log_is_read_comes_at_its_end() {
    let world = patient_world();
    let client = world.registered("alpha").await;
    say_many(&world, &client, 0..1200, 1).await;
    let (mut log, mut read) = (open(&client, Since::All).await, Read::default());
    assert!(read.batch(&mut log).await);
    say_many(&world, &client, 1200..1500, 1).await;
    while read.batch(&mut log).await {}
    assert_eq!(read.texts, numbers(0..1500));
}

#[tokio::test(start_paused = true)]
async fn a_first_run_leaves_aside_more_than_it_remembers() {
    let world = patient_world();
    let client = world.registered("alpha").await;
    say_many(&world, &client, 0..1300, 3).await;
    world.pass(60).await;
    say_many(&world, &client, 1300..1310, 1).await;
    let mut log = open(&client, Since::default()).await;
    assert_eq!(log.skipped(), 1300);
    assert_eq!(Read::all(&mut log).await.texts, numbers(1300..1310));
    forget_the_cursor(&client);
    let mut log = open(&client, Since::All).await;
    assert_eq!(Read::all(&mut log).await.texts, numbers(0..0));
}

/// A row of the log, and how many small objects its message holds.
fn row(number: usize, objects: usize) -> String {
    let objects = r#"{"":0},"#.repeat(objects);
    format!(
        r#"{{"id":"00000000-0000-4000-8000-{number:012}","created_at":"2026-01-01T00:00:{number:02}Z",
        "activity_type":"a2a_receive","method":"message/send","status":"ok","request_body":{{"params":
        {{"message":{{"parts":[{{"kind":"text","text":"{number}"}}],"metadata":{{"a":[{objects}0]}}}}}}}}}}"#
    )
}

/// A platform with these rows, and the limits that it was asked with.
fn platform_with(rows: Vec<String>) -> (ScriptedTransport, Arc<Mutex<Vec<usize>>>) {
    let limits: Arc<Mutex<Vec<usize>>> = Arc::default();
    let asked = Arc::clone(&limits);
    let transport = ScriptedTransport::new(move |request: Request| {
        let query = request.uri().query().unwrap().replace("%3A", ":");
        let value = |key| query.split('&').find_map(|pair| pair.strip_prefix(key));
        let limit = value("limit=").unwrap().parse().unwrap();
        let before = value("before_ts=").unwrap_or("9");
        let is_older = |row: &&String| value_of(row, "created_at") < before;
        let said = match value("since_id=") {
            Some(id) => match rows.iter().position(|row| value_of(row, "id") == id) {
                Some(at) => list(rows[at + 1..].iter().take(limit)),
                None => return std::future::ready(Ok(answer(410, "{}"))),
            },
            None => list(rows.iter().rev().filter(is_older).take(limit)),
        };
        asked.lock().unwrap().push(limit);
        std::future::ready(Ok(said))
    });
    (transport, limits)
}

fn value_of<'a>(row: &'a str, key: &str) -> &'a str {
    let value = row.split_once(&format!("\"{key}\":\"")).unwrap().1;
    value.split('"').next().unwrap()
}

fn list<'a>(rows: impl Iterator<Item = &'a String>) -> Response {
    let rows: Vec<_> = rows.map(String::as_str).collect();
    answer(200, format!("[{}]", rows.join(",")))
}

fn client_of(transport: ScriptedTransport, dir: &Path) -> RemoteAgentClient {
    let id = "9e453dad-99f0-4e01-8c72-0031bf974e26".parse().unwrap();
    RemoteAgentClient::builder(id, "http://localhost:1".parse().unwrap())
        .state_dir(dir)
        .transport(transport)
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn rows_that_take_too_much_memory_together_are_fetched_a_few_at_a_time() {
    // Each takes about 20 MB, so that three are taken at once.
    let (transport, limits) = platform_with((0..10).map(|number| row(number, 25_000)).collect());
    let dir = tempfile::tempdir().unwrap();
    let client = client_of(transport, dir.path());
    let read = Read::all(&mut open(&client, Since::All).await).await;
    assert_eq!(read.texts, numbers(0..10));
    assert_eq!(read.largest, 3);
    assert_eq!(*limits.lock().unwrap().iter().min().unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_takes_too_much_memory_alone_hides_no_other() {
    let sizes = [1, 50_000, 1, 1_000_000, 1];
    let rows = sizes.iter().enumerate();
    let (transport, limits) =
        platform_with(rows.map(|(number, size)| row(number, *size)).collect());
    let dir = tempfile::tempdir().unwrap();
    let client = client_of(transport, dir.path());
    let read = Read::all(&mut open(&client, Since::All).await).await;
    assert_eq!(read.texts, ["0", "2", "4"]);
    assert_eq!(*limits.lock().unwrap().iter().min().unwrap(), 500);
    drop(open(&client, Since::All).await);
    let place = fs::read_to_string(dir.path().join("cursor")).unwrap();
    assert!(
        place.starts_with("00000000-0000-4000-8000-000000000004 "),
        "{place}"
    );
}
