//! Secrets: listed without values, printed one by one, given to one program.

use crate::support::{Agent, Ran, World};

const VALUE: &str = "s3cr3t value \u{1b}with escapes";

async fn agent_with_secrets(world: &World) -> Agent<'_> {
    let agent = world.agent().await;
    agent.is_given("API_KEY", VALUE).await;
    agent.is_given("OTHER_KEY", "other").await;
    agent
}

fn exec(agent: &Agent<'_>, options: &[&str], script: &str) -> Ran {
    let args = [&["secrets", "exec"], options, &["--", "sh", "-c", script]].concat();
    agent
        .program(&args)
        .env("INHERITED", "yes")
        .env("MOLECULE_ADMIN_TOKEN", "admin-s3cr3t")
        .env("MOLECULE_WORKSPACE_TOKEN", agent.token().expose())
        .run()
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_listed_without_their_values() {
    let world = World::start().await;
    let agent = agent_with_secrets(&world).await;
    let ran = agent.run(&["secrets", "list", "-vvv"]);
    ran.prints("API_KEY  workspace\nOTHER_KEY  workspace\n");
    assert!(!ran.stderr.contains("s3cr3t"), "{}", ran.stderr);
    assert!(
        !ran.stderr.contains(agent.token().expose()),
        "{}",
        ran.stderr
    );
    let json = agent.run(&["secrets", "list", "--json"]).stdout;
    assert_eq!(json.lines().count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_printed_as_it_is() {
    let world = World::start().await;
    let agent = agent_with_secrets(&world).await;
    agent
        .run(&["secrets", "get", "API_KEY"])
        .prints(&format!("{VALUE}\n"));
    assert_eq!(
        agent.run(&["secrets", "get", "API_KEY", "--json"]).json()["value"],
        VALUE
    );
    agent
        .run(&["secrets", "get", "NOPE"])
        .fails(2, &["no secret \"NOPE\"", "secrets list"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_gets_secrets_and_no_token() {
    let world = World::start().await;
    let agent = agent_with_secrets(&world).await;
    exec(
        &agent,
        &[],
        r#"printf "%s/%s/%s" "$API_KEY" "$OTHER_KEY" "$INHERITED""#,
    )
    .prints(&format!("{VALUE}/other/yes"));
    exec(
        &agent,
        &["--only", "OTHER_KEY"],
        r#"echo "${API_KEY-none} $OTHER_KEY""#,
    )
    .prints("none other\n");
    let environment = exec(&agent, &[], "env").stdout;
    assert!(
        environment.contains("MOLECULE_PLATFORM_URL="),
        "{environment}"
    );
    assert!(
        !environment.contains("TOKEN") && !environment.contains("admin-s3cr3t"),
        "{environment}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_programs_exit_status_is_passed_on() {
    let world = World::start().await;
    let agent = agent_with_secrets(&world).await;
    assert_eq!(exec(&agent, &[], "exit 42").code, 42);
    agent
        .run(&["secrets", "exec", "--", "no-such-program"])
        .fails(2, &["cannot run no-such-program", "PATH"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_take_over_or_cannot_be_variables_are_left_out_or_refused() {
    let world = World::start().await;
    let agent = agent_with_secrets(&world).await;
    agent.is_given("LD_PRELOAD", "/tmp/evil.so").await;
    agent.is_given("PATH", "/tmp/evil").await;
    agent.is_given("weird key/ü", "x").await;
    let ran = exec(&agent, &[], r#"echo "${LD_PRELOAD-none} $PATH""#);
    ran.prints("none /usr/local/bin:/usr/bin:/bin\n");
    assert_eq!(ran.stderr.matches("left out").count(), 3, "{}", ran.stderr);
    exec(&agent, &["--only", "PATH"], "true").fails(2, &["PATH", "another key"]);
    exec(&agent, &["--only", "weird key/ü"], "true").fails(2, &["letters, digits and _"]);
    let both = ["--only", "NOPE,LD_PRELOAD"];
    exec(&agent, &both, "true").fails(
        2,
        &[
            "\"NOPE\" is not on the platform",
            "\"LD_PRELOAD\" has the name",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_does_not_inherit_the_descriptor_of_the_token() {
    let world = World::start().await;
    let agent = world.agent().await;
    let path = world.home.path().join("token");
    std::fs::write(&path, agent.token().expose()).unwrap();
    let run = |fd: &str| {
        let script = format!("cat /proc/self/fd/{fd} || echo nothing there");
        let args = ["secrets", "exec", "--token-fd", fd, "--", "sh", "-c"];
        agent.program(&[&args[..], &[&script]].concat())
    };
    run("7").file_at_7(&path).run().prints("nothing there\n");
    let file = std::fs::File::open(&path).unwrap();
    run("0").stdin(file).run().prints("");
}

#[tokio::test(flavor = "multi_thread")]
async fn that_there_are_no_secrets_is_said() {
    let world = World::start().await;
    let agent = world.agent().await;
    let ran = agent.run(&["secrets", "list"]);
    assert_eq!(ran.prints("").stderr, "no secrets\n");
}
