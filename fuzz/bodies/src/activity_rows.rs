//! Whatever a platform lists as activity becomes messages or is skipped; nothing an agent does with them panics.

use molecule_protocol::{ActivityRow, Inbound, InboundMessage, Part, WorkspaceId};

/// Reads a list of activity rows.
///
/// # Panics
/// When a part of a message does not survive being sent on.
pub fn run(bytes: &[u8]) {
    let Ok(rows) = serde_json::from_slice::<Vec<ActivityRow>>(bytes) else {
        return;
    };
    let me: WorkspaceId = "9e453dad-99f0-4e01-8c72-0031bf974e26"
        .parse()
        .expect("a UUID");
    for row in rows {
        if let Inbound::Message(message) = row.inbound(&me) {
            check(&message);
        }
    }
}

fn check(message: &InboundMessage) {
    for part in &message.parts {
        assert_eq!(
            Part::from_json(&part.to_json()).text(),
            part.text(),
            "a part does not survive being sent on"
        );
    }
}
