//! Answers as streams of events.

use std::time::Duration;

use molecule_a2a::Limits;
use molecule_transport::Clock as _;
use serde_json::json;

use super::world::{World, at_once, message, outline, to_task};

#[tokio::test(start_paused = true)]
async fn a_stream_opens_with_the_task_and_ends_with_its_final_status() {
    let world = World::new();
    let events = world
        .stream("message/stream", message("hi"))
        .await
        .rest()
        .await;
    let expect = ["task submitted", "working", "artifact-update", "completed!"];
    assert_eq!(outline(&events), expect);
    assert!(events[0]["history"].is_array());
    for event in &events[1..] {
        assert_eq!(
            (&event["taskId"], &event["contextId"]),
            (&events[0]["id"], &events[0]["contextId"])
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_version_1_says_the_same_in_its_words() {
    let world = World::new();
    let params = super::world::message_v1("hi");
    let events = world
        .stream("SendStreamingMessage", params)
        .await
        .rest()
        .await;
    let names: Vec<_> = events
        .iter()
        .map(|event| event.as_object().unwrap().keys().next().unwrap().clone())
        .collect();
    assert_eq!(
        names,
        ["task", "statusUpdate", "artifactUpdate", "statusUpdate"]
    );
    assert_eq!(
        events[3]["statusUpdate"]["status"]["state"],
        "TASK_STATE_COMPLETED"
    );
    assert_eq!(events[3]["statusUpdate"].get("final"), None);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_the_only_event_of_its_stream() {
    let events = World::new()
        .stream("message/stream", message("msg hi"))
        .await
        .rest()
        .await;
    assert_eq!(outline(&events), ["message"]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_the_task_waits_for_its_user_and_another_goes_on() {
    let world = World::new();
    let events = world
        .stream("message/stream", message("ask"))
        .await
        .rest()
        .await;
    assert_eq!(outline(&events), ["task submitted", "input-required!"]);
    let id = events[0]["id"].as_str().unwrap();
    let events = world
        .stream("message/stream", to_task("hi", id))
        .await
        .rest()
        .await;
    let expect = ["task working", "working", "artifact-update", "completed!"];
    assert_eq!(outline(&events), expect);
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_gets_the_task_as_it_is_and_what_happens_then() {
    let world = World::new();
    let id = world.begin("sleep 60").await;
    world.until(&id, "working").await;
    let events = world
        .stream("tasks/resubscribe", json!({"id": id}))
        .await
        .rest()
        .await;
    assert_eq!(outline(&events), ["task working", "completed!"]);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_waits_can_be_listened_to_until_it_is_over() {
    let world = World::new();
    let id = world.send("ask").await["id"].as_str().unwrap().to_owned();
    let mut events = world.stream("tasks/resubscribe", json!({"id": id})).await;
    assert_eq!(
        outline(&[events.next().await.unwrap()]),
        ["task input-required"]
    );
    world.result("message/send", to_task("hi", &id)).await;
    let expect = ["working", "working", "artifact-update", "completed!"];
    assert_eq!(outline(&events.rest().await), expect);
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_with_the_last_event_gets_what_was_missed() {
    let world = World::new();
    let id = world.begin("sleep 60").await;
    world.until(&id, "working").await;
    let mut first = world.stream("tasks/resubscribe", json!({"id": id})).await;
    let seen = first.piece().await.unwrap().id.unwrap();
    drop(first);
    let resume = async |after: &str| {
        world
            .resume("tasks/resubscribe", json!({"id": id}), Some(after))
            .await
    };
    let mut same = resume(&seen).await;
    let (epoch, number) = seen.split_once('-').unwrap();
    assert_eq!(number, "2", "the task and that it works");
    let mut before = resume(&format!("{epoch}-1")).await;
    assert_eq!(outline(&[before.next().await.unwrap()]), ["working"]);
    for unknown in ["other-1", "1", "", &format!("{epoch}-99")] {
        let mut anew = resume(unknown).await;
        assert_eq!(
            outline(&[anew.next().await.unwrap()]),
            ["task working"],
            "{unknown}"
        );
    }
    assert_eq!(outline(&[same.next().await.unwrap()]), ["completed!"]);
    assert_eq!(outline(&before.rest().await), ["completed!"]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_streamed_is_an_error_in_the_stream() {
    let world = World::new();
    let done = world.send("hi").await["id"].as_str().unwrap().to_owned();
    for (method, params, code) in [
        ("tasks/resubscribe", json!({"id": "nope"}), -32001),
        ("tasks/resubscribe", json!({"id": done}), -32004),
        ("message/stream", to_task("hi", "nope"), -32001),
        ("message/stream", to_task("hi", &done), -32004),
        ("message/stream", message("refuse"), -32005),
        ("message/stream", message("panic"), -32603),
    ] {
        let mut events = world.stream(method, params.clone()).await;
        let answer = events.piece().await.unwrap().data.unwrap();
        assert_eq!(answer["error"]["code"], code, "{method} {params}");
        assert!(events.piece().await.is_none());
    }
    assert_eq!(world.error("message/stream", json!({})).await, -32602);
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_shows_that_it_is_alive() {
    let world = World::new();
    let mut events = world.stream("message/stream", message("sleep 40")).await;
    let mut pieces = Vec::new();
    while let Some(piece) = events.piece().await {
        pieces.push(match piece.data {
            Ok(_) => "event".to_owned(),
            Err(comment) => comment,
        });
    }
    let expect = ["event", "event", ": keep-alive", ": keep-alive", "event"];
    assert_eq!(pieces, expect);
    assert_eq!(world.clock.now(), Duration::from_secs(40));
    let mut events = world.stream("message/stream", message("wait hi")).await;
    assert!(
        events.piece().await.unwrap().data.is_err(),
        "the agent has not answered"
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_listener_is_cut_off_and_delays_nobody() {
    let limits = Limits::default().with_subscribers(8, 4);
    let world = World::with(|options| options.with_limits(limits));
    let id = world.send("ask").await["id"].as_str().unwrap().to_owned();
    let mut slow = world.stream("tasks/resubscribe", json!({"id": id})).await;
    world
        .result("message/send", at_once(to_task("burst 20", &id)))
        .await;
    world.agent.waits.notified().await;
    for _ in 0..5 {
        assert!(
            slow.piece().await.unwrap().data.is_ok(),
            "the task, and what fitted"
        );
    }
    assert!(
        slow.piece().await.is_none(),
        "a gap would be worse than the end"
    );
    world.agent.go.notify_one();
    world.until(&id, "completed").await;
}

#[tokio::test(start_paused = true)]
async fn only_so_many_listen_to_a_task_and_room_comes_back() {
    let limits = Limits::default().with_subscribers(1, 4);
    let world = World::with(|options| options.with_limits(limits));
    let id = world.begin("sleep 60").await;
    let first = world.stream("tasks/resubscribe", json!({"id": id})).await;
    let mut second = world.stream("tasks/resubscribe", json!({"id": id})).await;
    let refused = second.piece().await.unwrap().data.unwrap();
    assert_eq!(refused["error"]["code"], -32603);
    drop(first);
    let mut third = world.stream("tasks/resubscribe", json!({"id": id})).await;
    assert!(third.next().await.is_some());
}

#[tokio::test(start_paused = true)]
async fn the_work_goes_on_when_nobody_listens() {
    let world = World::new();
    let mut events = world.stream("message/stream", message("sleep 60")).await;
    let id = events.next().await.unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    drop(events);
    world.clock.sleep(Duration::from_secs(61)).await;
    assert_eq!(world.state(&id).await, "completed");
}

#[tokio::test(start_paused = true)]
async fn all_listeners_hear_the_same() {
    let world = World::new();
    let id = world.begin("sleep 60").await;
    world.until(&id, "working").await;
    let mut streams = Vec::new();
    for _ in 0..5 {
        streams.push(world.stream("tasks/resubscribe", json!({"id": id})).await);
    }
    world.result("tasks/cancel", json!({"id": id})).await;
    for stream in streams {
        assert_eq!(outline(&stream.rest().await), ["task working", "canceled!"]);
    }
}
