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
