//! Does what a recording says, against a platform in another process, and cleans up.

mod implied;
mod setup;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use molecule_protocol::transcripts::{
    Answer, AnswerDifference, Bindings, Exchange, RecordedRequest, Section, Step, Transcript,
    UnboundVariable,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::agent::Agent;
use crate::case::{self, Case, Outcome};
use crate::http::Request;
use crate::obstacle;
use crate::platform::{Generation, Platform};
use crate::repeated::Repeated;
use crate::stream::Stream;
use crate::{clock, redact};

/// What a platform does in the background may take a moment to show; a question asked again changes nothing.
const TRIES: usize = 8;
const PAUSE: Duration = Duration::from_millis(100);
/// For how long the recorded server had been up before its workspaces registered: half a sweep's period.
const UP_BEFORE: Duration = Duration::from_millis(7_500);
/// More than the recordings use.
const UNKNOWN_IDS: usize = 64;
/// The longest wait that a platform's rate limit may ask for.
const LONGEST_WAIT: u64 = 120;

/// How the cases are run.
pub(crate) struct Options<'run> {
    pub(crate) generation: Generation,
    /// Also what takes seconds.
    pub(crate) slow: bool,
    /// Set when the user wants to stop.
    pub(crate) stop: &'run AtomicBool,
}

/// Runs a recording and deletes the workspaces that it made, whatever happens in between.
pub(crate) fn replay(
    platform: &mut Platform,
    options: &Options<'_>,
    transcript: &Transcript,
) -> Result<Vec<Case>> {
    let mut replay = Replay::new(platform, options, transcript);
    let run = transcript
        .sections
        .iter()
        .try_for_each(|section| replay.section(section));
    replay.clean_up()?;
    run?;
    Ok(replay.cases)
}

struct Replay<'run> {
    platform: &'run mut Platform,
    options: &'run Options<'run>,
    source: &'run str,
    title: String,
    bindings: Bindings,
    agents: BTreeMap<String, Agent>,
    /// The ids of the workspaces that were made.
    made: Vec<String>,
    streams: Vec<Stream>,
    /// Requests that are sent over and over until the section ends.
    repeated: Vec<Repeated>,
    /// Why the rest of the section cannot be run.
    blocked: Option<String>,
    /// Exchanges that a change we cannot make would have led up to, and what change it is.
    to_skip: (usize, String),
    cases: Vec<Case>,
}

impl<'run> Replay<'run> {
    fn new(
        platform: &'run mut Platform,
        options: &'run Options<'run>,
        transcript: &'run Transcript,
    ) -> Self {
        let mut bindings = Bindings::new(&format!("http://{}", platform.host));
        bindings.bind("admin_token", &platform.admin_token);
        for number in 1..UNKNOWN_IDS {
            bindings.bind(&format!("unknown:{number}"), &Uuid::new_v4().to_string());
        }
        Self {
            platform,
            options,
            source: &transcript.source,
            title: String::new(),
            bindings,
            agents: BTreeMap::new(),
            made: Vec::new(),
            streams: Vec::new(),
            repeated: Vec::new(),
            blocked: None,
            to_skip: (0, String::new()),
            cases: Vec::new(),
        }
    }

    fn section(&mut self, section: &Section) -> Result<()> {
        self.title.clone_from(&section.title);
        self.blocked = obstacle::of_section(section, self.platform, self.options.slow);
        if self.blocked.is_none() {
            self.switch(section.setup_mode.as_ref().unwrap_or(&section.mode))?;
            self.set_up_all(&section.setup);
            self.switch(&section.mode)?;
        }
        for step in &section.steps {
            ensure!(
                !self.options.stop.load(Ordering::Relaxed),
                "stopped; the workspaces that were made are deleted"
            );
            match step {
                Step::Exchange(exchange) => self.exchange(exchange),
                Step::Unrecorded(unrecorded) if self.blocked.is_none() => {
                    if let Err(error) = self.unrecorded(unrecorded) {
                        let why = redact::text(&format!("{error:#}"));
                        self.blocked = Some(format!("what leads up to it failed: {why}"));
                    }
                }
                Step::Unrecorded(_) | Step::Observed { .. } => {}
            }
        }
        self.close_streams();
        self.repeated.clear();
        Ok(())
    }

    /// Starts the local platform anew in another mode, on the same data; somebody's platform has one mode.
    fn switch(&mut self, mode: &str) -> Result<()> {
        if !self.platform.switch(mode)? {
            return Ok(());
        }
        let url = format!("http://{}", self.platform.host);
        self.bindings.bind_platform(&url);
        if mode == obstacle::SWEEPING {
            clock::sleep(UP_BEFORE);
        }
        Ok(())
    }

    fn bind_text(&mut self, name: &str, value: &Value) {
        if let Some(text) = value.as_str() {
            self.bindings.bind(name, text);
        }
    }

    fn exchange(&mut self, exchange: &Exchange) {
        let outcome = match self.obstacle(exchange) {
            Some(why) => Outcome::NotRun(why),
            None => self.run(exchange).unwrap_or_else(|error| {
                if error.is::<UnboundVariable>() {
                    return Outcome::NotRun(obstacle::NEEDS_EARLIER.to_owned());
                }
                Outcome::Differs {
                    expected: exchange.response.status.to_string(),
                    got: redact::text(&format!("{error:#}")),
                }
            }),
        };
        self.record(&exchange.topic, describe(exchange), outcome);
    }

    fn obstacle(&mut self, exchange: &Exchange) -> Option<String> {
        if let Some(why) = &self.blocked {
            return Some(why.clone());
        }
        if self.to_skip.0 > 0 {
            self.to_skip.0 -= 1;
            return Some(self.to_skip.1.clone());
        }
        let is_slow = self
            .agents
            .values()
            .any(|agent| obstacle::is_slow(agent.delay()));
        if is_slow && !self.options.slow {
            return Some(obstacle::NEEDS_SLOW.to_owned());
        }
        let own = self.platform.is_own();
        obstacle::of_exchange(&self.title, exchange, self.options.generation, own)
            .map(str::to_owned)
    }

    fn run(&mut self, exchange: &Exchange) -> Result<Outcome> {
        let request = self.request(&exchange.request)?;
        if exchange.response.stream {
            return self.open_stream(exchange, &request);
        }
        let (answer, compared) = self.ask(exchange, &request)?;
        if (200..300).contains(&answer.status) {
            let captured = self.bindings.capture(&exchange.capture, &answer.json());
            if let (Err(missing), Ok(())) = (captured, &compared) {
                return Ok(Outcome::Differs {
                    expected: format!("a value for {}", missing.name),
                    got: redact::summary(&answer),
                });
            }
        }
        Ok(match compared {
            Ok(()) => Outcome::Agrees,
            Err(_) if answer.status != exchange.response.status => Outcome::Differs {
                expected: exchange.response.status.to_string(),
                got: redact::summary(&answer),
            },
            Err(difference) => Outcome::Differs {
                expected: format!(
                    "{} with {} {}",
                    exchange.response.status,
                    difference.part,
                    redact::text(&difference.recorded)
                ),
                got: format!(
                    "{} with {}",
                    redact::summary(&answer),
                    redact::text(&difference.actual)
                ),
            },
        })
    }

    /// Sends a request; one that only reads is sent again while its answer differs, for a moment.
    fn ask(
        &mut self,
        exchange: &Exchange,
        request: &Request,
    ) -> Result<(Answer, Result<(), AnswerDifference>)> {
        let tries = if request.method == "GET" { TRIES } else { 1 };
        for left in (0..tries).rev() {
            let answer = if exchange.response.status == 429 {
                self.send_once(request)?
            } else {
                self.send(request)?
            };
            let ours = self.ours(&request.path, &answer);
            let compared = exchange.compare(&ours, &self.bindings);
            if compared.is_ok() || left == 0 || answer.status != exchange.response.status {
                return Ok((ours, compared));
            }
            clock::sleep(PAUSE);
        }
        anyhow::bail!("a request is sent at least once")
    }

    /// Without the workspaces and secrets of others, which are nobody's business and in no recording.
    fn ours(&self, path: &str, answer: &Answer) -> Answer {
        let path = path.split('?').next().unwrap_or_default();
        let is_theirs = |key: &str| {
            self.platform
                .global_secrets
                .iter()
                .any(|known| known == key)
        };
        let mut body = answer.json();
        match &mut body {
            Value::Array(rows) if path == "/workspaces" || path.ends_with("/peers") => {
                rows.retain(|row| self.made.iter().any(|id| row["id"] == json!(id)));
            }
            Value::Array(rows) if path.ends_with("/secrets") => {
                rows.retain(|row| !row["key"].as_str().is_some_and(is_theirs));
            }
            Value::Object(secrets) if path.ends_with("/secrets/values") => {
                secrets.retain(|key, _| !is_theirs(key));
            }
            _ => return answer.clone(),
        }
        Answer {
            body: body.to_string().into_bytes(),
            ..answer.clone()
        }
    }

    fn request(&mut self, recorded: &RecordedRequest) -> Result<Request> {
        self.start_agents(&recorded.path)?;
        let body = recorded.json.as_ref().map(Value::to_string);
        self.start_agents(&body.unwrap_or_default())?;
        let path = self.bindings.substitute(&recorded.path)?;
        let mut request = Request::new(&recorded.method, &path);
        for (name, value) in &recorded.headers {
            request = request.header(name, &self.bindings.substitute(value)?);
        }
        request.body = recorded.body(&self.bindings)?;
        Ok(request)
    }

    /// Sends a request as often as the platform's rate limit makes necessary, and takes note of workspaces it makes.
    fn send(&mut self, request: &Request) -> Result<Answer> {
        loop {
            let answer = self.send_once(request)?;
            let Some(wait) = rate_limited(&answer) else {
                self.note_workspace(request, &answer);
                return Ok(answer);
            };
            eprintln!("the platform's rate limit asks to wait for {wait} s");
            clock::sleep(Duration::from_secs(wait));
        }
    }

    fn send_once(&self, request: &Request) -> Result<Answer> {
        self.platform.send(request).with_context(|| {
            format!(
                "no answer to {} {}",
                request.method,
                redact::text(&request.path)
            )
        })
    }

    fn note_workspace(&mut self, request: &Request, answer: &Answer) {
        let id = match (request.path.as_str(), answer.status) {
            ("/workspaces", 201) => answer.json()["id"].as_str().map(str::to_owned),
            (obstacle::REGISTER, 200) => registered_id(request),
            _ => None,
        };
        if let Some(id) = id.filter(|id| !self.made.contains(id)) {
            self.made.push(id);
        }
    }

    /// Starts the agents whose urls occur in a text.
    fn start_agents(&mut self, text: &str) -> Result<()> {
        for after in text.split("${agent:").skip(1) {
            let name = after.split('}').next().unwrap_or_default();
            self.agent(name)?;
        }
        Ok(())
    }

    fn agent(&mut self, name: &str) -> Result<&Agent> {
        if !self.agents.contains_key(name) {
            let agent = Agent::start().context("cannot start an agent")?;
            self.bindings.bind(&format!("agent:{name}"), &agent.url());
            self.agents.insert(name.to_owned(), agent);
        }
        self.agents.get(name).context("an agent that runs")
    }

    fn open_stream(&mut self, exchange: &Exchange, request: &Request) -> Result<Outcome> {
        let (answer, stream) = request
            .open(&self.platform.host)
            .context("no answer to a request for a stream")?;
        match exchange.compare(&answer, &self.bindings) {
            Ok(()) => {
                self.streams
                    .push(Stream::new(describe(exchange), exchange, stream));
                Ok(Outcome::Agrees)
            }
            Err(difference) => Ok(Outcome::Differs {
                expected: format!("{} {}", difference.part, difference.recorded),
                got: redact::text(&difference.actual),
            }),
        }
    }

    /// Looks at what came over the streams while the section ran.
    fn close_streams(&mut self) {
        for stream in std::mem::take(&mut self.streams) {
            let request = format!("{} (what came over it)", stream.request);
            let outcome = stream.outcome();
            self.record("events", request, outcome);
        }
    }

    fn record(&mut self, topic: &str, request: String, outcome: Outcome) {
        self.cases.push(Case {
            section: case::Section::of(topic),
            place: format!("{}, {}", self.source, self.title),
            request,
            outcome,
        });
    }

    /// Deletes what was made, the latest first: children come after their parents. A platform of our own is thrown away
    /// as a whole.
    fn clean_up(&mut self) -> Result<()> {
        self.agents.clear();
        if self.platform.is_own() {
            return Ok(());
        }
        let mut failure = None;
        while let Some(id) = self.made.pop() {
            let path = format!("/workspaces/{id}?confirm=true&purge=true");
            let request = Request::new("DELETE", &path).bearer(&self.platform.admin_token);
            match self.send(&request) {
                Ok(answer) if answer.status == 200 => {}
                Ok(answer) => failure = Some(format!("{id}: {}", redact::summary(&answer))),
                Err(error) => failure = Some(format!("{id}: {error:#}")),
            }
        }
        match failure {
            Some(left) => anyhow::bail!("a workspace could not be deleted: {left}"),
            None => Ok(()),
        }
    }
}

/// For how long the platform says to wait, if that is what it says.
fn rate_limited(answer: &Answer) -> Option<u64> {
    let is_limit = answer.status == 429 && answer.json()["error"] == "rate limit exceeded";
    let wait = answer
        .header("retry-after")
        .and_then(|text| text.parse().ok());
    is_limit.then(|| wait.unwrap_or(1).clamp(1, LONGEST_WAIT))
}

fn registered_id(request: &Request) -> Option<String> {
    let body: Value = serde_json::from_str(request.body.as_deref()?).ok()?;
    body["id"].as_str().map(str::to_lowercase)
}

/// The request with the names of its variables, and the recorder's remark.
fn describe(exchange: &Exchange) -> String {
    let RecordedRequest { method, path, .. } = &exchange.request;
    match exchange.note.as_ref().or(exchange.condensed.as_ref()) {
        Some(note) => format!("{method} {path} ({})", redact::cut(note)),
        None => format!("{method} {path}"),
    }
}
