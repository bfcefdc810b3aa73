//! How an agent that is called joins.

use std::sync::{Arc, Mutex};

use molecule_agent::protocol::endpoints::DeliveryMode;
use molecule_agent::transport::{
    BoxFuture, Bytes, Request, ReqwestTransport, Response, Transport, TransportError, http,
};
use molecule_agent::{AgentError, AgentState, Connect, PushDelivery, PushOptions, StopReason};
use molecule_emulator::Generation;
use serde_json::Value;

use super::scene::{Running, Scene, nowhere, pushed, said, text};
use crate::world::shout;

/// The way to the platform, with a look at the agent's own port before each registration.
struct Watching {
    way: ReqwestTransport,
    /// What the port answered.
    seen: Arc<Mutex<Vec<u16>>>,
}

impl Watching {
    async fn look(&self, request: &Request) -> u16 {
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        let url = format!(
            "{}/.well-known/agent-card.json",
            body["url"].as_str().unwrap()
        );
        let get = http::Request::get(url).body(Bytes::new()).unwrap();
        let answer = self.way.send(get).await;
        answer.map_or(0, |answer| answer.status().as_u16())
    }
}

impl Transport for Watching {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        Box::pin(async move {
            if request.uri().path() == "/registry/register" {
                let status = self.look(&request).await;
                self.seen.lock().unwrap().push(status);
            }
            self.way.send(request).await
        })
    }
}

#[tokio::test]
async fn the_port_answers_before_its_address_is_reported() {
    let scene = Scene::new().await;
    let seen = Arc::<Mutex<Vec<u16>>>::default();
    let way = ReqwestTransport::builder().build().unwrap();
    let watching = Watching {
        way,
        seen: Arc::clone(&seen),
    };
    let client = scene.builder().await.transport(watching).build().unwrap();
    let mut agent = Running::start(&client, shout, pushed(PushOptions::new()));
    agent.joins().await;
    assert_eq!(*seen.lock().unwrap(), [200]);
    agent.stop().await;
}

#[tokio::test]
async fn on_both_generations_the_agent_is_called_at_the_address_that_it_reports() {
    for (generation, mode) in [
        (Generation::A, None),
        (Generation::B, Some(DeliveryMode::Push)),
    ] {
        let scene = Scene::of(generation).await;
        let client = scene.builder().await.build().unwrap();
        let mut agent = Running::start(&client, shout, pushed(PushOptions::new()));
        let registration = agent.joins().await;
        assert_eq!(registration.delivery_mode, mode);
        assert_eq!(registration.listening, Some(agent.address(&scene).await));
        let (_, answer) = scene.say(agent.id(), "m-1", "hello").await;
        assert_eq!(text(&answer), "HELLO");
        agent.stop().await;
    }
}

#[tokio::test]
async fn calls_come_below_the_path_that_was_reported_and_the_card_says_so() {
    let scene = Scene::new().await;
    let builder = scene.builder().await;
    let port = nowhere().rsplit(':').next().unwrap().parse().unwrap();
    let url = format!("http://localhost:{port}/agents/alpha");
    let client = builder.reported_url(&url).build().unwrap();
    let options = PushOptions::new().with_listen(([127, 0, 0, 1], port).into());
    let mut agent = Running::start(&client, shout, Connect::new().with_push(options));
    agent.joins().await;
    let (_, answer) = scene.say(agent.id(), "m-1", "hello").await;
    assert_eq!(text(&answer), "HELLO");
    let card = scene
        .get(&format!("http://localhost:{port}/.well-known/agent.json"))
        .await;
    assert_eq!(card["url"], url.as_str());
    assert_eq!(card["name"], client.agent_card().name().unwrap());
    agent.stop().await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error_that_names_it() {
    let scene = Scene::new().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = scene.builder().await.build().unwrap();
    let options = PushOptions::new().with_listen(taken.local_addr().unwrap());
    let agent = Running::start(&client, shout, Connect::new().with_push(options));
    let error = agent.ends().await.unwrap_err();
    let address = taken.local_addr().unwrap().to_string();
    assert!(error.to_string().contains(&address), "{error}");
    let info = scene.info(client.workspace_id()).await;
    assert_eq!(info.url.unwrap_or_default(), "", "nothing was registered");
}

#[tokio::test]
async fn a_platform_elsewhere_has_to_be_told_where_the_agent_is() {
    let id = "9e453dad-99f0-4e01-8c72-0031bf974e26".parse().unwrap();
    let platform = "https://molecule.example.com".parse().unwrap();
    let client = molecule_agent::RemoteAgentClient::builder(id, platform)
        .state_dir("nowhere")
        .build()
        .unwrap();
    let options = PushOptions::new().with_listen(([127, 0, 0, 1], 0).into());
    let error = PushDelivery::bind(&client, &options).unwrap_err();
    assert!(matches!(error, AgentError::Option { .. }), "{error}");
    assert!(error.to_string().contains("reported url"), "{error}");
}

#[tokio::test]
async fn an_agent_that_waits_out_a_pause_is_called_at_the_same_port_again() {
    let scene = Scene::new().await;
    let client = scene.builder().await.build().unwrap();
    let options = pushed(PushOptions::new()).with_stay(true);
    let mut agent = Running::start(&client, shout, options);
    let first = agent.joins().await;
    scene.admin.pause(agent.id()).await.unwrap();
    let status = client.watch_status();
    let paused = AgentState::Paused;
    scene
        .pass_until(async || status.borrow().state == paused)
        .await;
    scene.admin.resume(agent.id()).await.unwrap();
    let mut second = None;
    scene
        .pass_until(async || {
            second = second.or(agent.has_joined());
            second.is_some()
        })
        .await;
    assert_eq!(second.unwrap().listening, first.listening);
    let (_, answer) = scene.say(agent.id(), "m-1", "hello").await;
    assert_eq!(text(&answer), "HELLO");
    agent.stop().await;
}

#[tokio::test]
async fn a_delivery_of_ones_own_making_serves_in_the_agent_loop() {
    let scene = Scene::new().await;
    let client = scene.builder().await.build().unwrap();
    let options = PushOptions::new().with_listen(([127, 0, 0, 1], 0).into());
    let delivery = PushDelivery::bind(&client, &options).unwrap();
    let address = delivery.local_addr();
    client.register().await.unwrap();
    let cancel = molecule_agent::CancellationToken::new();
    let (runs, stop) = (client.clone(), cancel.clone());
    let agent = tokio::spawn(async move {
        let options = molecule_agent::AgentLoop::new();
        runs.run_agent_loop(shout, delivery, options, &stop).await
    });
    let (_, answer) = scene.call(address, said("m-1", "hello")).await;
    assert_eq!(text(&answer), "HELLO");
    cancel.cancel();
    assert_eq!(agent.await.unwrap().unwrap(), StopReason::Cancelled);
}
