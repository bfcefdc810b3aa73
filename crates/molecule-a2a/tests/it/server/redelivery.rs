//! Messages that come again.

use std::time::Duration;

use molecule_transport::Clock as _;
use serde_json::{Value, json};

use super::world::{World, message};

async fn send(world: &World, params: &Value) -> Value {
    world.call("message/send", params.clone()).await
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_again_gets_the_same_answer_under_its_own_id() {
    let world = World::new();
    let params = message("msg hi");
    let first = send(&world, &params).await;
    let body = json!({"jsonrpc": "2.0", "id": 99, "method": "message/send", "params": params});
    let (_, again) = world.post_bytes("/", body.to_string()).await;
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!(
        (&again["id"], &again["result"]),
        (&json!(99), &first["result"])
    );
    assert_eq!(world.agent.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn other_content_under_the_same_id_is_another_message() {
    let world = World::new();
    let mut params = message("msg hi");
    send(&world, &params).await;
    params["message"]["parts"][0]["text"] = "msg ho".into();
    let answer = send(&world, &params).await;
    assert_eq!(answer["result"]["parts"][0]["text"], "ho");
    params["configuration"] = json!({"blocking": true});
    send(&world, &params).await;
    assert_eq!(world.agent.asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn one_that_comes_while_the_first_is_answered_waits_for_it() {
    let world = World::new();
    let params = message("wait hi");
    let let_go = async {
        world.agent.waits.notified().await;
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        world.agent.go.notify_one();
    };
    let all = tokio::join!(send(&world, &params), send(&world, &params), let_go);
    assert_eq!(all.0["result"], all.1["result"]);
    assert_eq!(world.agent.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_that_comes_after_its_caller_hung_up_gets_the_first_answer() {
    let world = World::new();
    let params = message("wait hi");
    {
        let hanging = send(&world, &params);
        tokio::pin!(hanging);
        tokio::select! {
            _ = &mut hanging => unreachable!("nobody let it go"),
            () = world.agent.waits.notified() => {}
        }
    }
    world.agent.go.notify_one();
    let answer = send(&world, &params).await;
    assert_eq!(answer["result"]["parts"][0]["text"], "hi");
    assert_eq!(world.agent.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_good_for_a_minute() {
    let world = World::new();
    let params = message("msg hi");
    send(&world, &params).await;
    world.clock.sleep(Duration::from_secs(59)).await;
    send(&world, &params).await;
    assert_eq!(world.agent.asked(), 1);
    world.clock.sleep(Duration::from_secs(1)).await;
    send(&world, &params).await;
    assert_eq!(world.agent.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_tried_again() {
    let world = World::new();
    for text in ["refuse", "panic"] {
        let params = message(text);
        let before = world.agent.asked();
        send(&world, &params).await;
        send(&world, &params).await;
        assert_eq!(world.agent.asked(), before + 2, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_can_be_switched_off() {
    let world = World::with(|options| options.with_redelivery_window(Duration::ZERO));
    let params = message("msg hi");
    send(&world, &params).await;
    send(&world, &params).await;
    assert_eq!(world.agent.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_task_comes_again_as_it_was_answered() {
    let world = World::new();
    let params = message("hi");
    let first = send(&world, &params).await;
    assert_eq!(first, send(&world, &params).await);
    assert_eq!(world.agent.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn only_the_newest_answers_are_kept() {
    let world = World::new();
    let first = message("msg hi");
    send(&world, &first).await;
    for _ in 0..1024 {
        send(&world, &message("msg hi")).await;
    }
    send(&world, &first).await;
    assert_eq!(world.agent.asked(), 1026);
}
