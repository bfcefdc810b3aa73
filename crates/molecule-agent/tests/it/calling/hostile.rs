//! Peers that mean harm, over real sockets and on a clock that the test moves: each call ends in bounded time with an
//! outcome of its own, and is made once.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use molecule_agent::protocol::ApiError;
use molecule_agent::protocol::endpoints::{A2aOutcome, A2aRefusal};
use molecule_agent::transport::testing::{HostileServer, Hostility, ManualClock};
use molecule_agent::transport::{Clock as _, ErrorKind as TransportKind, ForeignTransport, Limits};
use molecule_agent::{AgentError, CallPeer, PeerReply, Route};

use crate::peer_server::{Directory, TOKEN, peer};

const TIMEOUT: Duration = Duration::from_secs(30);
/// What the buffers between the two take, in bytes, although nobody reads it.
const BUFFERS: u64 = 16 << 20;

/// Calls the peer to the end. Time passes once nothing else can end the call.
async fn call(
    directory: &Directory,
    server: &HostileServer,
    hostility: Hostility,
    clock: &ManualClock,
) -> Result<PeerReply, AgentError> {
    let foreign = ForeignTransport::builder()
        .with_system_roots(false)
        .with_local_addresses(true)
        .with_clock(Arc::new(clock.clone()));
    let client = directory
        .builder()
        .allow_private_peers()
        .peer_transport(foreign.build().unwrap())
        .clock(Arc::new(clock.clone()))
        .build()
        .unwrap();
    let options = CallPeer::new().with_timeout(TIMEOUT);
    let mut call = pin!(client.call_peer(peer(), "hi", options));
    loop {
        tokio::select! {
            biased;
            ended = &mut call => return ended,
            () = tokio::task::yield_now() => {}
        }
        if hostility.takes_time() && server.spent() > 0 {
            clock.advance(Duration::from_secs(1));
        }
    }
}

/// What the transport found wrong; `None` where the peer gave an answer. A drip lasts until the deadline, unless the
/// machine has no time for the server's thread, which is silence then.
fn expected(hostility: Hostility) -> Option<&'static [TransportKind]> {
    use Hostility as H;
    use TransportKind as K;
    match hostility {
        H::EndlessBody | H::EndlessChunks | H::HugeLength | H::DeepJson => Some(&[K::TooLarge]),
        H::HugeHeader | H::ManyHeaders | H::EndlessHeader => Some(&[K::TooLarge]),
        H::EndlessHeaders | H::EndlessEmptyLines => Some(&[K::TooLarge]),
        H::CompressedBomb | H::CompressedTransfer => Some(&[K::BadAnswer]),
        H::ConflictingLengths | H::NonsenseLength | H::NoHead | H::Noise => Some(&[K::BadAnswer]),
        H::NonsenseChunk | H::HugeChunk | H::EndlessChunkExtension => Some(&[K::BadAnswer]),
        H::EndlessTrailers => Some(&[K::BadAnswer]),
        H::Silence | H::SlowHead | H::StalledBody | H::EndlessInterim => Some(&[K::Timeout]),
        H::EndlessChunkSize => Some(&[K::Timeout]),
        H::SlowDrip => Some(&[K::Deadline, K::Timeout]),
        H::HangUp | H::ShortBody => Some(&[K::Interrupted]),
        H::DisguisedDeepJson | H::LongBody => None,
        H::OtherProtocol | H::RedirectLoop | H::RedirectAway => None,
        other => panic!("what is expected of {other:?}?"),
    }
}

/// Whether the call ended as it should, and whether that leaves open if the peer has the message.
fn is_as_expected(hostility: Hostility, result: &Result<PeerReply, AgentError>) -> bool {
    match (expected(hostility), result) {
        (Some(kinds), Err(error @ AgentError::DeliveryUnknown { source, .. })) => {
            kinds.contains(&source.kind()) && !error.surely_without_effect()
        }
        (None, Ok(reply)) => {
            reply.route == Route::Direct && reply.reply.outcome == A2aOutcome::Unreadable
        }
        // Neither a redirect nor an agreement to another protocol says what the peer did with the message.
        (None, Err(error @ AgentError::Api(ApiError::A2a(_, A2aRefusal::ByAgent { .. })))) => {
            !error.surely_without_effect()
        }
        _ => false,
    }
}

async fn check(hostility: Hostility) -> Option<String> {
    let clock = ManualClock::new();
    let server = HostileServer::start(hostility, &clock);
    let directory = Directory::saying(&server.url());
    let result = call(&directory, &server, hostility, &clock).await;
    let (took, requests) = (clock.now(), server.requests());
    let is_fine = is_as_expected(hostility, &result)
        && took <= TIMEOUT * 2
        && server.sent() <= Limits::DEFAULT.body_bytes + BUFFERS
        && requests.len() == 1
        && !requests[0].contains(TOKEN)
        && directory.proxied().is_empty();
    (!is_fine).then(|| {
        let (sent, proxied) = (server.sent(), directory.proxied().len());
        format!("{hostility:?}: {result:?} after {took:?}, {sent} bytes, {requests:?}, {proxied} through the platform")
    })
}

#[tokio::test]
async fn whatever_a_peer_does_a_call_ends_in_bounded_time_and_is_not_made_again() {
    let mut wrong = Vec::new();
    for hostility in Hostility::ALL {
        wrong.extend(check(hostility).await);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
