//! The way between an agent and the platform, where much goes wrong.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use fastrand::Rng;
use futures_util::{StreamExt as _, stream};
use http_body_util::BodyExt as _;
use molecule_agent::transport::testing::{Answer, ScriptedTransport, SimulatedClock, answer};
use molecule_agent::transport::{
    Body, Bytes, CallOptions, Clock as _, Phase, Request, Response, Target, TransportError, within,
};

use serde_json::Value;

use super::plan::{AGENTS, Weather};
use super::record::Record;
use crate::wire::Wire;
use crate::world::{limited, serve};

/// How many of a hundred requests go wrong.
const TROUBLED: u8 = 20;

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    Refused,
    /// The connection breaks before the platform has the request.
    Dropped,
    /// The platform does its work, but its answer is lost.
    AnswerLost,
    /// The platform does its work, and its answer takes so many seconds.
    Late(u64),
    /// The platform does its work, and no answer comes.
    NoAnswer,
    /// Nothing arrives, and no answer comes.
    Silent,
    /// Something before the platform answers.
    Status(u16),
    Limited(u64),
    Unauthorized,
    /// The platform does its work, and its answer breaks off.
    CutBody,
    /// The second half of the answer takes so many seconds.
    SlowBody(u64),
    /// The platform does its work, and its answer has the body of something else.
    Garbage,
    /// Every row of the log comes twice.
    RowsTwice,
    /// The rows of the log come in the opposite order.
    RowsBackwards,
    /// The row to go on from is said to be gone.
    CursorPruned,
}

impl Fault {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Refused => "refused",
            Self::Dropped => "dropped",
            Self::AnswerLost => "answer lost",
            Self::Late(_) => "late",
            Self::NoAnswer => "no answer",
            Self::Silent => "silent",
            Self::Status(404) => "empty 404",
            Self::Status(_) => "5xx",
            Self::Limited(_) => "429",
            Self::Unauthorized => "401",
            Self::CutBody => "body cut",
            Self::SlowBody(_) => "body slow",
            Self::Garbage => "garbage",
            Self::RowsTwice => "rows twice",
            Self::RowsBackwards => "rows backwards",
            Self::CursorPruned => "cursor pruned",
        }
    }

    /// One that can happen to this request.
    fn random(rng: &mut Rng, request: &Request) -> Self {
        if rng.u8(..100) >= TROUBLED {
            return Self::None;
        }
        let lists_rows = request.uri().path().ends_with("/activity");
        let query = request.uri().query().unwrap_or_default();
        let kinds = match (lists_rows, query.contains("since_id=")) {
            (true, true) => 17,
            (true, false) => 16,
            _ => 14,
        };
        match rng.u8(..kinds) {
            0 => Self::Refused,
            1 => Self::Dropped,
            2 => Self::AnswerLost,
            3 | 4 => Self::Late(rng.u64(1..10)),
            5 => Self::NoAnswer,
            6 => Self::Status(404),
            7 => Self::Status([500, 502, 503, 504][rng.usize(..4)]),
            8 if rng.u8(..10) == 0 => Self::Limited(rng.u64(30..100)),
            8 => Self::Limited(rng.u64(1..10)),
            9 => Self::Unauthorized,
            10 => Self::CutBody,
            11 => Self::SlowBody(rng.u64(1..10)),
            // Longer than anybody waits.
            12 => Self::SlowBody(100),
            13 => Self::Garbage,
            14 => Self::RowsTwice,
            15 => Self::RowsBackwards,
            _ => Self::CursorPruned,
        }
    }

    fn of(weather: Weather, rng: &mut Rng) -> Self {
        match weather {
            Weather::Refused => Self::Refused,
            Weather::Silent => Self::Silent,
            Weather::Status(status) => Self::Status(status),
            Weather::Limited => Self::Limited(rng.u64(1..40)),
            Weather::Unauthorized => Self::Unauthorized,
        }
    }
}

/// The ways of all agents.
#[derive(Debug)]
pub(super) struct Network {
    router: Router,
    clock: SimulatedClock,
    record: Arc<Record>,
    lines: Vec<Line>,
}

/// The way of one agent.
#[derive(Debug)]
struct Line {
    wire: Wire,
    rng: Mutex<Rng>,
    outage: Mutex<Option<(Weather, Duration)>>,
}

impl Network {
    pub(super) fn new(
        router: Router,
        clock: SimulatedClock,
        record: Arc<Record>,
        seed: u64,
    ) -> Self {
        let line = |agent| Line {
            wire: Wire::new(),
            rng: Mutex::new(Rng::with_seed(
                seed.wrapping_mul(31).wrapping_add(agent + 1),
            )),
            outage: Mutex::default(),
        };
        Self {
            router,
            clock,
            record,
            lines: (0..AGENTS as u64).map(line).collect(),
        }
    }

    pub(super) fn transport(self: &Arc<Self>, agent: usize) -> ScriptedTransport {
        let network = Arc::clone(self);
        ScriptedTransport::new(move |request| Arc::clone(&network).send(agent, request))
            .without_record()
    }

    pub(super) fn wire(&self, agent: usize) -> &Wire {
        &self.lines[agent].wire
    }

    /// From now on until then.
    pub(super) fn outage(&self, agent: usize, weather: Weather, until: Duration) {
        *self.lines[agent].outage.lock().unwrap() = Some((weather, until));
    }

    fn send(
        self: Arc<Self>,
        agent: usize,
        request: Request,
    ) -> impl Future<Output = Answer> + Send + 'static {
        let (fault, up, down) = self.draw(agent, &request);
        self.record.request(agent, &request, fault);
        async move {
            self.clock.sleep(up).await;
            let answer = self.meet(agent, request, fault).await;
            self.clock.sleep(down).await;
            answer
        }
    }

    /// What happens to the next request, and how long it takes there and back.
    fn draw(&self, agent: usize, request: &Request) -> (Fault, Duration, Duration) {
        let line = &self.lines[agent];
        let mut rng = line.rng.lock().unwrap();
        let now = self.clock.now();
        let outage = line
            .outage
            .lock()
            .unwrap()
            .filter(|(_, until)| now < *until);
        let random = Fault::random(&mut rng, request);
        let fault = outage.map_or(random, |(weather, _)| Fault::of(weather, &mut rng));
        let (up, down) = (rng.u64(1..40), rng.u64(1..40));
        (
            fault,
            Duration::from_millis(up),
            Duration::from_millis(down),
        )
    }

    async fn meet(&self, agent: usize, request: Request, fault: Fault) -> Answer {
        let target = Target::of(&request);
        let patience = CallOptions::of(&request).timeouts.idle_read;
        let served = || self.serve(agent, request.clone());
        match fault {
            Fault::None => served().await,
            Fault::Refused => Err(TransportError::Connect {
                target,
                source: "simulated".into(),
            }),
            Fault::Dropped => Err(broken(&target)),
            Fault::AnswerLost => {
                drop(served().await);
                Err(broken(&target))
            }
            Fault::Late(seconds) => {
                let answer = served().await;
                self.clock.sleep(Duration::from_secs(seconds)).await;
                answer
            }
            Fault::NoAnswer => {
                drop(served().await);
                self.wait_in_vain(target, patience).await
            }
            Fault::Silent => self.wait_in_vain(target, patience).await,
            Fault::Status(404) => Ok(answer(404, "")),
            Fault::Status(status) => Ok(answer(status, "<html>sorry</html>")),
            Fault::Limited(seconds) => Ok(limited(seconds)),
            Fault::Unauthorized => Ok(answer(401, r#"{"error":"invalid workspace auth token"}"#)),
            Fault::CutBody => self.halved(served().await?, target, None).await,
            Fault::SlowBody(seconds) => {
                let pause = Duration::from_secs(seconds);
                self.halved(served().await?, target, Some(pause)).await
            }
            Fault::Garbage => {
                let (mut head, _) = served().await?.into_parts();
                head.headers.remove("content-length");
                Ok(Response::from_parts(head, Body::from("<html>sorry</html>")))
            }
            Fault::RowsTwice => {
                with_rows(served().await?, |rows| {
                    rows.into_iter()
                        .flat_map(|row| [row.clone(), row])
                        .collect()
                })
                .await
            }
            Fault::RowsBackwards => {
                with_rows(served().await?, |rows| rows.into_iter().rev().collect()).await
            }
            Fault::CursorPruned => Ok(answer(410, r#"{"error":"since_id not found"}"#)),
        }
    }

    async fn wait_in_vain(&self, target: Target, after: Duration) -> Answer {
        self.clock.sleep(after).await;
        let phase = Phase::Head;
        Err(TransportError::Timeout {
            target,
            phase,
            after,
        })
    }

    /// What has reached the platform is done there, whatever becomes of the agent.
    async fn serve(&self, agent: usize, request: Request) -> Answer {
        let (target, patience) = (
            Target::of(&request),
            CallOptions::of(&request).timeouts.idle_read,
        );
        let wire = self.lines[agent].wire.clone();
        let served = tokio::spawn(serve(self.router.clone(), wire, request));
        match within(&self.clock, patience, served).await {
            Ok(answer) => answer.unwrap(),
            Err(_) => self.wait_in_vain(target, Duration::ZERO).await,
        }
    }

    /// The answer in two halves, the second of which may come late or never. A stream of events is a line that breaks, or falls silent.
    async fn halved(&self, response: Response, target: Target, pause: Option<Duration>) -> Answer {
        let (head, body) = response.into_parts();
        let is_stream = head
            .headers
            .get("content-type")
            .is_some_and(|kind| kind == "text/event-stream");
        let whole = if is_stream {
            Bytes::from_static(b": ping\n\n")
        } else {
            body.collect().await?
        };
        let half = whole.slice(..whole.len() / 2);
        let rest = whole.slice(half.len()..);
        let clock = self.clock.clone();
        let second = async move {
            clock.sleep(pause.unwrap_or_default()).await;
            pause.map(|_| rest).ok_or("simulated")
        };
        let pieces = stream::iter([Ok(half)]).chain(stream::once(second));
        let body = axum::body::Body::from_stream(pieces).map_err(move |_| broken(&target));
        Ok(Response::from_parts(head, Body::wrap(body)))
    }
}

/// The answer with other rows, if it has rows.
async fn with_rows(response: Response, change: impl FnOnce(Vec<Value>) -> Vec<Value>) -> Answer {
    let (mut head, body) = response.into_parts();
    let bytes = body.collect().await?;
    let bytes = match serde_json::from_slice(&bytes) {
        Ok(rows) => serde_json::to_vec(&change(rows)).unwrap().into(),
        Err(_) => bytes,
    };
    head.headers.remove("content-length");
    Ok(Response::from_parts(head, bytes.into()))
}

fn broken(target: &Target) -> TransportError {
    TransportError::Interrupted {
        target: target.clone(),
        source: "simulated".into(),
    }
}
