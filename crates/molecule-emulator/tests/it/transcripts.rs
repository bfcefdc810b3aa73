//! The recordings of a real platform of generation A, replayed.

use std::collections::BTreeMap;

use molecule_protocol::transcripts::{Exchange, Transcript, all};

use crate::replay::{Report, replay};

/// What this platform does not do yet. A recorded exchange is skipped for one of these reasons or for none.
const REASONS: [&str; 2] = ["events", "misc"];

fn exempt(_: &Transcript, exchange: &Exchange) -> Option<&'static str> {
    let path = exchange.request.path.as_str();
    let [events, misc] = REASONS;
    match exchange.topic.as_str() {
        "events" => Some(events),
        "misc" if !["/health", "/nope"].contains(&path) => Some(misc),
        "activity" if path.contains("/session-search") => Some(misc),
        _ => None,
    }
}

#[tokio::test]
async fn every_recorded_exchange_is_answered_as_recorded() {
    let mut failures = Vec::new();
    let mut skipped = BTreeMap::<_, usize>::new();
    for transcript in all() {
        let report = replay(&transcript, exempt).await;
        let Report {
            replayed,
            skipped: reasons,
            ..
        } = &report;
        println!(
            "{}: {replayed} replayed, skipped {reasons:?}",
            transcript.source
        );
        let accounted = report.replayed + report.skipped.values().sum::<usize>();
        assert_eq!(
            accounted,
            transcript.exchanges().count(),
            "{}",
            transcript.source
        );
        for (reason, count) in report.skipped {
            *skipped.entry(reason).or_default() += count;
        }
        failures.extend(report.failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(
        skipped.keys().eq(REASONS.iter()),
        "reasons that nothing was skipped for: {skipped:?}"
    );
}
