//! How each endpoint is called: the method, who vouches for it, and whether it may be repeated.

use molecule_protocol::endpoints::{
    AddMemory, ChatHistory, CreateToken, CreateWorkspace, DeleteMemory, DeleteWorkspace, Delivery,
    DiscoverPeer, DownloadAttachment, DownloadPlugin, GetWorkspace, Heartbeat, ListActivity,
    ListApprovals, ListMemories, ListPeers, ListPluginSources, ListPlugins, ListSecrets,
    ListTokens, ListWorkspaces, MemoryQuery, MemoryScope, NewMemory, Notify, PauseWorkspace,
    PollState, PullSecrets, RecordPluginInstall, Register, RequestApproval, ResumeWorkspace,
    RevokeToken, SendMessage, UpdateCard, UploadAttachment,
};
use molecule_protocol::{AgentCard, Auth, Endpoint, Message, WorkspaceId};

fn id() -> WorkspaceId {
    "9e453dad-99f0-4e01-8c72-0031bf974e26".parse().unwrap()
}

fn check<E: Endpoint>(endpoint: &E, expect: (&str, Auth, bool)) {
    let call = endpoint.call();
    assert_eq!(
        (call.method.as_str(), call.auth, call.repeatable),
        expect,
        "{}",
        E::NAME
    );
}

#[test]
fn only_what_is_safe_to_repeat_is_repeatable() {
    let card = || AgentCard::named("a");
    check(
        &Register::new(id(), Delivery::Poll, card()),
        ("POST", Auth::Workspace, true),
    );
    check(
        &UpdateCard::new(id(), card()),
        ("POST", Auth::Workspace, true),
    );
    check(&Heartbeat::new(id()), ("POST", Auth::Workspace, true));
    check(&PollState::new(id()), ("GET", Auth::Workspace, true));
    check(&GetWorkspace::new(id()), ("GET", Auth::Open, true));
    check(&PullSecrets::new(id()), ("GET", Auth::Workspace, true));
    check(&ListSecrets::new(id()), ("GET", Auth::Workspace, true));
    check(&ListActivity::new(id()), ("GET", Auth::Workspace, true));
    check(&Notify::new(id(), "x"), ("POST", Auth::Workspace, false));
    let message = || Message::text("m", "x");
    check(
        &SendMessage::from_workspace(id(), id(), message()),
        ("POST", Auth::Workspace, false),
    );
    check(
        &SendMessage::from_canvas(id(), message()),
        ("POST", Auth::Open, false),
    );
    check(&CreateWorkspace::new("a"), ("POST", Auth::Admin, false));
    check(&ListWorkspaces::new(), ("GET", Auth::Admin, true));
    check(&PauseWorkspace::new(id()), ("POST", Auth::Admin, false));
    check(&ResumeWorkspace::new(id()), ("POST", Auth::Admin, false));
    check(&DeleteWorkspace::new(id()), ("DELETE", Auth::Admin, true));
    check(&ListPeers::new(id()), ("GET", Auth::Workspace, true));
    check(
        &DiscoverPeer::new(id(), id()),
        ("GET", Auth::Workspace, true),
    );
    check(&ListPlugins::new(), ("GET", Auth::Open, true));
    check(&ListPluginSources, ("GET", Auth::Open, true));
    check(
        &DownloadPlugin::new(id(), "a"),
        ("GET", Auth::Workspace, true),
    );
    check(
        &RecordPluginInstall::new(id(), "local://a"),
        ("POST", Auth::Workspace, false),
    );
}

#[test]
fn what_an_account_holds_is_listed_again_but_never_made_again() {
    let (read, write) = (
        ("GET", Auth::Workspace, true),
        ("POST", Auth::Workspace, false),
    );
    check(&ListTokens::new(id()), read);
    check(&CreateToken::new(id()), write);
    let token = "28aa9223-a2e1-4348-ac8d-55c47e1b030e".parse().unwrap();
    check(
        &RevokeToken::new(id(), token),
        ("DELETE", Auth::Workspace, false),
    );
    check(&ListMemories::new(id(), MemoryQuery::new()), read);
    let memory = NewMemory::new("x", MemoryScope::Local);
    check(&AddMemory::new(id(), memory), write);
    check(
        &DeleteMemory::new(id(), "m-1"),
        ("DELETE", Auth::Workspace, false),
    );
    check(&ListApprovals::new(id()), read);
    check(&RequestApproval::new(id(), "x"), write);
    check(&ChatHistory::new(id()), read);
    check(&UploadAttachment::new(id(), "a", *b"x"), write);
    let download = DownloadAttachment::new(id(), "workspace:/a").unwrap();
    check(&download, read);
}
