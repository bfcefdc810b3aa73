//! Many agents in one process.

use std::fs;

use molecule_agent::Token;
use molecule_agent::token_store::Wait;
use serde_json::json;

use crate::connect::{Running, fifo, told};
use crate::support::{Agent, Program, World};

const HURRY: [&str; 5] = [
    "connect",
    "--poll-interval",
    "20ms",
    "--state-poll-interval",
    "20ms",
];

/// The program with all agents of a file.
fn of_file(world: &World, toml: &str, args: &[&str]) -> Program {
    let path = world.home.path().join("agents.toml");
    fs::write(&path, toml).unwrap();
    let file = ["--agents", path.to_str().unwrap()];
    world.program(&[HURRY.as_slice(), &file, args].concat())
}

fn table(agent: &Agent<'_>, rest: &str) -> String {
    format!("[[agent]]\nworkspace_id = '{}'\n{rest}\n", agent.id)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agents_of_a_file_answer_each_in_its_own_way() {
    let world = World::start().await;
    let (one, two) = (world.agent().await, world.agent().await);
    let toml = [
        "reply = 'for all'\n",
        &table(&one, "name = 'first'\nexec = 'tr a-z A-Z'"),
        &table(&two, ""),
    ];
    let mut running = Running::of(of_file(&world, &toml.concat(), &[]));
    running.says("online");
    running.says("online");
    assert_eq!(one.info().await.agent_card.unwrap()["name"], "first");
    one.hears("hello").await;
    two.hears("hello").await;
    told(&one, "HELLO").await;
    told(&two, "for all").await;
    running.signal("TERM");
    let ran = running.ends();
    ran.prints("");
    assert!(
        ran.stderr.contains("all 2 agents have ended"),
        "{}",
        ran.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_cannot_run_is_reported_and_the_others_go_on() {
    let world = World::start().await;
    let [good, deleted, foreign, lost] = [
        world.agent().await,
        world.agent().await,
        world.agent().await,
        world.agent().await,
    ];
    world.admin.delete(deleted.id).await.unwrap();
    let token = world.home.path().join("token");
    fs::write(&token, good.token().expose()).unwrap();
    let toml = [
        table(&good, "echo = true"),
        table(&deleted, "echo = true"),
        table(
            &foreign,
            &format!("echo = true\ntoken_file = '{}'", token.display()),
        ),
        table(&lost, "echo = true\ntoken_file = '/nowhere/at/all'"),
    ];
    let mut running = Running::of(of_file(&world, &toml.concat(), &[]));
    for failed in [&deleted, &foreign, &lost] {
        while !running
            .seen
            .contains(&format!("error: workspace {}", failed.id))
        {
            running.says("error: ");
        }
    }
    good.hears("still there?").await;
    told(&good, "still there?").await;
    running.signal("TERM");
    let ran = running.ends();
    assert_eq!(
        ran.code, 3,
        "a wrong token is worse than a deleted workspace: {}",
        ran.stderr
    );
    assert!(ran.stderr.contains("was deleted"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("/nowhere/at/all does not exist"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains(good.token().expose()));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_agent_is_the_only_one_of_its_workspace() {
    let world = World::start().await;
    let (one, two) = (world.agent().await, world.agent().await);
    let mut first = Running::of(one.connect(&["--echo"]));
    first.says("online");
    let toml = [table(&one, ""), table(&two, "")].concat();
    let mut both = Running::of(of_file(&world, &toml, &["--echo"]));
    both.says("another agent");
    if !both.seen.contains("online: ") {
        both.says("online: ");
    }
    two.hears("hello").await;
    told(&two, "hello").await;
    both.signal("TERM");
    let ran = both.ends();
    assert_eq!(ran.code, 8, "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("error: ").count(), 1, "{}", ran.stderr);
    first.signal("TERM");
    assert_eq!(first.ends().code, 0);
}

/// The newest thing that the agent told the canvas; its token is not in its directory.
async fn answer_to(agent: &Agent<'_>, token: &Token) -> String {
    agent.store().save(token, Wait::No).unwrap();
    told(agent, "MOLECULE_WORKSPACE_ID=").await;
    agent.notifications().await.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_gives_agents_and_children_do_not_inherit_it() {
    let world = World::start().await;
    let (one, two) = (world.agent().await, world.agent().await);
    let tokens = [one.token(), two.token()];
    for agent in [&one, &two] {
        fs::remove_dir_all(agent.dir()).unwrap();
    }
    let agent = |agent: &Agent<'_>, token: &Token| json!({"id": agent.id.to_string(), "token": token.expose()});
    let workspaces = json!([agent(&one, &tokens[0]), agent(&two, &tokens[1])]).to_string();
    let exec = [HURRY.as_slice(), &["--exec", "env | sort"]].concat();
    let ids = format!("{},{}", one.id, two.id);
    let list = format!("{},{}", tokens[0].expose(), tokens[1].expose());
    for variables in [
        vec![("MOLECULE_WORKSPACES", workspaces.as_str())],
        vec![
            ("MOLECULE_WORKSPACE_IDS", &ids),
            ("MOLECULE_WORKSPACE_TOKENS", &list),
        ],
    ] {
        let program = variables
            .iter()
            .fold(world.program(&exec), |program, (name, value)| {
                program.env(name, value)
            });
        let mut running = Running::of(program);
        running.says("online");
        running.says("online");
        for (agent, token) in [&one, &two].into_iter().zip(&tokens) {
            agent.hears("what do you inherit?").await;
            let said = answer_to(agent, token).await;
            assert!(said.contains("MOLECULE_WORKSPACE_ID="), "{said}");
            assert!(!said.contains("WORKSPACES="), "{said}");
            assert!(!said.contains("TOKEN"), "{said}");
        }
        running.signal("TERM");
        let ran = running.ends();
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        for token in &tokens {
            assert!(!ran.stderr.contains(token.expose()), "{}", ran.stderr);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_the_handlers_of_all_agents_finish() {
    let world = World::start().await;
    let agents = [world.agent().await, world.agent().await];
    let path =
        |name: &str, agent: &Agent<'_>| world.home.path().join(format!("{name}-{}", agent.id));
    let mut toml = String::new();
    for agent in &agents {
        let (started, go) = (path("started", agent), path("go", agent));
        let (started, go) = (fifo(&started), fifo(&go));
        toml += &table(agent, &format!("exec = 'echo > {started}; cat {go}; cat'"));
    }
    let mut running = Running::of(of_file(&world, &toml, &[]));
    running.says("online");
    running.says("online");
    for agent in &agents {
        agent.hears("question").await;
        fs::read(path("started", agent)).unwrap();
    }
    running.signal("TERM");
    running.says("stopping");
    for agent in &agents {
        fs::write(path("go", agent), "answer to ").unwrap();
    }
    let ran = running.ends();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for agent in &agents {
        assert_eq!(agent.notifications().await, ["answer to question"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_used_starts_nothing() {
    let world = World::start().await;
    let agent = world.agent().await;
    let check = |toml: &str, args: &[&str], parts: &[&str]| {
        of_file(&world, toml, args).run().fails(2, parts);
    };
    check("nonsense", &["--echo"], &["agents.toml", "TOML"]);
    check("", &["--echo"], &["no agent"]);
    check(&table(&agent, ""), &[], &["--exec CMD"]);
    check(
        &table(&agent, ""),
        &["--echo", "--state-dir", "x"],
        &["--state-dir"],
    );
    check(
        &table(&agent, "token = 's3cr3t-s3cr3t'"),
        &["--echo"],
        &["token_file"],
    );
    let reported = "reported_url = 'http://localhost:9000'";
    check(&table(&agent, reported), &[], &["reported_url"]);
    check(&table(&agent, "mode = 'push'"), &["--echo"], &["mode"]);
    check(
        &table(&agent, ""),
        &["--echo", "--listen", "0"],
        &["--listen"],
    );
    let missing = [HURRY.as_slice(), &["--echo", "--agents", "/nowhere"]].concat();
    world.program(&missing).run().fails(2, &["/nowhere"]);
}
