//! Servers that mean harm, over real sockets and on a clock that the test moves: whatever they do, a call ends in
//! bounded time and memory, and says what was wrong.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use molecule_transport::testing::{HostileServer, Hostility, ManualClock};
use molecule_transport::{CallOptions, Clock as _, ReqwestTransport, Timeouts, Transport as _};

use crate::calls::get;

/// The longest that any of these calls may take, in simulated time: the minute of grace for a slow body, and twice
/// the idle time.
const LONGEST: Duration = Duration::from_secs(80);

/// What a client may at most take from a server before it hangs up: the largest body, and what the buffers of two
/// sockets hold.
const MOST: u64 = 32 << 20;

/// How a call ends: the variant of its error, or status and body.
async fn outcome(hostility: Hostility) -> String {
    let clock = ManualClock::new();
    let server = HostileServer::start(hostility, &clock);
    let client = ReqwestTransport::builder()
        .with_system_roots(false)
        .with_clock(Arc::new(clock.clone()))
        .build()
        .unwrap();
    let options = CallOptions::new().with_timeouts(Timeouts::both(Duration::from_secs(10)));
    let request = options.attach(get(&format!("{}/x", server.url())));
    let call = async {
        let answer = client.send(request).await?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await?;
        Ok((status, body.len()))
    };
    let mut call = pin!(call);
    let ended: Result<(u16, usize), molecule_transport::TransportError> = loop {
        tokio::select! {
            biased;
            ended = &mut call => break ended,
            () = tokio::task::yield_now() => {}
        }
        if hostility.takes_time() && server.spent() > 0 {
            clock.advance(Duration::from_secs(1));
        }
    };
    if clock.now() > LONGEST {
        return format!("took {:?}", clock.now());
    }
    // What is read and thrown away until the time is over says nothing about memory.
    if server.sent() > MOST && !hostility.takes_time() {
        return format!("took {} bytes", server.sent());
    }
    match ended {
        Ok((status, length)) => format!("{status}, {length} bytes"),
        Err(error) => {
            let text = format!("{error:?}");
            text.split([' ', '{', '(']).next().unwrap().to_owned()
        }
    }
}

fn expected(hostility: Hostility) -> &'static str {
    use Hostility as H;
    match hostility {
        H::EndlessBody | H::EndlessChunks | H::HugeLength => "BodyTooLarge",
        H::DeepJson => "JsonTooDeep",
        H::DisguisedDeepJson => "200, 1048576 bytes",
        H::CompressedBomb | H::CompressedTransfer => "Encoded",
        H::SlowDrip | H::SlowHead | H::Silence | H::StalledBody => "Timeout",
        H::EndlessInterim | H::EndlessChunkSize => "Timeout",
        H::HangUp | H::ShortBody => "Interrupted",
        H::LongBody => "200, 2 bytes",
        H::ConflictingLengths | H::NonsenseLength => "Malformed",
        H::NonsenseChunk | H::HugeChunk | H::EndlessChunkExtension => "Malformed",
        H::EndlessTrailers | H::NoHead | H::Noise => "Malformed",
        H::HugeHeader | H::ManyHeaders | H::EndlessHeader => "HeadersTooLarge",
        H::EndlessHeaders | H::EndlessEmptyLines => "HeadersTooLarge",
        H::OtherProtocol => "101, 0 bytes",
        H::RedirectLoop => "RedirectLoop",
        H::RedirectAway => "Redirect",
        other => panic!("what is expected of {other:?}?"),
    }
}

#[tokio::test]
async fn every_way_to_do_harm_ends_in_bounded_time_and_memory() {
    let mut wrong = Vec::new();
    for hostility in Hostility::ALL {
        let found = outcome(hostility).await;
        if found != expected(hostility) {
            wrong.push(format!("{hostility:?}: {found}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
