//! What the environment says about certificates and proxies, read in a process of its own: a
//! test cannot change the environment of the others.

use std::process::Output;
use std::time::Duration;

use molecule_transport::{CallOptions, ReqwestTransport, Timeouts, Transport};

use crate::calls::get;
use crate::server::{Reply, Server, http, ok};
use crate::tls::Tls;

const URL: &str = "MOLECULE_TRANSPORT_TEST_URL";

/// The child: calls the address it was given, and prints the status or the error.
#[tokio::test]
#[ignore = "run by the other tests, as a process of its own"]
async fn child() {
    #[expect(
        clippy::disallowed_methods,
        reason = "how the parent hands over the address"
    )]
    let url = std::env::var(URL).unwrap();
    let limit = Timeouts::both(Duration::from_secs(5));
    let request = CallOptions::new().with_timeouts(limit).attach(get(&url));
    match ReqwestTransport::new().unwrap().send(request).await {
        Ok(response) => println!("status {}", response.status().as_u16()),
        Err(error) => println!("error {error:?}"),
    }
}

/// What the child prints when it calls `url` under `environment` and nothing else.
async fn call(url: &str, environment: &[(&str, &str)]) -> String {
    #[expect(clippy::disallowed_methods, reason = "the child is this test binary")]
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "environment::child", "--ignored", "--nocapture"]);
    command
        .env_clear()
        .env(URL, url)
        .envs(environment.iter().copied());
    let ran = tokio::task::spawn_blocking(move || command.output()).await;
    let Output { stdout, stderr, .. } = ran.unwrap().unwrap();
    let printed = String::from_utf8_lossy(&stdout).into_owned();
    let line = printed
        .lines()
        .find(|line| line.starts_with("status ") || line.starts_with("error "));
    line.unwrap_or_else(|| panic!("{printed}{}", String::from_utf8_lossy(&stderr)))
        .to_owned()
}

const NO_ROOTS: [(&str, &str); 2] = [
    ("SSL_CERT_FILE", "/nonexistent/ca.pem"),
    ("SSL_CERT_DIR", "/nonexistent"),
];

#[tokio::test]
async fn the_ca_of_ssl_cert_file_is_trusted() {
    let tls = Tls::start().await;
    let ca_file = tls.ca_file();
    let trusted = [("SSL_CERT_FILE", ca_file.to_str().unwrap())];
    assert_eq!(call(&tls.url(), &trusted).await, "status 200");
}

#[tokio::test]
async fn a_machine_without_certificates_can_still_speak_plain_http() {
    let server = Server::always(ok("plain")).await;
    assert_eq!(call(&server.url("/"), &NO_ROOTS).await, "status 200");
    let refused = call("https://localhost:1/", &NO_ROOTS).await;
    assert!(refused.starts_with("error NoCertificates"), "{refused}");
    assert!(refused.contains("/nonexistent"), "{refused}");
}

#[tokio::test]
async fn an_http_address_goes_through_the_proxy() {
    let proxy = Server::always(ok("from the proxy")).await;
    let environment = [
        ("HTTP_PROXY", &*proxy.url("")),
        ("http_proxy", &*proxy.url("")),
    ];
    assert_eq!(
        call("http://platform.invalid/x", &environment).await,
        "status 200"
    );
    let seen = proxy.requests().remove(0);
    assert!(
        seen.starts_with("GET http://platform.invalid/x HTTP/1.1"),
        "{seen}"
    );
}

#[tokio::test]
async fn an_https_address_tunnels_through_the_proxy() {
    let proxy = Server::always(Reply::Close(http("403 Forbidden", &[], ""))).await;
    let tls = Tls::start().await;
    let ca_file = tls.ca_file();
    let environment = [
        ("HTTPS_PROXY", &*proxy.url("")),
        ("SSL_CERT_FILE", ca_file.to_str().unwrap()),
    ];
    let refused = call("https://platform.invalid/x", &environment).await;
    assert!(refused.starts_with("error Connect"), "{refused}");
    let seen = proxy.requests().remove(0);
    assert!(
        seen.starts_with("CONNECT platform.invalid:443 HTTP/1.1"),
        "{seen}"
    );
}

#[tokio::test]
async fn no_proxy_names_hosts_that_are_reached_directly() {
    let proxy = Server::always(ok("from the proxy")).await;
    let environment = [
        ("HTTP_PROXY", &*proxy.url("")),
        ("NO_PROXY", "platform.invalid"),
    ];
    let unreachable = call("http://platform.invalid/x", &environment).await;
    assert!(unreachable.starts_with("error Connect"), "{unreachable}");
    assert!(proxy.requests().is_empty());
}

#[tokio::test]
async fn this_machine_is_reached_without_the_proxy() {
    let proxy = Server::always(ok("from the proxy")).await;
    let server = Server::always(ok("direct")).await;
    let environment = [
        ("HTTP_PROXY", &*proxy.url("")),
        ("http_proxy", &*proxy.url("")),
    ];
    assert_eq!(call(&server.url("/x"), &environment).await, "status 200");
    assert_eq!((proxy.requests().len(), server.requests().len()), (0, 1));
}
