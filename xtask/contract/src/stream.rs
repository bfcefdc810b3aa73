//! Events that come over a connection that stays open.

use std::collections::BTreeSet;
use std::io::{BufReader, Read as _};
use std::net::TcpStream;
use std::time::Duration;

use molecule_protocol::transcripts::Exchange;
use serde_json::Value;

use crate::case::Outcome;

/// How long the last event may be on its way.
const PATIENCE: Duration = Duration::from_millis(500);

/// An open stream, and the recorded text of it.
pub(crate) struct Stream {
    pub(crate) request: String,
    recorded: String,
    stream: BufReader<TcpStream>,
}

impl Stream {
    pub(crate) fn new(request: String, exchange: &Exchange, stream: BufReader<TcpStream>) -> Self {
        let recorded = exchange.response.text.clone().unwrap_or_default();
        Self {
            request,
            recorded,
            stream,
        }
    }

    /// Whether every kind of event came that was recorded.
    pub(crate) fn outcome(mut self) -> Outcome {
        let wanted = kinds(&self.recorded);
        let mut bytes = Vec::new();
        let patience = self.stream.get_ref().set_read_timeout(Some(PATIENCE));
        if patience.is_ok() {
            // Ends by the timeout: the stream itself does not end.
            let _ = self.stream.read_to_end(&mut bytes);
        }
        let came = kinds(&String::from_utf8_lossy(&bytes));
        if wanted.is_subset(&came) {
            return Outcome::Agrees;
        }
        Outcome::Differs {
            expected: format!("events {}", list(&wanted)),
            got: format!("events {}", list(&came)),
        }
    }
}

/// The kinds of the events in a text, whatever frames them: each is a JSON object that names its kind.
fn kinds(text: &str) -> BTreeSet<String> {
    let mut kinds = BTreeSet::new();
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        let mut values = serde_json::Deserializer::from_str(&rest[start..]).into_iter::<Value>();
        let event = values.next().and_then(Result::ok);
        let kind = event.as_ref().and_then(|event| {
            let kind = event.get("type").or_else(|| event.get("event"));
            kind?.as_str().map(str::to_owned)
        });
        rest = &rest[start + values.byte_offset().max(1)..];
        kinds.extend(kind);
    }
    kinds
}

fn list(kinds: &BTreeSet<String>) -> String {
    let kinds: Vec<_> = kinds.iter().map(String::as_str).collect();
    kinds.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[&str]) {
        let expect = expect.iter().map(|kind| (*kind).to_owned()).collect();
        assert_eq!(kinds(text), expect);
    }

    #[test]
    fn events_are_found_between_whatever_frames_them() {
        check(
            ": ping\n\ndata: {\"type\":\"A\",\"data\":{\"type\":\"inner\"}}\n\ndata: {\"type\":\"B\"}\n\n",
            &["A", "B"],
        );
        check("\u{1}~{\"event\":\"C\",\"payload\":{}}\u{1}", &["C"]);
        check("{broken {\"type\":\"D\"}", &["D"]);
        check("nothing", &[]);
    }
}
