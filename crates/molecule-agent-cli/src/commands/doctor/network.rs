//! The way to the platform: its address, name, connection and certificate, and the clocks at both ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use molecule_agent::PlatformUrl;
use molecule_agent::transport::http::{self, HeaderMap, StatusCode};
use molecule_agent::transport::{
    Bytes, CallOptions, Clock as _, ErrorKind, Logged, Origin, ReqwestTransport, Response,
    SystemClock, Timeouts, Transport as _, TransportError, within,
};
use tokio::net::{TcpStream, lookup_host};

use super::report::{Finding, Report};
use crate::args::PlatformArgs;
use crate::env;

/// The longest that one step may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How far clocks may be apart before it is worth a word: `Date` counts whole seconds, and answers take their time.
const DRIFT: Duration = Duration::from_secs(30);

/// Checks the way to the platform, and returns whether anything answers at its end.
///
/// # Errors
/// When stdout cannot be written to.
pub(super) async fn check(args: &PlatformArgs, report: &mut Report<'_>) -> anyhow::Result<bool> {
    let url = match args.url() {
        Ok(url) => url,
        Err(error) => {
            report.add(Finding::error("address", &error))?;
            report.skip(
                &["name", "connection", "tls", "http", "clock"],
                "there is no address",
            )?;
            return Ok(false);
        }
    };
    let origin = origin(&url)?;
    report.add(address(&url, &origin, args.allow_insecure_http))?;
    let clock = SystemClock::new();
    if !path(&origin, &clock, report).await? {
        report.skip(&["tls", "http", "clock"], "there is no connection")?;
        return Ok(false);
    }
    let answer = ask(args, &url, clock).await;
    if !report.add(tls(&url, &answer))? {
        report.skip(&["http", "clock"], "there is no trusted connection")?;
        return Ok(false);
    }
    report.add(http(&url, &answer))?;
    let Ok(answer) = answer else {
        report.skip(&["clock"], "there is no answer")?;
        return Ok(false);
    };
    report.add(clocks(answer.headers(), clock.wall()))?;
    Ok(true)
}

fn origin(url: &PlatformUrl) -> anyhow::Result<Origin> {
    Ok(Origin::of(&url.to_string().parse()?)?)
}

fn address(url: &PlatformUrl, origin: &Origin, allow_insecure: bool) -> Finding {
    if origin.is_secure() || origin.is_private() {
        return Finding::ok("address", url.to_string());
    }
    let plain = format!("{url} is plain http to a public host");
    if allow_insecure {
        return Finding::warning(
            "address",
            format!("{plain}: whoever is on the way can read the token; use https"),
        );
    }
    Finding::failed(
        "address",
        format!("{plain}, to which the token is not sent; use https, or --allow-insecure-http"),
    )
}

/// Looks the name up and connects to what it stands for. Through a proxy both are the proxy's business.
async fn path(
    origin: &Origin,
    clock: &SystemClock,
    report: &mut Report<'_>,
) -> anyhow::Result<bool> {
    if let Some(proxy) = proxy(origin) {
        report.skip(
            &["name", "connection"],
            &format!("the proxy that {proxy} names sees to it"),
        )?;
        return Ok(true);
    }
    match look_up(origin, clock).await {
        Ok(addresses) => {
            report.add(Finding::ok("name", listed(origin, &addresses)))?;
            report.add(connect(&addresses, clock).await)
        }
        Err(why) => {
            let host = origin.host();
            let message = format!(
                "{host} has no address ({why}); is the name right, and is this machine online?"
            );
            report.add(Finding::failed("name", message))?;
            report.skip(&["connection"], "there is no address to connect to")?;
            Ok(false)
        }
    }
}

/// The variable that names a proxy for the platform. This machine itself is reached without one.
fn proxy(origin: &Origin) -> Option<&'static str> {
    let names = if origin.is_secure() {
        ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
    } else {
        ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]
    };
    let set = names.into_iter().find(|name| env::get(name).is_some());
    set.filter(|_| !origin.is_loopback())
}

async fn look_up(origin: &Origin, clock: &SystemClock) -> Result<Vec<SocketAddr>, String> {
    let host = origin.host().trim_matches(['[', ']']);
    match within(clock, PATIENCE, lookup_host((host, origin.port()))).await {
        Ok(Ok(found)) => {
            let addresses: Vec<_> = found.collect();
            (!addresses.is_empty())
                .then_some(addresses)
                .ok_or_else(|| "none is listed".to_owned())
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(in_vain()),
    }
}

fn in_vain() -> String {
    format!("no answer within {} s", PATIENCE.as_secs())
}

fn listed(origin: &Origin, addresses: &[SocketAddr]) -> String {
    let mut ips: Vec<_> = addresses.iter().map(|one| one.ip().to_string()).collect();
    ips.dedup();
    format!("{} is {}", origin.host(), ips.join(", "))
}

/// The first address that takes a connection is good enough, as it is for the agent.
async fn connect(addresses: &[SocketAddr], clock: &SystemClock) -> Finding {
    let start = clock.now();
    let mut refusals = Vec::new();
    for address in addresses {
        let why = match within(clock, PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(_)) => {
                let elapsed = clock.now().saturating_sub(start).as_millis();
                return Finding::ok("connection", format!("to {address} in {elapsed} ms"));
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => in_vain(),
        };
        refusals.push(format!("{address}: {why}"));
    }
    let refusals = refusals.join("; ");
    Finding::failed(
        "connection",
        format!(
            "none ({refusals}); is the platform running, is the port right, and does a firewall let you through?"
        ),
    )
}

/// The one route that answers everybody, whatever the organisation.
async fn ask(
    args: &PlatformArgs,
    url: &PlatformUrl,
    clock: SystemClock,
) -> Result<Response, TransportError> {
    let mut builder = ReqwestTransport::builder();
    if let Some(path) = &args.ca_file {
        builder = builder.with_ca_file(path);
    }
    let mut request = http::Request::new(Bytes::new());
    *request.uri_mut() = url
        .join("/health")
        .parse()
        .expect("a checked URL with a path is a URI");
    let options = CallOptions::new().with_timeouts(Timeouts::both(PATIENCE));
    let transport = Logged::new(builder.build()?, Arc::new(clock));
    transport.send(options.attach(request)).await
}

fn tls(url: &PlatformUrl, answer: &Result<Response, TransportError>) -> Finding {
    match answer {
        _ if !url.is_https() => Finding::skipped("tls", "the address is plain http"),
        Err(error) if matches!(error.kind(), ErrorKind::Tls | ErrorKind::Configuration) => {
            Finding::failed("tls", chain(error))
        }
        Err(_) => Finding::skipped("tls", "the connection broke"),
        Ok(_) => Finding::ok("tls", "the certificate is trusted"),
    }
}

fn http(url: &PlatformUrl, answer: &Result<Response, TransportError>) -> Finding {
    let status = match answer {
        Ok(answer) => answer.status(),
        Err(error) => return Finding::failed("http", chain(error)),
    };
    let said = format!("{} answers {}", url.join("/health"), status.as_u16());
    match status {
        StatusCode::TOO_MANY_REQUESTS => Finding::warning(
            "http",
            format!(
                "{said}: too many requests come from this address; wait a minute, or run fewer agents on it"
            ),
        ),
        status if status.is_success() => Finding::ok("http", said),
        status if status.is_server_error() => Finding::failed(
            "http",
            format!(
                "{said}: the platform is not well, or what stands before it does not reach it; try again later"
            ),
        ),
        _ => Finding::failed(
            "http",
            format!("{said}: that is no platform; check the address, its port and its path"),
        ),
    }
}

fn chain(error: &TransportError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

fn clocks(headers: &HeaderMap, here: SystemTime) -> Finding {
    let date = headers.get(http::header::DATE);
    let there = date.and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    match there {
        Some(there) => drift(here, there),
        None => Finding::skipped("clock", "the platform does not say what time it is there"),
    }
}

fn drift(here: SystemTime, there: SystemTime) -> Finding {
    let (apart, word) = match here.duration_since(there) {
        Ok(apart) => (apart, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    };
    let seconds = apart.as_secs();
    if apart <= DRIFT {
        return Finding::ok("clock", format!("{seconds} s {word} the platform's"));
    }
    Finding::warning(
        "clock",
        format!(
            "this machine's is {seconds} s {word} the platform's; set the one that is wrong, because certificates, --since and the keys of \
             delegations go by it"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(finding: &Finding) -> String {
        serde_json::to_string(finding).unwrap()
    }

    fn check_drift(date: &str, expect: &str) {
        let mut headers = HeaderMap::new();
        headers.insert("date", date.parse().unwrap());
        let here = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let found = shown(&clocks(&headers, here));
        assert!(found.contains(expect), "{date}: {found}");
    }

    #[test]
    fn clocks_that_are_apart_are_worth_a_word() {
        check_drift("Sun, 06 Nov 1994 08:49:37 GMT", r#""ok","message":"0 s"#);
        check_drift(
            "Sun, 06 Nov 1994 08:49:07 GMT",
            r#""ok","message":"30 s ahead"#,
        );
        check_drift(
            "Sun, 06 Nov 1994 08:49:06 GMT",
            r#""warning","message":"this machine's is 31 s ahead of"#,
        );
        check_drift(
            "Sun, 06 Nov 1994 09:49:37 GMT",
            r#""warning","message":"this machine's is 3600 s behind"#,
        );
        check_drift("noon", r#""skipped""#);
    }

    #[test]
    fn a_token_in_the_open_is_a_failure_unless_it_is_wanted() {
        let check = |url: &str, allow: bool, expect: &str| {
            let url: PlatformUrl = url.parse().unwrap();
            let found = shown(&address(&url, &origin(&url).unwrap(), allow));
            assert!(found.contains(expect), "{url}: {found}");
        };
        check("https://example.com", false, r#""ok""#);
        check("http://localhost:8080", false, r#""ok""#);
        check("http://example.com", false, r#""failed""#);
        check("http://example.com", true, r#""warning""#);
    }
}
