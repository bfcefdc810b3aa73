//! How an agent that is called stops.

use std::sync::Arc;
use std::time::Duration;

use molecule_agent::a2a::{TaskContext, TaskOutcome, TaskWork};
use molecule_agent::{AgentState, InboundMessage, StopReason};
use tokio::sync::Semaphore;

use super::scene::{Running, Scene, said, text};

/// An agent whose handler waits for a permit.
async fn waiting(scene: &Scene) -> (Running, Arc<Semaphore>) {
    let go_on = Arc::new(Semaphore::new(0));
    let wait = Arc::clone(&go_on);
    let agent = scene
        .agent(move |message: InboundMessage| {
            let wait = Arc::clone(&wait);
            async move {
                wait.acquire().await.unwrap().forget();
                message.text
            }
        })
        .await;
    (agent, go_on)
}

#[tokio::test]
async fn who_waits_for_an_answer_gets_it_and_who_comes_then_is_told_that_the_agent_is_busy() {
    let scene = Scene::new().await;
    let (agent, go_on) = waiting(&scene).await;
    let (id, address) = (agent.id(), agent.address(&scene).await);
    let ending = async {
        agent.until(|status| status.handling == 1).await;
        agent.cancel.cancel();
        agent
            .until(|status| status.state == AgentState::Draining)
            .await;
        let (status, late) = scene.call(address, said("m-2", "late")).await;
        assert_eq!(status, 503, "{late}");
        assert!(
            late["error"].as_str().unwrap().contains("stopping"),
            "{late}"
        );
        assert_eq!(agent.client.watch_status().borrow().accepted, 1);
        go_on.add_permits(1);
        agent.ends().await
    };
    let ((_, answer), ended) = tokio::join!(scene.say(id, "m-1", "early"), ending);
    assert_eq!(text(&answer), "early");
    assert_eq!(ended.unwrap(), StopReason::Cancelled);
    let gone = tokio::net::TcpStream::connect(address).await;
    assert!(gone.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_cut_off_and_waits_at_the_platform() {
    let scene = Scene::new().await;
    let (agent, _go_on) = waiting(&scene).await;
    let id = agent.id();
    let mut status = agent.client.watch_status();
    let ending = async {
        agent.until(|status| status.handling == 1).await;
        agent.cancel.cancel();
        agent
            .until(|status| status.state == AgentState::Draining)
            .await;
        scene.clock.advance(Duration::from_secs(29));
        tokio::task::yield_now().await;
        assert_eq!(agent.client.watch_status().borrow().handling, 1);
        scene.clock.advance(Duration::from_secs(1));
        agent.ends().await
    };
    let ((code, answer), ended) = tokio::join!(scene.say(id, "m-1", "slow"), ending);
    assert_eq!(ended.unwrap(), StopReason::Cancelled);
    assert_eq!((code, &answer["queued"]), (202, &true.into()), "{answer}");
    let gone = status.wait_for(|status| status.handling == 0);
    let limit = Duration::from_secs(30);
    let gone = tokio::time::timeout(limit, gone).await;
    gone.expect("the handler is cut off").unwrap();
}

#[tokio::test]
async fn work_that_goes_on_after_its_call_was_answered_is_waited_for_too() {
    let scene = Scene::new().await;
    let (go_on, done) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (wait, tell) = (Arc::clone(&go_on), Arc::clone(&done));
    let agent = scene
        .agent(move |_: InboundMessage| {
            let (wait, tell) = (Arc::clone(&wait), Arc::clone(&tell));
            std::future::ready(TaskWork::new(async move |_: TaskContext| {
                wait.acquire().await.unwrap().forget();
                tell.add_permits(1);
                TaskOutcome::completed("done")
            }))
        })
        .await;
    let mut request = said("m-1", "go");
    request["params"]["configuration"] = serde_json::json!({"blocking": false});
    let (_, answer) = scene.send(agent.id(), request).await;
    assert_eq!(answer["result"]["kind"], "task", "{answer}");
    agent.until(|status| status.handling == 1).await;
    agent.cancel.cancel();
    agent
        .until(|status| status.state == AgentState::Draining)
        .await;
    go_on.add_permits(1);
    assert_eq!(agent.ends().await.unwrap(), StopReason::Cancelled);
    assert_eq!(done.available_permits(), 1);
}
