//! Comparison of a whole answer with the recorded one.

use std::error::Error;
use std::fmt;

use serde_json::Value;

use super::{Bindings, Exchange, RecordedResponse, same_shape};

/// Headers whose recorded value is a sample.
const SAMPLES: [&str; 4] = [
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "content-length",
    "date",
];
/// How a body is framed is not part of the contract.
const FRAMING: &str = "transfer-encoding";
/// The length of a cut body is compared from here on: shorter ones hold ids and times.
const LONG_BODY: usize = 1_000_000;

/// What a server answered in a replay.
#[derive(Clone, Default)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Names and values as they came.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first value of a header, whatever the case of its name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON, or null.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl fmt::Debug for Answer {
    /// Without the body, which may hold a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl RecordedResponse {
    /// The rows that the recording has, of a list that it does not have to its end.
    fn as_far_as(&self, mut body: Value) -> Value {
        let known = self.json.as_ref().and_then(Value::as_array);
        if let (true, Some(known), Some(rows)) = (self.cut, known, body.as_array_mut()) {
            rows.truncate(known.len());
        }
        body
    }
}

impl Exchange {
    /// Whether `answer` is what the recording says: status, recorded headers, shape of the body, expected values. Of an
    /// answer that does not end, the head alone is compared.
    ///
    /// # Errors
    /// The first [`AnswerDifference`].
    pub fn compare(&self, answer: &Answer, bindings: &Bindings) -> Result<(), AnswerDifference> {
        let recorded = &self.response;
        differ(
            "the status",
            recorded.status.to_string(),
            answer.status.to_string(),
        )?;
        for (name, value) in &recorded.headers {
            compare_header(name, value, answer)?;
        }
        self.compare_body(answer)?;
        self.compare_values(&answer.json(), bindings)
    }

    fn compare_body(&self, answer: &Answer) -> Result<(), AnswerDifference> {
        let recorded = &self.response;
        if let Some(json) = &recorded.json {
            same_shape(json, &recorded.as_far_as(answer.json())).map_err(|difference| {
                AnswerDifference {
                    part: format!("{} of the body", quoted(&difference.path)),
                    recorded: difference.recorded,
                    actual: difference.actual,
                }
            })?;
        }
        // Of a stream, the text is what came while the recorder listened.
        let is_whole = !recorded.cut && !recorded.stream;
        if let Some(text) = recorded.text.as_ref().filter(|_| is_whole) {
            differ("the body", quoted(text), quoted(&lossy(&answer.body)))?;
        }
        match recorded
            .bytes
            .filter(|bytes| recorded.cut && *bytes > LONG_BODY)
        {
            Some(bytes) => differ(
                "the length of the body",
                bytes.to_string(),
                answer.body.len().to_string(),
            ),
            None => Ok(()),
        }
    }

    fn compare_values(&self, body: &Value, bindings: &Bindings) -> Result<(), AnswerDifference> {
        for (pointer, wanted) in &self.expect {
            let wanted = bindings
                .substitute_json(wanted)
                .unwrap_or_else(|_| wanted.clone());
            let found = body.pointer(pointer).cloned().unwrap_or_default();
            let part = format!("{} of the body", quoted(pointer));
            differ(&part, wanted.to_string(), found.to_string())?;
        }
        let rows = body.as_array().map(Vec::len);
        match self.expect_rows {
            Some(wanted) => differ(
                "the number of rows",
                wanted.to_string(),
                rows.map_or_else(|| "no array".to_owned(), |rows| rows.to_string()),
            ),
            None => Ok(()),
        }
    }
}

fn compare_header(name: &str, wanted: &str, answer: &Answer) -> Result<(), AnswerDifference> {
    if name.eq_ignore_ascii_case(FRAMING) {
        return Ok(());
    }
    let part = format!("the header {name}");
    match answer.header(name) {
        Some(_) if SAMPLES.contains(&name.to_lowercase().as_str()) => Ok(()),
        Some(found) => differ(&part, quoted(wanted), quoted(found)),
        None => differ(&part, quoted(wanted), "nothing".to_owned()),
    }
}

fn differ(part: &str, recorded: String, actual: String) -> Result<(), AnswerDifference> {
    if recorded == actual {
        return Ok(());
    }
    Err(AnswerDifference {
        part: part.to_owned(),
        recorded,
        actual,
    })
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

fn lossy(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}

/// Where an answer differs from the recorded one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerDifference {
    /// The part of the answer.
    pub part: String,
    /// What was recorded there.
    pub recorded: String,
    /// What is there instead.
    pub actual: String,
}

impl fmt::Display for AnswerDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            part,
            recorded,
            actual,
        } = self;
        write!(f, "{part} is {actual} instead of {recorded}")
    }
}

impl Error for AnswerDifference {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn exchange(response: Value) -> Exchange {
        serde_json::from_value(json!({
            "request": { "method": "GET", "path": "/health" },
            "response": response,
            "expect": { "/id": "${workspace:alpha}" },
            "topic": "misc",
        }))
        .unwrap()
    }

    fn answer(status: u16, body: &Value) -> Answer {
        Answer {
            status,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.to_string().into_bytes(),
        }
    }

    fn part_that_differs(response: Value, answer: &Answer) -> Option<String> {
        let mut bindings = Bindings::new("http://127.0.0.1:1");
        bindings.bind("workspace:alpha", "a");
        let compared = exchange(response).compare(answer, &bindings);
        compared.err().map(|difference| difference.part)
    }

    #[test]
    fn an_answer_of_the_recorded_kind_agrees() {
        let recorded = json!({
            "status": 200,
            "headers": { "Content-Type": "application/json", "Transfer-Encoding": "chunked" },
            "json": { "id": "x" },
        });
        let body = json!({ "id": "a" });
        assert_eq!(part_that_differs(recorded, &answer(200, &body)), None);
    }

    #[test]
    fn the_part_that_differs_is_named() {
        let body = json!({ "id": "b", "error": "no" });
        for (recorded, part) in [
            (json!({ "status": 404 }), "the status"),
            (
                json!({ "status": 200, "headers": { "X-A": "1" } }),
                "the header X-A",
            ),
            (
                json!({ "status": 200, "json": { "id": "x" } }),
                "\"/error\" of the body",
            ),
            (json!({ "status": 200, "text": "ok" }), "the body"),
            (json!({ "status": 200 }), "\"/id\" of the body"),
        ] {
            assert_eq!(
                part_that_differs(recorded, &answer(200, &body)).as_deref(),
                Some(part)
            );
        }
    }

    #[test]
    fn of_a_list_that_was_cut_the_recorded_beginning_counts() {
        let rows = json!([{ "id": "a" }, { "error": "refused" }]);
        for (cut, part) in [(true, None), (false, Some("\"/1/error\" of the body"))] {
            let recorded = json!({ "status": 200, "json": [{ "id": "x" }], "cut": cut });
            let mut exchange = exchange(recorded);
            exchange.expect.clear();
            let bindings = Bindings::new("http://127.0.0.1:1");
            let compared = exchange.compare(&answer(200, &rows), &bindings).err();
            let found = compared.map(|difference| difference.part);
            assert_eq!(found.as_deref(), part, "{cut}");
        }
    }

    #[test]
    fn debug_shows_no_body() {
        let shown = format!("{:?}", answer(200, &json!({ "auth_token": "very-secret" })));
        assert!(!shown.contains("very-secret"), "{shown}");
    }
}
