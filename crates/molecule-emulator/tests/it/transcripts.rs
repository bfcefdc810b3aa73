//! The recordings of a real platform of generation A, replayed: all of them, with nothing left out.

use molecule_protocol::transcripts::all;

use crate::replay::replay;

#[tokio::test]
async fn every_recorded_exchange_is_answered_as_recorded() {
    let mut failures = Vec::new();
    for transcript in all() {
        let report = replay(&transcript).await;
        println!("{}: {} replayed", transcript.source, report.replayed);
        let recorded = transcript.exchanges().count();
        assert_eq!(report.replayed, recorded, "{}", transcript.source);
        failures.extend(report.failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
