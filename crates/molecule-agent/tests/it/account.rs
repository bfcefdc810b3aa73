//! Tokens, memories, approvals, the conversation, files, and secrets as an environment.

use std::sync::Arc;
use std::time::Duration;

use molecule_agent::protocol::endpoints::{
    ApprovalStatus, Attachment, ChatRole, MemoryQuery, MemoryScope, NewMemory,
};
use molecule_agent::protocol::{ApiError, Timestamp, TokenId, WorkspaceId};
use molecule_agent::transport::testing::{ScriptedTransport, SimulatedClock, answer};
use molecule_agent::transport::{Clock as _, Request, TransportError};
use molecule_agent::{AgentError, ErrorKind, RemoteAgentClient, UnfitReason};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::world::{ParseToken as _, URL, World};

const ID: &str = "fc381c93-f14f-4112-a564-0b630b52d59d";

/// A client of a platform that answers from a script.
struct Scripted {
    client: RemoteAgentClient,
    transport: ScriptedTransport,
    clock: SimulatedClock,
    _dir: TempDir,
}

impl Scripted {
    fn new(transport: ScriptedTransport) -> Self {
        let (dir, clock) = (tempfile::tempdir().unwrap(), SimulatedClock::new());
        let id: WorkspaceId = ID.parse().unwrap();
        let client = RemoteAgentClient::builder(id, URL.parse().unwrap())
            .state_dir(dir.path())
            .token("a-token".parse_token())
            .transport(transport.clone())
            .clock(Arc::new(clock.clone()))
            .build()
            .unwrap();
        Self {
            client,
            transport,
            clock,
            _dir: dir,
        }
    }

    /// A platform that gives these answers, one after the other.
    fn answers<const N: usize>(answers: [(u16, &str); N]) -> Self {
        let answers = answers.map(|(status, body)| answer(status, body.to_owned()));
        Self::new(ScriptedTransport::answers(answers))
    }

    fn paths(&self) -> Vec<String> {
        let path = |request: &Request| request.uri().path_and_query().unwrap().to_string();
        self.transport.requests().iter().map(path).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_are_listed_issued_and_revoked() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let new = client.create_token().await.unwrap();
    let listed = client.list_tokens().await.unwrap();
    assert_eq!(listed.len(), 2);
    let info = listed
        .iter()
        .find(|info| info.may_be(new.expose()))
        .unwrap();
    client.revoke_token(info.id).await.unwrap();
    assert_eq!(client.list_tokens().await.unwrap().len(), 1);
    let again = client.revoke_token(info.id).await.unwrap_err();
    assert!(
        matches!(again, AgentError::Api(ApiError::NotFound(_))),
        "{again:?}"
    );
    let nobodys = TokenId::from(*client.workspace_id().as_uuid());
    assert_eq!(
        client.revoke_token(nobodys).await.unwrap_err().kind(),
        ErrorKind::Usage
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_does_not_make_a_second_token() {
    let world = World::new();
    let client = world.registered("alpha").await;
    world.trouble_at("/tokens", 1, crate::world::Trouble::AnswerLost);
    client.create_token().await.unwrap_err();
    assert_eq!(client.list_tokens().await.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn memories_are_written_and_recalled() {
    let platform = Scripted::answers([
        (201, r#"{"id":"m-1","namespace":"facts","scope":"TEAM"}"#),
        (
            200,
            r#"[{"id":"m-1","content":"the sky is blue","scope":"TEAM","namespace":"facts"}]"#,
        ),
    ]);
    let memory = NewMemory::new("the sky is blue", MemoryScope::Team).with_namespace("facts");
    let added = platform.client.add_memory(memory).await.unwrap();
    assert_eq!(added.id, "m-1");
    let query = MemoryQuery::new().with_text("sky");
    let recalled = platform.client.list_memories(query).await.unwrap();
    assert_eq!(recalled[0].content, "the sky is blue");
    assert_eq!(
        platform.paths()[1],
        format!("/workspaces/{ID}/memories?q=sky")
    );
}

#[tokio::test(start_paused = true)]
async fn a_memory_is_deleted_by_whoever_wrote_it_and_once() {
    let world = World::new();
    let (client, other) = (
        world.registered("alpha").await,
        world.registered("beta").await,
    );
    let memory = NewMemory::new("the sky is blue", MemoryScope::Team);
    let added = client.add_memory(memory).await.unwrap();
    let refused = other.delete_memory(&added.id).await.unwrap_err();
    assert!(
        matches!(refused, AgentError::Api(ApiError::NotFound(_))),
        "{refused:?}"
    );
    client.delete_memory(&added.id).await.unwrap();
    let left = client.list_memories(MemoryQuery::new()).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
    let again = client.delete_memory(&added.id).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Usage, "{again}");
    let before = world.requests().len();
    let nothing = client.delete_memory("").await.unwrap_err();
    assert!(matches!(nothing, AgentError::Option { .. }), "{nothing:?}");
    assert_eq!(world.requests().len(), before);
}

#[tokio::test(start_paused = true)]
async fn what_the_platform_would_not_remember_is_not_sent() {
    let platform = Scripted::answers([]);
    for memory in [
        NewMemory::new("", MemoryScope::Local),
        NewMemory::new("x", MemoryScope::Local).with_namespace("n".repeat(51)),
    ] {
        let error = platform.client.add_memory(memory).await.unwrap_err();
        assert!(matches!(error, AgentError::Option { .. }), "{error:?}");
    }
    assert!(platform.paths().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_decision_is_waited_for_through_short_outages() {
    let pending = || {
        answer(
            200,
            r#"[{"id":"a-1","status":"pending","action":"deploy"}]"#,
        )
    };
    let lost = |request: &str| {
        let request = http::Request::get(request)
            .body(Default::default())
            .unwrap();
        Err(TransportError::Interrupted {
            target: molecule_agent::transport::Target::of(&request),
            source: std::io::Error::other("simulated").into(),
        })
    };
    let mut script = vec![
        Ok(answer(201, r#"{"approval_id":"a-1","status":"pending"}"#)),
        Ok(pending()),
    ];
    script.extend((0..4).map(|_| lost(URL)));
    script.push(Ok(pending()));
    let approved =
        r#"[{"id":"a-1","status":"approved","decided_by":"human"},{"id":"a-0","status":"denied"}]"#;
    script.push(Ok(answer(200, approved)));
    let platform = Scripted::new(ScriptedTransport::results(script));
    let client = &platform.client;
    let asked = client
        .request_approval("deploy", Some("because"))
        .await
        .unwrap();
    let hour = Duration::from_secs(3600);
    let approval = client
        .wait_approval(&asked.approval_id, hour)
        .await
        .unwrap();
    assert_eq!(approval.status, ApprovalStatus::Approved);
    assert_eq!(approval.decided_by.as_deref(), Some("human"));
    assert!(platform.clock.now() >= Duration::from_secs(15));
}

#[tokio::test(start_paused = true)]
async fn a_decision_that_does_not_come_is_no_permission() {
    let pending = |_| async { Ok(answer(200, r#"[{"id":"a-1","status":"pending"}]"#)) };
    let platform = Scripted::new(ScriptedTransport::new(pending));
    let patience = Duration::from_secs(60);
    let error = platform
        .client
        .wait_approval("a-1", patience)
        .await
        .unwrap_err();
    assert!(matches!(error, AgentError::Undecided { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Temporary);
    assert_eq!(platform.clock.now(), patience);
    let error = platform
        .client
        .wait_approval("other", patience)
        .await
        .unwrap_err();
    assert!(matches!(error, AgentError::UnknownApproval(_)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_platform_without_a_call_is_told_from_one_that_is_away() {
    let platform = Scripted::answers([
        (404, "404 page not found"),
        (404, "404 page not found"),
        (404, ""),
    ]);
    let client = &platform.client;
    let error = client.chat_history(None, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let error = client.list_memories(MemoryQuery::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let error = client.chat_history(None, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_conversation_is_read_with_its_files() {
    let world = World::new();
    let client = world.registered("alpha").await;
    world.say(client.workspace_id(), "m-1", "hello").await;
    world.clock_tick().await;
    let file = Attachment::new("https://example.com/a.pdf", "a.pdf")
        .with_mime_type("application/pdf")
        .with_size(3);
    client
        .notify("here", std::slice::from_ref(&file))
        .await
        .unwrap();
    let page = client.chat_history(Some(10), None).await.unwrap();
    let said: Vec<_> = page
        .messages
        .iter()
        .map(|message| (message.role.clone(), message.content.as_str()))
        .collect();
    assert_eq!(said, [(ChatRole::User, "hello"), (ChatRole::Agent, "here")]);
    assert_eq!(page.messages[1].attachments, [file]);
    assert!(page.reached_end);
}

#[tokio::test(start_paused = true)]
async fn files_without_address_or_name_are_not_sent() {
    let platform = Scripted::answers([]);
    for file in [
        Attachment::new("", "a"),
        Attachment::new("https://example.com/a", " "),
    ] {
        let error = platform.client.notify("x", &[file]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    }
    assert!(platform.paths().is_empty());
}

/// A platform with this conversation, in which `(id, second)` is a message.
fn conversation(messages: &'static [(&'static str, u8)], knows_before: bool) -> Scripted {
    Scripted::new(ScriptedTransport::new(move |request: Request| {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let query: std::collections::HashMap<_, _> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.replace("%3A", ":")))
            .collect();
        let before: Option<Timestamp> = query.get("before_ts").map(|time| time.parse().unwrap());
        let limit: usize = query["limit"].parse().unwrap();
        let time = |second: u8| format!("2026-11-22T04:00:{second:02}Z");
        let earlier: Vec<_> = messages
            .iter()
            .filter(|(_, second)| {
                let at: Timestamp = time(*second).parse().unwrap();
                !knows_before || before.is_none_or(|before| at < before)
            })
            .collect();
        let skipped = earlier.len().saturating_sub(limit);
        let page: Vec<Value> = earlier[skipped..]
            .iter()
            .map(|(id, second)| json!({"id": id, "role": "user", "content": id, "timestamp": time(*second)}))
            .collect();
        let body = json!({"messages": page, "reached_end": skipped == 0 && knows_before});
        async move { Ok(answer(200, body.to_string())) }
    }))
}

async fn check_pages(platform: &Scripted, limit: u32, expect: &[&[&str]]) {
    let mut pages = platform.client.chat_history_pages(limit);
    let mut read: Vec<Vec<String>> = Vec::new();
    while let Some(page) = pages.next().await.unwrap() {
        read.push(
            page.messages
                .into_iter()
                .map(|message| message.id)
                .collect(),
        );
    }
    assert_eq!(read, expect);
    assert!(platform.paths().len() < 10, "{:?}", platform.paths());
}

#[tokio::test(start_paused = true)]
async fn pages_lose_no_message_of_the_same_moment_and_repeat_none() {
    let messages = &[("a", 1), ("b", 2), ("b-reply", 2), ("c", 3)];
    check_pages(
        &conversation(messages, true),
        2,
        &[&["b-reply", "c"], &["b"], &["a"]],
    )
    .await;
    check_pages(
        &conversation(messages, true),
        9,
        &[&["a", "b", "b-reply", "c"]],
    )
    .await;
    check_pages(&conversation(&[], true), 2, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_ignores_where_we_are_does_not_keep_us_for_ever() {
    let messages = &[("a", 1), ("b", 2), ("c", 3)];
    check_pages(&conversation(messages, false), 2, &[&["b", "c"]]).await;
}

#[tokio::test(start_paused = true)]
async fn a_file_is_given_to_the_platform_and_fetched_from_it() {
    let uri = format!("platform-pending:{ID}/28aa9223-a2e1-4348-ac8d-55c47e1b030e");
    let body =
        json!({"files": [{"uri": uri, "name": "a.txt", "mimeType": "text/plain", "size": 5}]});
    let platform = Scripted::answers([(200, &body.to_string()), (200, "hello")]);
    let client = &platform.client;
    let kept = client
        .upload_attachment("a.txt", Some("text/plain"), b"hello".to_vec())
        .await
        .unwrap();
    assert_eq!(kept.size, Some(5));
    let fetched = client.download_attachment(&kept.uri).await.unwrap();
    assert_eq!(fetched.content, b"hello");
    let sent = &platform.transport.requests()[0];
    let text = String::from_utf8(sent.body().to_vec()).unwrap();
    assert!(text.contains("\r\n\r\nhello\r\n--molecule-"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_keeps_no_files_says_what_to_do_instead() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let error = client
        .upload_attachment("a.txt", None, b"hello".to_vec())
        .await
        .unwrap_err();
    assert!(
        matches!(error, AgentError::NoAttachments { .. }),
        "{error:?}"
    );
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("notify --attach"), "{error}");
    let no_container = r#"{"error":"workspace container not running"}"#;
    let platform = Scripted::answers([(503, no_container); 4]);
    let error = platform
        .client
        .download_attachment("workspace:/workspace/a.txt")
        .await
        .unwrap_err();
    assert!(
        matches!(error, AgentError::NoAttachments { .. }),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn files_of_others_are_not_asked_for() {
    let platform = Scripted::answers([]);
    for uri in ["https://example.com/a", "file:///etc/passwd", "workspace:a"] {
        let error = platform.client.download_attachment(uri).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    }
    assert!(platform.paths().is_empty());
}

#[tokio::test(start_paused = true)]
async fn secrets_become_an_environment_only_if_all_of_them_can() {
    let world = World::new();
    let client = world.registered("alpha").await;
    let path = format!("/workspaces/{}/secrets", client.workspace_id());
    let keep = async |key: &str| {
        let secret = json!({"key": key, "value": "s3cr3t"});
        world.admin("POST", &path, secret).await;
    };
    keep("API_KEY").await;
    let environment = client.secret_env().await.unwrap();
    let names: Vec<_> = environment.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["API_KEY"]);
    keep("LD_PRELOAD").await;
    keep("weird key/ü").await;
    let error = client.secret_env().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    let AgentError::UnfitSecrets(unfit) = &error else {
        panic!("{error:?}");
    };
    let reasons: Vec<_> = unfit.secrets().iter().map(|secret| secret.reason).collect();
    assert_eq!(reasons, [UnfitReason::Reserved, UnfitReason::Name]);
    assert!(!format!("{error:?} {error}").contains("s3cr3t"));
}
