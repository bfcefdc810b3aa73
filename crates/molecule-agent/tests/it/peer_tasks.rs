//! Streams and tasks of peers, over real sockets to the peer.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::post;
use molecule_agent::a2a::{Message, Reply, SendMessage};
use molecule_agent::transport::{ErrorKind as TransportKind, http};
use molecule_agent::{AgentError, ErrorKind, Peer};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::peer_server::{Directory, PEER, TOKEN, peer};

/// The headers and bodies of what an agent was asked.
type Asked = Arc<Mutex<Vec<(http::HeaderMap, Value)>>>;

/// An agent from before cards, and where it is.
async fn without_a_card(answer: Value) -> (String, Asked) {
    let asked = Asked::default();
    let seen = Arc::clone(&asked);
    let answers = async move |headers: http::HeaderMap, body: String| {
        let body = serde_json::from_str(&body).unwrap();
        seen.lock().unwrap().push((headers, body));
        answer.to_string()
    };
    let router = Router::new().route("/a2a", post(answers));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}/a2a"), asked)
}

fn hello() -> SendMessage {
    SendMessage::new(Message::user("hello"))
}

fn at(url: &str) -> (Directory, Peer) {
    let directory = Directory::saying(url);
    let peer = directory.client().peer(peer());
    (directory, peer)
}

#[tokio::test]
async fn a_peer_without_a_card_is_spoken_to_in_the_older_version_and_sees_no_token() {
    let says = json!({"jsonrpc": "2.0", "id": 1, "result": {"kind": "message", "messageId": "m", "role": "agent",
        "parts": [{"kind": "text", "text": "hi"}]}});
    let (url, asked) = without_a_card(says).await;
    let (directory, peer) = at(&url);
    for _ in 0..2 {
        let Reply::Message(message) = peer.send(hello()).await.unwrap() else {
            panic!("no message")
        };
        assert_eq!(message.text(), "hi");
    }
    assert_eq!(peer.workspace_id().to_string(), PEER);
    assert_eq!(directory.discoveries(), 1, "it is kept");
    for (headers, body) in &*asked.lock().unwrap() {
        assert_eq!(body["method"], "message/send");
        assert!(!format!("{headers:?} {body}").contains(TOKEN));
        for name in [
            "authorization",
            "x-workspace-id",
            "origin",
            "x-molecule-org-id",
        ] {
            assert!(!headers.contains_key(name), "{headers:?}");
        }
    }
}

#[tokio::test]
async fn what_a_peer_refuses_is_its_own_error() {
    let refuses =
        json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32001, "message": "no such task"}});
    let (url, _) = without_a_card(refuses).await;
    let (_directory, peer) = at(&url);
    let error = peer.task("t-1", None).await.unwrap_err();
    assert!(error.to_string().contains("no such task"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Unexpected);
}

#[tokio::test]
async fn a_peer_that_only_the_platform_reaches_is_not_direct() {
    let (_directory, _) = at("");
    for url in ["", "http://ws-08eea8db-eed:8000"] {
        let directory = Directory::saying(url);
        let client = directory.builder().build().unwrap();
        let error = client.peer(peer()).send(hello()).await.unwrap_err();
        assert!(
            matches!(error, AgentError::NotDirect(id) if id == peer()),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_private_address_is_not_called_unless_that_is_allowed() {
    let (url, asked) = without_a_card(json!({})).await;
    let directory = Directory::saying(&url);
    let client = directory.builder().build().unwrap();
    let error = client.peer(peer()).send(hello()).await.unwrap_err();
    let AgentError::Peer(molecule_agent::a2a::ClientError::Transport(source)) = &error else {
        panic!("{error}")
    };
    assert_eq!(source.kind(), TransportKind::ForbiddenAddress);
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn where_a_peer_is_gone_the_platform_is_asked_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let (directory, peer) = at(&url);
    for _ in 0..2 {
        let error = peer.send(hello()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
        assert!(error.surely_without_effect());
    }
    assert_eq!(directory.discoveries(), 2);
}

#[cfg(feature = "push")]
mod of_our_own {
    use molecule_agent::CancellationToken;
    use molecule_agent::a2a::{
        A2aServer, Answer, Card, Event, Incoming, Part, ServerOptions, TaskContext, TaskOutcome,
        TaskState, TaskWork,
    };

    use super::*;

    /// An agent that draws until it is told to stop, if it is asked for that.
    async fn draws(incoming: Incoming) -> Result<Answer, molecule_agent::a2a::A2aError> {
        let forever = incoming.message.text() == "for ever";
        let work = TaskWork::new(async move |task: TaskContext| {
            let line = molecule_agent::a2a::Artifact::new("map").with_part(Part::text("~~~"));
            if task.artifact(line).await.is_err() {
                return TaskOutcome::canceled();
            }
            if forever {
                task.cancellation().cancelled().await;
                return TaskOutcome::canceled();
            }
            TaskOutcome::completed("drawn")
        });
        Ok(work.into())
    }

    fn start() -> String {
        let options = ServerOptions::new(Card::new("artist", ""));
        let address = ([127, 0, 0, 1], 0).into();
        let server = A2aServer::bind(address, Arc::new(draws), options).unwrap();
        let url = format!("http://{}", server.local_addr());
        tokio::spawn(server.run(CancellationToken::new()));
        url
    }

    fn draw(what: &str) -> SendMessage {
        SendMessage::new(Message::user(what))
    }

    #[tokio::test]
    async fn a_stream_tells_of_a_task_from_its_beginning_to_its_end() {
        let (_directory, peer) = at(&start());
        let mut events = peer.stream(draw("a map")).await.unwrap();
        let mut seen = Vec::new();
        while let Some(event) = events.next().await.unwrap() {
            seen.push(match event {
                Event::Task(_) => "task".to_owned(),
                Event::Status(update) => format!("{:?}", update.status.state),
                Event::Artifact(update) => update.artifact.artifact_id,
                _ => panic!("{event:?}"),
            });
        }
        assert_eq!(seen.first().map(String::as_str), Some("task"));
        assert!(seen.contains(&"map".to_owned()), "{seen:?}");
        assert_eq!(seen.last().map(String::as_str), Some("Completed"));
    }

    #[tokio::test]
    async fn a_task_can_be_asked_for_listened_to_again_and_cancelled() {
        let (_directory, peer) = at(&start());
        let mut events = peer.stream(draw("for ever")).await.unwrap();
        let Some(Event::Task(task)) = events.next().await.unwrap() else {
            panic!("no task")
        };
        drop(events);
        let mut again = peer.resubscribe(&task.id).await.unwrap();
        assert!(matches!(again.next().await.unwrap(), Some(Event::Task(_))));
        let asked = peer.task(&task.id, None).await.unwrap();
        assert!(!asked.status.state.is_final(), "{asked:?}");
        let cancelled = peer.cancel(&task.id).await.unwrap();
        assert_eq!(cancelled.status.state, TaskState::Canceled);
        while again.next().await.unwrap().is_some() {}
        assert!(peer.cancel(&task.id).await.is_err(), "it is over");
    }

    #[cfg(feature = "blocking")]
    #[test]
    fn the_blocking_client_listens_too() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let url = runtime.block_on(async { start() });
        let directory = Directory::saying(&url);
        let client = directory.builder().allow_private_peers();
        let peer = client.build_blocking().unwrap().peer(peer());
        let Reply::Task(task) = peer.send(draw("a map")).unwrap() else {
            panic!("no task")
        };
        assert_eq!(task.status.state, TaskState::Completed);
        assert_eq!(peer.task(&task.id, None).unwrap().id, task.id);
        let events: Result<Vec<_>, _> = peer.stream(draw("a map")).unwrap().collect();
        assert!(events.unwrap().len() >= 2);
    }
}
