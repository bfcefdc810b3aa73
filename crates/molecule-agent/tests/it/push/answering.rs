//! How calls are answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use molecule_agent::a2a::{Artifact, Message, Part, TaskContext, TaskOutcome, TaskWork};
use molecule_agent::{AgentLoop, HandlerOutcome, InboundMessage, PushOptions, Sender};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};

use super::scene::{Running, Scene, pushed, said, text};
use crate::world::shout;

#[tokio::test]
async fn a_message_comes_through_the_platform_and_its_answer_goes_back_the_same_way() {
    let scene = Scene::new().await;
    let agent = scene.agent(shout).await;
    let (status, answer) = scene.say(agent.id(), "m-1", "good morning").await;
    assert_eq!((status, text(&answer)), (200, "GOOD MORNING"));
    assert_eq!(answer["id"], "r-1");
    assert_eq!(answer["result"]["kind"], "message");
    assert_eq!(answer["result"]["role"], "agent");
    assert!(scene.notifications(&agent).await.is_empty());
    assert!(
        agent.log().await.is_empty(),
        "what was answered is no message any more"
    );
    agent.stop().await;
}

#[tokio::test]
async fn the_handler_sees_the_whole_message_and_not_who_sent_it() {
    let scene = Scene::new().await;
    let (tell, mut told) = mpsc::unbounded_channel();
    let agent = scene
        .agent(move |message: InboundMessage| {
            tell.send(message).unwrap();
            std::future::ready("thanks")
        })
        .await;
    let mut request = said("m-1", "one");
    let message = &mut request["params"]["message"];
    message["contextId"] = "c-1".into();
    message["metadata"] = json!({"lang": "de"});
    let two = json!({"type": "text", "text": "two"});
    message["parts"].as_array_mut().unwrap().push(two);
    let history = json!([{"role": "user", "parts": [{"kind": "text", "text": "zero"}]}]);
    request["params"]["metadata"] = json!({"history": history});
    scene.send(agent.id(), request).await;
    let message = told.recv().await.unwrap();
    assert_eq!(message.text, "one\ntwo");
    assert_eq!(message.message_id.as_deref(), Some("m-1"));
    assert_eq!(message.context_id.as_deref(), Some("c-1"));
    assert_eq!(message.sender, Sender::Unknown(String::new()));
    let metadata = json!({"history": history, "lang": "de"});
    assert_eq!(Value::from(message.metadata), metadata);
    agent.stop().await;
}

#[tokio::test]
async fn what_an_answer_cost_and_how_it_came_about_reaches_the_platform() {
    let scene = Scene::new().await;
    let agent = scene
        .agent(async |message: InboundMessage| {
            Message::agent(message.text)
                .with_usage(json!({"input_tokens": 3, "output_tokens": 5}))
                .with_metadata("tool_trace", json!([{"tool": "ls"}]))
        })
        .await;
    let (_, answer) = scene.say(agent.id(), "m-1", "hello").await;
    assert_eq!(text(&answer), "hello");
    assert_eq!(answer["result"]["usage"]["output_tokens"], 5);
    assert_eq!(answer["result"]["metadata"]["tool_trace"][0]["tool"], "ls");
    agent.stop().await;
}

#[tokio::test]
async fn whoever_has_nothing_to_say_or_fails_says_so_in_words_that_the_platform_knows() {
    let scene = Scene::new().await;
    let agent = scene
        .agent(
            async |message: InboundMessage| match message.text.as_str() {
                "fail" => HandlerOutcome::Error("exit status 1".to_owned()),
                "panic" => panic!("on purpose"),
                _ => HandlerOutcome::Nothing,
            },
        )
        .await;
    for (asked, expect) in [
        ("nothing", "(no response generated)"),
        ("fail", "Agent error: exit status 1"),
        ("panic", "Agent error: the handler panicked"),
    ] {
        let (status, answer) = scene.say(agent.id(), asked, asked).await;
        assert_eq!((status, text(&answer)), (200, expect));
    }
    let status = agent.client.watch_status().borrow().clone();
    assert_eq!((status.accepted, status.handled, status.failed), (3, 1, 2));
    assert_eq!((status.answered, status.handling), (3, 0));
    agent.stop().await;
}

#[tokio::test]
async fn a_message_that_is_delivered_twice_is_handled_once() {
    let scene = Scene::new().await;
    let times = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&times);
    let agent = scene
        .agent(move |message: InboundMessage| {
            let time = counted.fetch_add(1, Ordering::Relaxed);
            std::future::ready(format!("{} {time}", message.text))
        })
        .await;
    let first = scene.say(agent.id(), "m-1", "hello").await;
    let again = scene.say(agent.id(), "m-1", "hello").await;
    assert_eq!((text(&first.1), text(&again.1)), ("hello 0", "hello 0"));
    let other = scene.say(agent.id(), "m-1", "something else").await;
    assert_eq!(text(&other.1), "something else 1");
    assert_eq!(times.load(Ordering::Relaxed), 2);
    agent.stop().await;
}

#[tokio::test]
async fn a_task_is_a_task_of_its_own_that_can_be_asked_for() {
    let scene = Scene::new().await;
    let agent = scene
        .agent(async |message: InboundMessage| {
            TaskWork::new(async move |task: TaskContext| {
                let made = Artifact::new("a").with_part(Part::text(message.text));
                task.artifact(made).await.unwrap();
                TaskOutcome::completed("here it is").with_usage(json!({"input_tokens": 3}))
            })
        })
        .await;
    let mut request = said("m-1", "1,2");
    request["params"]["configuration"] = json!({"blocking": true});
    let (_, answer) = scene.send(agent.id(), request).await;
    let task = &answer["result"];
    assert_eq!(task["kind"], "task", "{answer}");
    assert_eq!(task["status"]["state"], "completed");
    assert_eq!(task["artifacts"][0]["parts"][0]["text"], "1,2");
    let get =
        json!({"jsonrpc": "2.0", "id": 2, "method": "tasks/get", "params": {"id": task["id"]}});
    let (_, answer) = scene.call(agent.address(&scene).await, get).await;
    assert_eq!(answer["result"]["status"]["state"], "completed", "{answer}");
    let status = agent.client.watch_status().borrow().clone();
    assert_eq!((status.accepted, status.handled), (1, 1));
    agent.stop().await;
}

#[tokio::test]
async fn a_task_that_fails_or_panics_counts_as_a_handler_that_fails() {
    let scene = Scene::new().await;
    let agent = scene
        .agent(async |message: InboundMessage| {
            TaskWork::new(async move |_| match message.text.as_str() {
                "panic" => panic!("on purpose"),
                _ => TaskOutcome::failed("no disk"),
            })
        })
        .await;
    for (asked, expect) in [("fail", "no disk"), ("panic", "the handler panicked")] {
        let mut request = said(asked, asked);
        request["params"]["configuration"] = json!({"blocking": true});
        let (_, answer) = scene.send(agent.id(), request).await;
        let status = &answer["result"]["status"];
        assert_eq!(status["state"], "failed", "{answer}");
        assert_eq!(status["message"]["parts"][0]["text"], expect);
    }
    assert_eq!(agent.client.watch_status().borrow().failed, 2);
    agent.stop().await;
}

#[tokio::test]
async fn as_many_calls_are_handled_at_once_as_may_and_they_show_in_the_status() {
    let scene = Scene::new().await;
    let go_on = Arc::new(Semaphore::new(0));
    let client = scene.builder().await.build().unwrap();
    let wait = Arc::clone(&go_on);
    let handler = move |message: InboundMessage| {
        let wait = Arc::clone(&wait);
        async move {
            wait.acquire().await.unwrap().forget();
            message.text
        }
    };
    let options = pushed(PushOptions::new()).with_agent_loop(AgentLoop::new().with_concurrency(2));
    let mut agent = Running::start(&client, handler, options);
    agent.joins().await;
    let address = agent.address(&scene).await;
    let calls = ["a", "b", "c"].map(|text| scene.call(address, said(text, text)));
    let calls = futures_util::future::join_all(calls);
    let watched = async {
        agent.until(|status| status.accepted == 3).await;
        assert_eq!(agent.client.watch_status().borrow().handling, 2);
        go_on.add_permits(3);
    };
    let (answers, ()) = tokio::join!(calls, watched);
    let answered: Vec<_> = answers.iter().map(|(_, answer)| text(answer)).collect();
    assert_eq!(answered, ["a", "b", "c"]);
    agent.stop().await;
}

#[tokio::test]
async fn callers_that_lack_the_inbound_token_are_refused() {
    let scene = Scene::new().await;
    let client = scene.builder().await.build().unwrap();
    let token = molecule_agent::Token::new("only-for-callers").unwrap();
    let options = pushed(PushOptions::new().with_inbound_token(token));
    let mut agent = Running::start(&client, shout, options);
    agent.joins().await;
    let (status, answer) = scene.say(agent.id(), "m-1", "hello").await;
    assert_eq!(status, 401, "{answer}");
    assert_eq!(agent.client.watch_status().borrow().accepted, 0);
    agent.stop().await;
}
