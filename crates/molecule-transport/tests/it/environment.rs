//! What the environment says about certificates and proxies, read in a process of its own: a
//! test cannot change the environment of the others.

use std::process::Output;
use std::time::Duration;

use molecule_transport::{CallOptions, ForeignTransport, ReqwestTransport, Timeouts, Transport};

use crate::calls::get;
use crate::server::{Reply, Server, http, ok};
use crate::tls::Tls;

const URL: &str = "MOLECULE_TRANSPORT_TEST_URL";
/// Set if a stranger chose the address.
const FOREIGN: &str = "MOLECULE_TRANSPORT_TEST_FOREIGN";

/// The child: calls the address it was given, and prints the status or the error.
#[tokio::test]
#[ignore = "run by the other tests, as a process of its own"]
async fn child() {
    #[expect(
        clippy::disallowed_methods,
        reason = "how the parent hands over what to call"
    )]
    let (url, foreign) = (
        std::env::var(URL).unwrap(),
        std::env::var_os(FOREIGN).is_some(),
    );
    let limit = Timeouts::both(Duration::from_secs(5));
    let request = CallOptions::new().with_timeouts(limit).attach(get(&url));
    match transport(foreign).send(request).await {
        Ok(response) => println!("status {}", response.status().as_u16()),
        Err(error) => println!("error {error:?}"),
    }
}

fn transport(foreign: bool) -> Box<dyn Transport> {
    if foreign {
        let builder = ForeignTransport::builder().with_local_addresses(true);
        return Box::new(builder.build().unwrap());
    }
    Box::new(ReqwestTransport::new().unwrap())
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

#[tokio::test]
async fn an_address_that_a_stranger_chose_is_reached_without_the_proxy() {
    let proxy = Server::always(ok("from the proxy")).await;
    let server = Server::always(ok("direct")).await;
    let tls = Tls::start().await;
    let (proxy_url, ca_file) = (proxy.url(""), tls.ca_file());
    let variables = [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ];
    let mut environment: Vec<(&str, &str)> = variables.map(|name| (name, &*proxy_url)).to_vec();
    environment.extend([(FOREIGN, "1"), ("SSL_CERT_FILE", ca_file.to_str().unwrap())]);
    let url = format!("http://localhost:{}/x", server.address.port());
    for url in [url, server.url("/x"), tls.url()] {
        assert_eq!(call(&url, &environment).await, "status 200", "{url}");
    }
    assert_eq!((proxy.requests().len(), server.requests().len()), (0, 2));
}
