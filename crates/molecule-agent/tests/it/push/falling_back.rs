//! What an agent does that the platform does not call.

use molecule_agent::{AgentError, AgentState, ErrorKind, PushOptions};
use molecule_emulator::Generation;

use super::scene::{Running, Scene, nowhere, pushed, said, text};
use crate::world::shout;

/// An address that no platform takes.
const REFUSED: &str = "http://10.0.0.5:80/";

/// An agent that reports `url`.
async fn reporting(scene: &Scene, url: &str, fallback: bool) -> Running {
    let builder = scene.builder().await.reported_url(url);
    let options = PushOptions::new().with_fallback(fallback);
    Running::start(&builder.build().unwrap(), shout, pushed(options))
}

#[tokio::test]
async fn an_agent_whose_address_is_refused_polls() {
    let scene = Scene::new().await;
    let mut agent = reporting(&scene, REFUSED, true).await;
    let registration = agent.joins().await;
    assert_eq!(registration.listening, None);
    let (status, _) = scene.say(agent.id(), "m-1", "hello").await;
    assert_eq!(status, 202);
    scene
        .pass_until(async || scene.notifications(&agent).await == ["HELLO"])
        .await;
    agent.stop().await;
}

#[tokio::test]
async fn without_a_fallback_a_refused_address_is_an_error() {
    let scene = Scene::new().await;
    let error = reporting(&scene, REFUSED, false).await.ends().await;
    let error = error.unwrap_err();
    assert!(matches!(error, AgentError::UrlRefused { .. }), "{error}");
}

#[tokio::test]
async fn where_there_is_nothing_to_fall_back_to_the_error_says_what_to_do() {
    let scene = Scene::of(Generation::A).await;
    let agent = reporting(&scene, REFUSED, true).await;
    let id = agent.id();
    let error = agent.ends().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    for part in [REFUSED, "polled", "report"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    assert_eq!(scene.info(id).await.url.unwrap_or_default(), "");
}

#[tokio::test]
async fn an_agent_that_is_not_reached_polls_from_then_on() {
    let scene = Scene::new().await;
    let mut agent = reporting(&scene, &nowhere(), true).await;
    let registration = agent.joins().await;
    assert!(registration.listening.is_some());
    agent.until(|status| status.last_poll.is_some()).await;
    let (status, _) = scene.say(agent.id(), "m-1", "lost").await;
    assert_eq!(status, 502);
    let mut fallen = None;
    scene
        .pass_until(async || {
            fallen = fallen.or(agent.has_joined());
            fallen.is_some()
        })
        .await;
    assert_eq!(fallen.unwrap().listening, None);
    scene.say(agent.id(), "m-2", "hello").await;
    scene
        .pass_until(async || scene.notifications(&agent).await == ["HELLO"])
        .await;
    agent.stop().await;
}

#[tokio::test]
async fn an_agent_that_cannot_poll_says_that_it_is_not_reached_until_a_call_arrives() {
    for (generation, fallback) in [(Generation::A, true), (Generation::B, false)] {
        let scene = Scene::of(generation).await;
        let mut agent = reporting(&scene, &nowhere(), fallback).await;
        let address = agent.joins().await.listening.unwrap();
        agent.until(|status| status.last_poll.is_some()).await;
        scene.say(agent.id(), "m-1", "lost").await;
        let status = agent.client.watch_status();
        scene.pass_until(async || !status.borrow().receiving).await;
        let problem = status.borrow().problem.clone().unwrap_or_default();
        assert!(problem.contains("do not arrive"), "{problem}");
        // A minute later nothing has changed.
        scene.pass(200).await;
        assert!(!status.borrow().receiving);
        let (_, answer) = scene.call(address, said("m-2", "hello")).await;
        assert_eq!(text(&answer), "HELLO");
        scene.pass_until(async || status.borrow().receiving).await;
        agent
            .until(|status| status.state == AgentState::Online)
            .await;
        agent.stop().await;
    }
}

#[tokio::test]
async fn an_agent_whose_calls_arrive_stays_with_them() {
    let scene = Scene::new().await;
    let client = scene.builder().await.build().unwrap();
    let options = pushed(PushOptions::new().with_fallback(true));
    let mut agent = Running::start(&client, shout, options);
    agent.joins().await;
    for time in 0..5 {
        let (_, answer) = scene.say(agent.id(), &format!("m-{time}"), "hello").await;
        assert_eq!(text(&answer), "HELLO");
        scene.pass(100).await;
    }
    assert!(agent.has_joined().is_none());
    assert!(client.watch_status().borrow().receiving);
    agent.stop().await;
}
