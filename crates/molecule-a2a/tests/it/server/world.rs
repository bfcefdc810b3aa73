//! An agent and who talks to it, over the router and in simulated time.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::Request;
use http_body_util::BodyExt as _;
use molecule_a2a::{Card, ServerOptions, router};
use molecule_transport::testing::SimulatedClock;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::echo::Echo;

pub(crate) struct World {
    router: Router,
    pub(crate) agent: Echo,
    pub(crate) clock: SimulatedClock,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|options| options)
    }

    pub(crate) fn with(options: impl FnOnce(ServerOptions) -> ServerOptions) -> Self {
        let clock = SimulatedClock::new();
        let agent = Echo::new(Arc::new(clock.clone()));
        let card = Card::new("echo", "http://agent.example/");
        let given = ServerOptions::new(card).with_clock(Arc::new(clock.clone()));
        let router = router(Arc::new(agent.clone()), options(given));
        Self {
            router,
            agent,
            clock,
        }
    }

    pub(crate) async fn request(&self, request: Request<Body>) -> Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn post_bytes(&self, path: &str, body: impl Into<Body>) -> (u16, String) {
        let request = post(path).body(body.into()).unwrap();
        read(self.request(request).await).await
    }

    /// The whole answer to a call, which has status 200 and is as compact as JSON can be.
    pub(crate) async fn call(&self, method: &str, params: Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": "r", "method": method, "params": params});
        let (status, answer) = self.post_bytes("/", body.to_string()).await;
        assert_eq!(status, 200, "{answer}");
        let value: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(value["id"], "r", "{answer}");
        assert!(
            !answer.contains("\": ") && !answer.contains(", \""),
            "{answer}"
        );
        value
    }

    pub(crate) async fn result(&self, method: &str, params: Value) -> Value {
        let answer = self.call(method, params).await;
        assert!(answer.get("result").is_some(), "{answer}");
        answer["result"].clone()
    }

    pub(crate) async fn error(&self, method: &str, params: Value) -> i64 {
        let answer = self.call(method, params).await;
        let code = answer["error"]["code"].as_i64();
        code.unwrap_or_else(|| panic!("{answer}"))
    }

    /// What a text is answered with, when the answer is there.
    pub(crate) async fn send(&self, text: &str) -> Value {
        self.result("message/send", message(text)).await
    }

    /// The id of the task that a text makes, which goes on.
    pub(crate) async fn begin(&self, text: &str) -> String {
        let task = self.result("message/send", at_once(message(text))).await;
        assert_eq!(task["kind"], "task", "{task}");
        task["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn get(&self, id: &str) -> Value {
        self.result("tasks/get", json!({"id": id})).await
    }

    pub(crate) async fn state(&self, id: &str) -> String {
        let task = self.get(id).await;
        task["status"]["state"].as_str().unwrap().to_owned()
    }

    /// Waits until the task is in this state.
    pub(crate) async fn until(&self, id: &str, state: &str) {
        for _ in 0..1000 {
            if self.state(id).await == state {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("{id} is {} and not {state}", self.state(id).await);
    }

    pub(crate) async fn stream(&self, method: &str, params: Value) -> Events {
        self.resume(method, params, None).await
    }

    pub(crate) async fn resume(&self, method: &str, params: Value, after: Option<&str>) -> Events {
        let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        let mut request = post("/");
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        let request = request.body(body.to_string().into()).unwrap();
        let response = self.request(request).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Events {
            body: response.into_body(),
            read: String::new(),
        }
    }
}

pub(crate) fn post(path: &str) -> http::request::Builder {
    Request::post(path).header("content-type", "application/json")
}

pub(crate) async fn read(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// The parameters of a message under an id of its own.
pub(crate) fn message(text: &str) -> Value {
    let id = uuid::Uuid::new_v4().to_string();
    json!({"message": {
        "kind": "message", "role": "user", "messageId": id, "parts": [{"kind": "text", "text": text}],
    }})
}

pub(crate) fn to_task(text: &str, id: &str) -> Value {
    let mut params = message(text);
    params["message"]["taskId"] = id.into();
    params
}

pub(crate) fn at_once(mut params: Value) -> Value {
    params["configuration"]["blocking"] = false.into();
    params
}

/// The same message in the words of version 1.0.
pub(crate) fn message_v1(text: &str) -> Value {
    let id = uuid::Uuid::new_v4().to_string();
    json!({"message": {"role": "ROLE_USER", "messageId": id, "parts": [{"text": text}]}})
}

/// A stream of server-sent events.
pub(crate) struct Events {
    body: Body,
    read: String,
}

/// One piece of a stream.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) id: Option<String>,
    /// The whole answer, or a comment.
    pub(crate) data: Result<Value, String>,
}

impl Events {
    /// The next piece; `None` at the end.
    pub(crate) async fn piece(&mut self) -> Option<Piece> {
        while !self.read.contains("\n\n") {
            let frame = self.body.frame().await?.unwrap();
            let data = frame.into_data().unwrap();
            self.read.push_str(std::str::from_utf8(&data).unwrap());
        }
        let (piece, rest) = self.read.split_once("\n\n").unwrap();
        let (piece, rest) = (piece.to_owned(), rest.to_owned());
        self.read = rest;
        let line = |name: &str| {
            let mut lines = piece.lines();
            lines.find_map(|line| line.strip_prefix(name).map(str::to_owned))
        };
        let data = line("data: ").map(|data| serde_json::from_str(&data).unwrap());
        Some(Piece {
            id: line("id: "),
            data: data.ok_or(piece.clone()),
        })
    }

    /// The next event's result, passing over signs of life.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            if let Ok(answer) = self.piece().await?.data {
                assert_eq!(answer["id"], 7, "{answer}");
                return Some(answer["result"].clone());
            }
        }
    }

    /// Everything up to the end.
    pub(crate) async fn rest(mut self) -> Vec<Value> {
        let mut all = Vec::new();
        while let Some(event) = self.next().await {
            all.push(event);
        }
        all
    }
}

/// A stream in short: what each event is about.
pub(crate) fn outline(events: &[Value]) -> Vec<String> {
    let short = |event: &Value| match event["kind"].as_str().unwrap() {
        "status-update" => {
            let state = event["status"]["state"].as_str().unwrap();
            let end = if event["final"] == true { "!" } else { "" };
            format!("{state}{end}")
        }
        "task" => format!("task {}", event["status"]["state"].as_str().unwrap()),
        kind => kind.to_owned(),
    };
    events.iter().map(short).collect()
}
