//! Every recorded answer is read by the endpoint it belongs to.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, StatusCode};
use molecule_protocol::endpoints::{
    A2aOutcome, A2aRefusal, AddMemory, ApprovalStatus, CreateToken, CreateWorkspace, Delegate,
    Delegated, DelegationRefusal, DelegationResult, DeleteWorkspace, Delivery, DiscoverPeer,
    Discovery, DownloadPlugin, GetWorkspace, Heartbeat, ListActivity, ListApprovals,
    ListDelegations, ListMemories, ListPeers, ListPluginSources, ListPlugins, ListSecrets,
    ListTokens, ListWorkspaces, Lookup, MemoryQuery, MemoryScope, NewMemory, Notify,
    PauseWorkspace, PluginArchive, PluginRefusal, PollState, PullSecrets, RecordDelegation,
    RecordPluginInstall, Register, RequestApproval, ResumeWorkspace, RevokeToken, SendMessage,
    UpdateCard, UpdateDelegation,
};
use molecule_protocol::transcripts::{self, Exchange};
use molecule_protocol::{
    AgentCard, Answer, ApiError, Delegation, DelegationId, DelegationStatus, Endpoint, Message,
    TokenId, WorkspaceId,
};
use serde_json::Value;

const ID: &str = "9e453dad-99f0-4e01-8c72-0031bf974e26";

fn id() -> WorkspaceId {
    ID.parse().unwrap()
}

fn token_id() -> TokenId {
    "1018206f-b236-4c3e-affe-8c5e1a1f43a5".parse().unwrap()
}

fn delegation_id() -> DelegationId {
    ID.parse().unwrap()
}

/// What an endpoint made of an answer, comparable across endpoints.
struct Reading {
    endpoint: &'static str,
    result: Result<String, ApiError>,
}

fn read<E: Endpoint<Output: std::fmt::Debug>>(endpoint: &E, exchange: &Exchange) -> Reading {
    let body = body(exchange);
    let status = StatusCode::from_u16(exchange.response.status).unwrap();
    let headers = headers(exchange);
    let result = endpoint.read(&Answer::new(status, &headers, body.as_bytes()));
    Reading {
        endpoint: E::NAME,
        result: result.map(|output| format!("{output:?}")),
    }
}

fn headers(exchange: &Exchange) -> HeaderMap {
    let headers = exchange.response.headers.iter();
    headers
        .filter_map(|(name, value)| Some((name.parse::<HeaderName>().ok()?, value.parse().ok()?)))
        .collect()
}

/// The recorded body, with an id or token of the right form in place of every variable.
fn body(exchange: &Exchange) -> String {
    let text = match (&exchange.response.json, &exchange.response.text) {
        (Some(json), _) => json.to_string(),
        (None, Some(text)) => text.clone(),
        (None, None) => String::new(),
    };
    text.split("${")
        .enumerate()
        .fold(String::new(), |out, (index, piece)| {
            match piece.split_once('}') {
                Some((_, rest)) if index > 0 => out + ID + rest,
                _ => out + piece,
            }
        })
}

/// The reading of an exchange with one of this crate's endpoints.
fn reading(exchange: &Exchange) -> Option<Reading> {
    let path = exchange.request.path.split('?').next()?;
    let segments: Vec<_> = path.split('/').skip(1).collect();
    let message = || Message::text("m", "hi");
    Some(
        match (exchange.request.method.as_str(), segments.as_slice()) {
            ("POST", ["registry", "register"]) => read(
                &Register::new(id(), Delivery::Poll, AgentCard::named("a")),
                exchange,
            ),
            ("POST", ["registry", "update-card"]) => {
                read(&UpdateCard::new(id(), AgentCard::named("a")), exchange)
            }
            ("POST", ["registry", "heartbeat"]) => read(&Heartbeat::new(id()), exchange),
            ("POST", ["workspaces"]) => read(&CreateWorkspace::new("a"), exchange),
            ("GET", ["workspaces"]) => read(&ListWorkspaces::new(), exchange),
            ("GET", ["workspaces", _]) => read(&GetWorkspace::new(id()), exchange),
            ("DELETE", ["workspaces", _]) => read(&DeleteWorkspace::new(id()), exchange),
            ("GET", ["workspaces", _, "state"]) => read(&PollState::new(id()), exchange),
            ("POST", ["workspaces", _, "pause"]) => read(&PauseWorkspace::new(id()), exchange),
            ("POST", ["workspaces", _, "resume"]) => read(&ResumeWorkspace::new(id()), exchange),
            ("GET", ["workspaces", _, "secrets", "values"]) => {
                read(&PullSecrets::new(id()), exchange)
            }
            ("GET", ["workspaces", _, "secrets"]) => read(&ListSecrets::new(id()), exchange),
            ("GET", ["workspaces", _, "activity"]) => read(&ListActivity::new(id()), exchange),
            ("POST", ["workspaces", _, "notify"]) => read(&Notify::new(id(), "hi"), exchange),
            ("POST", ["workspaces", _, "a2a"]) => {
                read(&SendMessage::from_canvas(id(), message()), exchange)
            }
            ("GET", ["workspaces", _, "tokens"]) => read(&ListTokens::new(id()), exchange),
            ("POST", ["workspaces", _, "tokens"]) => read(&CreateToken::new(id()), exchange),
            ("DELETE", ["workspaces", _, "tokens", _]) => {
                read(&RevokeToken::new(id(), token_id()), exchange)
            }
            ("GET", ["workspaces", _, "memories"]) => {
                read(&ListMemories::new(id(), MemoryQuery::new()), exchange)
            }
            ("POST", ["workspaces", _, "memories"]) => {
                let memory = NewMemory::new("remember", MemoryScope::Local);
                read(&AddMemory::new(id(), memory), exchange)
            }
            ("GET", ["workspaces", _, "approvals"]) => read(&ListApprovals::new(id()), exchange),
            ("POST", ["workspaces", _, "approvals"]) => {
                read(&RequestApproval::new(id(), "deploy"), exchange)
            }
            ("GET", ["registry", _, "peers"]) => read(&ListPeers::new(id()), exchange),
            ("GET", ["registry", "discover", _]) => read(&DiscoverPeer::new(id(), id()), exchange),
            ("POST", ["workspaces", _, "delegate"]) => {
                read(&Delegate::new(id(), id(), "x").with_key("k"), exchange)
            }
            ("GET", ["workspaces", _, "delegations"]) => {
                read(&ListDelegations::new(id()), exchange)
            }
            ("POST", ["workspaces", _, "delegations", "record"]) => read(
                &RecordDelegation::new(id(), id(), "x", delegation_id()),
                exchange,
            ),
            ("POST", ["workspaces", _, "delegations", _, "update"]) => {
                let result = DelegationResult::completed("x");
                read(
                    &UpdateDelegation::new(id(), delegation_id(), result),
                    exchange,
                )
            }
            ("GET", ["plugins"]) => read(&ListPlugins::new(), exchange),
            ("GET", ["plugins", "sources"]) => read(&ListPluginSources, exchange),
            ("GET", ["workspaces", _, "plugins", name, "download"]) => {
                read(&DownloadPlugin::new(id(), *name), exchange)
            }
            ("POST", ["workspaces", _, "plugins"]) => {
                read(&RecordPluginInstall::new(id(), "local://x"), exchange)
            }
            _ => return None,
        },
    )
}

/// Whether the recording has the body whole.
fn is_whole(exchange: &Exchange) -> bool {
    let response = &exchange.response;
    let has_body = response.json.is_some() || response.text.is_some();
    has_body && !response.cut && response.generate.is_none()
}

#[test]
fn every_endpoint_is_in_the_recordings() {
    let mut counts = BTreeMap::new();
    for transcript in transcripts::all() {
        for reading in transcript.exchanges().filter_map(reading) {
            *counts.entry(reading.endpoint).or_insert(0) += 1;
        }
    }
    let expect = [
        "a2a",
        "activity",
        "approval list",
        "approval request",
        "create workspace",
        "delegate",
        "delegation record",
        "delegation update",
        "delegations",
        "delete",
        "discover",
        "heartbeat",
        "list workspaces",
        "memory add",
        "memory list",
        "notify",
        "pause",
        "peers",
        "plugin download",
        "plugin record",
        "plugin sources",
        "plugins",
        "register",
        "resume",
        "secrets",
        "state",
        "token create",
        "token list",
        "token revoke",
        "update-card",
        "workspace",
    ];
    assert_eq!(
        counts.keys().copied().collect::<Vec<_>>(),
        expect,
        "{counts:?}"
    );
    assert!(
        counts["register"] > 50 && counts["heartbeat"] > 30 && counts["state"] > 40,
        "{counts:?}"
    );
}

#[test]
fn good_answers_are_read_and_refusals_keep_the_platforms_words() {
    for transcript in transcripts::all() {
        for exchange in transcript.exchanges().filter(|exchange| is_whole(exchange)) {
            if let Some(reading) = reading(exchange) {
                check(&transcript.source, exchange, &reading);
            }
        }
    }
}

fn check(source: &str, exchange: &Exchange, reading: &Reading) {
    let at = format!(
        "{source}: {} {}",
        exchange.request.method, exchange.request.path
    );
    let status = exchange.response.status;
    match &reading.result {
        Ok(output) => assert!(
            is_good(reading.endpoint, exchange),
            "{at}: {status} was read as {output}"
        ),
        Err(error) => {
            assert!(
                !is_good(reading.endpoint, exchange),
                "{at}: {status} gave {error}"
            );
            assert_eq!(error.status().as_u16(), status, "{at}");
            check_words(&at, exchange, error);
        }
    }
}

/// 404 is an answer, not a refusal, where it says that the workspace is not there any more; and so is 503 where it says that
/// there is no container, or that a peer has no address.
fn is_good(endpoint: &str, exchange: &Exchange) -> bool {
    let (status, says_so) = (exchange.response.status, exchange.response.json.is_some());
    (200..300).contains(&status)
        || (status == 404 && says_so && matches!(endpoint, "state" | "workspace"))
        || (status == 503 && says_so && matches!(endpoint, "plugin record" | "discover"))
}

fn check_words(at: &str, exchange: &Exchange, error: &ApiError) {
    let words = exchange
        .response
        .json
        .as_ref()
        .and_then(|body| body.get("error"))
        .and_then(Value::as_str);
    if let Some(words) = words {
        let words: String = words.chars().take(300).collect();
        assert!(
            error.to_string().contains(&words),
            "{at}: {error} does not say {words:?}"
        );
    }
}

fn recorded(source: &str, method: &str, path_ends: &str, status: u16) -> Vec<Exchange> {
    let transcript = transcripts::find(source).unwrap();
    let found: Vec<_> = transcript
        .exchanges()
        .filter(|e| {
            e.request.method == method
                && e.request.path.ends_with(path_ends)
                && e.response.status == status
        })
        .cloned()
        .collect();
    assert!(
        !found.is_empty(),
        "{source} has no {method} {path_ends} {status}"
    );
    found
}

#[test]
fn a_deleted_workspace_is_known_by_the_open_look() {
    let look = |exchange: &Exchange| {
        let headers = HeaderMap::new();
        let body = body(exchange);
        let status = StatusCode::from_u16(exchange.response.status).unwrap();
        GetWorkspace::new(id())
            .read(&Answer::new(status, &headers, body.as_bytes()))
            .unwrap()
    };
    let source = "02-heartbeat-state-lifecycle";
    let found = recorded(source, "GET", "${workspace:hb-a}", 200);
    let removed = found
        .iter()
        .filter(|e| body(e).contains(r#""status":"removed""#))
        .collect::<Vec<_>>();
    assert!(!removed.is_empty());
    assert!(
        removed
            .into_iter()
            .all(|exchange| look(exchange) == Lookup::Removed)
    );
    assert!(
        recorded(source, "GET", "${workspace:hb-purge}", 404)
            .iter()
            .all(|e| look(e) == Lookup::Unknown)
    );
}

#[test]
fn the_tenant_guards_empty_404_is_no_deletion() {
    for exchange in recorded("08-config-modes", "GET", "/state", 404) {
        let reading = read(&PollState::new(id()), &exchange);
        assert!(
            matches!(reading.result, Err(ApiError::NoSuchRoute(_))),
            "{:?}",
            reading.result
        );
    }
}

#[test]
fn the_token_of_a_first_registration_is_read() {
    let transcript = transcripts::find("01-create-register").unwrap();
    let issued = transcript.exchanges().filter(|e| {
        e.request.path == "/registry/register"
            && e.response
                .json
                .as_ref()
                .is_some_and(|body| body.get("auth_token").is_some())
    });
    let mut count = 0;
    for exchange in issued {
        let body = body(exchange);
        let headers = HeaderMap::new();
        let register = Register::new(id(), Delivery::Poll, AgentCard::named("a"));
        let registered = register
            .read(&Answer::new(StatusCode::OK, &headers, body.as_bytes()))
            .unwrap();
        assert!(registered.auth_token.is_some());
        count += 1;
    }
    assert!(count >= 3, "{count}");
}

/// The recorded downloads whose paths end so.
fn downloads(path_ends: &str, status: u16) -> Vec<Result<PluginArchive, ApiError>> {
    let source = "05-secrets-plugins-tokens-misc";
    recorded(source, "GET", path_ends, status)
        .iter()
        .map(|exchange| {
            let (headers, body) = (headers(exchange), body(exchange));
            let status = StatusCode::from_u16(exchange.response.status).unwrap();
            let answer = Answer::new(status, &headers, body.as_bytes());
            DownloadPlugin::new(id(), "x").read(&answer)
        })
        .collect()
}

#[test]
fn the_head_of_an_archive_says_where_it_is_from() {
    let archives = downloads("/demo-plugin/download", 200);
    let archive = archives.first().unwrap().as_ref().unwrap();
    assert_eq!(archive.bytes, Some(911));
    assert_eq!(archive.name.as_deref(), Some("demo-plugin"));
    assert_eq!(archive.source.as_deref(), Some("local://demo-plugin"));
}

#[test]
fn every_recorded_refusal_of_a_plugin_is_typed_and_says_what_to_do() {
    let check = |path: &str, status: u16, expect: PluginRefusal, advice: &str| {
        for result in downloads(path, status) {
            let error = result.unwrap_err();
            let text = error.to_string();
            assert!(text.contains(advice), "{path}: {text}");
            match error {
                ApiError::Plugin(refusal, reason) => {
                    assert_eq!((refusal.status.as_u16(), reason), (status, expect.clone()));
                }
                other => panic!("{path}: {other:?}"),
            }
        }
    };
    let resolved = |name: &str| PluginRefusal::OtherName {
        resolved: name.to_owned(),
    };
    let available = vec!["github".to_owned(), "local".to_owned()];
    check(
        "/nope/download",
        404,
        PluginRefusal::Unknown,
        "check the name",
    );
    check("plainname", 404, PluginRefusal::Unknown, "check the name");
    check("othername", 400, resolved("othername"), "under that name");
    check(
        "%2Fdemo-plugin",
        400,
        resolved("demo-plugin"),
        "\"demo-plugin\"",
    );
    check(
        "/a..b/download",
        400,
        PluginRefusal::InvalidName,
        "use letters",
    );
    let unknown_scheme = PluginRefusal::UnknownScheme { available };
    check("ftp%3A%2F%2Fo%2Fx", 400, unknown_scheme, "github, local");
    check(
        "github%3A%2F%2Fo%2Fx",
        422,
        PluginRefusal::Unpinned,
        "pin the source",
    );
    check("/toobig/download", 413, PluginRefusal::TooLarge, "smaller");
    check(
        "/badmani/download",
        422,
        PluginRefusal::Damaged,
        "publish it again",
    );
}

#[test]
fn a_download_needs_the_workspaces_own_token() {
    for result in downloads("/demo-plugin/download", 401) {
        assert!(
            matches!(result, Err(ApiError::Unauthorized(_))),
            "{result:?}"
        );
    }
    for result in downloads("..%2f..%2fetc/download", 404) {
        assert!(
            matches!(result, Err(ApiError::NoSuchRoute(_))),
            "{result:?}"
        );
    }
}

const ACCOUNT: &str = "05-secrets-plugins-tokens-misc";

/// What `endpoint` makes of the recorded answers to such requests.
fn readings<E: Endpoint>(
    endpoint: &E,
    method: &str,
    path_ends: &str,
    status: u16,
) -> Vec<Result<E::Output, ApiError>> {
    let found = recorded(ACCOUNT, method, path_ends, status);
    let read = |exchange: &Exchange| {
        let (headers, body) = (headers(exchange), body(exchange));
        let status = StatusCode::from_u16(exchange.response.status).unwrap();
        endpoint.read(&Answer::new(status, &headers, body.as_bytes()))
    };
    found.iter().map(read).collect()
}

#[test]
fn a_new_token_is_in_the_next_listing_by_its_beginning() {
    let lists = readings(&ListTokens::new(id()), "GET", "/tokens", 200);
    let lists: Vec<_> = lists.into_iter().map(Result::unwrap).collect();
    assert_eq!((lists[0].len(), lists[1].len()), (1, 2));
    let (new, old) = (&lists[1][0], &lists[1][1]);
    assert_eq!(old.prefix, lists[0][0].prefix);
    assert!(new.created_at > old.created_at, "the newest comes first");
    assert!(new.prefix.len() == 8 && new.last_used_at.is_some());
    for secret in readings(&CreateToken::new(id()), "POST", "/tokens", 201) {
        assert!(!secret.unwrap().expose().is_empty());
    }
}

#[test]
fn more_tokens_than_a_workspace_may_have_are_refused_for_good() {
    let refused = readings(&CreateToken::new(id()), "POST", "/tokens", 429);
    for result in refused {
        let error = result.unwrap_err();
        assert!(matches!(error, ApiError::TokenLimit(_)), "{error:?}");
        assert!(
            error.to_string().contains("maximum 50 active tokens"),
            "{error}"
        );
    }
}

#[test]
fn a_token_that_is_gone_is_not_there() {
    let revoke = RevokeToken::new(id(), token_id());
    for result in readings(&revoke, "DELETE", "", 404) {
        assert!(matches!(result, Err(ApiError::NotFound(_))), "{result:?}");
    }
}

#[test]
fn what_is_remembered_and_asked_for_gets_an_id() {
    let memory = NewMemory::new("remember", MemoryScope::Local);
    for added in readings(&AddMemory::new(id(), memory), "POST", "/memories", 201) {
        let added = added.unwrap();
        assert_eq!(added.scope, Some(MemoryScope::Local));
        assert_eq!((added.id.len(), added.namespace.as_str()), (36, "general"));
    }
    for asked in readings(
        &RequestApproval::new(id(), "deploy"),
        "POST",
        "/approvals",
        201,
    ) {
        assert_eq!(asked.unwrap().status, ApprovalStatus::Pending);
    }
}

/// Each recorded answer of the proxy, as the endpoint reads it.
fn messages(source: &str) -> Vec<(Exchange, Result<A2aOutcome, ApiError>)> {
    let transcript = transcripts::find(source).unwrap();
    let sent = transcript
        .exchanges()
        .filter(|e| e.request.path.ends_with("/a2a") && is_whole(e));
    sent.map(|exchange| {
        let (headers, body) = (headers(exchange), body(exchange));
        let status = StatusCode::from_u16(exchange.response.status).unwrap();
        let send = SendMessage::from_canvas(id(), Message::text("m", "hi"));
        let reply = send.read(&Answer::new(status, &headers, body.as_bytes()));
        (exchange.clone(), reply.map(|reply| reply.outcome))
    })
    .collect()
}

/// The variant's name alone.
fn kind(outcome: &Result<A2aOutcome, ApiError>) -> String {
    let name = match outcome {
        Ok(outcome) => format!("{outcome:?}"),
        Err(ApiError::A2a(_, reason)) => format!("{reason:?}"),
        Err(error) => format!("{error:?}"),
    };
    let end = name.find(|c: char| !c.is_alphanumeric());
    name[..end.unwrap_or(name.len())].to_owned()
}

#[test]
fn every_recorded_outcome_of_a_message_is_typed() {
    let mut counts = BTreeMap::<String, usize>::new();
    for source in [
        "03-peers-discover-a2a",
        "08-config-modes",
        "11-timeouts-races",
    ] {
        for (_, outcome) in messages(source) {
            *counts.entry(kind(&outcome)).or_default() += 1;
        }
    }
    for expect in [
        "AccessDenied",
        "Answered",
        "BudgetExceeded",
        "Busy",
        "ByAgent",
        "Failed",
        "InvalidCaller",
        "InvalidMessage",
        "NoUrl",
        "Queued",
        "Unauthorized",
        "UnknownTarget",
        "Unreadable",
    ] {
        assert!(counts.contains_key(expect), "no {expect} in {counts:?}");
    }
}

#[test]
fn the_recorded_busy_agent_says_how_long_it_is() {
    let busy =
        messages("03-peers-discover-a2a")
            .into_iter()
            .find_map(|(_, outcome)| match outcome {
                Err(ApiError::A2a(_, busy @ A2aRefusal::Busy { .. })) => Some(busy),
                _ => None,
            });
    let busy = busy.unwrap();
    assert_eq!(busy.retry_after().unwrap().as_secs(), 30);
    assert!(matches!(
        busy,
        A2aRefusal::Busy {
            native_session: true,
            ..
        }
    ));
}

#[test]
fn the_recorded_peers_are_all_there() {
    let listed = recorded("03-peers-discover-a2a", "GET", "/peers", 200);
    let body = body(&listed[0]);
    let headers = HeaderMap::new();
    let peers = ListPeers::new(id())
        .read(&Answer::new(StatusCode::OK, &headers, body.as_bytes()))
        .unwrap();
    let names: Vec<_> = peers.iter().map(|peer| peer.name.as_str()).collect();
    assert_eq!(names, ["child2", "grandchild", "parent"]);
    assert!(
        peers
            .iter()
            .all(|peer| peer.role.is_none() && peer.tier == Some(3))
    );
    assert!(peers[2].parent_id.is_none() && peers[0].parent_id.is_some());
    assert_eq!(peers[0].agent_card.as_ref().unwrap().name(), Some("child2"));
}

#[test]
fn the_recorded_discoveries_are_typed() {
    let transcript = transcripts::find("03-peers-discover-a2a").unwrap();
    let mut seen = [0; 4];
    for exchange in transcript.exchanges() {
        if !exchange.request.path.starts_with("/registry/discover/") {
            continue;
        }
        let (headers, body) = (headers(exchange), body(exchange));
        let status = StatusCode::from_u16(exchange.response.status).unwrap();
        let answer = Answer::new(status, &headers, body.as_bytes());
        seen[match DiscoverPeer::new(id(), id()).read(&answer) {
            Ok(Discovery::Found(_)) => 0,
            Ok(Discovery::Unavailable { status: Some(_) }) => 1,
            Ok(Discovery::UnsafeUrl) => 2,
            Err(ApiError::Forbidden(_)) => 3,
            Err(ApiError::Unauthorized(_) | ApiError::Rejected(_)) => continue,
            other => panic!("{other:?}"),
        }] += 1;
    }
    assert!(seen.iter().all(|&count| count > 0), "{seen:?}");
}

const DELEGATIONS: &str = "04-delegate-activity-notify";

/// The recorded answers to `delegate` of this status.
fn delegated(status: u16) -> Vec<Result<Delegated, ApiError>> {
    recorded(DELEGATIONS, "POST", "/delegate", status)
        .iter()
        .map(|exchange| {
            let (headers, body) = (headers(exchange), body(exchange));
            let status = StatusCode::from_u16(exchange.response.status).unwrap();
            Delegate::new(id(), id(), "x").read(&Answer::new(status, &headers, body.as_bytes()))
        })
        .collect()
}

#[test]
fn a_repeated_key_gives_the_first_delegation_again() {
    let new = delegated(202);
    assert_eq!(new.len(), 8);
    assert!(new.iter().all(|one| !one.as_ref().unwrap().idempotent_hit));
    let again = delegated(200);
    assert_eq!(again.len(), 2);
    for one in again {
        let one = one.unwrap();
        assert!(one.idempotent_hit);
        assert_eq!(
            (one.delegation_id, one.status),
            (
                new[0].as_ref().unwrap().delegation_id,
                DelegationStatus::Completed
            )
        );
    }
}

#[test]
fn every_recorded_refusal_of_a_delegation_is_typed() {
    let reasons: Vec<_> = delegated(400)
        .into_iter()
        .map(|one| match one.unwrap_err() {
            ApiError::Delegation(_, reason) => reason,
            other => panic!("{other:?}"),
        })
        .collect();
    use DelegationRefusal::{Incomplete, InvalidTarget, ToItself};
    assert_eq!(reasons, [Incomplete, Incomplete, InvalidTarget, ToItself]);
    for one in delegated(401) {
        assert!(matches!(one, Err(ApiError::Unauthorized(_))), "{one:?}");
    }
}

/// The merged delegations of each recorded listing: status, preview and error.
fn listings() -> Vec<Vec<Delegation>> {
    let transcript = transcripts::find(DELEGATIONS).unwrap();
    let listings = transcript
        .exchanges()
        .filter(|exchange| exchange.request.path.ends_with("/delegations"));
    listings
        .map(|exchange| {
            let text = match &exchange.condensed {
                Some(condensed) => completed_rows(condensed),
                None => body(exchange),
            };
            let headers = HeaderMap::new();
            let answer = Answer::new(StatusCode::OK, &headers, text.as_bytes());
            Delegation::merge(&ListDelegations::new(id()).read(&answer).unwrap())
        })
        .collect()
}

/// A condensed listing leaves out the ids and times of its rows.
fn completed_rows(condensed: &str) -> String {
    let mut rows: Vec<Value> = serde_json::from_str(condensed).unwrap();
    for row in &mut rows {
        row["id"] = ID.into();
        row["created_at"] = "2026-11-22T04:01:43Z".into();
    }
    Value::from(rows).to_string()
}

#[test]
fn every_recorded_listing_is_merged_into_what_was_meant() {
    let listings = listings();
    let summaries: Vec<Vec<_>> = listings
        .iter()
        .map(|listing| {
            let summary = |one: &Delegation| {
                let text = one.response_preview.clone().or(one.error.clone());
                (one.status.to_string(), text.unwrap_or_default())
            };
            listing.iter().map(summary).collect()
        })
        .collect();
    let completed = |text: &str| ("completed".to_owned(), text.to_owned());
    let failed = |text: &str| ("failed".to_owned(), text.to_owned());
    let (unreachable, denied) = (
        "failed to reach workspace agent",
        "access denied: workspaces cannot communicate per hierarchy rules",
    );
    assert_eq!(
        summaries[0],
        [
            completed("echo: by admin"),
            failed(unreachable),
            failed(denied),
            failed(denied),
            completed("echo: nokey"),
            completed("echo: say hello"),
        ]
    );
    assert_eq!(summaries[1][0], completed("done!"));
    assert_eq!(
        summaries[1][1],
        ("dispatched".to_owned(), String::new()),
        "the failure of an earlier delegation to the same target is not taken for its result"
    );
    assert_eq!(summaries[2], [("queued".to_owned(), String::new())]);
    assert_eq!(summaries[3], [completed("echo: busy one")]);
    assert_eq!(listings.len(), 4);
}
