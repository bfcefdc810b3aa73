//! Memories, approvals and the conversation on the local platform, and a token that is replaced at work.

use std::time::Duration;

use molecule_agent::protocol::endpoints::{ApprovalStatus, MemoryQuery, MemoryScope, NewMemory};
use molecule_agent::transport::Clock as _;
use molecule_agent::{ErrorKind, InboundMessage, RemoteAgentClient, WorkspaceId};
use molecule_emulator::EmulatorConfig;
use serde_json::{Value, json};

use crate::world::{ParseToken as _, World};

/// A workspace below another, and its client.
async fn child(world: &World, of: WorkspaceId) -> RemoteAgentClient {
    let body = json!({"name": "child", "runtime": "external", "parent_id": of});
    let created = world.admin("POST", "/workspaces", body).await;
    let id = created["id"].as_str().unwrap().parse().unwrap();
    let token = created["connection"]["auth_token"].as_str().unwrap();
    let client = world.builder(id).token(token.parse_token());
    client.build().unwrap()
}

async fn recalled(client: &RemoteAgentClient, query: MemoryQuery) -> Vec<String> {
    let memories = client.list_memories(query).await.unwrap();
    memories.into_iter().map(|memory| memory.content).collect()
}

#[tokio::test(start_paused = true)]
async fn memories_are_recalled_by_those_that_they_are_for() {
    let world = World::new();
    let parent = world.registered("parent").await;
    let child = child(&world, parent.workspace_id()).await;
    let other = world.registered("other").await;
    for (content, scope) in [
        ("the sky is blue", MemoryScope::Local),
        ("the team meets at noon", MemoryScope::Team),
        ("water is wet", MemoryScope::Global),
    ] {
        let memory = NewMemory::new(content, scope).with_namespace("facts");
        parent.add_memory(memory).await.unwrap();
        world.clock_tick().await;
    }
    let all = || MemoryQuery::new().with_namespace("facts");
    assert_eq!(recalled(&parent, all()).await.len(), 3);
    assert_eq!(
        recalled(&parent, all().with_text("blue")).await,
        ["the sky is blue"]
    );
    assert_eq!(
        recalled(&parent, all().with_limit(2)).await.len(),
        2,
        "the newest"
    );
    let team = || MemoryQuery::new().with_scope(MemoryScope::Team);
    assert_eq!(recalled(&child, team()).await, ["the team meets at noon"]);
    assert!(recalled(&other, team()).await.is_empty());
    assert!(recalled(&child, MemoryQuery::new()).await.is_empty());
    let global = MemoryQuery::new().with_scope(MemoryScope::Global);
    let told = recalled(&other, global).await.remove(0);
    assert!(told.ends_with("]: water is wet"), "{told}");
    let refused = child
        .add_memory(NewMemory::new("x", MemoryScope::Global))
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Usage, "{refused}");
}

#[tokio::test(start_paused = true)]
async fn an_approval_is_waited_for_until_the_user_decides() {
    for (decision, expect) in [
        ("approved", ApprovalStatus::Approved),
        ("denied", ApprovalStatus::Denied),
    ] {
        let world = World::new();
        let client = world.registered("alpha").await;
        let other = client.request_approval("other", None).await.unwrap();
        let asked = client
            .request_approval("deploy", Some("it is ready"))
            .await
            .unwrap();
        let (waiting, id) = (client.clone(), asked.approval_id.clone());
        let task = tokio::spawn(async move {
            let hour = Duration::from_secs(3600);
            waiting.wait_approval(&id, hour).await
        });
        world.pass(60).await;
        assert!(!task.is_finished());
        let path = format!(
            "/workspaces/{}/approvals/{}/decide",
            client.workspace_id(),
            asked.approval_id
        );
        let body = json!({"decision": decision, "decided_by": "ann"});
        world.admin("POST", &path, body).await;
        let approval = task.await.unwrap().unwrap();
        assert_eq!(
            (approval.status, approval.decided_by.as_deref()),
            (expect, Some("ann"))
        );
        assert_eq!(approval.reason.as_deref(), Some("it is ready"));
        let listed = client.list_approvals().await.unwrap();
        let undecided: Vec<_> = listed
            .iter()
            .filter(|approval| approval.status == ApprovalStatus::Pending)
            .collect();
        assert_eq!(undecided[0].id, other.approval_id);
        assert_eq!((undecided.len(), listed.len()), (1, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn the_conversation_is_read_page_by_page_without_a_gap() {
    let world = World::new();
    let client = world.registered("alpha").await;
    // A page ends between two moments, not within one.
    let clock = world.clock.clone();
    let shout = move |message: InboundMessage| {
        let moment = clock.sleep(Duration::from_millis(1));
        async move {
            moment.await;
            message.text.to_uppercase()
        }
    };
    let agent = world.start(&client, shout);
    world.pass(1).await;
    for number in 0..4 {
        let text = format!("word {number}");
        world
            .say(client.workspace_id(), &format!("m-{number}"), &text)
            .await;
        world.pass(20).await;
    }
    agent.stop().await.unwrap();
    for limit in [1, 2, 3, 8] {
        let mut pages = client.chat_history_pages(limit);
        let mut said = Vec::new();
        while let Some(page) = pages.next().await.unwrap() {
            assert!(page.messages.len() <= limit as usize);
            said.splice(0..0, page.messages.into_iter().map(|one| one.content));
        }
        let expect = [
            "word 0", "WORD 0", "word 1", "WORD 1", "word 2", "WORD 2", "word 3", "WORD 3",
        ];
        assert_eq!(said, expect, "pages of {limit}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_replaced_again_and_again_while_the_agent_works() {
    let world = World::with(EmulatorConfig::new().with_rate_limit(1_000_000));
    let client = world.registered("alpha").await;
    let id = client.workspace_id();
    let agent = world.start(&client, world.slow_echo(7));
    world.pass(1).await;
    let mut expect = Vec::new();
    for number in 0..5 {
        let text = format!("word {number}");
        world.say(id, &format!("m-{number}"), &text).await;
        expect.push(text);
        world.pass(9).await;
        client.rotate_token().await.unwrap();
        world.pass(11).await;
    }
    world.pass(60).await;
    assert!(agent.is_running());
    assert_eq!(world.notifications(id).await, expect);
    assert_eq!(world.status(id).await, "online");
    let path = format!("/workspaces/{id}/tokens");
    let listed = world.admin("GET", &path, Value::Null).await;
    assert_eq!(listed["tokens"].as_array().unwrap().len(), 1);
    agent.stop().await.unwrap();
}
