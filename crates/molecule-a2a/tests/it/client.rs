//! The client against agents that say what they are told to say.

use std::sync::Arc;

use futures_util::TryStreamExt;
use molecule_a2a::{
    A2aClient, Call, CallResult, ClientError, ErrorCode, Event, Message, PeerCard, Reply,
    SendMessage, TaskState, Version,
};
use molecule_transport::testing::{ScriptedTransport, answer};
use molecule_transport::{CallOptions, ForeignTransport, Limits, Transport};
use serde_json::{Value, json};

use crate::captured::{Exchange, call, exchanges};
use crate::peer::{self, Agent};

fn transport() -> Arc<dyn Transport> {
    let builder = ForeignTransport::builder().with_local_addresses(true);
    Arc::new(builder.with_system_roots(false).build().unwrap())
}

fn client(agent: &Agent, version: Version) -> A2aClient {
    A2aClient::new(transport(), agent.url.clone(), version)
}

fn hello() -> SendMessage {
    SendMessage::new(Message::user("hello"))
}

/// What a call came to: a result, or the events of a stream.
#[derive(Debug, PartialEq)]
enum Outcome {
    Result(Box<CallResult>),
    Events(Vec<Event>),
}

async fn make(client: &A2aClient, call: Call) -> Result<Outcome, ClientError> {
    Ok(Outcome::Result(Box::new(match call {
        Call::Send(message) => match client.send(message).await? {
            Reply::Message(message) => CallResult::Message(message),
            Reply::Task(task) => CallResult::Sent(task),
            other => panic!("{other:?}"),
        },
        Call::Stream(message) => {
            let events = client.stream(message).await?;
            return events.try_collect().await.map(Outcome::Events);
        }
        Call::Resubscribe { id } => {
            let events = client.resubscribe(&id).await?;
            return events.try_collect().await.map(Outcome::Events);
        }
        Call::GetTask { id, history_length } => {
            CallResult::Task(client.task(&id, history_length).await?)
        }
        Call::ListTasks(list) => CallResult::Tasks(client.tasks(list).await?),
        Call::CancelTask { id } => CallResult::Task(client.cancel(&id).await?),
        Call::SetPushConfig(push) => CallResult::PushConfig(client.set_push_config(push).await?),
        Call::ListPushConfigs { task_id } => {
            CallResult::PushConfigs(client.push_configs(&task_id).await?)
        }
        Call::ExtendedCard => CallResult::Card(client.extended_card().await?),
        other => panic!("{other:?}"),
    })))
}

/// What the exchange came to, read without a client.
fn expected(version: Version, exchange: &Exchange, call: &Call) -> Result<Outcome, ErrorCode> {
    let answers = exchange.answers();
    if exchange.is_stream {
        let events = answers
            .iter()
            .map(|answer| version.decode_event(answer.as_bytes()).unwrap());
        return Ok(Outcome::Events(events.collect()));
    }
    match version.decode_result(call, answers[0].as_bytes()) {
        Ok(result) => Ok(Outcome::Result(Box::new(result))),
        Err(molecule_a2a::AnswerError::Refused(error)) => Err(error.code),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn every_exchange_of_the_official_sdks_is_made_by_our_client_too() {
    let mut made = 0;
    for (version, sdk, exchange) in exchanges() {
        let asked = exchange
            .body()
            .and_then(|body| call(Some(version.as_str()), &body).ok());
        let Some((_, asked)) = asked else {
            continue;
        };
        let body = exchange.answer.clone().unwrap();
        let is_stream = exchange.is_stream;
        let agent = Agent::start(move |_| match is_stream {
            true => peer::events(&body, false),
            false => peer::json(body.clone()),
        });
        let agent = agent.await;
        let expect = expected(version, &exchange, &asked);
        let found = make(&client(&agent, version), asked).await;
        let found = found.map_err(|error| match error {
            ClientError::Refused(error) => error.code,
            error => panic!("{error}"),
        });
        assert_eq!(found, expect, "{sdk} {version} {}", exchange.case);
        check_request(version, &agent, exchange.request.unwrap());
        made += 1;
    }
    assert_eq!(made, 17 + 17 + 18);
}

/// But for its id, the request is the captured one.
fn check_request(version: Version, agent: &Agent, mut expect: Value) {
    let (headers, request) = agent.seen().remove(0);
    expect["id"] = request["id"].clone();
    assert!(request["id"].is_string());
    assert_eq!(request, expect);
    let named = headers
        .get("a2a-version")
        .map(|value| value.to_str().unwrap());
    assert_eq!(named, (version == Version::V1_0).then_some("1.0"));
    assert_eq!(headers["content-type"], "application/json");
    assert!(!headers.contains_key("authorization"));
}

#[tokio::test]
async fn the_other_webhook_calls_are_made_as_well() {
    let one = r#"{"jsonrpc":"2.0","id":1,"result":{"taskId":"t","id":"p","url":"http://h/"}}"#;
    let agent = Agent::start(move |_| peer::json(one)).await;
    let client = client(&agent, Version::V1_0);
    let push = client.push_config("t", Some("p")).await.unwrap();
    assert_eq!(
        (push.task_id.as_str(), push.config.url.as_str()),
        ("t", "http://h/")
    );
    client.delete_push_config("t", "p").await.unwrap();
    let methods: Vec<_> = agent
        .seen()
        .into_iter()
        .map(|seen| seen.1["method"].clone())
        .collect();
    assert_eq!(
        methods,
        [
            "GetTaskPushNotificationConfig",
            "DeleteTaskPushNotificationConfig"
        ]
    );
}

#[tokio::test]
async fn tasks_are_not_listed_in_version_0_3() {
    let agent = Agent::start(|_| peer::json("")).await;
    let listed = client(&agent, Version::V0_3)
        .tasks(Default::default())
        .await;
    let Err(ClientError::Refused(error)) = listed else {
        panic!("{listed:?}");
    };
    assert_eq!(error.code, ErrorCode::MethodNotFound);
    assert!(agent.seen().is_empty());
}

/// What `message/stream` comes to if it is answered like this.
async fn streamed(agent: &Agent) -> (Vec<Event>, Option<ClientError>) {
    let client = client(agent, Version::V0_3).with_max_event(400);
    let mut events = match client.stream(hello()).await {
        Ok(events) => events,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut seen = Vec::new();
    loop {
        match events.try_next().await {
            Ok(Some(event)) => seen.push(event),
            Ok(None) => return (seen, None),
            Err(error) => {
                assert!(
                    events.try_next().await.unwrap().is_none(),
                    "nothing follows an error"
                );
                return (seen, Some(error));
            }
        }
    }
}

fn working() -> String {
    let result =
        json!({"kind": "task", "id": "t", "contextId": "c", "status": {"state": "working"}});
    format!(
        "data: {}\n\n",
        json!({"jsonrpc": "2.0", "id": 1, "result": result})
    )
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_told_from_one_that_ends() {
    let agent = Agent::start(|_| peer::events(&working(), false)).await;
    let (events, error) = streamed(&agent).await;
    let [Event::Task(task)] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!(task.status.state, TaskState::Working);
    assert!(error.is_none());

    let agent = Agent::start(|_| peer::events(&working(), true)).await;
    let (events, error) = streamed(&agent).await;
    assert!(
        matches!(error, Some(ClientError::Transport(_))),
        "{error:?}"
    );
    assert!(events.len() <= 1);
}

#[tokio::test]
async fn an_error_in_a_stream_ends_it() {
    let refusal = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"out of luck"}}"#;
    let text = format!("{}: ping\n\ndata: {refusal}\n\n{}", working(), working());
    let agent = Agent::start(move |_| peer::events(&text, false)).await;
    let (events, error) = streamed(&agent).await;
    assert_eq!(events.len(), 1);
    assert_eq!(error.unwrap().to_string(), "out of luck (-32603)");
}

#[tokio::test]
async fn an_event_that_is_too_large_or_makes_no_sense_ends_a_stream() {
    let large = format!("{}data: {}\n\n", working(), "x".repeat(401));
    let agent = Agent::start(move |_| peer::events(&large, false)).await;
    let (events, error) = streamed(&agent).await;
    assert_eq!(events.len(), 1);
    assert!(
        matches!(error, Some(ClientError::TooLarge { limit: 400, .. })),
        "{error:?}"
    );

    let odd = format!(
        "{}data: {{\"result\":{{\"kind\":\"surprise\"}}}}\n\n",
        working()
    );
    let agent = Agent::start(move |_| peer::events(&odd, false)).await;
    let (events, error) = streamed(&agent).await;
    assert_eq!(events.len(), 1);
    assert!(
        matches!(error, Some(ClientError::Unreadable { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_agent_may_do_without_a_stream() {
    let message = r#"{"jsonrpc":"2.0","id":1,"result":{"kind":"message","messageId":"m","role":"agent","parts":[{"kind":"text","text":"hi"}]}}"#;
    let agent = Agent::start(move |_| peer::json(message)).await;
    let (events, error) = streamed(&agent).await;
    assert!(error.is_none());
    assert!(matches!(events.as_slice(), [Event::Message(message)] if message.text() == "hi"));
    let refusal = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32004,"message":"no"}}"#;
    let agent = Agent::start(move |_| peer::json(refusal)).await;
    let (_, error) = streamed(&agent).await;
    assert!(matches!(error, Some(ClientError::Refused(_))), "{error:?}");
}

#[tokio::test]
async fn an_answer_in_place_of_a_stream_is_limited() {
    let agent = Agent::start(|_| peer::json(peer::unannounced(&" ".repeat(5000), false))).await;
    let limits = Limits::DEFAULT.with_body_bytes(1000);
    let options = CallOptions::new().with_limits(limits);
    let client = client(&agent, Version::V0_3).with_options(options);
    let error = client.stream(hello()).await.unwrap_err();
    assert!(
        matches!(error, ClientError::TooLarge { limit: 1000, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_status_counts_unless_there_is_a_reason() {
    let agent = Agent::start(|_| peer::answer(404, "text/html", "<h1>nothing</h1>")).await;
    let error = client(&agent, Version::V0_3)
        .send(hello())
        .await
        .unwrap_err();
    let ClientError::Status { status, target } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(status.as_u16(), 404);
    assert_eq!(target.to_string(), format!("POST {}", agent.url));
    let (_, error) = streamed(&agent).await;
    assert!(
        matches!(error, Some(ClientError::Status { .. })),
        "{error:?}"
    );

    let refusal = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32009,"message":"no"}}"#;
    let agent = Agent::start(move |_| peer::answer(400, "application/json", refusal)).await;
    let error = client(&agent, Version::V0_3)
        .send(hello())
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::Refused(_)), "{error:?}");

    let agent = Agent::start(|_| peer::json("hello")).await;
    let error = client(&agent, Version::V0_3)
        .send(hello())
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::Unreadable { .. }), "{error:?}");
    assert!(!error.surely_not_delivered());
}

#[tokio::test]
async fn nobody_at_home_means_that_nothing_was_delivered() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let client = A2aClient::new(transport(), url.parse().unwrap(), Version::V0_3);
    let error = client.send(hello()).await.unwrap_err();
    assert!(error.surely_not_delivered(), "{error:?}");
}

#[tokio::test]
async fn what_only_asks_may_be_repeated_and_what_does_something_may_not() {
    let refusal = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32001,"message":"no"}}"#;
    let scripted = Arc::new(ScriptedTransport::new(move |_| {
        std::future::ready(Ok(answer(200, refusal)))
    }));
    let url = "http://agent.example/".parse().unwrap();
    let client = A2aClient::new(Arc::clone(&scripted) as _, url, Version::V1_0);
    assert!(client.task("t", None).await.is_err());
    assert!(client.tasks(Default::default()).await.is_err());
    assert!(client.send(hello()).await.is_err());
    assert!(client.cancel("t").await.is_err());
    assert!(client.stream(hello()).await.is_err());
    let options: Vec<_> = scripted.requests().iter().map(CallOptions::of).collect();
    let repeatable: Vec<_> = options.iter().map(|options| options.repeatable).collect();
    assert_eq!(repeatable, [true, true, false, false, false]);
    let endless: Vec<_> = options.iter().map(|options| options.endless).collect();
    assert_eq!(endless, [false, false, false, false, true]);
}

#[tokio::test]
async fn an_agent_is_found_by_its_card() {
    let card = |url: &str| json!({"url": url, "protocolVersion": "0.3.0"}).to_string();
    let at_older_place = move |uri: &http::Uri| match uri.path() {
        "/agent/.well-known/agent.json" => peer::json(card("http://127.0.0.1:1/rpc")),
        _ => peer::answer(404, "text/plain", ""),
    };
    let agent = Agent::start(at_older_place).await;
    let found = A2aClient::discover(transport(), &agent.url).await.unwrap();
    assert_eq!(found.version(), Version::V0_3);
    assert_eq!(found.url(), "http://127.0.0.1:1/rpc");
    assert_eq!(agent.seen().len(), 2);

    let agent = Agent::start(|_| peer::json(r#"{"name":"nobody"}"#)).await;
    let found = A2aClient::discover(transport(), &agent.url).await;
    assert!(matches!(found, Err(ClientError::NoInterface)), "{found:?}");
    let agent = Agent::start(|_| peer::answer(503, "text/plain", "")).await;
    let found = PeerCard::fetch(&*transport(), &agent.url).await;
    assert!(
        matches!(found, Err(ClientError::Status { .. })),
        "{found:?}"
    );
    let relative = "somewhere:80".parse().unwrap();
    let found = PeerCard::fetch(&*transport(), &relative).await;
    assert!(matches!(found, Err(ClientError::NotAbsolute)), "{found:?}");
}

#[tokio::test]
async fn the_captured_cards_say_which_version_to_speak() {
    let mut found = Vec::new();
    for (_, sdk, exchange) in exchanges().filter(|(.., exchange)| exchange.case == "card") {
        let card: Value = serde_json::from_str(&exchange.answer.unwrap()).unwrap();
        let (version, url) = PeerCard::from(card).interface().unwrap();
        found.push((sdk, version, url.port_u16().unwrap()));
    }
    let expect = [
        ("0.3.26", Version::V0_3, 9903),
        ("1.3.0", Version::V1_0, 9910),
    ];
    assert_eq!(found, [expect[0], expect[1], expect[1]]);
}

#[test]
fn no_address_is_shown_whole() {
    let url = "http://user:secret@agent.example/path?key=secret"
        .parse()
        .unwrap();
    let client = A2aClient::new(transport(), url, Version::V0_3);
    assert!(!format!("{client:?}").contains("secret"));
}
