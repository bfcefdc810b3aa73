//! Tenant headers go to the platform, in the form it accepts.

use http::HeaderMap;
use molecule_transport::testing::{ScriptedTransport, answer};
use molecule_transport::{TenantHeaders, Transport};

use crate::calls::get;

const ORG: &str = "0b7a2a52-3b1c-4f0e-9f57-6b8f7b2d7c11";

async fn headers(
    platform: &str,
    url: &str,
    configure: impl FnOnce(TenantHeaders<ScriptedTransport>) -> TenantHeaders<ScriptedTransport>,
) -> HeaderMap {
    let transport = ScriptedTransport::answers([answer(200, "")]);
    let tenant = TenantHeaders::new(transport.clone(), platform.parse().unwrap());
    configure(tenant).send(get(url)).await.unwrap();
    transport.requests()[0].headers().clone()
}

#[tokio::test]
async fn the_origin_is_scheme_host_and_port_alone() {
    let check = async |platform: &str, url: &str, expect: &str| {
        let headers = headers(platform, url, |tenant| tenant).await;
        assert_eq!(headers["origin"], expect, "{platform}");
        assert!(!headers.contains_key("x-molecule-org-id"));
    };
    check(
        "http://127.0.0.1:18080/",
        "http://127.0.0.1:18080/health",
        "http://127.0.0.1:18080",
    )
    .await;
    check(
        "https://Acme.Example/api",
        "https://acme.example/x",
        "https://acme.example",
    )
    .await;
    check(
        "https://acme.example:443",
        "https://acme.example/x",
        "https://acme.example",
    )
    .await;
    check(
        "http://[::1]:8080/",
        "http://[::1]:8080/x",
        "http://[::1]:8080",
    )
    .await;
}

#[tokio::test]
async fn the_org_id_is_sent_when_there_is_one() {
    let org = |tenant: TenantHeaders<_>| tenant.with_org_id(ORG.parse().unwrap());
    let headers = headers("https://acme.example", "https://acme.example/x", org).await;
    assert_eq!(headers["x-molecule-org-id"], ORG);
}

#[tokio::test]
async fn the_origin_header_can_be_left_away() {
    let bare = |tenant: TenantHeaders<_>| tenant.without_origin_header();
    let headers = headers("https://acme.example", "https://acme.example/x", bare).await;
    assert!(headers.is_empty(), "{headers:?}");
}

#[tokio::test]
async fn other_servers_learn_nothing_of_the_tenant() {
    for url in [
        "https://peer.example/x",
        "http://acme.example/x",
        "https://acme.example:444/x",
    ] {
        let org = |tenant: TenantHeaders<_>| tenant.with_org_id(ORG.parse().unwrap());
        let headers = headers("https://acme.example", url, org).await;
        assert!(headers.is_empty(), "{url}: {headers:?}");
    }
}
