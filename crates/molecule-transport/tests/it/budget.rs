//! Clients that share a rate limit.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use molecule_transport::http::{HeaderMap, StatusCode};
use molecule_transport::testing::{ScriptedTransport, SimulatedClock, answer};
use molecule_transport::{
    CallOptions, Clock, Pace, Priority, RateBudget, Request, Response, Share, Transport, within,
};
use tokio::task::JoinSet;

use crate::calls::{PLATFORM, get, platform};

/// When requests came, and when they were answered.
type Log = Arc<Mutex<Vec<(Duration, Duration)>>>;

fn request(priority: Priority) -> Request {
    let request = get(&format!("{PLATFORM}/workspaces/ID/state"));
    CallOptions::new().with_priority(priority).attach(request)
}

fn client(
    budget: &RateBudget,
    transport: &ScriptedTransport,
    clock: &SimulatedClock,
) -> Pace<ScriptedTransport> {
    Pace::new(transport.clone(), platform(), Arc::new(clock.clone())).with_budget(budget)
}

/// Answers after so many milliseconds, and notes when each request came and when it was answered.
fn slow(clock: &SimulatedClock, latency: u64) -> (ScriptedTransport, Log) {
    let log = Log::default();
    let (clock, noted) = (clock.clone(), Arc::clone(&log));
    let transport = ScriptedTransport::new(move |_| {
        let (clock, noted) = (clock.clone(), Arc::clone(&noted));
        async move {
            let came = clock.now();
            clock.sleep(Duration::from_millis(latency)).await;
            noted.lock().unwrap().push((came, clock.now()));
            Ok(answer(200, "{}"))
        }
    });
    (transport, log)
}

/// The most requests that a platform counts in any minute, wherever it counts them between arrival and answer.
fn most_in_a_minute(log: &[(Duration, Duration)]) -> usize {
    let minute = Duration::from_secs(60);
    let around = |at: Duration| {
        log.iter()
            .filter(|(came, answered)| *came <= at && at < *answered + minute)
            .count()
    };
    log.iter()
        .map(|(came, _)| around(*came))
        .max()
        .unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn many_clients_keep_one_limit() {
    let clock = SimulatedClock::new();
    let budget = RateBudget::new(60, Arc::new(clock.clone()));
    let (transport, log) = slow(&clock, 700);
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let client = client(&budget, &transport, &clock);
        tasks.spawn(async move {
            for _ in 0..12 {
                client.send(request(Priority::Poll)).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let log = log.lock().unwrap();
    assert_eq!(log.len(), 240);
    assert!(most_in_a_minute(&log) <= 60, "{}", most_in_a_minute(&log));
    let took = clock.now().as_secs();
    assert!((180..300).contains(&took), "240 requests took {took} s");
    assert_eq!(budget.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_does_not_wait_behind_polls() {
    let clock = SimulatedClock::new();
    let budget = RateBudget::new(60, Arc::new(clock.clone()));
    let (transport, _) = slow(&clock, 10);
    let mut polls = JoinSet::new();
    let busy = Arc::new(client(&budget, &transport, &clock));
    for _ in 0..200 {
        let busy = Arc::clone(&busy);
        polls.spawn(async move { busy.send(request(Priority::Poll)).await.map(drop) });
    }
    clock.sleep(Duration::from_secs(30)).await;
    let before = clock.now();
    let other = client(&budget, &transport, &clock);
    other.send(request(Priority::Heartbeat)).await.unwrap();
    assert!(
        clock.now() - before < Duration::from_secs(1),
        "{:?}",
        clock.now() - before
    );
}

#[tokio::test(start_paused = true)]
async fn a_429_quiets_all_clients() {
    let clock = SimulatedClock::new();
    let budget = RateBudget::new(600, Arc::new(clock.clone()));
    let refusal = || {
        let mut refusal = answer(429, "{}");
        refusal
            .headers_mut()
            .insert("retry-after", "30".parse().unwrap());
        refusal
    };
    let transport = ScriptedTransport::answers([refusal(), answer(200, "{}")]);
    let (one, other) = (
        client(&budget, &transport, &clock),
        client(&budget, &transport, &clock),
    );
    let refused: Response = one.send(request(Priority::Poll)).await.unwrap();
    assert_eq!(refused.status(), 429);
    other.send(request(Priority::Heartbeat)).await.unwrap();
    assert_eq!(clock.now(), Duration::from_secs(31));
}

#[tokio::test(start_paused = true)]
async fn other_servers_are_not_counted() {
    let clock = SimulatedClock::new();
    let budget = RateBudget::new(1, Arc::new(clock.clone()));
    let (transport, log) = slow(&clock, 0);
    let client = client(&budget, &transport, &clock);
    for _ in 0..10 {
        client.send(get("http://peer:9000/")).await.unwrap();
    }
    assert_eq!(
        (log.lock().unwrap().len(), clock.now()),
        (10, Duration::ZERO)
    );
}

async fn once(share: &Share) {
    share
        .turn(Priority::Message)
        .await
        .answered(StatusCode::OK, &HeaderMap::new());
}

#[tokio::test(start_paused = true)]
async fn who_stops_waiting_gives_its_turn_to_the_next() {
    let clock = SimulatedClock::new();
    let budget = RateBudget::new(2, Arc::new(clock.clone()));
    let share = Arc::new(budget.join());
    once(&share).await;
    let served = Arc::new(AtomicUsize::new(0));
    let impatient: Vec<_> = (0..5)
        .map(|_| {
            tokio::spawn({
                let share = Arc::clone(&share);
                async move { once(&share).await }
            })
        })
        .collect();
    let patient = tokio::spawn({
        let (share, served) = (Arc::clone(&share), Arc::clone(&served));
        async move {
            once(&share).await;
            served.fetch_add(1, Ordering::Relaxed);
        }
    });
    clock.sleep(Duration::from_secs(1)).await;
    assert_eq!(budget.waiting(), 6);
    impatient.iter().for_each(tokio::task::JoinHandle::abort);
    clock.sleep(Duration::from_secs(60)).await;
    assert!(patient.is_finished());
    assert_eq!((served.load(Ordering::Relaxed), budget.waiting()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_nobody_came_for_is_not_lost() {
    let clock = SimulatedClock::new();
    let budget = RateBudget::new(1, Arc::new(clock.clone()));
    let share = budget.join();
    for _ in 0..20 {
        // Dropped in all states: before its turn, at it, and between the two.
        let _ = within(&clock, Duration::from_secs(30), once(&share)).await;
    }
    let before = clock.now();
    once(&share).await;
    assert!(clock.now() - before <= Duration::from_secs(61));
    assert_eq!(budget.waiting(), 0);
}

/// One keeps the time, and is not woken by the other for that; else the task would never rest.
#[tokio::test(start_paused = true)]
async fn a_task_may_wait_for_two_turns_at_once() {
    let clock = SimulatedClock::new();
    let budget = RateBudget::new(1, Arc::new(clock.clone()));
    let share = budget.join();
    once(&share).await;
    let routine = async { drop(share.turn(Priority::Poll).await) };
    tokio::join!(biased; routine, once(&share));
    assert!(clock.now() > Duration::from_secs(60), "{:?}", clock.now());
}
