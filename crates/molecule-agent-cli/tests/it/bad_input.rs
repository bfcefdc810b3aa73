//! Each kind of bad input: one clear message with a hint, and the documented exit code.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use molecule_agent::Token;
use molecule_agent::token_store::Wait;
use molecule_emulator::{EmulatorConfig, Generation};

use crate::support::{Program, World};

const ID: &str = "9e453dad-99f0-4e01-8c72-0031bf974e26";

/// Without any platform or settings.
fn check(args: &[&str], code: i32, parts: &[&str]) {
    let home = tempfile::tempdir().unwrap();
    Program::new(home.path(), args).run().fails(code, parts);
}

#[test]
fn a_missing_platform_is_asked_for() {
    check(
        &["state", "-w", ID],
        2,
        &["which platform?", "--platform-url", "MOLECULE_PLATFORM_URL"],
    );
}

#[test]
fn a_malformed_platform_url_says_how_to_write_it() {
    let state = |url| ["state", "-w", ID, "--platform-url", url];
    check(
        &state("molecule.example.com"),
        2,
        &["--platform-url: ", "write it like https://"],
    );
    check(&state("ftp://x"), 2, &["scheme \"ftp\"", "use https://"]);
    let home = tempfile::tempdir().unwrap();
    let ran = Program::new(home.path(), &state("https://user:hunter2@host")).run();
    ran.fails(2, &["user name or password"]);
    assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
}

#[test]
fn a_missing_workspace_is_asked_for() {
    let args = ["connect", "--platform-url", "http://127.0.0.1:1", "--echo"];
    check(
        &args,
        2,
        &["which workspace?", "--workspace-id", "workspace create"],
    );
}

#[test]
fn a_malformed_workspace_id_is_shown_a_good_one() {
    let message = ["is not a UUID such as", "copy it from the platform"];
    check(
        &[
            "state",
            "-w",
            "../../etc",
            "--platform-url",
            "http://127.0.0.1:1",
        ],
        2,
        &message,
    );
    check(
        &["connect", "nope", "--platform-url", "http://127.0.0.1:1"],
        2,
        &message,
    );
}

#[test]
fn a_handler_has_to_be_chosen() {
    let args = ["connect", ID, "--platform-url", "http://127.0.0.1:1"];
    check(&args, 2, &["--exec", "--forward", "--echo", "--reply"]);
}

#[test]
fn the_administrators_token_is_sent_to_its_own_places() {
    let home = tempfile::tempdir().unwrap();
    let args = ["workspace", "list", "--admin-token", "s3cr3t-token"];
    let ran = Program::new(home.path(), &args).run();
    ran.fails(2, &["MOLECULE_ADMIN_TOKEN", "--admin-token-file"]);
    assert!(!ran.stderr.contains("token set"), "{}", ran.stderr);
}

#[test]
fn tokens_are_no_arguments() {
    for args in [
        ["state", "--token", "s3cr3t-token"].as_slice(),
        &["state", "--token=s3cr3t-token"],
        &["workspace", "list", "--admin-token", "s3cr3t-token"],
        &["token", "set", "s3cr3t-token"],
        &["token", "set", "Bearer", "s3cr3t-token"],
    ] {
        let home = tempfile::tempdir().unwrap();
        let ran = Program::new(home.path(), args).run();
        ran.fails(2, &["is refused", "token-file", "-fd"]);
        assert!(!ran.stderr.contains("s3cr3t-token"), "{}", ran.stderr);
    }
}

fn check_token_file(content: Option<&str>, parts: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    if let Some(content) = content {
        fs::write(&path, content).unwrap();
    }
    let path = path.to_str().unwrap();
    let state = [
        "state",
        "-w",
        ID,
        "--platform-url",
        "http://127.0.0.1:1",
        "--token-file",
        path,
    ];
    check(&state, 3, &[parts, &[path]].concat());
    check(
        &["token", "set", "-w", ID, "--token-file", path],
        3,
        &[parts, &[path]].concat(),
    );
}

#[test]
fn an_unusable_token_file_is_named() {
    check_token_file(None, &["does not exist", "put the token into it"]);
    check_token_file(Some(""), &["is empty", "put the token into it"]);
    check_token_file(
        Some("one-token\nanother\n"),
        &["no valid token", "on one line"],
    );
}

#[test]
fn a_token_that_is_none_in_the_environment_or_a_descriptor_is_named() {
    let home = tempfile::tempdir().unwrap();
    let state = ["state", "-w", ID, "--platform-url", "http://127.0.0.1:1"];
    let ran = Program::new(home.path(), &state)
        .env("MOLECULE_WORKSPACE_TOKEN", "s3cr3t and more")
        .run();
    ran.fails(3, &["MOLECULE_WORKSPACE_TOKEN", "the token alone"]);
    assert!(!ran.stderr.contains("s3cr3t"), "{}", ran.stderr);
    check(
        &[&state[..], &["--token-fd", "99"]].concat(),
        3,
        &["descriptor 99", "cannot be opened"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_world_readable_token_file_works_with_a_warning() {
    let world = World::start().await;
    let agent = world.agent().await;
    let path = world.home.path().join("mounted");
    fs::write(&path, agent.token().expose()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let ran = agent.run(&["state", "--token-file", path.to_str().unwrap()]);
    ran.prints("awaiting_agent\n");
    assert!(
        ran.stderr
            .contains("every user of this machine can read the token file"),
        "{}",
        ran.stderr
    );
}

#[test]
fn an_unreachable_platform_is_unreachable() {
    // Bound but never accepting would hang; a port that was just free refuses.
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{free}");
    let args = [
        "state",
        "-w",
        ID,
        "--platform-url",
        &url,
        "--call-deadline",
        "1",
    ];
    check(
        &args,
        4,
        &[&url, "cannot connect", "is the platform running"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_no_platform_is_unreachable() {
    let world = World::start().await;
    let agent = world.agent().await;
    let url = format!("{}/elsewhere", world.emulator.url());
    agent
        .run(&["state", "--platform-url", &url])
        .fails(4, &["state answered 404", "check the platform URL"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_an_authentication_failure() {
    let world = World::start().await;
    let agent = world.agent().await;
    agent
        .store()
        .save(&Token::new("s3cr3t-but-wrong").unwrap(), Wait::No)
        .unwrap();
    for args in [
        ["state"].as_slice(),
        &["heartbeat"],
        &["register"],
        &["connect", "--echo"],
        &["secrets", "list"],
    ] {
        let ran = agent.run(args);
        ran.fails(3, &["does not accept the token", "token set"]);
        assert!(!ran.stderr.contains("s3cr3t"), "{}", ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_token_is_an_authentication_failure() {
    let world = World::start().await;
    let agent = world.agent().await;
    agent.store().remove(Wait::No).unwrap();
    agent
        .run(&["register"])
        .fails(3, &["none is stored here", "token set"]);
    agent.run(&["state"]).fails(3, &["none is stored here"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_admin_token_is_an_authentication_failure() {
    let world = World::start().await;
    world
        .program(&["workspace", "list"])
        .run()
        .fails(3, &["MOLECULE_ADMIN_TOKEN", "--admin-token-file"]);
    let ran = world
        .program(&["workspace", "list"])
        .env("MOLECULE_ADMIN_TOKEN", "wrong")
        .run();
    ran.fails(
        3,
        &[
            "list workspaces answered 401",
            "check MOLECULE_ADMIN_TOKEN or --admin-token-file",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_workspace_is_deleted_on_both_generations() {
    for generation in [Generation::A, Generation::B] {
        let world = World::with(EmulatorConfig::new().with_generation(generation)).await;
        let agent = world.agent().await;
        world.admin.delete(agent.id).await.unwrap();
        for args in [
            ["register"].as_slice(),
            &["connect", "--echo"],
            &["secrets", "list"],
        ] {
            agent
                .run(args)
                .fails(5, &["was deleted", "workspace create"]);
        }
        let ran = agent.run(&["state"]);
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (5, "removed\n"),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.contains("was deleted"), "{}", ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_workspace_is_not_created() {
    let world = World::start().await;
    for command in [["register"].as_slice(), &["connect", "--echo"]] {
        let ran = world.program(&[command, &["-w", ID]].concat()).run();
        ran.fails(2, &["knows no workspace", ID, "workspace create"]);
    }
    assert!(!world.home.path().join(".molecule").exists());
    world
        .program(&["workspace", "show", ID])
        .run()
        .fails(2, &["knows no workspace"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_json_where_data_is() {
    let world = World::start().await;
    let ran = world.program(&["register", "-w", ID, "-o", "json"]).run();
    let error: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert_eq!(error["error"]["kind"], "usage");
    assert_eq!(error["error"]["exit_code"], 2);
    assert!(
        error["error"]["message"]
            .as_str()
            .unwrap()
            .contains("knows no workspace")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_directory_that_is_a_file_is_named() {
    let world = World::start().await;
    let agent = world.agent().await;
    let file = world.home.path().join("file");
    fs::write(&file, "").unwrap();
    let below = file.join("below");
    for dir in [&file, &below].map(|path| path.to_str().unwrap()) {
        let expect = format!("--state-dir: {dir} is not a directory; name one");
        for command in [
            ["state"].as_slice(),
            &["connect", "--echo"],
            &["token", "show"],
        ] {
            let args = [command, &["--state-dir", dir]].concat();
            agent.run(&args).fails(2, &[&expect, "~/.molecule/ID"]);
        }
        let create = ["workspace", "create", "a", "--state-dir", dir];
        world.as_admin(&create).run().fails(2, &[&expect]);
    }
}

#[test]
fn an_empty_value_is_asked_for() {
    let install = ["plugin", "install", "demo"];
    let archive = [&install[..], &["--archive", ""]].concat();
    check(&archive, 2, &["--archive: give a value"]);
    let source = [&install[..], &["--source", ""]].concat();
    check(&source, 2, &["--source: give a value"]);
    let list = ["plugin", "list", "--plugins-dir", ""];
    check(&list, 2, &["--plugins-dir: give a value"]);
    check(&["plugin", "hash", ""], 2, &["<DIR>: give a value"]);
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("config.toml");
    fs::write(&config, "plugins_dir = ''").unwrap();
    Program::new(home.path(), &["plugin", "list"])
        .env("MOLECULE_CONFIG", config.to_str().unwrap())
        .run()
        .fails(2, &["plugins_dir (file ", "): give a value"]);
}

#[test]
fn a_path_that_only_a_shell_understands_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("config.toml");
    for key in ["plugins_dir", "state_dir", "token_file"] {
        fs::write(&config, format!("{key} = '~/somewhere'")).unwrap();
        Program::new(home.path(), &["plugin", "list", "-w", ID])
            .env("MOLECULE_CONFIG", config.to_str().unwrap())
            .run()
            .fails(
                2,
                &[key, "config.toml", "begins with ~", "write the whole path"],
            );
    }
    Program::new(home.path(), &["plugin", "list"])
        .env("MOLECULE_PLUGINS_DIR", "~/somewhere")
        .run()
        .fails(
            2,
            &[
                "plugins_dir (environment MOLECULE_PLUGINS_DIR)",
                "begins with ~",
            ],
        );
}

#[test]
fn a_hash_in_capitals_is_shown_in_lower_case() {
    let verify = ["plugin", "verify", ".", "--sha256"];
    let hash = "AB".repeat(32);
    let good = hash.to_lowercase();
    check(
        &[&verify[..], &[hash.as_str()]].concat(),
        2,
        &["--sha256: write it in lower case: ", &good],
    );
    check(&[&verify[..], &["AB"]].concat(), 2, &["64 lower-case"]);
}

#[test]
fn a_value_of_the_wrong_form_is_shown_a_right_one() {
    check(
        &["state", "--config", ""],
        2,
        &["--config is empty; name a file"],
    );
    let descriptor = ["give a descriptor's number", "--token-fd 3 3< file"];
    check(&["state", "--token-fd", "abc"], 2, &descriptor);
    check(&["token", "set", "--token-fd", "abc"], 2, &descriptor);
    check(
        &["workspace", "list", "--admin-token-fd", "-"],
        2,
        &descriptor,
    );
    let listen = ["dev", "--listen", "foo"];
    check(&listen, 2, &["--listen: write it like 127.0.0.1:8080"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_is_looked_for_where_it_is_from() {
    let world = World::start().await;
    let agent = world.agent().await;
    let own = agent.dir().join(".auth_token");
    let path = world.home.path().join("mounted");
    fs::write(&path, "s3cr3t-but-wrong").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let path = path.to_str().unwrap();
    let mounted = agent.run(&["state", "--token-file", path]);
    mounted.fails(3, &[path, "put a valid one into that file"]);
    let given = agent
        .program(&["secrets", "list"])
        .env("MOLECULE_WORKSPACE_TOKEN", "s3cr3t-but-wrong")
        .run();
    given.fails(3, &["the environment", "give it a valid one there"]);
    let wrong = Token::new("s3cr3t-but-wrong").unwrap();
    agent.store().save(&wrong, Wait::No).unwrap();
    let stored = agent.run(&["notify", "hello"]);
    stored.fails(3, &[own.to_str().unwrap(), "token set"]);
    for ran in [mounted, given, stored] {
        assert!(!ran.stderr.contains("s3cr3t"), "{}", ran.stderr);
    }
}
