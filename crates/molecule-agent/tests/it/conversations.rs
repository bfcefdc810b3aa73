//! Conversations side by side, handlers that fail, and dead letters.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use molecule_agent::protocol::Message;
use molecule_agent::transport::Clock as _;
use molecule_agent::{
    AgentLoop, HandlerOutcome, InboundMessage, Journal, RemoteAgentClient, Sender,
};

use crate::world::{Trouble, World, shout};

type Diary = Arc<Mutex<Vec<String>>>;

/// A handler that works for so many seconds, and writes down when it begins and how many work at the same time.
fn busy(world: &World, seconds: u64) -> (impl molecule_agent::Handler, Diary, Arc<AtomicUsize>) {
    let (diary, most) = (Diary::default(), Arc::new(AtomicUsize::new(0)));
    let (clock, now) = (world.clock.clone(), Arc::new(AtomicUsize::new(0)));
    let (begun, highest) = (Arc::clone(&diary), Arc::clone(&most));
    let handler = move |message: InboundMessage| {
        begun.lock().unwrap().push(message.text.clone());
        let (now, rest) = (Arc::clone(&now), clock.sleep(Duration::from_secs(seconds)));
        highest.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        async move {
            rest.await;
            now.fetch_sub(1, Ordering::Relaxed);
            message.text.to_uppercase()
        }
    };
    (handler, diary, most)
}

async fn ask(from: &RemoteAgentClient, to: &RemoteAgentClient, text: &str) {
    let message = Message::text(format!("m-{text}"), text);
    from.send_message(to.workspace_id(), message).await.unwrap();
}

/// What a peer heard from the agent.
async fn heard(peer: &RemoteAgentClient) -> Vec<String> {
    let messages = peer.fetch_inbound(&Default::default()).await.unwrap();
    messages.into_iter().map(|message| message.text).collect()
}

#[cfg(feature = "journal")]
#[tokio::test(start_paused = true)]
async fn a_conversation_keeps_its_order_and_holds_up_no_other() {
    let world = World::new();
    let (agent, peer) = (
        world.registered("alpha").await,
        world.registered("peer").await,
    );
    let (handler, diary, most) = busy(&world, 60);
    let running = world.start(&agent, handler);
    world.pass(1).await;
    for text in ["a", "b", "c"] {
        world.say(agent.workspace_id(), text, text).await;
        world.clock_tick().await;
    }
    ask(&peer, &agent, "x").await;
    world.pass(8).await;
    assert_eq!(*diary.lock().unwrap(), ["a", "x"]);
    world.pass(60).await;
    assert_eq!(heard(&peer).await, ["X"]);
    assert_eq!(*diary.lock().unwrap(), ["a", "x", "b"]);
    world.pass(130).await;
    assert_eq!(
        world.notifications(agent.workspace_id()).await,
        ["A", "B", "C"]
    );
    assert_eq!(most.load(Ordering::Relaxed), 2);
    running.stop().await.unwrap();
}

/// How many handlers work at the same time at most, on the messages of six peers.
async fn most_at_once(options: AgentLoop) -> usize {
    let world = World::new();
    let agent = world.registered("alpha").await;
    let mut peers = BTreeMap::new();
    for name in ["p1", "p2", "p3", "p4", "p5", "p6"] {
        peers.insert(name, world.registered(name).await);
    }
    let (handler, _, most) = busy(&world, 20);
    let running = world.start_with(&agent, handler, options);
    world.pass(1).await;
    for (name, peer) in &peers {
        ask(peer, &agent, name).await;
    }
    world.pass(200).await;
    for (name, peer) in &peers {
        assert_eq!(heard(peer).await, [name.to_uppercase()]);
    }
    running.stop().await.unwrap();
    most.load(Ordering::Relaxed)
}

#[cfg(feature = "journal")]
#[tokio::test(start_paused = true)]
async fn as_many_handlers_work_at_once_as_may() {
    assert_eq!(most_at_once(AgentLoop::new()).await, 4);
    assert_eq!(most_at_once(AgentLoop::new().with_concurrency(2)).await, 2);
    assert_eq!(most_at_once(AgentLoop::new().with_concurrency(0)).await, 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_journal_that_lasts_messages_are_handled_one_after_the_other() {
    let volatile = AgentLoop::new().with_journal(Journal::volatile());
    assert_eq!(most_at_once(volatile).await, 1);
}

#[cfg(feature = "journal")]
#[tokio::test(start_paused = true)]
async fn an_answer_on_its_way_does_not_hold_up_a_handler() {
    let world = World::new();
    let (agent, peer) = (
        world.registered("alpha").await,
        world.registered("peer").await,
    );
    let running = world.start_with(&agent, shout, AgentLoop::new().with_concurrency(1));
    world.pass(1).await;
    let path = format!("/workspaces/{}/a2a", peer.workspace_id());
    world.trouble(move |request| (request.uri().path() == path).then_some(Trouble::Status(503)));
    ask(&peer, &agent, "x").await;
    world.pass(8).await;
    world.say(agent.workspace_id(), "m-1", "a").await;
    world.pass(8).await;
    assert_eq!(world.notifications(agent.workspace_id()).await, ["A"]);
    world.no_trouble();
    world.pass(60).await;
    assert_eq!(heard(&peer).await, ["X"]);
    running.stop().await.unwrap();
}

/// A handler that fails as often, and the times at which it was started.
fn failing(world: &World, failures: usize) -> (impl molecule_agent::Handler, Arc<Mutex<Vec<u64>>>) {
    let started: Arc<Mutex<Vec<u64>>> = Arc::default();
    let (times, clock) = (Arc::clone(&started), world.clock.clone());
    let handler = move |message: InboundMessage| {
        let mut times = times.lock().unwrap();
        times.push(clock.now().as_secs());
        let outcome = if times.len() > failures {
            HandlerOutcome::from(message.text.to_uppercase())
        } else {
            HandlerOutcome::Error("exit status 1".to_owned())
        };
        async { outcome }
    };
    (handler, started)
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_fails_is_tried_again_after_longer_and_longer_waits() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let (handler, started) = failing(&world, 3);
    let running = world.start_with(&client, handler, AgentLoop::new().with_attempts(4));
    world.pass(1).await;
    world.say(client.workspace_id(), "m-1", "a").await;
    world.pass(30).await;
    let started = started.lock().unwrap().clone();
    let waits: Vec<u64> = started.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(waits, [1, 2, 4]);
    assert_eq!(world.notifications(client.workspace_id()).await, ["A"]);
    let status = client.watch_status().borrow().clone();
    assert_eq!((status.failed, status.handled, status.answered), (3, 1, 1));
    assert!(client.journal().dead().await.unwrap().is_empty());
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_message_that_fails_too_often_is_a_dead_letter_until_it_is_retried() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let (handler, started) = failing(&world, 3);
    let running = world.start(&client, handler);
    world.pass(1).await;
    world.say(id, "m-1", "a").await;
    world.say(id, "m-2", "b").await;
    world.pass(30).await;
    assert_eq!(
        world.notifications(id).await,
        ["Agent error: exit status 1", "B"]
    );
    let journal = client.journal();
    let dead = journal.dead().await.unwrap();
    let letter = &dead[0];
    assert_eq!(
        (dead.len(), letter.preview.as_str(), letter.attempts),
        (1, "a", 3)
    );
    assert_eq!(
        (letter.why.as_str(), &letter.answer),
        ("exit status 1", &None)
    );
    assert_eq!(letter.sender, Sender::CanvasUser);
    let whole = journal.dead_message(letter.id).await.unwrap().unwrap();
    assert_eq!(whole.message_id.as_deref(), Some("m-1"));
    assert_eq!(client.watch_status().borrow().dead, 1);

    assert!(journal.retry(letter.id).await.unwrap());
    assert!(
        !journal.retry(letter.id).await.unwrap(),
        "it is none any more"
    );
    world.pass(1).await;
    assert_eq!(started.lock().unwrap().len(), 5, "at once");
    assert_eq!(
        world.notifications(id).await,
        ["Agent error: exit status 1", "B", "A"]
    );
    let status = client.watch_status().borrow().clone();
    assert_eq!((status.dead, status.pending), (0, 0));
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_is_removed_is_gone() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let (handler, started) = failing(&world, 1);
    let running = world.start_with(&client, handler, AgentLoop::new().with_attempts(1));
    world.pass(1).await;
    world.say(client.workspace_id(), "m-1", "a").await;
    world.pass(10).await;
    let journal = client.journal();
    let id = journal.dead().await.unwrap()[0].id;
    assert!(journal.remove(id).await.unwrap());
    assert!(!journal.remove(id).await.unwrap());
    assert!(!journal.retry(id).await.unwrap());
    world.clock_tick().await;
    assert_eq!(client.watch_status().borrow().dead, 0);
    world.pass(60).await;
    assert_eq!(started.lock().unwrap().len(), 1);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_peer_is_told_once_that_there_will_be_no_answer_and_the_answer_may_follow() {
    let world = World::new();
    let (agent, peer) = (
        world.registered("alpha").await,
        world.registered("peer").await,
    );
    let (handler, _) = failing(&world, 3);
    let running = world.start(&agent, handler);
    world.pass(1).await;
    ask(&peer, &agent, "x").await;
    world.pass(30).await;
    assert_eq!(heard(&peer).await, ["Agent error: exit status 1"]);
    let journal = agent.journal();
    let id = journal.dead().await.unwrap()[0].id;
    journal.retry(id).await.unwrap();
    world.pass(10).await;
    assert_eq!(heard(&peer).await, ["Agent error: exit status 1", "X"]);
    let ids = peer.fetch_inbound(&Default::default()).await.unwrap();
    assert_ne!(
        ids[0].message_id, ids[1].message_id,
        "they are two messages"
    );
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_takes_is_kept_and_sent_when_it_is_retried() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let (handler, started) = failing(&world, 0);
    let running = world.start(&client, handler);
    world.pass(1).await;
    world.trouble_at("/notify", 1, Trouble::Status(400));
    world.say(id, "m-1", "a").await;
    world.pass(10).await;
    let journal = client.journal();
    let dead = journal.dead().await.unwrap();
    assert_eq!(dead[0].answer.as_deref(), Some("A"));
    assert!(
        dead[0].why.contains("answer cannot be delivered"),
        "{}",
        dead[0].why
    );
    // Another message has the same answer, which is not this one's.
    world.say(id, "m-2", "a").await;
    world.pass(10).await;
    assert_eq!(world.notifications(id).await, ["A"]);
    journal.retry(dead[0].id).await.unwrap();
    world.pass(10).await;
    assert_eq!(world.notifications(id).await, ["A", "A"]);
    assert_eq!(
        started.lock().unwrap().len(),
        2,
        "the handler had done its work"
    );
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_handled_is_a_dead_letter_and_nobody_is_told() {
    let world = World::new();
    let (agent, peer) = (
        world.registered("alpha").await,
        world.registered("peer").await,
    );
    let (handler, _) = failing(&world, 3);
    let running = world.start(&agent, handler);
    world.pass(1).await;
    let answer = Message::reply("m-1", "well", "m-0");
    peer.send_message(agent.workspace_id(), answer)
        .await
        .unwrap();
    world.pass(30).await;
    assert_eq!(agent.journal().dead().await.unwrap().len(), 1);
    assert!(heard(&peer).await.is_empty());
    running.stop().await.unwrap();
}

#[cfg(feature = "journal")]
#[tokio::test(start_paused = true)]
async fn a_message_that_takes_the_agent_down_each_time_is_given_up() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let begun = Arc::new(AtomicUsize::new(0));
    let deadly = {
        let begun = Arc::clone(&begun);
        move |message: InboundMessage| {
            begun.fetch_add(1, Ordering::Relaxed);
            async move {
                match message.text.as_str() {
                    "deadly" => std::future::pending().await,
                    _ => message.text.to_uppercase(),
                }
            }
        }
    };
    let agent = world.start(&client, deadly.clone());
    world.pass(1).await;
    world.say(id, "m-1", "deadly").await;
    world.clock_tick().await;
    world.say(id, "m-2", "next").await;
    world.pass(10).await;
    agent.crash().await;
    for _ in 0..2 {
        let agent = world.start(&client, deadly.clone());
        world.pass(10).await;
        assert!(world.notifications(id).await.is_empty());
        agent.crash().await;
    }
    let agent = world.start(&client, deadly);
    world.pass(10).await;
    let told = "Agent error: the agent ended each time while it handled this message";
    assert_eq!(world.notifications(id).await, [told, "NEXT"]);
    assert_eq!(begun.load(Ordering::Relaxed), 4);
    assert_eq!(client.journal().dead().await.unwrap()[0].attempts, 3);
    agent.stop().await.unwrap();
}

#[cfg(feature = "journal")]
#[tokio::test(start_paused = true)]
async fn a_handler_that_is_cut_off_by_an_orderly_end_does_not_count_as_failed() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let options = AgentLoop::new()
        .with_attempts(1)
        .with_drain_timeout(Duration::from_secs(3));
    let agent = world.start_with(&client, world.slow_echo(3600), options.clone());
    world.pass(1).await;
    world.say(id, "m-1", "hello").await;
    world.pass(10).await;
    agent.stop().await.unwrap();
    let agent = world.start_with(&client, shout, options);
    world.pass(10).await;
    assert_eq!(world.notifications(id).await, ["HELLO"]);
    agent.stop().await.unwrap();
}

#[cfg(feature = "journal")]
#[tokio::test(start_paused = true)]
async fn a_message_that_is_sent_again_after_a_restart_is_answered_once() {
    let world = World::new();
    let (id, token) = world.workspace("alpha").await;
    use crate::world::ParseToken as _;
    let client = || {
        world
            .builder(id)
            .token(token.parse_token())
            .build()
            .unwrap()
    };
    client().register().await.unwrap();
    let agent = world.start(&client(), shout);
    world.pass(1).await;
    world.say(id, "m-1", "hello").await;
    world.pass(10).await;
    agent.stop().await.unwrap();
    let agent = world.start(&client(), shout);
    world.say(id, "m-1", "hello").await;
    world.pass(60).await;
    assert_eq!(world.notifications(id).await, ["HELLO"]);
    // Ids are up to their senders: after five minutes it is a new message.
    world.pass(300).await;
    world.say(id, "m-1", "hello").await;
    world.pass(10).await;
    assert_eq!(world.notifications(id).await, ["HELLO", "HELLO"]);
    agent.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_stops_is_not_answered_for_ever_whatever_it_says() {
    let world = World::new();
    let (agent, peer) = (
        world.registered("alpha").await,
        world.registered("peer").await,
    );
    let running = world.start_with(&agent, shout, AgentLoop::new().with_max_turns(3));
    world.pass(1).await;
    for number in 0..5 {
        ask(&peer, &agent, &format!("and {number}?")).await;
        world.pass(6).await;
    }
    assert_eq!(heard(&peer).await, ["AND 0?", "AND 1?", "AND 2?"]);
    let dead = agent.journal().dead().await.unwrap();
    let previews: Vec<_> = dead.iter().map(|letter| letter.preview.as_str()).collect();
    assert_eq!(previews, ["and 3?", "and 4?"]);
    assert!(dead[0].why.contains("3 times in a row"), "{}", dead[0].why);
    world.pass(60).await;
    ask(&peer, &agent, "still there?").await;
    world.pass(10).await;
    assert_eq!(heard(&peer).await.last().unwrap(), "STILL THERE?");
    running.stop().await.unwrap();
}

#[cfg(feature = "journal")]
#[tokio::test(start_paused = true)]
async fn an_agent_with_a_journal_that_is_damaged_does_not_start() {
    let world = World::new();
    let client = world.registered("alpha").await;
    std::fs::write(client.state_dir().join("journal.redb"), "no journal").unwrap();
    let error = world.start(&client, shout).ended().await.unwrap_err();
    assert!(
        matches!(error, molecule_agent::AgentError::JournalDamaged { .. }),
        "{error:?}"
    );
    assert_eq!(world.count("POST /registry/heartbeat"), 0);
    assert_eq!(client.watch_status().borrow().state.as_str(), "stopped");
}
