//! Every endpoint reads every answer without panicking, and never shows a secret of the answer in its error.
//!
//! Input: two bytes for the status, the rest is the body.

use http::{HeaderMap, StatusCode};
use molecule_protocol::endpoints::{
    AddMemory, ChatHistory, CreateToken, CreateWorkspace, Delegate, DeleteWorkspace, Delivery,
    DiscoverPeer, GetWorkspace, Heartbeat, ListActivity, ListApprovals, ListDelegations,
    ListMemories, ListPeers, ListSecrets, ListTokens, ListWorkspaces, MemoryQuery, MemoryScope,
    NewMemory, Notify, PauseWorkspace, PollState, PullSecrets, Register, RequestApproval,
    ResumeWorkspace, SendMessage, UpdateCard,
};
use molecule_protocol::{AgentCard, Answer, Delegation, Endpoint, Message, WorkspaceId};

/// Has every endpoint read the answer.
///
/// # Panics
/// When an error is longer than anybody reads, or a delegation comes from nowhere.
pub fn run(bytes: &[u8]) {
    let Some((status, body)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let Ok(status) = StatusCode::from_u16(u16::from_be_bytes(*status)) else {
        return;
    };
    read_all(&Answer::new(status, &HeaderMap::new(), body));
}

fn read_all(answer: &Answer<'_>) {
    let id = workspace();
    let card = AgentCard::default_for(&id);
    read(&Register::new(id, Delivery::Poll, card.clone()), answer);
    read(&UpdateCard::new(id, card), answer);
    read(&Heartbeat::new(id), answer);
    read(&PollState::new(id), answer);
    read(&GetWorkspace::new(id), answer);
    read(&PullSecrets::new(id), answer);
    read(&ListSecrets::new(id), answer);
    read(&ListActivity::new(id), answer);
    read(&Notify::new(id, "done"), answer);
    read(
        &SendMessage::from_canvas(id, Message::text("m-1", "hello")),
        answer,
    );
    read(&CreateWorkspace::new("alpha"), answer);
    read(&ListPeers::new(id), answer);
    read(&DiscoverPeer::new(id, id), answer);
    read(&ListTokens::new(id), answer);
    read(&CreateToken::new(id), answer);
    read(&ListMemories::new(id, MemoryQuery::new()), answer);
    read(
        &AddMemory::new(id, NewMemory::new("x", MemoryScope::Local)),
        answer,
    );
    read(&ListApprovals::new(id), answer);
    read(&RequestApproval::new(id, "deploy"), answer);
    read(&ChatHistory::new(id), answer);
    read(&Delegate::new(id, id, "task"), answer);
    if let Ok(rows) = ListDelegations::new(id).read(answer) {
        let merged = Delegation::merge(&rows);
        assert!(merged.len() <= rows.len(), "a delegation of no row");
    }
    read(&ListWorkspaces::new(), answer);
    read(&PauseWorkspace::new(id), answer);
    read(&ResumeWorkspace::new(id), answer);
    read(&DeleteWorkspace::new(id), answer);
}

fn read<E: Endpoint>(endpoint: &E, answer: &Answer<'_>) {
    if let Err(error) = endpoint.read(answer) {
        assert!(
            error.to_string().len() < 10_000,
            "an error that nobody can read"
        );
    }
}

fn workspace() -> WorkspaceId {
    "9e453dad-99f0-4e01-8c72-0031bf974e26"
        .parse()
        .expect("a UUID")
}
