//! What is different on the later servers: the recordings as they would answer, and cases of their own.
//!
//! Nobody could record a server of generation b. Section 14 of the contract infers what it does, and what it does not
//! mention is taken to be as recorded.

use anyhow::{Context as _, Result};
use molecule_protocol::transcripts::{Action, Exchange, Section, Setup, Step, Transcript, all};
use serde_json::{Value, json};

use crate::obstacle;

/// Inferred, not recorded: section 14 of the contract.
const OWN_CASES: &str = include_str!("../cases/generation-b.json");

/// The topic of those.
const TOPIC: &str = "generation-b";
/// The section in which heartbeats stop, and the line after the one that came late.
const TIMELINE: &str = "liveness timeline";
const HEARD_OF_AGAIN: &str = "t=  99.5s";
const PROVISIONING: &str = "provisioning";
const AWAITING_AGENT: &str = "awaiting_agent";

/// The cases of a platform of generation b.
pub(crate) fn cases() -> Result<Vec<Transcript>> {
    let own = serde_json::from_str(OWN_CASES).context("the cases of generation b")?;
    let mut cases = all();
    cases.iter_mut().for_each(amend);
    cases.push(own);
    Ok(cases)
}

fn amend(transcript: &mut Transcript) {
    for section in &mut transcript.sections {
        amend_section(section);
    }
}

fn amend_section(section: &mut Section) {
    // The recorder gave the old server the statuses that the later one has of itself.
    if section.mode == "enum-fixed" {
        "default".clone_into(&mut section.mode);
    }
    section.setup.iter_mut().for_each(amend_setup);
    let is_timeline = section.title == TIMELINE;
    for step in &mut section.steps {
        match step {
            Step::Exchange(exchange) if is_timeline => amend_lost(exchange),
            Step::Exchange(exchange) => amend_exchange(exchange),
            Step::Unrecorded(unrecorded) => {
                if let Action::Request(request) = &mut unrecorded.action
                    && request.path == obstacle::REGISTER
                {
                    request.json.iter_mut().for_each(ask_for_push);
                }
            }
            Step::Observed { .. } => {}
        }
    }
}

/// An external agent whose heartbeats stop is waited for, and only a registration brings it back.
fn amend_lost(exchange: &mut Exchange) {
    let after_its_heartbeat = exchange
        .condensed
        .as_ref()
        .is_some_and(|line| line.starts_with(HEARD_OF_AGAIN));
    if let Some(status) = exchange.expect.get_mut("/status")
        && (after_its_heartbeat || *status == "offline")
    {
        *status = json!(AWAITING_AGENT);
    }
}

/// An agent that names no delivery mode is polled for, and one that has not registered is waited for.
fn amend_setup(setup: &mut Setup) {
    setup.register.iter_mut().for_each(ask_for_push);
    let is_external = |body: &Value| body["runtime"] == "external" || body["external"] == true;
    if setup.create.as_ref().is_some_and(is_external) && setup.status == PROVISIONING {
        AWAITING_AGENT.clone_into(&mut setup.status);
    }
}

fn amend_exchange(exchange: &mut Exchange) {
    if exchange.request.path == obstacle::REGISTER {
        return amend_registration(exchange);
    }
    // What asks for a container is answered as before; what looks at a row sees the later status.
    let looks = exchange.request.method == "GET" || exchange.request.path.ends_with("/a2a");
    if let Some(Value::Object(answer)) = &mut exchange.response.json
        && looks
        && answer.get("status") == Some(&json!(PROVISIONING))
    {
        answer.insert("status".to_owned(), json!(AWAITING_AGENT));
    }
}

fn amend_registration(exchange: &mut Exchange) {
    let generated = exchange
        .request
        .generate
        .as_mut()
        .map(|body| &mut body.base);
    let sent = exchange.request.json.iter_mut().chain(generated);
    sent.for_each(ask_for_push);
    if let Some(Value::Object(answer)) = &mut exchange.response.json
        && answer.get("status") == Some(&json!("registered"))
    {
        answer.insert("delivery_mode".to_owned(), json!("push"));
    }
}

fn ask_for_push(register: &mut Value) {
    if let Value::Object(fields) = register {
        fields
            .entry("delivery_mode")
            .or_insert_with(|| json!("push"));
    }
}

/// Whether a recorded answer is one that generation b is known not to give, or that only a bug of the old server gave.
pub(crate) fn answers_otherwise(title: &str, exchange: &Exchange) -> bool {
    let (path, query) = exchange
        .request
        .path
        .split_once('?')
        .unwrap_or((&exchange.request.path, ""));
    let note = exchange.note.as_deref().or(exchange.condensed.as_deref());
    let noted = |text: &str| note.is_some_and(|note| note.starts_with(text));
    let body = exchange.response.json.as_ref();
    let shows = |status: &str| body.is_some_and(|body| body["status"] == status);
    let asks_for_poll = exchange
        .request
        .json
        .as_ref()
        .is_some_and(|body| body["delivery_mode"] == "poll");
    let ignores_filters = path.ends_with("/activity")
        && ["since_id", "since_secs", "peer_id", "before_ts"]
            .iter()
            .any(|filter| query.contains(filter));
    let fails_on_a_null_role = path.ends_with("/peers") && exchange.response.status == 500;
    let is_removed = (exchange.request.method == "GET" && shows("removed"))
        || noted("heartbeat of removed")
        || noted("removed target");
    let does_not_hibernate = title == "hibernate / restart" && path.ends_with("/state");
    let comes_online_by_a_heartbeat = title == "heartbeat auth + body" && noted("status now");
    let is_recorded = exchange.topic != TOPIC;
    is_recorded
        && (asks_for_poll
            || ignores_filters
            || fails_on_a_null_role
            || is_removed
            || does_not_hibernate
            || comes_online_by_a_heartbeat)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sections() -> Vec<Section> {
        cases()
            .unwrap()
            .into_iter()
            .flat_map(|case| case.sections)
            .collect()
    }

    fn left_out(sections: &[Section]) -> usize {
        let left_out = |section: &Section| {
            let exchanges = section.exchanges();
            exchanges
                .filter(|exchange| answers_otherwise(&section.title, exchange))
                .count()
        };
        sections.iter().map(left_out).sum()
    }

    #[test]
    fn few_recordings_are_left_out_and_no_case_of_its_own() {
        let mut sections = sections();
        assert_eq!(left_out(&sections), 21);
        sections.retain(|section| section.topics == [TOPIC]);
        assert_eq!((sections.len(), left_out(&sections)), (5, 0));
    }

    #[test]
    fn agents_that_were_pushed_to_ask_for_it_and_one_that_is_waited_for_says_so() {
        let recorded: Exchange = serde_json::from_value(json!({
            "request": { "method": "POST", "path": obstacle::REGISTER, "json": { "url": "http://a" } },
            "response": { "status": 200, "json": { "status": "registered" } },
            "topic": "register",
        }))
        .unwrap();
        let mut amended = recorded.clone();
        amend_exchange(&mut amended);
        assert_eq!(amended.request.json.unwrap()["delivery_mode"], "push");
        assert_eq!(amended.response.json.unwrap()["delivery_mode"], "push");
        let waiting = sections()
            .iter()
            .flat_map(|section| &section.setup)
            .filter(|setup| setup.status == AWAITING_AGENT)
            .count();
        assert!(waiting > 5, "{waiting}");
    }

    #[test]
    fn agents_that_were_lost_are_waited_for_until_they_register() {
        let sections = sections();
        let timeline = sections.iter().find(|section| section.title == TIMELINE);
        let statuses = timeline.unwrap().exchanges().map(|exchange| {
            let status = exchange.expect.get("/status").and_then(Value::as_str);
            status.unwrap_or("-")
        });
        let statuses: Vec<_> = statuses.collect();
        let count = |wanted| statuses.iter().filter(|status| **status == wanted).count();
        assert_eq!((count(AWAITING_AGENT), count("offline")), (5, 0));
    }
}
