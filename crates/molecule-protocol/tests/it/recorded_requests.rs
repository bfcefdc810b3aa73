//! What the endpoints send is what the real platform was seen to take.

use molecule_protocol::endpoints::{
    AddMemory, Attachment, CreateToken, CreateWorkspace, Delegate, DelegationResult,
    DownloadPlugin, Heartbeat, ListActivity, ListApprovals, ListDelegations, ListMemories,
    ListPluginSources, ListPlugins, ListTokens, MemoryQuery, MemoryScope, NewMemory, Notify,
    PollState, RecordDelegation, RecordPluginInstall, RequestApproval, UpdateCard,
    UpdateDelegation,
};
use molecule_protocol::transcripts::{self, Bindings, Exchange};
use molecule_protocol::{AgentCard, Endpoint, WorkspaceId};
use serde_json::{Value, json};

const ID: &str = "9e453dad-99f0-4e01-8c72-0031bf974e26";

fn id() -> WorkspaceId {
    ID.parse().unwrap()
}

/// The accepted requests to paths that end so, with their variables bound to [`ID`].
fn accepted(source: &str, path_ends: &str) -> Vec<(String, Option<Value>)> {
    answered(source, path_ends, |status| (200..300).contains(&status))
}

fn answered(
    source: &str,
    path_ends: &str,
    status: impl Fn(u16) -> bool,
) -> Vec<(String, Option<Value>)> {
    let transcript = transcripts::find(source).unwrap();
    let found: Vec<_> = transcript
        .exchanges()
        .filter(|e| e.request.path.ends_with(path_ends) && status(e.response.status))
        .map(bound)
        .collect();
    assert!(!found.is_empty(), "{source} has nothing at {path_ends}");
    found
}

fn bound(exchange: &Exchange) -> (String, Option<Value>) {
    let mut bindings = Bindings::new("http://127.0.0.1:8080");
    for name in ["alpha", "beta", "hb-a", "hb-b", "sec-a", "d-src", "d-tgt"] {
        bindings.bind(&format!("workspace:{name}"), ID);
    }
    bindings.bind("unknown:13", ID);
    let path = bindings
        .substitute(&exchange.request.path)
        .unwrap_or_default();
    let body = exchange
        .request
        .json
        .as_ref()
        .and_then(|json| bindings.substitute_json(json).ok());
    (path, body)
}

fn check(endpoint: &impl Endpoint, accepted: &[(String, Option<Value>)]) {
    let call = endpoint.call();
    let body = call
        .body
        .as_deref()
        .map(|body| serde_json::from_slice::<Value>(body).unwrap());
    let ours = (call.path, body);
    assert!(
        accepted.contains(&ours),
        "{ours:?} is not among {accepted:?}"
    );
}

#[test]
fn heartbeats_look_like_the_recorded_ones() {
    let accepted = accepted("02-heartbeat-state-lifecycle", "/registry/heartbeat");
    check(&Heartbeat::new(id()).with_uptime(5), &accepted);
}

#[test]
fn cards_are_updated_under_the_right_key() {
    let card = AgentCard::try_from(json!({"name": "new", "skills": [{"id": "s"}]})).unwrap();
    check(
        &UpdateCard::new(id(), card),
        &accepted("05-secrets-plugins-tokens-misc", "/registry/update-card"),
    );
}

#[test]
fn states_and_notifications_go_to_the_recorded_places() {
    check(
        &PollState::new(id()),
        &accepted("02-heartbeat-state-lifecycle", "/state"),
    );
    check(
        &Notify::new(id(), "hi user"),
        &accepted("04-delegate-activity-notify", "/notify"),
    );
}

#[test]
fn inbound_rows_are_asked_for_as_recorded() {
    let accepted = accepted("04-delegate-activity-notify", "limit=2");
    check(&ListActivity::inbound(id()).with_limit(2), &accepted);
}

#[test]
fn delegations_are_made_listed_recorded_and_updated_as_recorded() {
    let source = "04-delegate-activity-notify";
    let made = accepted(source, "/delegate");
    check(&Delegate::new(id(), id(), "nokey"), &made);
    check(
        &Delegate::new(id(), id(), "say hello").with_key("key-1"),
        &made,
    );
    let delegation = ID.parse().unwrap();
    check(
        &ListDelegations::new(id()),
        &accepted(source, "/delegations"),
    );
    check(
        &RecordDelegation::new(id(), id(), "direct", delegation),
        &accepted(source, "/delegations/record"),
    );
    let done = DelegationResult::completed("done!");
    check(
        &UpdateDelegation::new(id(), delegation, done),
        &accepted(source, "/update"),
    );
}

#[test]
fn new_workspaces_say_what_the_recorded_ones_say() {
    let body = CreateWorkspace::new("p").call().body.unwrap();
    let ours: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        ours,
        json!({"name": "p", "runtime": "external", "external": true})
    );
}

#[test]
fn plugins_are_listed_downloaded_and_recorded_as_recorded() {
    let source = "05-secrets-plugins-tokens-misc";
    check(&ListPlugins::new(), &accepted(source, "/plugins"));
    check(
        &ListPlugins::new().with_runtime("crewai"),
        &accepted(source, "/plugins?runtime=crewai"),
    );
    check(&ListPluginSources, &accepted(source, "/plugins/sources"));
    let download = DownloadPlugin::new(id(), "demo-plugin");
    check(&download, &accepted(source, "/download"));
    check(
        &download.with_source("local://demo-plugin"),
        &accepted(source, "?source=local%3A%2F%2Fdemo-plugin"),
    );
    // An external workspace has no container; 503 is what the platform answers to a good record.
    check(
        &RecordPluginInstall::new(id(), "local://demo-plugin"),
        &answered(source, "/plugins", |status| status == 503),
    );
}

#[test]
fn tokens_memories_and_approvals_are_asked_for_as_recorded() {
    let source = "05-secrets-plugins-tokens-misc";
    check(&ListTokens::new(id()), &accepted(source, "/tokens"));
    check(&CreateToken::new(id()), &accepted(source, "/tokens"));
    let memories = accepted(source, "/memories");
    check(&ListMemories::new(id(), MemoryQuery::new()), &memories);
    let memory = NewMemory::new("remember", MemoryScope::Local);
    check(&AddMemory::new(id(), memory), &memories);
    let approvals = accepted(source, "/approvals");
    check(&ListApprovals::new(id()), &approvals);
    check(
        &RequestApproval::new(id(), "deploy").with_reason("x"),
        &approvals,
    );
}

#[test]
fn attachments_look_like_the_recorded_ones() {
    let file = Attachment::new("workspace:/a.txt", "a.txt")
        .with_mime_type("text/plain")
        .with_size(3);
    check(
        &Notify::new(id(), "x").with_attachment(file),
        &accepted("04-delegate-activity-notify", "/notify"),
    );
}
