//! Joining the platform.

use molecule_agent::{AgentError, Connect, CursorSupport, RegisterOptions, StopReason};
use molecule_agent::{CancellationToken, ErrorKind, WorkspaceId};
use serde_json::Value;

use crate::world::{ParseToken as _, Trouble, World, shout};

fn nobody() -> WorkspaceId {
    "99c068b6-5999-43c5-a38c-731adb21acaf".parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_stored_token_goes_along_so_that_a_restart_can_register() {
    let world = World::new();
    let client = world.client("alpha").await;
    client.register().await.unwrap();
    let again = world.builder(client.workspace_id()).build().unwrap();
    let registration = again.register().await.unwrap();
    assert!(!registration.token_issued);
    assert_eq!(world.status(client.workspace_id()).await, "online");
}

#[tokio::test(start_paused = true)]
async fn an_issued_token_is_stored() {
    let world = World::new();
    let (id, _) = world.workspace("alpha").await;
    world.platform.revoke_tokens(id).unwrap();
    let client = world.builder(id).build().unwrap();
    assert!(client.register().await.unwrap().token_issued);
    assert!(client.load_token().await.unwrap().is_some());
    client.heartbeat(client.beat()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_workspace_whose_token_is_elsewhere_is_an_error_that_says_what_to_do() {
    let world = World::new();
    let (id, _) = world.workspace("alpha").await;
    let error = world
        .builder(id)
        .build()
        .unwrap()
        .register()
        .await
        .unwrap_err();
    assert!(matches!(error, AgentError::NoToken(_)), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert!(error.to_string().contains("token set"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_token_is_told_from_a_deleted_workspace() {
    let world = World::new();
    let client = world.client("alpha").await;
    client.save_token("wrong".parse_token()).await.unwrap();
    let error = client.register().await.unwrap_err();
    assert!(
        matches!(error, AgentError::TokenRejected { .. }),
        "{error:?}"
    );
    world
        .admin(
            "DELETE",
            &format!("/workspaces/{}?confirm=true", client.workspace_id()),
            Value::Null,
        )
        .await;
    assert!(matches!(
        client.register().await,
        Err(AgentError::Deleted(_))
    ));
    assert!(client.poll_state().await.unwrap().deleted);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_workspace_is_created_only_if_the_caller_insists() {
    let world = World::new();
    let client = world.builder(nobody()).build().unwrap();
    assert!(matches!(
        client.register().await,
        Err(AgentError::UnknownWorkspace(_))
    ));
    assert_eq!(world.status(nobody()).await, "none");
    client
        .register_with(RegisterOptions::new().with_create(true))
        .await
        .unwrap();
    assert_eq!(world.status(nobody()).await, "online");
}

#[tokio::test(start_paused = true)]
async fn a_paused_workspace_stays_paused() {
    let world = World::new();
    let client = world.client("alpha").await;
    world
        .admin(
            "POST",
            &format!("/workspaces/{}/pause", client.workspace_id()),
            Value::Null,
        )
        .await;
    assert!(matches!(
        client.register().await,
        Err(AgentError::Paused(_))
    ));
    let reason = client
        .connect(shout, Connect::new(), &CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(reason, StopReason::Paused);
    assert_eq!(world.status(client.workspace_id()).await, "paused");
    client
        .register_with(RegisterOptions::new().with_resume(true))
        .await
        .unwrap();
    assert_eq!(world.status(client.workspace_id()).await, "online");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_stays_comes_back_when_its_user_resumes_it() {
    let world = World::new();
    let client = world.client("alpha").await;
    let id = client.workspace_id();
    let cancel = CancellationToken::new();
    let task = {
        let (client, cancel) = (client.clone(), cancel.clone());
        tokio::spawn(async move {
            client
                .connect(shout, Connect::new().with_stay(true), &cancel)
                .await
        })
    };
    world.pass(1).await;
    world
        .admin("POST", &format!("/workspaces/{id}/pause"), Value::Null)
        .await;
    world.pass(300).await;
    assert_eq!(world.status(id).await, "paused");
    world
        .admin("POST", &format!("/workspaces/{id}/resume"), Value::Null)
        .await;
    world.pass(60).await;
    assert_eq!(world.status(id).await, "online");
    world.say(id, "m", "back").await;
    world.pass(10).await;
    assert_eq!(world.notifications(id).await, ["BACK"]);
    cancel.cancel();
    assert_eq!(task.await.unwrap().unwrap(), StopReason::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn a_platform_without_poll_mode_is_refused_and_nothing_is_registered() {
    let world = World::generation_a();
    let client = world.client("alpha").await;
    let error = client.register().await.unwrap_err();
    assert!(
        matches!(error, AgentError::PollModeUnsupported { .. }),
        "{error:?}"
    );
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let row = world
        .admin(
            "GET",
            &format!("/workspaces/{}", client.workspace_id()),
            Value::Null,
        )
        .await;
    assert_eq!(
        (&row["status"], &row["agent_card"]),
        (&"provisioning".into(), &Value::Null)
    );
    assert_eq!(client.cursor_support().await.unwrap(), CursorSupport::No);
}

#[tokio::test(start_paused = true)]
async fn a_platform_without_poll_mode_takes_an_agent_with_an_address() {
    let world = World::generation_a();
    let (id, token) = world.workspace("alpha").await;
    let with = |url: &str| {
        world
            .builder(id)
            .reported_url(url)
            .token(token.parse_token())
            .build()
            .unwrap()
    };
    let error = with("http://10.0.0.5:80").register().await.unwrap_err();
    assert!(
        matches!(&error, AgentError::UrlRefused { url, .. } if url == "http://10.0.0.5:80"),
        "{error:?}"
    );
    with("http://localhost:9101").register().await.unwrap();
    assert_eq!(world.status(id).await, "online");
}

#[tokio::test(start_paused = true)]
async fn success_without_a_token_when_none_is_stored_is_an_error() {
    let world = World::new();
    let (id, token) = world.workspace("alpha").await;
    // Somebody between us and the platform authorizes the request: the platform sees a token that we do not have.
    let file = world.disk().join("token");
    std::fs::write(&file, &token).unwrap();
    let client = world.builder(id).token_file(&file).build().unwrap();
    let at = file.clone();
    world.trouble(move |request| {
        if request.uri().path() == "/registry/register" {
            std::fs::write(&at, "").unwrap();
        }
        None
    });
    let error = client.register().await.unwrap_err();
    assert!(matches!(error, AgentError::NoToken(_)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn an_empty_404_is_no_deletion() {
    let world = World::new();
    let client = world.registered("alpha").await;
    world.trouble(|_| Some(Trouble::Status(404)));
    let error = client.poll_state().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_tenant_is_named_in_a_header() {
    let config = molecule_emulator::EmulatorConfig::new().with_org_id("org-123");
    let world = World::with(config);
    let id = nobody();
    let stranger = world.builder(id).build().unwrap();
    assert_eq!(
        stranger.look().await.unwrap_err().kind(),
        ErrorKind::Unreachable
    );
    let member = world.builder(id).org_id("org-123").build().unwrap();
    assert!(matches!(
        member.register().await,
        Err(AgentError::UnknownWorkspace(_))
    ));
}

#[tokio::test(start_paused = true)]
async fn a_given_token_gives_way_to_one_that_the_platform_issues() {
    let world = World::new();
    let (id, _) = world.workspace("alpha").await;
    world.platform.revoke_tokens(id).unwrap();
    let client = world
        .builder(id)
        .token("outdated".parse_token())
        .build()
        .unwrap();
    assert!(client.register().await.unwrap().token_issued);
    client.heartbeat(client.beat()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn connecting_to_a_platform_that_does_not_answer_can_be_cancelled() {
    let world = World::new();
    let client = world.client("alpha").await;
    world.trouble(|_| Some(Trouble::Refused));
    let cancel = CancellationToken::new();
    cancel.cancel();
    let reason = client
        .connect(shout, Connect::new(), &cancel)
        .await
        .unwrap();
    assert_eq!(reason, StopReason::Cancelled);
    assert_eq!(world.clock_seconds(), 0);
}

#[tokio::test(start_paused = true)]
async fn connecting_to_a_platform_that_is_not_there_ends_with_an_error() {
    let world = World::new();
    let client = world.client("alpha").await;
    world.trouble(|_| Some(Trouble::Refused));
    let error = client
        .connect(shout, Connect::new(), &CancellationToken::new())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
}

#[tokio::test(start_paused = true)]
async fn resuming_is_done_once_and_a_later_pause_holds() {
    let world = World::new();
    let client = world.client("alpha").await;
    let id = client.workspace_id();
    world
        .admin("POST", &format!("/workspaces/{id}/pause"), Value::Null)
        .await;
    let options = Connect::new()
        .with_register(RegisterOptions::new().with_resume(true))
        .with_stay(true);
    let cancel = CancellationToken::new();
    let (agent, stop) = (client.clone(), cancel.clone());
    let task = tokio::spawn(async move { agent.connect(shout, options, &stop).await });
    world.pass(10).await;
    assert_eq!(world.status(id).await, "online");
    world
        .admin("POST", &format!("/workspaces/{id}/pause"), Value::Null)
        .await;
    world.pass(300).await;
    assert_eq!(world.status(id).await, "paused");
    cancel.cancel();
    task.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_agent_whose_messages_are_pushed_elsewhere_is_not_polled_for() {
    let world = World::new();
    let (id, token) = world.workspace("alpha").await;
    let client = world
        .builder(id)
        .token(token.parse_token())
        .reported_url("http://localhost:9101")
        .build()
        .unwrap();
    let error = client
        .connect(shout, Connect::new(), &CancellationToken::new())
        .await
        .unwrap_err();
    assert!(matches!(error, AgentError::PushedElsewhere), "{error:?}");
    assert!(world.requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn intervals_that_make_no_sense_are_refused() {
    let world = World::new();
    for interval in [std::time::Duration::ZERO, std::time::Duration::MAX] {
        let error = world
            .builder(nobody())
            .heartbeat_interval(interval)
            .build()
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
    }
}
