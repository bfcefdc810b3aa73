//! `connect` as an agent that is called.

use std::fs;

use molecule_emulator::{EmulatorConfig, Generation};

use crate::connect::Running;
use crate::support::World;

/// An address that no platform takes.
const REFUSED: &str = "http://10.0.0.5:80/";

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_called_and_answers_on_platforms_of_both_generations() {
    for generation in [Generation::A, Generation::B] {
        let config = EmulatorConfig::new().with_generation(generation);
        let world = World::with(config).await;
        let agent = world.agent().await;
        let args = ["--mode", "push", "--listen", "0", "--exec", "tr a-z A-Z"];
        let mut running = Running::of(agent.connect(&args));
        running.says("push mode, listening at 127.0.0.1:");
        let answer = agent.asks("hello").await;
        assert_eq!(answer["result"]["parts"][0]["text"], "HELLO", "{answer}");
        let status = agent.run(&["status", "--json"]).json();
        assert_eq!(
            (&status["handled"], &status["receiving"]),
            (&1.into(), &true.into())
        );
        running.signal("TERM");
        assert_eq!(running.ends().code, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_whose_address_is_refused_polls_unless_it_is_to_be_called_only() {
    let world = World::start().await;
    let agent = world.agent().await;
    let args = ["--listen", "0", "--echo", "--reported-url", REFUSED];
    let mut running = Running::of(agent.connect(&args));
    running.says("poll mode");
    running.signal("TERM");
    assert_eq!(running.ends().code, 0);
    let push = [&args[..], &["--mode", "push"]].concat();
    agent.connect(&push).run().fails(2, &[REFUSED, "refused"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_neither_is_possible_the_error_says_what_to_do() {
    let config = EmulatorConfig::new().with_generation(Generation::A);
    let world = World::with(config).await;
    let agent = world.agent().await;
    let args = ["--listen", "0", "--echo", "--reported-url", REFUSED];
    agent
        .connect(&args)
        .run()
        .fails(9, &[REFUSED, "cannot be polled", "newer platform"]);
    assert_eq!(agent.info().await.url.unwrap_or_default(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_elsewhere_has_to_be_told_where_the_agent_is() {
    let world = World::start().await;
    let agent = world.agent().await;
    let elsewhere = ["--platform-url", "https://molecule.invalid"];
    let args = ["connect", "--mode", "push", "--listen", "0", "--echo"];
    agent
        .run(&[&args[..], &elsewhere].concat())
        .fails(2, &["--reported-url"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_options_are_settings_like_any_other() {
    let world = World::start().await;
    let agent = world.agent().await;
    let program = agent
        .connect(&["--echo"])
        .env("MOLECULE_MODE", "push")
        .env("MOLECULE_LISTEN", ":0");
    let mut running = Running::of(program);
    running.says("push mode");
    running.signal("TERM");
    assert_eq!(running.ends().code, 0);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    agent
        .connect(&["--mode", "push", "--echo", "--listen", &address])
        .run()
        .fails(2, &[&address]);
    agent
        .connect(&["--echo", "--listen", "everywhere"])
        .run()
        .fails(2, &["--listen", "a port alone"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inbound_token_is_read_from_its_file_and_shown_nowhere() {
    let world = World::start().await;
    let agent = world.agent().await;
    let file = world.home.path().join("inbound");
    let path = file.to_str().unwrap();
    let args = [
        "--mode",
        "push",
        "--listen",
        "0",
        "--echo",
        "-vvv",
        "--inbound-token-file",
        path,
    ];
    agent
        .connect(&args)
        .run()
        .fails(3, &[path, "does not exist"]);
    fs::write(&file, "only-for-callers\n").unwrap();
    let mut running = Running::of(agent.connect(&args));
    running.says("push mode");
    running.signal("TERM");
    let ran = running.ends();
    assert_eq!(ran.code, 0);
    assert!(!ran.stderr.contains("only-for-callers"), "{}", ran.stderr);
}
