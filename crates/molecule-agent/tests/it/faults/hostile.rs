//! A client whose platform means harm, over real sockets and on a clock that the test moves: each call ends in
//! bounded time with an error that says what was wrong.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use molecule_agent::transport::testing::{HostileServer, Hostility, ManualClock};
use molecule_agent::transport::{
    BoxFuture, Clock as _, Request, ReqwestTransport, Response, Transport, TransportError,
};
use molecule_agent::{AgentError, ErrorKind, RemoteAgentClient};

use super::injected::word;
use crate::world::ParseToken as _;

/// The longest that one try may take, in simulated time: the minute of grace for a slow body, and twice the idle time.
const LONGEST: Duration = Duration::from_secs(80);

/// Real sockets, how many requests were begun and ended, and how long the longest took. Answers are handed on whole.
struct Counted {
    inner: ReqwestTransport,
    begun: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
    longest: Arc<Mutex<Duration>>,
    clock: ManualClock,
}

impl Transport for Counted {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        Box::pin(async {
            let answer = async {
                let (head, body) = self.inner.send(request).await?.into_parts();
                Ok(Response::from_parts(head, body.collect().await?.into()))
            };
            let start = self.clock.now();
            let answer = answer.await;
            let took = self.clock.now() - start;
            let mut longest = self.longest.lock().unwrap();
            *longest = took.max(*longest);
            self.ended.fetch_add(1, Ordering::Relaxed);
            answer
        })
    }
}

/// A client, its platform, and their time.
struct Scene {
    client: RemoteAgentClient,
    server: HostileServer,
    clock: ManualClock,
    begun: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
    longest: Arc<Mutex<Duration>>,
    hostility: Hostility,
    _disk: tempfile::TempDir,
}

impl Scene {
    fn new(hostility: Hostility) -> Self {
        let (clock, disk) = (ManualClock::new(), tempfile::tempdir().unwrap());
        let server = HostileServer::start(hostility, &clock);
        let shared = Arc::new(clock.clone());
        let builder = ReqwestTransport::builder().with_system_roots(false);
        let inner = builder.with_clock(shared.clone()).build().unwrap();
        let (begun, ended) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let longest = Arc::<Mutex<Duration>>::default();
        let transport = Counted {
            inner,
            begun: begun.clone(),
            ended: ended.clone(),
            longest: longest.clone(),
            clock: clock.clone(),
        };
        let id = "9e453dad-99f0-4e01-8c72-0031bf974e26".parse().unwrap();
        let client = RemoteAgentClient::builder(id, server.url().parse().unwrap())
            .state_dir(disk.path())
            .token("the-token".parse_token())
            .transport(transport)
            .clock(shared)
            .build()
            .unwrap();
        Self {
            client,
            server,
            clock,
            begun,
            ended,
            longest,
            hostility,
            _disk: disk,
        }
    }

    /// Runs a call to its end. Time passes while the client waits to try again, and once nothing else can end a try.
    async fn run<T>(
        &self,
        call: impl Future<Output = Result<T, AgentError>>,
    ) -> Result<T, AgentError> {
        let mut call = pin!(call);
        loop {
            tokio::select! {
                biased;
                ended = &mut call => return ended,
                () = tokio::task::yield_now() => {}
            }
            let begun = self.begun.load(Ordering::Relaxed);
            let is_waiting = self.ended.load(Ordering::Relaxed) == begun && begun > 0;
            let is_stuck = self.hostility.takes_time() && self.server.spent() >= begun;
            if is_waiting || is_stuck {
                self.clock.advance(Duration::from_secs(1));
            }
        }
    }
}

fn expected(hostility: Hostility) -> &'static str {
    use Hostility as H;
    match hostility {
        H::EndlessBody | H::EndlessChunks | H::HugeLength => "Transport BodyTooLarge",
        H::DeepJson => "Transport JsonTooDeep",
        H::DisguisedDeepJson => "Api TooDear",
        H::CompressedBomb | H::CompressedTransfer => "Transport Encoded",
        H::SlowDrip | H::SlowHead | H::Silence | H::StalledBody => "Transport Timeout",
        H::EndlessInterim | H::EndlessChunkSize => "Transport Timeout",
        H::HangUp | H::ShortBody => "Transport Interrupted",
        H::LongBody => "ok",
        H::ConflictingLengths | H::NonsenseLength => "Transport Malformed",
        H::NonsenseChunk | H::HugeChunk | H::EndlessChunkExtension => "Transport Malformed",
        H::EndlessTrailers | H::NoHead | H::Noise => "Transport Malformed",
        H::HugeHeader | H::ManyHeaders | H::EndlessHeader => "Transport HeadersTooLarge",
        H::EndlessHeaders | H::EndlessEmptyLines => "Transport HeadersTooLarge",
        H::OtherProtocol => "Api Unexpected",
        H::RedirectLoop => "Transport RedirectLoop",
        H::RedirectAway => "Transport Redirect",
        other => panic!("what is expected of {other:?}?"),
    }
}

async fn check(hostility: Hostility) -> Option<String> {
    let scene = Scene::new(hostility);
    let secrets = scene.run(scene.client.pull_secrets()).await;
    let secrets = secrets.map_or_else(|error| word(&error), |_| "ok".to_owned());
    let notified = scene.run(scene.client.notify("hello", &[])).await;
    let kind = notified.as_ref().err().map(AgentError::kind);
    let notified = notified.map_or_else(|error| word(&error), |()| "ok".to_owned());
    let waited = *scene.longest.lock().unwrap();
    // An empty object is a fine answer, without secrets, but it is no notification that was sent.
    let is_object = hostility == Hostility::LongBody && notified == "Api Malformed";
    let is_fine = secrets == expected(hostility)
        && (notified == secrets || is_object)
        && waited <= LONGEST
        && matches!(
            kind,
            None | Some(ErrorKind::Unreachable | ErrorKind::Unexpected)
        );
    (!is_fine).then(|| format!("{hostility:?}: {secrets} after {waited:?}, {notified}, {kind:?}"))
}

#[tokio::test]
async fn whatever_a_platform_answers_a_call_ends_in_bounded_time_with_its_own_error() {
    let mut wrong = Vec::new();
    for hostility in Hostility::ALL {
        wrong.extend(check(hostility).await);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
