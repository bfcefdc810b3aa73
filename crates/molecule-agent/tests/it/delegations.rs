//! Tasks for other workspaces: each is done once, whatever happens on the way, and what comes of it is told.

mod platform;

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use molecule_agent::protocol::endpoints::DelegationResult;
use molecule_agent::protocol::{DelegationStatus, delegation_key};
use molecule_agent::transport::Clock as _;
use molecule_agent::{
    AgentError, CancellationToken, DelegateOptions, DelegationOutcome, DelegationWait, ErrorKind,
    RemoteAgentClient, WorkspaceId,
};

use platform::{Delegations, Fault, ME, TARGET};

/// The time of day at the start of the simulated clock.
const START: u64 = 1_767_225_600;

fn target() -> WorkspaceId {
    TARGET.parse().unwrap()
}

async fn delegate(
    client: &RemoteAgentClient,
    task: &str,
) -> Result<molecule_agent::protocol::endpoints::Delegated, AgentError> {
    client
        .delegate(target(), task, &DelegateOptions::new())
        .await
}

#[tokio::test(start_paused = true)]
async fn a_task_goes_out_once_under_the_key_of_its_minute() {
    let platform = Delegations::new();
    let client = platform.client();
    let first = delegate(&client, "t").await.unwrap();
    assert_eq!(
        platform.keys(),
        [Some(delegation_key(&target(), "t", START))]
    );
    assert!(!first.idempotent_hit);
    let again = delegate(&client, "t").await.unwrap();
    assert!(again.idempotent_hit, "the minute is the same");
    assert_eq!(again.delegation_id, first.delegation_id);
    platform.pass(60).await;
    let later = delegate(&client, "t").await.unwrap();
    assert!(!later.idempotent_hit);
    assert_eq!(platform.tasks().len(), 2);
    assert_eq!(platform.files(), 0, "what is answered is not kept");
}

#[tokio::test(start_paused = true)]
async fn the_same_task_to_two_targets_is_two_delegations() {
    let platform = Delegations::new();
    let client = platform.client();
    delegate(&client, "t").await.unwrap();
    let other = "cc3d578e-b42a-4234-bfa6-29e2ba1ddc2f".parse().unwrap();
    let options = DelegateOptions::new();
    client.delegate(other, "t", &options).await.unwrap();
    assert_eq!(platform.tasks().len(), 2);
}

/// Whatever goes wrong the first time, the second call, of a new client and in another minute, makes no second delegation.
async fn check_repeated(fault: Fault, expect_tasks: usize) {
    let platform = Delegations::new();
    platform.will_be(fault);
    let error = delegate(&platform.client(), "t").await.unwrap_err();
    assert_eq!(platform.files(), 1, "{fault:?}: {error}");
    platform.pass(3600).await;
    platform.will_be(Fault::None);
    let delegated = delegate(&platform.client(), "t").await.unwrap();
    assert_eq!(platform.tasks().len(), expect_tasks, "{fault:?}: {error}");
    assert_eq!(platform.distinct_keys(), 1, "{fault:?}: {error}");
    assert_eq!(delegated.idempotent_hit, fault.is_delivered(), "{fault:?}");
    assert_eq!(platform.files(), 0);
    platform.pass(60).await;
    assert!(
        !delegate(&platform.client(), "t")
            .await
            .unwrap()
            .idempotent_hit
    );
}

#[tokio::test(start_paused = true)]
async fn neither_the_minutes_turn_nor_a_restart_makes_two_of_one() {
    for fault in [
        Fault::Refused,
        Fault::AnswerLost,
        Fault::GarbageAfter,
        Fault::Status(401),
        Fault::Status(408),
        Fault::Status(429),
        Fault::Status(503),
        Fault::Proxy(403),
        Fault::Proxy(404),
        Fault::Proxy(413),
    ] {
        check_repeated(fault, 1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_is_asked_for_again_within_the_call() {
    let platform = Delegations::new();
    platform.once(Fault::AnswerLost);
    let delegated = delegate(&platform.client(), "t").await.unwrap();
    assert!(delegated.idempotent_hit);
    assert_eq!((platform.tasks().len(), platform.keys().len()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_by_the_platform_itself_settles_the_call() {
    for status in [400, 402, 403, 404, 422] {
        let platform = Delegations::new();
        platform.will_be(Fault::Status(status));
        delegate(&platform.client(), "t").await.unwrap_err();
        assert_eq!(platform.files(), 0, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_dies_between_its_file_and_its_request_uses_the_same_key_again() {
    let platform = Delegations::new();
    platform.will_be(Fault::Never);
    let client = platform.client();
    let dying = tokio::spawn(async move { delegate(&client, "t").await.map(|_| ()) });
    platform.until_asked().await;
    dying.abort();
    assert!(dying.await.unwrap_err().is_cancelled());
    assert_eq!((platform.files(), platform.tasks().len()), (1, 0));
    platform.pass(61).await;
    platform.will_be(Fault::None);
    delegate(&platform.client(), "t").await.unwrap();
    assert_eq!(platform.distinct_keys(), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_under_a_key_that_is_not_on_disk() {
    let platform = Delegations::new();
    fs::create_dir_all(platform.state_dir()).unwrap();
    fs::write(platform.state_dir().join("delegations"), "in the way").unwrap();
    let error = delegate(&platform.client(), "t").await.unwrap_err();
    assert!(
        matches!(error, AgentError::DelegationJournal { .. }),
        "{error:?}"
    );
    assert!(platform.keys().is_empty());
    let options = DelegateOptions::new().with_key("mine");
    platform
        .client()
        .delegate(target(), "t", &options)
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_key_is_on_disk_when_the_request_goes_out() {
    let platform = Delegations::new();
    platform.will_be(Fault::Never);
    let client = platform.client();
    let task = tokio::spawn(async move { delegate(&client, "t").await.map(|_| ()) });
    platform.until_asked().await;
    let dir = platform.state_dir().join("delegations");
    let key = platform.keys().remove(0).unwrap();
    let texts = fs::read_dir(dir)
        .unwrap()
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    assert!(texts.into_iter().any(|text| text.contains(&key)));
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn calls_at_the_same_time_share_a_key_and_a_delegation() {
    let platform = Delegations::new();
    let clients = [platform.client(), platform.client()];
    let calls = (0..20).map(|number| {
        let (client, clock) = (clients[number % 2].clone(), platform.clock.clone());
        tokio::spawn(async move {
            // Half of them begin in another minute, while the first are under way.
            clock
                .sleep(Duration::from_secs(59 + number as u64 / 10 * 2))
                .await;
            delegate(&client, "t").await.unwrap().delegation_id
        })
    });
    platform.will_be(Fault::Slow(5));
    let mut ids = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        ids.push(call.await.unwrap());
    }
    ids.dedup();
    assert_eq!(
        (ids.len(), platform.tasks().len(), platform.distinct_keys()),
        (1, 1, 1)
    );
    assert_eq!(platform.files(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_key_stops_its_own_task_alone() {
    let platform = Delegations::new();
    platform.will_be(Fault::AnswerLost);
    delegate(&platform.client(), "t").await.unwrap_err();
    platform.will_be(Fault::None);
    for file in platform.key_files() {
        fs::write(file, "").unwrap();
    }
    let error = delegate(&platform.client(), "t").await.unwrap_err();
    assert!(
        matches!(error, AgentError::DamagedDelegationKey { .. }),
        "{error:?}"
    );
    assert_eq!(platform.tasks().len(), 1);
    delegate(&platform.client(), "another").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_key_of_ones_own_is_used_as_it_is_and_an_empty_one_is_none() {
    let platform = Delegations::new();
    let client = platform.client();
    for (key, expect) in [("k-1", Some("k-1")), ("", None)] {
        let options = DelegateOptions::new().with_key(key);
        client.delegate(target(), "t", &options).await.unwrap();
        assert_eq!(platform.keys().pop().unwrap().as_deref(), expect);
    }
    let other = "cc3d578e-b42a-4234-bfa6-29e2ba1ddc2f".parse().unwrap();
    let options = DelegateOptions::new().with_key("k-1");
    let error = client.delegate(other, "t", &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains(TARGET), "{error}");
    assert_eq!(platform.files(), 0);
}

#[tokio::test(start_paused = true)]
async fn without_a_key_nothing_is_sent_twice() {
    let platform = Delegations::new();
    platform.once(Fault::AnswerLost);
    let options = DelegateOptions::new().without_key();
    platform
        .client()
        .delegate(target(), "t", &options)
        .await
        .unwrap_err();
    assert_eq!(platform.keys(), [None]);
}

#[tokio::test(start_paused = true)]
async fn the_platform_has_as_long_as_the_caller_says() {
    let platform = Delegations::new();
    platform.will_be(Fault::Slow(299));
    delegate(&platform.client(), "t").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_waited_for() {
    let platform = Delegations::new();
    let client = platform.client();
    let id = delegate(&client, "say hello").await.unwrap().delegation_id;
    let waiting = tokio::spawn({
        let client = client.clone();
        async move {
            let cancel = CancellationToken::new();
            client
                .wait_delegation(id, DelegationWait::new(), &cancel)
                .await
        }
    });
    platform.pass(30).await;
    assert!(!waiting.is_finished());
    platform.queue(id);
    platform.pass(10).await;
    assert!(!waiting.is_finished(), "what the queue says is no answer");
    platform.complete(id, "hello");
    match waiting.await.unwrap().unwrap() {
        DelegationOutcome::Completed {
            delegation,
            text,
            whole,
        } => {
            assert_eq!((delegation.id, text.as_str(), whole), (id, "hello", true));
        }
        other => panic!("{other:?}"),
    }
    let listed = client.delegations().await.unwrap();
    assert_eq!(
        (listed.len(), &listed[0].status),
        (1, &DelegationStatus::Completed)
    );
    assert_eq!(listed[0].target_id, Some(target()));
}

async fn wait(
    client: &RemoteAgentClient,
    id: molecule_agent::DelegationId,
    seconds: u64,
) -> Result<DelegationOutcome, AgentError> {
    let options = DelegationWait::new().with_timeout(Duration::from_secs(seconds));
    client
        .wait_delegation(id, options, &CancellationToken::new())
        .await
}

#[tokio::test(start_paused = true)]
async fn a_long_answer_is_taken_from_the_activity_log() {
    let platform = Delegations::new();
    let client = platform.client();
    let long = "Zürich ".repeat(1000);
    let id = delegate(&client, "t").await.unwrap().delegation_id;
    platform.complete(id, &long);
    let listed = client.delegations().await.unwrap().remove(0);
    assert!(listed.is_preview_cut());
    for with_log in [true, false] {
        platform.keep_log(with_log);
        match wait(&client, id, 0).await.unwrap() {
            DelegationOutcome::Completed { text, whole, .. } => {
                assert_eq!(whole, with_log);
                let expect = if with_log {
                    &long
                } else {
                    listed.response_preview.as_ref().unwrap()
                };
                assert_eq!(&text, expect);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_says_why() {
    let platform = Delegations::new();
    let client = platform.client();
    let (one, two) = (
        delegate(&client, "one").await.unwrap(),
        delegate(&client, "two").await.unwrap(),
    );
    platform.fail(one.delegation_id, "failed to reach workspace agent");
    match wait(&client, one.delegation_id, 60).await.unwrap() {
        DelegationOutcome::Failed(delegation) => {
            assert_eq!(
                delegation.error.as_deref(),
                Some("failed to reach workspace agent")
            );
        }
        other => panic!("{other:?}"),
    }
    match wait(&client, two.delegation_id, 60).await.unwrap() {
        DelegationOutcome::TimedOut(Some(delegation)) => {
            assert_eq!(delegation.status, DelegationStatus::Dispatched);
        }
        other => panic!("{other:?}"),
    }
    // After a failure the platform releases the key.
    assert!(!delegate(&client, "one").await.unwrap().idempotent_hit);
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_in_time_or_when_it_is_cancelled() {
    let platform = Delegations::new();
    let client = platform.client();
    let id = delegate(&client, "t").await.unwrap().delegation_id;
    let before = platform.clock.now();
    assert!(matches!(
        wait(&client, id, 7).await.unwrap(),
        DelegationOutcome::TimedOut(Some(_))
    ));
    assert_eq!((platform.clock.now() - before).as_secs(), 7);
    let cancel = CancellationToken::new();
    let (stop, clock) = (cancel.clone(), platform.clock.clone());
    tokio::spawn(async move {
        clock.sleep(Duration::from_secs(3)).await;
        stop.cancel();
    });
    let before = platform.clock.now();
    let outcome = client
        .wait_delegation(id, DelegationWait::new(), &cancel)
        .await
        .unwrap();
    assert!(
        matches!(outcome, DelegationOutcome::Cancelled(Some(_))),
        "{outcome:?}"
    );
    assert_eq!((platform.clock.now() - before).as_secs(), 3);
    let unknown = "57e7c24b-eb91-41f5-a5c6-46984d30a179".parse().unwrap();
    assert_eq!(
        wait(&client, unknown, 5).await.unwrap(),
        DelegationOutcome::TimedOut(None)
    );
}

#[tokio::test(start_paused = true)]
async fn a_wait_survives_a_platform_that_is_away_and_says_so_if_it_stays_away() {
    let platform = Delegations::new();
    let client = platform.client();
    let id = delegate(&client, "t").await.unwrap().delegation_id;
    platform.will_be(Fault::Refused);
    let error = wait(&client, id, 60).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { wait(&client, id, 300).await }
    });
    platform.pass(60).await;
    platform.will_be(Fault::None);
    platform.complete(id, "done");
    assert!(matches!(
        waiting.await.unwrap().unwrap(),
        DelegationOutcome::Completed { .. }
    ));
}

#[tokio::test(start_paused = true)]
async fn a_delegation_behind_fifty_rows_is_found_in_the_log() {
    let platform = Delegations::new();
    let client = platform.client();
    let id = delegate(&client, "first").await.unwrap().delegation_id;
    platform.complete(id, "the first answer");
    for number in 0..60 {
        let options = DelegateOptions::new().without_key();
        client
            .delegate(target(), &format!("{number}"), &options)
            .await
            .unwrap();
    }
    assert!(
        client
            .delegations()
            .await
            .unwrap()
            .iter()
            .all(|one| one.id != id)
    );
    match wait(&client, id, 0).await.unwrap() {
        DelegationOutcome::Completed { text, .. } => assert_eq!(text, "the first answer"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_agent_does_itself_is_recorded_and_updated() {
    let platform = Delegations::new();
    let client = platform.client();
    let id = "45c5bbdd-3bf7-4680-84da-19e0f4cfdd4b".parse().unwrap();
    client
        .record_delegation(id, target(), "direct")
        .await
        .unwrap();
    client
        .update_delegation(id, DelegationResult::completed("done!"))
        .await
        .unwrap();
    let listed = client.delegations().await.unwrap().remove(0);
    assert_eq!((listed.id, listed.target_id), (id, Some(target())));
    assert_eq!(listed.response_preview.as_deref(), Some("done!"));
    let requests = platform.requests();
    assert!(
        requests
            .iter()
            .all(|path| path.starts_with(&format!("/workspaces/{ME}/"))),
        "{requests:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn delegations_of_others_are_not_ones_own() {
    let platform = Delegations::new();
    platform.foreign_row();
    assert!(platform.client().delegations().await.unwrap().is_empty());
}

#[test]
fn threads_with_clients_of_their_own_share_keys_too() {
    // Real time: less than the minute passes in which the simulated clock starts.
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap()
    };
    let shared = Arc::new(runtime().block_on(async { Delegations::new() }));
    let work = |platform: Arc<Delegations>| async move {
        for number in 0..5 {
            delegate(&platform.client(), &format!("t{number}"))
                .await
                .unwrap();
        }
    };
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let platform = Arc::clone(&shared);
            std::thread::spawn(move || runtime().block_on(work(platform)))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!((shared.tasks().len(), shared.files()), (5, 0));
}
