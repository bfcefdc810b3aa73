//! Webhooks.

use std::sync::Arc;
use std::time::Duration;

use molecule_a2a::Limits;
use molecule_transport::testing::{ScriptedTransport, answer};
use molecule_transport::{Clock as _, Request, SystemClock};
use serde_json::{Value, json};

use super::sockets::{Connection, Running};
use super::world::{World, at_once, message, message_v1, outline};

fn world(transport: &ScriptedTransport) -> World {
    let transport = Arc::new(transport.clone());
    World::with(|options| options.with_webhook_transport(transport))
}

fn takes_all() -> ScriptedTransport {
    ScriptedTransport::new(async |_| Ok(answer(200, "")))
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(request.body()).unwrap()
}

/// Waits until so many requests came.
async fn requests(transport: &ScriptedTransport, count: usize) -> Vec<Request> {
    for _ in 0..1000 {
        if transport.requests().len() >= count {
            break;
        }
        tokio::task::yield_now().await;
    }
    transport.requests()
}

fn config(id: &str, url: &str) -> Value {
    let config = json!({"url": url, "token": "tok"});
    json!({"taskId": id, "pushNotificationConfig": config})
}

const SET: &str = "tasks/pushNotificationConfig/set";
const GET: &str = "tasks/pushNotificationConfig/get";
const LIST: &str = "tasks/pushNotificationConfig/list";
const DELETE: &str = "tasks/pushNotificationConfig/delete";

#[tokio::test(start_paused = true)]
async fn a_webhook_is_told_the_task_at_each_event_in_order() {
    let transport = takes_all();
    let world = world(&transport);
    let mut params = message("hi");
    params["configuration"]["pushNotificationConfig"] = json!({
        "url": "http://hook.example/x", "token": "tok",
        "authentication": {"schemes": ["Bearer"], "credentials": "abc"},
    });
    world.result("message/send", params).await;
    let requests = requests(&transport, 4).await;
    let told: Vec<_> = requests.iter().map(body).collect();
    let expect = [
        "task submitted",
        "task working",
        "task working",
        "task completed",
    ];
    assert_eq!(outline(&told), expect);
    assert!(told[2]["artifacts"].is_array() && told[1].get("artifacts").is_none());
    for request in &requests {
        assert_eq!(request.method(), "POST");
        assert_eq!(request.uri(), "http://hook.example/x");
        assert_eq!(request.headers()["x-a2a-notification-token"], "tok");
        assert_eq!(request.headers()["authorization"], "Bearer abc");
        assert_eq!(request.headers()["content-type"], "application/json");
    }
}

#[tokio::test(start_paused = true)]
async fn a_webhook_of_version_1_is_told_the_events() {
    let transport = takes_all();
    let world = world(&transport);
    let mut params = message_v1("hi");
    params["configuration"]["taskPushNotificationConfig"] = json!({"url": "http://hook.example/"});
    world.result("SendMessage", params).await;
    let told = requests(&transport, 4).await;
    let names: Vec<_> = told
        .iter()
        .map(|request| {
            body(request)
                .as_object()
                .unwrap()
                .keys()
                .next()
                .unwrap()
                .clone()
        })
        .collect();
    assert_eq!(
        names,
        ["task", "statusUpdate", "artifactUpdate", "statusUpdate"]
    );
}

#[tokio::test(start_paused = true)]
async fn webhooks_are_set_read_listed_and_deleted() {
    let world = world(&takes_all());
    let id = world.send("ask").await["id"].as_str().unwrap().to_owned();
    let set = world.result(SET, config(&id, "http://hook.example/")).await;
    assert_eq!(
        set["pushNotificationConfig"],
        json!({"id": id, "token": "tok", "url": "http://hook.example/"})
    );
    let mut second = config(&id, "http://other.example/");
    second["pushNotificationConfig"]["id"] = "second".into();
    world.result(SET, second).await;

    assert_eq!(world.result(GET, json!({"id": id})).await, set);
    let named = json!({"id": id, "pushNotificationConfigId": "second"});
    let found = world.result(GET, named.clone()).await;
    assert_eq!(
        found["pushNotificationConfig"]["url"],
        "http://other.example/"
    );
    assert_eq!(
        world
            .result(LIST, json!({"id": id}))
            .await
            .as_array()
            .unwrap()
            .len(),
        2
    );

    let deleted = world.call(DELETE, named.clone()).await;
    assert_eq!(deleted.get("result"), Some(&Value::Null), "{deleted}");
    assert_eq!(world.result(LIST, json!({"id": id})).await, json!([set]));
    assert_eq!(world.error(GET, named).await, -32602);
    assert_eq!(world.error(SET, config("nope", "http://a/")).await, -32001);
    assert_eq!(world.error(LIST, json!({"id": "nope"})).await, -32001);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_the_credentials_of_a_webhook() {
    let transport = takes_all();
    let world = world(&transport);
    let id = world.send("ask").await["id"].as_str().unwrap().to_owned();
    let mut params = config(&id, "http://hook.example/");
    let authentication = json!({"schemes": ["Bearer"], "credentials": "s3cret"});
    params["pushNotificationConfig"]["authentication"] = authentication;
    for (method, params) in [
        (SET, params),
        (GET, json!({"id": id})),
        (LIST, json!({"id": id})),
    ] {
        let answer = world.result(method, params).await.to_string();
        assert!(
            answer.contains("Bearer") && !answer.contains("s3cret"),
            "{answer}"
        );
    }
    world.result("tasks/cancel", json!({"id": id})).await;
    let told = requests(&transport, 1).await;
    assert_eq!(told[0].headers()["authorization"], "Bearer s3cret");
}

#[tokio::test(start_paused = true)]
async fn setting_a_webhook_again_replaces_it_and_there_are_only_so_many() {
    let limits = Limits::default().with_webhooks(1);
    let transport = Arc::new(takes_all());
    let world = World::with(|options| {
        options
            .with_limits(limits)
            .with_webhook_transport(transport)
    });
    let id = world.send("ask").await["id"].as_str().unwrap().to_owned();
    world.result(SET, config(&id, "http://a.example/")).await;
    world.result(SET, config(&id, "http://b.example/")).await;
    let all = world.result(LIST, json!({"id": id})).await;
    assert_eq!(all.as_array().unwrap().len(), 1);
    assert_eq!(all[0]["pushNotificationConfig"]["url"], "http://b.example/");
    let mut other = config(&id, "http://c.example/");
    other["pushNotificationConfig"]["id"] = "other".into();
    assert_eq!(world.error(SET, other).await, -32602);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_is_none_is_refused() {
    let world = world(&takes_all());
    let id = world.send("ask").await["id"].as_str().unwrap().to_owned();
    for url in ["", "ftp://a/", "/x", "http://"] {
        assert_eq!(world.error(SET, config(&id, url)).await, -32602, "{url}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_fails_is_told_again_later_and_nothing_waits_for_it() {
    let statuses = [503, 429, 200, 200, 200, 200];
    let transport = ScriptedTransport::answers(statuses.map(|status| answer(status, "")));
    let world = world(&transport);
    let mut params = message("hi");
    params["configuration"]["pushNotificationConfig"] = json!({"url": "http://hook.example/"});
    let before = world.clock.now();
    world.result("message/send", params).await;
    assert_eq!(world.clock.now(), before, "the task did not wait");
    world.clock.sleep(Duration::from_secs(60)).await;
    let told: Vec<_> = transport.requests().iter().map(body).collect();
    let submitted = "task submitted";
    let expect = [
        submitted,
        submitted,
        submitted,
        "task working",
        "task working",
        "task completed",
    ];
    assert_eq!(outline(&told), expect);
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_refuses_is_told_the_next_event() {
    let transport = ScriptedTransport::new(async |_| Ok(answer(400, "")));
    let world = world(&transport);
    let mut params = message("hi");
    params["configuration"]["pushNotificationConfig"] = json!({"url": "http://hook.example/"});
    world.result("message/send", params).await;
    assert_eq!(requests(&transport, 4).await.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_hangs_misses_old_news_and_another_misses_nothing() {
    let transport = ScriptedTransport::new(|request: Request| async move {
        if request.uri().host() == Some("hangs.example") {
            std::future::pending::<()>().await;
        }
        Ok(answer(200, ""))
    });
    let limits = Limits::default().with_subscribers(8, 4);
    let given = Arc::new(transport.clone());
    let world = World::with(|options| options.with_limits(limits).with_webhook_transport(given));
    let mut params = message("chunks 20");
    params["configuration"]["pushNotificationConfig"] = json!({"url": "http://hangs.example/"});
    let task = world.result("message/send", params).await;
    assert_eq!(task["status"]["state"], "completed");
    let mut params = message("hi");
    params["configuration"]["pushNotificationConfig"] = json!({"url": "http://works.example/"});
    world.result("message/send", params).await;
    let requests = requests(&transport, 5).await;
    let hosts = requests
        .iter()
        .filter(|request| request.uri().host() == Some("works.example"));
    assert_eq!(hosts.count(), 4);
}

#[tokio::test(start_paused = true)]
async fn webhooks_that_hang_do_not_keep_another_from_being_told() {
    let transport = ScriptedTransport::new(|request: Request| async move {
        if request.uri().host() == Some("hangs.example") {
            std::future::pending::<()>().await;
        }
        Ok(answer(200, ""))
    });
    let world = world(&transport);
    let told_to = |url: &str| {
        let mut params = message("hi");
        params["configuration"]["pushNotificationConfig"] = json!({"url": url});
        params
    };
    for _ in 0..300 {
        let params = told_to("http://hangs.example/");
        world.result("message/send", params).await;
    }
    let params = told_to("http://works.example/");
    world.result("message/send", params).await;
    let works = |requests: Vec<Request>| {
        let hosts = requests.iter().map(|request| request.uri().host());
        hosts.filter(|host| *host == Some("works.example")).count()
    };
    assert_eq!(works(requests(&transport, 304).await), 4);
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_hangs_is_given_up_with_everything_that_waits_for_it() {
    let transport = ScriptedTransport::new(|_| std::future::pending());
    let world = world(&transport);
    let mut params = message("hi");
    params["configuration"]["pushNotificationConfig"] = json!({"url": "http://hangs.example/"});
    world.result("message/send", params).await;
    world.clock.sleep(Duration::from_secs(600)).await;
    assert_eq!(transport.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_without_webhooks_says_so() {
    let world = World::with(molecule_a2a::ServerOptions::without_webhooks);
    let id = world.send("ask").await["id"].as_str().unwrap().to_owned();
    assert_eq!(world.error(SET, config(&id, "http://a/")).await, -32003);
    assert_eq!(world.error(LIST, json!({"id": id})).await, -32003);
    let mut params = message("hi");
    params["configuration"]["pushNotificationConfig"] = json!({"url": "http://hook.example/"});
    assert_eq!(world.error("message/send", at_once(params)).await, -32003);
}

/// A webhook on a real socket, which hands over what it was sent.
async fn webhook() -> (String, tokio::sync::mpsc::Receiver<(String, Value)>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (sender, received) = tokio::sync::mpsc::channel(16);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut connection = Connection::new(stream);
            let told = connection.hear().await.unwrap();
            connection
                .write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                .await;
            sender.send((told.head.clone(), told.json())).await.unwrap();
        }
    });
    (url, received)
}

fn told_to(url: &str) -> Value {
    let mut params = message("hi");
    let config = json!({"url": url, "token": "tok", "authentication": {"schemes": ["Bearer"], "credentials": "abc"}});
    params["configuration"]["pushNotificationConfig"] = config;
    params
}

#[tokio::test]
async fn a_local_webhook_is_told_where_that_is_allowed() {
    let (url, mut received) = webhook().await;
    let clock = Arc::new(SystemClock::new());
    let running = Running::new(clock, |options| options.with_local_webhooks(true));
    let mut client = running.connect().await;
    client.call("message/send", told_to(&url)).await;
    let mut told = Vec::new();
    for _ in 0..4 {
        let (head, task) = received.recv().await.unwrap();
        for line in [
            "POST /hook HTTP/1.1\r\n",
            "x-a2a-notification-token: tok\r\n",
            "authorization: Bearer abc\r\n",
        ] {
            assert!(head.contains(line), "{line} {head}");
        }
        told.push(task);
    }
    let expect = [
        "task submitted",
        "task working",
        "task working",
        "task completed",
    ];
    assert_eq!(outline(&told), expect);
}

#[tokio::test]
async fn a_local_webhook_is_not_told_otherwise() {
    let (url, mut received) = webhook().await;
    let running = Running::new(Arc::new(SystemClock::new()), |options| options);
    let mut client = running.connect().await;
    let heard = client.call("message/send", told_to(&url)).await;
    assert_eq!(heard.json()["result"]["status"]["state"], "completed");
    // It ends when what was to be sent has been sent, or refused.
    running.stop.cancel();
    running.ended.await.unwrap();
    assert!(received.try_recv().is_err());
}
