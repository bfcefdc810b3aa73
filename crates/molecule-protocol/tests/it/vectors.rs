//! Keys that the original SDK computed.

use molecule_protocol::make_idempotency_key;
use serde_json::Value;

#[test]
fn idempotency_keys_are_the_originals() {
    let file: Value =
        serde_json::from_str(include_str!("../vectors/idempotency-key.json")).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert!(vectors.len() >= 6);
    for vector in vectors {
        let task = vector["task"].as_str().unwrap();
        let time = vector["unix_time"].as_f64().unwrap();
        assert_eq!(
            make_idempotency_key(task, time as u64),
            vector["key"],
            "{task:?} at {time}"
        );
    }
}
