//! Redirects stay on the server they came from.

use molecule_transport::{CallOptions, StackOptions, Transport, TransportError, stack};

use crate::calls::{bearer, clock, get, post};
use crate::server::{Reply, Server, http, ok, plain_client};

fn redirect(status: &str, location: &str) -> Reply {
    Reply::Close(http(
        status,
        &[&format!("Location: {location}"), "Content-Length: 0"],
        "",
    ))
}

#[tokio::test]
async fn a_trailing_slash_is_corrected_with_the_same_request() {
    let server = Server::start(|request| {
        if request.starts_with("POST /registry/register/ ") {
            redirect("307 Temporary Redirect", "/registry/register")
        } else {
            ok("registered")
        }
    })
    .await;
    let transport = plain_client();
    let request = post(&server.url("/registry/register/"), r#"{"id":"w"}"#);
    let response = transport.send(request).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap(), "registered");
    let second = server.requests().remove(1);
    assert!(
        second.starts_with("POST /registry/register HTTP/1.1"),
        "{second}"
    );
    assert!(second.ends_with(r#"{"id":"w"}"#), "{second}");
}

#[tokio::test]
async fn another_origin_is_refused_and_never_sees_the_token() {
    let other = Server::always(ok("stolen")).await;
    let elsewhere = other.url("/x?token=query-secret");
    for status in [
        "301 Moved",
        "302 Found",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let location = elsewhere.clone();
        let server = Server::start(move |_| redirect(status, &location)).await;
        let platform = server.url("/").parse().unwrap();
        let options = StackOptions::new(platform, clock()).with_tokens(bearer());
        let stack = stack(plain_client(), options);
        let request = CallOptions::new()
            .with_authorize(true)
            .attach(get(&server.url("/x")));
        let error = stack.send(request).await.unwrap_err();
        assert!(matches!(&error, TransportError::Redirect { to, .. }
            if *to == format!("http://{}", other.address)));
        assert!(!format!("{error} {error:?}").contains("query-secret"));
        assert!(server.requests()[0].contains("authorization: Bearer "));
    }
    assert_eq!(other.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_circle_of_redirects_ends_after_three() {
    let server = Server::always(redirect("302 Found", "/again")).await;
    let error = plain_client()
        .send(get(&server.url("/")))
        .await
        .unwrap_err();
    assert!(
        matches!(error, TransportError::RedirectLoop { .. }),
        "{error:?}"
    );
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn a_redirect_that_would_change_the_method_is_the_answer() {
    let server = Server::always(redirect("302 Found", "/other")).await;
    let response = plain_client().send(post(&server.url("/"), "{}")).await;
    assert_eq!(response.unwrap().status(), 302);
    assert_eq!(server.requests().len(), 1);
}
