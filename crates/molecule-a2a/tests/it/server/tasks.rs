//! Tasks that are asked for, gone on with and cancelled.

use std::time::Duration;

use molecule_a2a::Limits;
use molecule_transport::Clock as _;
use serde_json::{Value, json};

use super::world::{World, at_once, message, message_v1, to_task};

#[tokio::test(start_paused = true)]
async fn a_blocking_message_gets_the_task_when_it_is_done() {
    let task = World::new().send("hi").await;
    assert_eq!(task["kind"], "task");
    assert_eq!(task["status"]["state"], "completed");
    assert_eq!(task["status"]["message"]["parts"][0]["text"], "done");
    assert_eq!(task["status"]["message"]["taskId"], task["id"]);
    assert_eq!(task["artifacts"][0]["parts"][0]["text"], "echo: hi");
    assert_eq!(task["history"].as_array().unwrap().len(), 1);
    assert_eq!(task["history"][0]["taskId"], task["id"]);
    assert_eq!(task["history"][0]["contextId"], task["contextId"]);
    let timestamp = task["status"]["timestamp"].as_str().unwrap();
    assert!(
        timestamp.starts_with("2026-01-01T00:00:0") && timestamp.ends_with('Z'),
        "{timestamp}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_that_does_not_wait_gets_the_task_at_once() {
    let world = World::new();
    let before = world.clock.now();
    let task = world
        .result("message/send", at_once(message("sleep 60")))
        .await;
    assert_eq!(task["status"]["state"], "submitted");
    assert_eq!(world.clock.now(), before);
    let id = task["id"].as_str().unwrap();
    world.until(id, "working").await;
    world.clock.sleep(Duration::from_secs(60)).await;
    world.until(id, "completed").await;
}

#[tokio::test(start_paused = true)]
async fn version_1_says_it_the_other_way_round() {
    let world = World::new();
    let mut params = message_v1("sleep 60");
    params["configuration"]["returnImmediately"] = true.into();
    let answer = world.result("SendMessage", params).await;
    assert_eq!(answer["task"]["status"]["state"], "TASK_STATE_SUBMITTED");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_say_gets_what_the_server_was_told() {
    let world = World::with(|options| options.with_blocking_by_default(false));
    let task = world.send("sleep 60").await;
    assert_eq!(task["status"]["state"], "submitted");
    let mut params = message("sleep 60");
    params["configuration"]["blocking"] = true.into();
    let task = world.result("message/send", params).await;
    assert_eq!(task["status"]["state"], "completed");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_waits_for_its_user_takes_further_messages() {
    let world = World::new();
    let task = world.send("ask").await;
    assert_eq!(task["status"]["state"], "input-required");
    let id = task["id"].as_str().unwrap();
    let again = world.result("message/send", to_task("ask", id)).await;
    assert_eq!(
        (&again["id"], &again["status"]["state"]),
        (&task["id"], &json!("input-required"))
    );
    let done = world.result("message/send", to_task("all of it", id)).await;
    assert_eq!(
        (&done["id"], &done["status"]["state"]),
        (&task["id"], &json!("completed"))
    );
    assert_eq!(
        turns(&done),
        ["ask", "what else?", "ask", "what else?", "all of it"]
    );
}

/// What was said, oldest first.
fn turns(task: &Value) -> Vec<&str> {
    let history = task["history"].as_array().unwrap().iter();
    history
        .map(|message| message["parts"][0]["text"].as_str().unwrap())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn the_agent_sees_the_task_as_it_was_before_the_message() {
    let world = World::new();
    let id = world.send("ask").await["id"].as_str().unwrap().to_owned();
    let answer = world.result("message/send", to_task("before", &id)).await;
    assert_eq!(answer["kind"], "message");
    assert_eq!(answer["parts"][0]["text"], "InputRequired after 2");
    assert_eq!(answer["taskId"], *id);
    assert_eq!(
        turns(&world.get(&id).await),
        ["ask", "what else?", "before", "InputRequired after 2"]
    );
    assert_eq!(world.state(&id).await, "input-required");
}

#[tokio::test(start_paused = true)]
async fn messages_to_a_task_are_answered_one_after_the_other() {
    let world = World::new();
    let id = world.begin("held").await;
    world.agent.waits.notified().await;
    let params = to_task("hi", &id);
    let task = world.result("message/send", at_once(params)).await;
    assert_eq!(turns(&task), ["held", "hi"]);
    assert_eq!(world.agent.asked(), 1);
    world.agent.go.notify_one();
    world.until(&id, "completed").await;
    // The task was over when its turn came.
    assert_eq!(world.agent.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_waited_is_answered_when_the_task_asks() {
    let world = World::new();
    let first = world.begin("ask").await;
    let second = world.result("message/send", to_task("hi", &first)).await;
    assert_eq!(second["status"]["state"], "completed");
}

#[tokio::test(start_paused = true)]
async fn only_so_many_messages_wait_for_their_turn() {
    let world = World::with(|options| options.with_limits(Limits::default().with_waiting(1)));
    let id = world.begin("held").await;
    world.agent.waits.notified().await;
    let first = world.error("message/send", to_task("first", &id));
    let second = async {
        tokio::task::yield_now().await;
        let blocking = world.error("message/send", to_task("second", &id)).await;
        let params = at_once(to_task("third", &id));
        let at_once = world.error("message/send", params).await;
        assert_eq!(turns(&world.get(&id).await), ["held", "first"]);
        world.agent.go.notify_one();
        (blocking, at_once)
    };
    let (first, refused) = tokio::join!(first, second);
    assert_eq!(refused, (-32603, -32603));
    assert_eq!(first, -32004, "nobody read it before the task was over");
}

#[tokio::test(start_paused = true)]
async fn messages_that_were_taken_at_once_all_reach_the_agent() {
    let world = World::with(|options| options.with_limits(Limits::default().with_waiting(2)));
    let id = world.begin("hold").await;
    world.agent.waits.notified().await;
    for text in ["msg a", "msg b"] {
        let params = at_once(to_task(text, &id));
        world.result("message/send", params).await;
    }
    let params = at_once(to_task("msg c", &id));
    assert_eq!(world.error("message/send", params).await, -32603);
    world.agent.go.notify_one();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.agent.asked(), 3);
    assert_eq!(
        turns(&world.get(&id).await),
        ["hold", "msg a", "msg b", "a", "b"]
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_said_before_under_the_same_message_id_stays() {
    let world = World::new();
    let mut first = message("ask");
    first["message"]["messageId"] = "again".into();
    let task = world.result("message/send", first).await;
    let mut second = to_task("before", task["id"].as_str().unwrap());
    second["message"]["messageId"] = "again".into();
    let answer = world.result("message/send", second).await;
    assert_eq!(answer["parts"][0]["text"], "InputRequired after 2");
}

#[tokio::test(start_paused = true)]
async fn messages_to_tasks_that_are_over_unknown_or_elsewhere_are_refused() {
    let world = World::new();
    assert_eq!(
        world.error("message/send", to_task("hi", "nope")).await,
        -32001
    );
    let done = world.send("hi").await["id"].as_str().unwrap().to_owned();
    assert_eq!(
        world.error("message/send", to_task("hi", &done)).await,
        -32004
    );
    let open = world.send("ask").await["id"].as_str().unwrap().to_owned();
    let mut params = to_task("hi", &open);
    params["message"]["contextId"] = "another".into();
    assert_eq!(world.error("message/send", params).await, -32602);
    assert_eq!(turns(&world.get(&open).await), ["ask"]);
}

#[tokio::test(start_paused = true)]
async fn the_history_is_as_long_as_was_asked_for() {
    let world = World::new();
    let id = world.send("ask").await["id"].as_str().unwrap().to_owned();
    world.result("message/send", to_task("ask", &id)).await;
    let get = async |length: Value| {
        let task = world
            .result("tasks/get", json!({"id": id, "historyLength": length}))
            .await;
        task["history"].as_array().map(Vec::len)
    };
    assert_eq!(get(json!(2)).await, Some(2));
    assert_eq!(get(json!(100)).await, Some(3));
    assert!(matches!(get(json!(0)).await, None | Some(0)));
    assert_eq!(turns(&world.get(&id).await), ["ask", "what else?", "ask"]);
    let newest = world
        .result("tasks/get", json!({"id": id, "historyLength": 1}))
        .await;
    assert_eq!(turns(&newest), ["ask"]);
    let mut params = to_task("ask", &id);
    params["configuration"]["historyLength"] = 1.into();
    let task = world.result("message/send", params).await;
    assert_eq!(turns(&task), ["ask"]);
}

#[tokio::test(start_paused = true)]
async fn a_task_remembers_only_so_much() {
    let limits = Limits::default().with_task_room(3, 1000);
    let world = World::with(|options| options.with_limits(limits));
    let id = world.send("ask").await["id"].as_str().unwrap().to_owned();
    world.result("message/send", to_task("ask 2", &id)).await;
    world.result("message/send", to_task("ask 3", &id)).await;
    assert_eq!(
        turns(&world.get(&id).await),
        ["ask 2", "what else?", "ask 3"]
    );
    let long = format!("ask {}", "x".repeat(900));
    world.result("message/send", to_task(&long, &id)).await;
    assert_eq!(turns(&world.get(&id).await), [&*long]);
    let too_much = world.send(&"x".repeat(1000)).await;
    assert_eq!(too_much["status"]["state"], "failed", "{too_much}");
}

#[tokio::test(start_paused = true)]
async fn unknown_tasks_are_not_found() {
    let world = World::new();
    let unknown = json!({"id": "nope"});
    assert_eq!(world.error("tasks/get", unknown.clone()).await, -32001);
    assert_eq!(world.error("tasks/cancel", unknown.clone()).await, -32001);
    let answer = world.call("GetTask", unknown).await;
    assert_eq!(answer["error"]["data"][0]["reason"], "TASK_NOT_FOUND");
}

#[tokio::test(start_paused = true)]
async fn a_task_is_cancelled_once() {
    let world = World::new();
    let id = world.begin("sleep 60").await;
    world.until(&id, "working").await;
    let before = world.clock.now();
    let task = world.result("tasks/cancel", json!({"id": id})).await;
    assert_eq!(task["status"]["state"], "canceled");
    assert_eq!(
        world.clock.now(),
        before,
        "the work was told and not waited out"
    );
    assert_eq!(world.error("tasks/cancel", json!({"id": id})).await, -32002);
    assert_eq!(world.state(&id).await, "canceled");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_waits_is_cancelled_and_one_that_is_over_is_not() {
    let world = World::new();
    let open = world.send("ask").await["id"].as_str().unwrap().to_owned();
    let task = world.result("tasks/cancel", json!({"id": open})).await;
    assert_eq!(task["status"]["state"], "canceled");
    assert_eq!(
        world.error("message/send", to_task("hi", &open)).await,
        -32004
    );
    let done = world.send("hi").await["id"].as_str().unwrap().to_owned();
    assert_eq!(
        world.error("tasks/cancel", json!({"id": done})).await,
        -32002
    );
}

#[tokio::test(start_paused = true)]
async fn work_that_does_not_listen_is_dropped_after_a_grace() {
    let world = World::new();
    let id = world.begin("stubborn").await;
    let before = world.clock.now();
    let task = world.result("tasks/cancel", json!({"id": id})).await;
    assert_eq!(task["status"]["state"], "canceled");
    assert_eq!(world.clock.now() - before, Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn work_that_panics_or_refuses_is_a_task_that_says_so() {
    let world = World::new();
    let crashed = world.send("crash").await;
    assert_eq!(crashed["status"]["state"], "failed");
    assert!(!crashed.to_string().contains("test wants"), "{crashed}");
    assert_eq!(world.send("reject").await["status"]["state"], "rejected");
    assert_eq!(world.send("hi").await["status"]["state"], "completed");
}

#[tokio::test(start_paused = true)]
async fn chunks_become_one_artifact() {
    let task = World::new().send("chunks 3").await;
    let parts = task["artifacts"][0]["parts"].as_array().unwrap();
    assert_eq!(parts.len(), 3);
    assert_eq!(parts[2]["text"], "line 2");
}

#[tokio::test(start_paused = true)]
async fn work_goes_on_when_its_caller_hangs_up() {
    let world = World::new();
    tokio::select! {
        _ = world.send("later") => unreachable!("nobody let it go"),
        () = world.agent.waits.notified() => {}
    }
    world.agent.go.notify_one();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let page = world.result("ListTasks", json!({})).await;
    let task = page["tasks"][0]["id"].as_str().expect("a task");
    world.until(task, "completed").await;
    assert_eq!(world.agent.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn tasks_are_listed_a_page_at_a_time_newest_first() {
    let world = World::new();
    let mut ids = Vec::new();
    for index in 0..5 {
        let text = if index % 2 == 0 { "hi" } else { "ask" };
        ids.push(world.send(text).await["id"].clone());
        world.clock.sleep(Duration::from_secs(1)).await;
    }
    ids.reverse();
    let listed = async |params: Value| {
        let page = world.result("ListTasks", params).await;
        let tasks = page["tasks"].as_array().unwrap().iter();
        let ids: Vec<_> = tasks.map(|task| task["id"].clone()).collect();
        (ids, page)
    };
    let (all, page) = listed(json!({})).await;
    assert_eq!(all, ids);
    assert_eq!(
        (&page["totalSize"], &page["pageSize"]),
        (&json!(5), &json!(50))
    );
    assert_eq!(page["nextPageToken"], "");
    assert_eq!(page["tasks"][0].get("artifacts"), None);

    let (first, page) = listed(json!({"pageSize": 3})).await;
    let (rest, last) = listed(json!({"pageSize": 3, "pageToken": page["nextPageToken"]})).await;
    assert_eq!([first, rest].concat(), ids);
    assert_eq!(last["nextPageToken"], "");

    let (waiting, _) = listed(json!({"status": "TASK_STATE_INPUT_REQUIRED"})).await;
    assert_eq!(waiting, [ids[1].clone(), ids[3].clone()]);
    let (new, _) = listed(json!({"statusTimestampAfter": "2026-01-01T00:00:03Z"})).await;
    assert_eq!(new, ids[..2]);
    let (_, page) = listed(json!({"includeArtifacts": true})).await;
    assert!(page["tasks"][0]["artifacts"].is_array());
    let context = page["tasks"][2]["contextId"].clone();
    assert_eq!(
        listed(json!({"contextId": context})).await.0,
        [ids[2].clone()]
    );
    for wrong in [
        json!({"pageSize": 0}),
        json!({"pageSize": 101}),
        json!({"pageToken": "made up"}),
        json!({"statusTimestampAfter": "yesterday"}),
    ] {
        assert_eq!(
            world.error("ListTasks", wrong.clone()).await,
            -32602,
            "{wrong}"
        );
    }
}
