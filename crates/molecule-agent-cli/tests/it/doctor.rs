//! What keeps an agent from working, and what `doctor` says about it.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use molecule_agent::Token;
use molecule_agent::token_store::Wait;
use molecule_emulator::{EmulatorConfig, Fault, FaultRule, Generation};
use serde_json::Value;

use crate::support::{Agent, Program, Ran, World};

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000001";

/// The line of a check, by what `--json` prints.
fn line<'a>(lines: &'a [Value], check: &str) -> &'a Value {
    let found: Vec<_> = lines.iter().filter(|line| line["check"] == check).collect();
    let [line] = found[..] else {
        panic!("{check}: {lines:?}")
    };
    line
}

fn lines(ran: &Ran) -> Vec<Value> {
    let lines = ran.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// One check came out like this, with all of these words; it alone decides on how the program ends.
#[track_caller]
fn check(ran: &Ran, name: &str, status: &str, words: &[&str]) {
    let lines = lines(ran);
    assert_eq!(lines.len(), 14, "{ran:?}");
    let line = line(&lines, name);
    assert_eq!(line["status"], status, "{ran:?}");
    let message = line["message"].as_str().unwrap();
    for word in words {
        assert!(message.contains(word), "no {word:?} in {message}");
    }
    let failed = lines.iter().any(|line| line["status"] == "failed");
    assert_eq!(ran.code, i32::from(failed), "{ran:?}");
    if status == "failed" {
        let all = lines.iter().filter(|line| line["status"] == "failed");
        assert_eq!(all.count(), 1, "{ran:?}");
    }
}

fn doctor(agent: &Agent<'_>, args: &[&str]) -> Ran {
    let ran = agent.run(&[&["doctor", "--json"], args].concat());
    let token = agent.token();
    let all = format!("{}{}", ran.stdout, ran.stderr);
    assert!(!all.contains(token.expose()), "{ran:?}");
    ran
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_works_is_well() {
    let world = World::start().await;
    let agent = world.agent().await;
    agent.run(&["register"]).succeeds();
    let ran = agent.run(&["doctor"]);
    ran.succeeds();
    assert_eq!(ran.stderr, "");
    let (mut checks, mut bad) = (Vec::new(), Vec::new());
    for line in ran.stdout.lines() {
        let mut words = line.split_whitespace();
        let status = words.next().unwrap();
        checks.push(words.next().unwrap());
        if status != "ok" {
            bad.push(line);
        }
    }
    assert_eq!(
        checks,
        [
            "address",
            "name",
            "connection",
            "tls",
            "http",
            "clock",
            "origin",
            "organisation",
            "workspace",
            "token",
            "acceptance",
            "generation",
            "directory",
            "agent"
        ]
    );
    assert_eq!(bad, ["skipped  tls           the address is plain http"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_place_of_a_failure_on_the_way_is_told() {
    let world = World::start().await;
    let agent = world.agent().await;
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let refused = doctor(&agent, &["--platform-url", &format!("http://{free}")]);
    check(
        &refused,
        "connection",
        "failed",
        &[&free.to_string(), "is the platform running"],
    );
    check(&refused, "token", "ok", &[]);
    check(&refused, "acceptance", "skipped", &[]);
    let unnamed = doctor(&agent, &["--platform-url", "https://nowhere.invalid"]);
    check(
        &unnamed,
        "name",
        "failed",
        &["nowhere.invalid has no address", "is the name right"],
    );
    let plain = doctor(
        &agent,
        &[
            "--platform-url",
            &world.emulator.url().replace("http", "https"),
        ],
    );
    check(&plain, "tls", "failed", &["--ca-file"]);
    let elsewhere = doctor(
        &agent,
        &[
            "--platform-url",
            &format!("{}/elsewhere", world.emulator.url()),
        ],
    );
    let http = lines(&elsewhere);
    let http = line(&http, "http")["message"].as_str().unwrap();
    assert!(
        http.contains("answers 404") && http.contains("its path"),
        "{elsewhere:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_a_proxy_looks_up_is_left_to_it() {
    let world = World::start().await;
    let agent = world.agent().await;
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let args = [
        "doctor",
        "--json",
        "--platform-url",
        "https://nowhere.invalid",
    ];
    let ran = agent
        .program(&args)
        .env("HTTPS_PROXY", &format!("http://{free}"))
        .run();
    check(&ran, "name", "skipped", &["HTTPS_PROXY"]);
    check(&ran, "http", "failed", &["cannot connect"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organisation_is_asked_for_and_checked() {
    let world = World::with(EmulatorConfig::new().with_org_id("org-1")).await;
    let id = ["-w", UNKNOWN];
    let run = |args: &[&str]| {
        world
            .program(&[&["doctor", "--json"], &id[..], args].concat())
            .run()
    };
    let failed = |ran: &Ran, name: &str, words: &[&str]| {
        let lines = lines(ran);
        let line = line(&lines, name);
        assert_eq!(
            (ran.code, &line["status"]),
            (1, &"failed".into()),
            "{ran:?}"
        );
        for word in words {
            assert!(line["message"].as_str().unwrap().contains(word), "{ran:?}");
        }
    };
    failed(&run(&[]), "organisation", &["without a word", "--org-id"]);
    failed(&run(&["--org-id", "org-2"]), "organisation", &["org-2"]);
    let right = run(&["--org-id", "org-1"]);
    failed(
        &right,
        "workspace",
        &["knows no workspace", UNKNOWN, "workspace create"],
    );
    let said = lines(&right);
    assert_eq!(line(&said, "organisation")["message"], "org-1 is accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_with_the_origin_is_told_from_other_trouble() {
    let world = World::with(EmulatorConfig::new().with_edge(true)).await;
    let agent = world.agent().await;
    check(&doctor(&agent, &[]), "origin", "ok", &["is accepted"]);
    let without = doctor(&agent, &["--no-origin-header"]);
    check(
        &without,
        "origin",
        "failed",
        &["leave out --no-origin-header"],
    );
    check(&without, "organisation", "skipped", &[]);

    // A proxy that rewrites Host: the platform hears of another one than the Origin names.
    let behind = World::start().await;
    let agent = behind.agent().await;
    let url = rewriting(&behind.emulator.url());
    let refused = doctor(&agent, &["--platform-url", &url]);
    check(
        &refused,
        "origin",
        "failed",
        &["rewrites Host", "--no-origin-header"],
    );
    let without = doctor(&agent, &["--platform-url", &url, "--no-origin-header"]);
    check(&without, "origin", "ok", &["without one"]);
}

/// A proxy in front of a platform that says its own name as `Host`, and closes each connection after one answer.
fn rewriting(platform: &str) -> String {
    use std::io::{Read as _, Write as _};
    let platform = platform.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap();
            let lines = head.trim_end().lines().map(|line| {
                if line.to_lowercase().starts_with("host:") {
                    format!("host: {platform}\r\n")
                } else {
                    format!("{line}\r\n")
                }
            });
            let head: String = lines.collect();
            let mut upstream = std::net::TcpStream::connect(&platform).unwrap();
            write!(upstream, "{head}connection: close\r\n\r\n").unwrap();
            let mut answer = Vec::new();
            upstream.read_to_end(&mut answer).unwrap();
            let _ = stream.write_all(&answer);
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn the_workspace_is_described_with_what_to_do() {
    let world = World::start().await;
    let agent = world.agent().await;
    check(
        &doctor(&agent, &[]),
        "workspace",
        "warning",
        &["awaiting_agent", "molecule-agent connect"],
    );
    agent.run(&["register"]).succeeds();
    world.admin.pause(agent.id).await.unwrap();
    check(
        &doctor(&agent, &[]),
        "workspace",
        "warning",
        &["paused", "--resume"],
    );
    world.admin.delete(agent.id).await.unwrap();
    let deleted = doctor(&agent, &[]);
    check(&deleted, "workspace", "failed", &["was deleted"]);
    check(&deleted, "acceptance", "skipped", &["no workspace"]);
    let nobody = world.program(&["doctor", "--json"]).run();
    let said = lines(&nobody);
    let said = line(&said, "workspace");
    assert!(
        said["message"]
            .as_str()
            .unwrap()
            .contains("which workspace?"),
        "{nobody:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_is_looked_for_looked_at_and_tried() {
    let world = World::start().await;
    let agent = world.agent().await;
    agent.run(&["register"]).succeeds();
    let path = world.home.path().join("mounted");
    fs::write(&path, agent.token().expose()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let path = path.to_str().unwrap();
    let open = doctor(&agent, &["--token-file", path]);
    check(&open, "token", "warning", &[path, "chmod 600"]);
    check(&open, "acceptance", "ok", &[]);
    fs::write(path, "some-other-token").unwrap();
    let wrong = doctor(&agent, &["--token-file", path]);
    check(
        &wrong,
        "acceptance",
        "failed",
        &["revoked or belongs to another"],
    );
    check(&wrong, "generation", "skipped", &[]);
    let own = agent.dir().join(".auth_token");
    fs::set_permissions(&own, fs::Permissions::from_mode(0o644)).unwrap();
    let open = agent.run(&["doctor", "--json"]);
    check(&open, "token", "failed", &[".auth_token"]);
    fs::remove_file(&own).unwrap();
    let none = agent.run(&["doctor", "--json"]);
    check(
        &none,
        "token",
        "failed",
        &["there is no token", "token set"],
    );
    check(&none, "acceptance", "skipped", &["no token"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_without_poll_mode_is_recognised() {
    let world = World::with(EmulatorConfig::new().with_generation(Generation::A)).await;
    let agent = world.agent().await;
    check(
        &doctor(&agent, &[]),
        "generation",
        "warning",
        &["no poll mode", "--reported-url"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_is_not_well_is_told_from_one_that_is_none() {
    let world = World::start().await;
    let agent = world.agent().await;
    let ill = |status: u16| {
        let answer = Fault::Answer {
            status,
            headers: Default::default(),
            body: String::new(),
        };
        let rule = FaultRule::new(answer).with_path("/health").with_times(1);
        world.emulator.platform().add_fault(rule).unwrap();
        doctor(&agent, &[])
    };
    check(
        &ill(503),
        "http",
        "failed",
        &["answers 503", "try again later"],
    );
    check(&ill(429), "http", "warning", &["too many requests"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_directory_and_who_uses_it_are_told() {
    let world = World::start().await;
    let agent = world.agent().await;
    let dir = agent.dir();
    check(&doctor(&agent, &[]), "agent", "ok", &["none runs here"]);
    let lock = fs::File::create(dir.join("agent.lock")).unwrap();
    fs::write(dir.join("agent.lock"), "4711\n").unwrap();
    lock.lock().unwrap();
    check(&doctor(&agent, &[]), "agent", "ok", &["process 4711"]);
    assert_eq!(
        fs::read_to_string(dir.join("agent.lock")).unwrap(),
        "4711\n"
    );
    let token = agent.token();
    let elsewhere = |dir: &str| {
        agent
            .program(&["doctor", "--json", "--state-dir", dir])
            .env("MOLECULE_WORKSPACE_TOKEN", token.expose())
            .run()
    };
    let file = world.home.path().join("file");
    fs::write(&file, "").unwrap();
    check(
        &elsewhere(file.to_str().unwrap()),
        "directory",
        "failed",
        &["is not a directory", "--state-dir"],
    );
    let new = world.home.path().join("new/er");
    check(
        &elsewhere(new.to_str().unwrap()),
        "directory",
        "ok",
        &["made when it is needed"],
    );
    assert!(!world.home.path().join("new").exists());
}

#[test]
fn without_any_settings_it_says_what_is_missing() {
    let home = tempfile::tempdir().unwrap();
    let ran = Program::new(home.path(), &["doctor"]).run();
    assert_eq!(ran.code, 1);
    assert!(
        ran.stdout
            .contains("failed   address       which platform?"),
        "{ran:?}"
    );
    assert!(ran.stderr.starts_with("error: 2 checks failed"), "{ran:?}");
    assert!(!home.path().join(".molecule").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_changed_by_looking() {
    let world = World::start().await;
    let agent = world.agent().await;
    let before = agent.info().await;
    let files = || {
        let names = fs::read_dir(agent.dir()).unwrap();
        let mut names: Vec<_> = names.map(|one| one.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let had = files();
    doctor(&agent, &[]).succeeds();
    assert_eq!(files(), had);
    assert_eq!(agent.info().await, before);
    let other = Token::new("some-other-token").unwrap();
    agent.store().save(&other, Wait::No).unwrap();
    doctor(&agent, &[]);
    assert!(agent.token().same_as(&other));
}
