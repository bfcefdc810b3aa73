//! The token goes to the platform, encrypted or over a private network, and nowhere else.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use molecule_transport::testing::{ScriptedTransport, answer};
use molecule_transport::{
    Authorize, Bearer, CallOptions, ErrorKind, InvalidToken, NoToken, Request, TokenSource,
    Transport, TransportError, stack,
};

use crate::calls::{Broken, TOKEN, bearer, clock, get, options};

/// The `Authorization` that arrives when `request` is sent by an agent of `platform`.
async fn sent(
    platform: &str,
    request: Request,
    tokens: Arc<dyn TokenSource>,
    insecure: bool,
) -> Result<Option<String>, TransportError> {
    let transport = ScriptedTransport::new(async |_| Ok(answer(200, "")));
    let authorize = Authorize::new(transport.clone(), platform.parse().unwrap(), tokens);
    let result = authorize.with_insecure_http(insecure).send(request).await;
    let requests = transport.requests();
    assert_eq!(
        result.is_ok(),
        requests.len() == 1,
        "an error means that nothing was sent"
    );
    result?;
    let header = requests[0].headers().get(AUTHORIZATION);
    assert!(header.is_none_or(http::HeaderValue::is_sensitive));
    Ok(header.map(|value| value.to_str().unwrap().to_owned()))
}

fn authorized(url: &str) -> Request {
    CallOptions::new().with_authorize(true).attach(get(url))
}

async fn check(platform: &str, request: Request, expect: Option<&str>) {
    let url = request.uri().clone();
    let got = sent(platform, request, bearer(), false).await.unwrap();
    assert_eq!(got.as_deref(), expect, "{platform} {url}");
}

#[tokio::test]
async fn the_platform_gets_the_token_if_the_request_asks_for_it() {
    let expect = Some("Bearer tok-Secret123");
    let platform = "https://acme.example/";
    check(platform, authorized("https://acme.example/x"), expect).await;
    check(platform, authorized("https://ACME.example:443/x"), expect).await;
    check(platform, get("https://acme.example/x"), None).await;
}

#[tokio::test]
async fn no_other_origin_gets_the_token() {
    for url in [
        "https://peer.example/x",
        "http://acme.example/x",
        "https://acme.example:8443/x",
        "https://acme.example.evil/x",
        "https://acme.example@evil.example/x",
    ] {
        check("https://acme.example", authorized(url), None).await;
    }
}

#[tokio::test]
async fn a_header_for_another_origin_is_refused_before_anything_is_sent() {
    let mut request = get("https://peer.example/x");
    request
        .headers_mut()
        .insert(AUTHORIZATION, "Bearer tok-Secret123".parse().unwrap());
    let error = sent("https://acme.example", request, bearer(), false)
        .await
        .unwrap_err();
    assert!(
        matches!(error, TransportError::ForeignBearer { .. }),
        "{error:?}"
    );
    assert!(error.surely_not_delivered());
    assert!(!format!("{error} {error:?}").contains(TOKEN));
}

#[tokio::test]
async fn plain_http_carries_the_token_on_private_networks_only() {
    for host in [
        "127.0.0.1:8080",
        "localhost",
        "[::1]:80",
        "10.0.0.7",
        "platform:8080",
    ] {
        let url = format!("http://{host}");
        check(
            &url,
            authorized(&format!("{url}/x")),
            Some("Bearer tok-Secret123"),
        )
        .await;
    }
    for host in ["acme.example", "8.8.8.8", "134744072", "[2001:db8::1]"] {
        let url = format!("http://{host}");
        let request = authorized(&format!("{url}/x?key=query-secret"));
        let error = sent(&url, request, bearer(), false).await.unwrap_err();
        assert!(
            matches!(error, TransportError::InsecureBearer { .. }),
            "{host}: {error:?}"
        );
        assert!(error.surely_not_delivered());
        assert!(!format!("{error} {error:?}").contains("ecret"), "{error:?}");
    }
}

#[tokio::test]
async fn plain_http_to_a_public_host_can_be_allowed_and_needs_no_leave_without_a_token() {
    let url = "http://acme.example";
    let allowed = sent(url, authorized(url), bearer(), true).await.unwrap();
    assert_eq!(allowed.as_deref(), Some("Bearer tok-Secret123"));
    assert_eq!(
        sent(url, authorized(url), Arc::new(NoToken), false)
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn a_token_that_cannot_be_read_stops_the_request() {
    let url = "http://platform";
    let error = sent(url, authorized(url), Arc::new(Broken), false)
        .await
        .unwrap_err();
    assert!(matches!(error, TransportError::Token { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert!(
        sent(url, get(url), Arc::new(Broken), false).await.is_ok(),
        "nobody asked for it"
    );
}

#[test]
fn a_bearer_is_visible_ascii_and_does_not_show() {
    for token in ["", "a b", "a\nb", "tök", "a\u{7f}"] {
        assert_eq!(Bearer::new(token).unwrap_err(), InvalidToken, "{token:?}");
    }
    assert_eq!(format!("{:?}", Bearer::new(TOKEN).unwrap()), "Bearer(..)");
}

#[tokio::test(start_paused = true)]
async fn a_retry_takes_the_token_of_its_own_time() {
    struct Rotating(std::sync::atomic::AtomicU32);
    impl TokenSource for Rotating {
        fn bearer(
            &self,
        ) -> molecule_transport::BoxFuture<'_, Result<Option<Bearer>, molecule_transport::BoxError>>
        {
            let count = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Box::pin(async move { Ok(Some(Bearer::new(&format!("token-{count}"))?)) })
        }
    }
    let clock = clock();
    let transport = ScriptedTransport::answers([answer(503, ""), answer(200, "")]);
    let tokens = Arc::new(Rotating(0.into()));
    let stack = stack(transport.clone(), options(&clock).with_tokens(tokens));
    let request = CallOptions::new()
        .with_authorize(true)
        .with_repeatable(true);
    stack
        .send(request.attach(get("http://platform:8080/x")))
        .await
        .unwrap();
    let seen: Vec<_> = transport
        .requests()
        .iter()
        .map(|sent| sent.headers()[AUTHORIZATION].clone())
        .collect();
    assert_eq!(seen, ["Bearer token-0", "Bearer token-1"]);
}
