//! The agent that a recording talks to.

use serde_json::{Value, json};

use super::{Behaviour, Bindings};

/// The message id of the recorded agent's answers, which is a sample.
const MESSAGE_ID: &str = "5dfa2c5b-e282-4e77-ae76-0c7b2c4abc67";

impl Behaviour {
    /// How an agent behaves at first: it echoes.
    #[must_use]
    pub fn at_first() -> Self {
        Self {
            echo: true,
            ..Self::default()
        }
    }

    /// The status and body with which the agent answers `request`; none if it closes the connection.
    #[must_use]
    pub fn reply(&self, request: &Value) -> Option<(u16, String)> {
        if self.drop {
            return None;
        }
        let Some(answer) = &self.answer else {
            return Some((200, echo(request)));
        };
        let generated = answer
            .generate
            .as_ref()
            .and_then(|generate| generate.body(&Bindings::new("http://unused")).ok());
        let body = generated
            .or_else(|| answer.json.as_ref().map(Value::to_string))
            .or_else(|| answer.text.clone());
        Some((answer.status, body.unwrap_or_default()))
    }
}

fn echo(request: &Value) -> String {
    let text = request
        .pointer("/params/message/parts/0/text")
        .and_then(Value::as_str)
        .unwrap_or_default();
    json!({
        "jsonrpc": "2.0",
        "id": request["id"],
        "result": {
            "kind": "message",
            "role": "agent",
            "messageId": MESSAGE_ID,
            "parts": [{ "kind": "text", "text": format!("echo: {text}") }],
        },
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn behaviour(value: Value) -> Behaviour {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn at_first_an_agent_echoes() {
        let request =
            json!({ "id": "r", "params": { "message": { "parts": [{ "text": "hi" }] } } });
        let (status, body) = Behaviour::at_first().reply(&request).unwrap();
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (status, &body["id"], &body["result"]["parts"][0]["text"]),
            (200, &json!("r"), &json!("echo: hi"))
        );
    }

    #[test]
    fn it_answers_what_the_recording_says_or_not_at_all() {
        let fixed = behaviour(json!({ "answer": { "status": 500, "text": "boom" } }));
        assert_eq!(fixed.reply(&Value::Null), Some((500, "boom".to_owned())));
        let long = json!({ "base": { "a": "" }, "pad_field": "/a", "bytes": 20, "pad": "y" });
        let long = behaviour(json!({ "answer": { "status": 200, "generate": long } }));
        assert_eq!(long.reply(&Value::Null).unwrap().1.len(), 20);
        assert_eq!(behaviour(json!({ "drop": true })).reply(&Value::Null), None);
    }
}
