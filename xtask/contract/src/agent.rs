//! An agent that the platform sends messages to, on this machine.

use std::io::{self, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use molecule_protocol::transcripts::Behaviour;

use crate::clock;
use crate::http::{read_exactly, read_head};

/// An agent that listens until it is dropped.
pub(crate) struct Agent {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    behaviour: Mutex<Behaviour>,
    stopped: AtomicBool,
}

impl Shared {
    fn behaviour(&self) -> Behaviour {
        self.behaviour
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Agent {
    /// An agent that echoes.
    pub(crate) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            behaviour: Mutex::new(Behaviour::at_first()),
            stopped: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || serve(&listener, &serving));
        Ok(Self { port, shared })
    }

    /// The url under which it may register: platforms refuse addresses of this machine, but not its name.
    pub(crate) fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    pub(crate) fn behave(&self, behaviour: Behaviour) {
        *self
            .shared
            .behaviour
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = behaviour;
    }

    /// How long it takes before it answers.
    pub(crate) fn delay(&self) -> Duration {
        Duration::from_millis(self.shared.behaviour().delay_ms)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Wakes the listener, so that it sees the flag.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn serve(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stopped.load(Ordering::Relaxed) {
            return;
        }
        if let Ok(stream) = stream {
            let shared = Arc::clone(shared);
            // A caller that breaks off is no trouble of the agent's.
            thread::spawn(move || answer(stream, &shared).ok());
        }
    }
}

fn answer(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut reader = BufReader::new(&stream);
    let (_, headers) = read_head(&mut reader)?;
    let length = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or_default();
    let body = read_exactly(&mut reader, length)?;
    let behaviour = shared.behaviour();
    clock::sleep(Duration::from_millis(behaviour.delay_ms));
    let request = serde_json::from_slice(&body).unwrap_or_default();
    let Some((status, text)) = behaviour.reply(&request) else {
        return Ok(());
    };
    write!(
        &stream,
        "HTTP/1.1 {status} X\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::http::Request;

    fn say(agent: &Agent, text: &str) -> io::Result<(u16, serde_json::Value)> {
        let message =
            json!({ "id": "r", "params": { "message": { "parts": [{ "text": text }] } } });
        let answer = Request::new("POST", "/")
            .body(message.to_string())
            .send(&agent.url().replace("http://localhost", "127.0.0.1"))?;
        Ok((answer.status, answer.json()))
    }

    #[test]
    fn an_agent_does_what_it_is_told() {
        let agent = Agent::start().unwrap();
        let (status, answer) = say(&agent, "hi").unwrap();
        assert_eq!(status, 200);
        assert_eq!(answer["result"]["parts"][0]["text"], "echo: hi");
        let behaviour = json!({ "answer": { "status": 500, "json": { "error": "boom" } } });
        agent.behave(serde_json::from_value(behaviour).unwrap());
        assert_eq!(
            say(&agent, "hi").unwrap(),
            (500, json!({ "error": "boom" }))
        );
        agent.behave(serde_json::from_value(json!({ "drop": true })).unwrap());
        assert!(say(&agent, "hi").is_err());
    }
}
