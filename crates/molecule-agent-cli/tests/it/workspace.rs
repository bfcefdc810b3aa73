//! What the administrator does.

use std::fs;

use serde_json::Value;

use crate::support::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_new_workspace_can_connect_with_the_printed_line() {
    let world = World::start().await;
    let ran = world
        .as_admin(&["workspace", "create", "alpha", "--role", "tester"])
        .run();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let lines: Vec<_> = ran.stdout.lines().collect();
    let [id, connect] = lines[..] else {
        panic!("{lines:?}")
    };
    let url = world.emulator.url();
    assert_eq!(
        connect,
        format!("molecule-agent connect {id} --platform-url {url} --exec 'tr a-z A-Z'")
    );
    let path = world
        .home
        .path()
        .join(".molecule")
        .join(id)
        .join(".auth_token");
    let token = fs::read_to_string(path).unwrap();
    assert!(
        !ran.stdout.contains(token.trim()) && !ran.stderr.contains(token.trim()),
        "{ran:?}"
    );
    world.program(&["register", "-w", id]).run().succeeds();
    let shown: Value = world
        .program(&["workspace", "show", id, "--json"])
        .run()
        .json();
    assert_eq!(
        (&shown["name"], &shown["role"]),
        (&"alpha".into(), &"tester".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_keeps_one_agents_token() {
    let world = World::start().await;
    let create = [
        "workspace",
        "create",
        "a",
        "--state-dir",
        "/nowhere",
        "--json",
    ];
    let dir = world.home.path().join("my agent");
    let mut create = create.map(str::to_owned);
    create[4] = dir.to_str().unwrap().to_owned();
    let create: Vec<_> = create.iter().map(String::as_str).collect();
    let created = world.as_admin(&create).run().json();
    assert!(
        created["connect"]
            .as_str()
            .unwrap()
            .contains("/my agent' --exec"),
        "{created}"
    );
    let token = fs::read(dir.join(".auth_token")).unwrap();
    world
        .as_admin(&create[..5])
        .run()
        .fails(2, &["token of another agent", "new directory"]);
    assert_eq!(fs::read(dir.join(".auth_token")).unwrap(), token);
    assert_eq!(
        world.admin.list().await.unwrap().len(),
        1,
        "the refused one was created"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_is_listed_paused_resumed_and_deleted() {
    let world = World::start().await;
    let agent = world.agent().await;
    agent.run(&["register"]).succeeds();
    let id = agent.id.to_string();
    let admin = |command: &str| world.as_admin(&["workspace", command, &id]).run();
    world
        .as_admin(&["workspace", "list"])
        .run()
        .prints(&format!("{id}  online  tester\n"));
    admin("pause").prints(&format!("paused {id}\n"));
    assert_eq!(agent.info().await.status.as_str(), "paused");
    admin("resume").prints(&format!("resumed {id}\n"));
    assert_ne!(agent.info().await.status.as_str(), "paused");
    admin("delete").prints(&format!("deleted {id}\n"));
    admin("show").fails(5, &["was deleted"]);
    world
        .as_admin(&["workspace", "list", "--json"])
        .run()
        .prints("");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_token_comes_from_a_file_too() {
    let world = World::start().await;
    let path = world.home.path().join("admin");
    fs::write(&path, world.emulator.admin_token()).unwrap();
    let path = path.to_str().unwrap();
    world
        .program(&["workspace", "list", "--admin-token-file", path])
        .run()
        .succeeds();
    // A flag is stronger than the environment, and the environment's token than its file.
    let list = world.program(&["workspace", "list", "--admin-token-file", path]);
    list.env("MOLECULE_ADMIN_TOKEN", "wrong").run().succeeds();
    let list = world.as_admin(&["workspace", "list"]);
    list.env("MOLECULE_ADMIN_TOKEN_FILE", "/nowhere")
        .run()
        .succeeds();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_that_is_not_there_is_named_and_nothing_created() {
    let world = World::start().await;
    let create = |parent: &str| {
        world
            .as_admin(&["workspace", "create", "child", "--parent", parent])
            .run()
    };
    let unknown = "00000000-0000-4000-8000-000000000001";
    create(unknown).fails(
        2,
        &["--parent", unknown, "does not exist", "workspace list"],
    );
    let agent = world.agent().await;
    let parent = agent.id.to_string();
    create(&parent).succeeds();
    world.admin.delete(agent.id).await.unwrap();
    let before = world.admin.list().await.unwrap().len();
    create(&parent).fails(2, &["--parent", &parent, "was deleted"]);
    assert_eq!(world.admin.list().await.unwrap().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_is_refused_says_how_the_workspace_is() {
    let world = World::start().await;
    let agent = world.agent().await;
    agent.run(&["register"]).succeeds();
    let admin = |command: &str, id: &str| world.as_admin(&["workspace", command, id]).run();
    let id = agent.id.to_string();
    admin("resume", &id).fails(2, &["is not paused (it is online)"]);
    let child = ["workspace", "create", "child", "--parent", &id, "--json"];
    let child = world.as_admin(&child).run().json();
    let child = child["workspace_id"].as_str().unwrap();
    admin("pause", &id).succeeds();
    admin("pause", &id).fails(2, &["is paused already", "workspace resume"]);
    admin("resume", child).fails(2, &["above", "is paused", "resume that one first"]);
    let shown = admin("show", child);
    assert!(
        shown.stdout.contains(&format!("parent  {id}")),
        "{}",
        shown.stdout
    );
    let unknown = "00000000-0000-4000-8000-000000000001";
    for command in ["pause", "resume", "delete"] {
        admin(command, unknown).fails(2, &["knows no workspace", unknown]);
    }
    admin("delete", &id).succeeds();
    admin("delete", &id).succeeds();
    admin("pause", &id).fails(5, &["was deleted"]);
}
