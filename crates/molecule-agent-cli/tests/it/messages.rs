//! Messages by hand.

use crate::support::World;
use molecule_emulator::{EmulatorConfig, Fault, FaultRule, Generation};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_listed_and_answered() {
    let world = World::start().await;
    let agent = world.agent().await;
    agent.run(&["register"]);
    let empty = agent.run(&["inbox"]);
    assert_eq!(empty.prints("").stderr, "no messages\n");
    assert_eq!(agent.run(&["inbox", "-q"]).stderr, "");
    agent.hears("first line\nsecond\u{1b}[31m line").await;
    let message = agent.only_message();
    assert_eq!(message["from"], "canvas");
    assert_eq!(message["text"], "first line\nsecond\u{1b}[31m line");
    let id = message["activity_id"].as_str().unwrap();
    let time = message["created_at"].as_str().unwrap();
    agent.run(&["inbox"]).prints(&format!(
        "{id}  {time}  from canvas\n    first line\n    second\u{fffd}[31m line\n"
    ));
    agent.run(&["reply", id, "the answer"]).prints("replied\n");
    assert_eq!(agent.notifications().await, ["the answer"]);
    agent.run(&["inbox", "--since-id", id]).prints("");
    agent.run(&["inbox", "--source", "agent"]).prints("");
    assert!(
        agent
            .run(&["inbox", "--since", "1h", "--limit", "2"])
            .stdout
            .contains(id)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_is_answered_through_the_platform() {
    let world = World::start().await;
    let (asker, agent) = (world.agent().await, world.agent().await);
    for one in [&asker, &agent] {
        assert_eq!(one.run(&["register"]).code, 0);
    }
    let platform = world.emulator.url().parse().unwrap();
    let client = molecule_agent::RemoteAgentClient::builder(asker.id, platform)
        .state_dir(asker.dir())
        .build()
        .unwrap();
    let question = molecule_agent::protocol::Message::text("q-1", "what time is it?");
    client.send_message(agent.id, question).await.unwrap();
    let message = agent.only_message();
    assert_eq!(message["peer_id"], asker.id.to_string());
    agent
        .run(&["reply", message["activity_id"].as_str().unwrap(), "noon"])
        .prints("replied\n");
    let answer = asker.only_message();
    assert_eq!(
        (&answer["text"], &answer["role"]),
        (&"noon".into(), &"agent".into())
    );
    agent
        .run(&["inbox", "--peer", &asker.id.to_string(), "--json"])
        .json();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_needs_its_message_and_a_text() {
    let world = World::start().await;
    let agent = world.agent().await;
    agent.run(&["register"]);
    let id = "00000000-0000-0000-0000-000000000001";
    agent
        .run(&["reply", id, "hello"])
        .fails(2, &["no message", id, "inbox"]);
    agent.run(&["reply", id, " "]).fails(2, &["nothing to say"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_found_behind_hundreds_of_the_agents_own_notifications() {
    let world = World::start().await;
    let agent = world.agent().await;
    agent.run(&["register"]).succeeds();
    agent.hears("are you there?").await;
    let id = agent.only_message()["activity_id"].clone();
    for _ in 0..501 {
        agent.notifies("working").await;
    }
    agent
        .run(&["reply", id.as_str().unwrap(), "yes"])
        .prints("replied\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_comes_from_an_argument_or_stdin() {
    let world = World::start().await;
    let agent = world.agent().await;
    agent.run(&["register"]);
    agent.run(&["notify", "one"]).prints("sent\n");
    agent
        .program(&["notify", "-"])
        .input("two\nlines\n")
        .run()
        .prints("sent\n");
    let mut shown = agent.notifications().await;
    shown.sort();
    assert_eq!(shown, ["one", "two\nlines"]);
    agent
        .program(&["notify", "-"])
        .input("\n")
        .run()
        .fails(2, &["nothing to say"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_old_platform_would_ignore_is_refused() {
    let world = World::with(EmulatorConfig::new().with_generation(Generation::A)).await;
    let agent = world.agent().await;
    agent
        .run(&["inbox", "--since", "5m"])
        .fails(9, &["--since", "leave them out"]);
    agent.run(&["inbox"]).prints("");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_been_shown_is_looked_up_before_it_is_sent_again() {
    let world = World::start().await;
    let agent = world.agent().await;
    agent.run(&["register"]).succeeds();
    let lost = FaultRule::new(Fault::DropAfter)
        .with_path("/workspaces/*/notify")
        .with_times(1);
    world.emulator.platform().add_fault(lost).unwrap();
    agent.run(&["notify", "once"]).fails(
        4,
        &[
            "it may be that the text was shown",
            "molecule-agent history",
        ],
    );
    assert_eq!(agent.notifications().await, ["once"]);
    agent.hears("hello?").await;
    let id = agent.only_message()["activity_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let failing = Fault::Answer {
        status: 500,
        headers: Default::default(),
        body: String::new(),
    };
    let failing = FaultRule::new(failing).with_path("/workspaces/*/notify");
    world.emulator.platform().add_fault(failing).unwrap();
    agent.run(&["reply", &id, "yes"]).fails(
        75,
        &[
            "it may be that the answer arrived",
            "molecule-agent history",
        ],
    );
    let refused = agent.run(&["notify", "hi", "--platform-url", "http://127.0.0.1:1"]);
    refused.fails(4, &["cannot connect"]);
    assert!(!refused.stderr.contains("history"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_the_log_forgot_is_named() {
    let world = World::start().await;
    let agent = world.agent().await;
    agent.run(&["register"]).succeeds();
    let id = "00000000-0000-0000-0000-000000000001";
    agent
        .run(&["inbox", "--since-id", id])
        .fails(2, &["no message", id, "leave out --since-id"]);
}
