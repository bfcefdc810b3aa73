//! TLS against a private CA.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use molecule_transport::{
    CallOptions, Phase, ReqwestTransport, Timeouts, Transport, TransportError,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::calls::get;
use crate::server::{Reply, Server, http, ok, plain_client, wait};

/// A CA in a file, and a server for `localhost` with a certificate of it.
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    server: Server,
    directory: TempDir,
}

impl Tls {
    pub(crate) async fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(directory.path().join("ca.pem"), ca.pem()).unwrap();
        let acceptor = acceptor(&ca);
        let server = Server::start_tls(acceptor.clone(), |_| ok("secure")).await;
        Self {
            acceptor,
            server,
            directory,
        }
    }

    pub(crate) fn ca_file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// A client that trusts this CA alone.
    fn client(&self) -> ReqwestTransport {
        let builder = ReqwestTransport::builder().with_system_roots(false);
        builder.with_ca_file(self.ca_file()).build().unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}/x", self.server.address.port())
    }
}

fn acceptor(ca: &CertifiedIssuer<'_, KeyPair>) -> TlsAcceptor {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, ca).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        );
    TlsAcceptor::from(Arc::new(config.unwrap()))
}

#[tokio::test]
async fn a_private_ca_is_trusted_through_its_file() {
    let tls = Tls::start().await;
    let transport = tls.client();
    let response = transport.send(get(&tls.url())).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap(), "secure");
}

#[tokio::test]
async fn the_ca_file_comes_on_top_of_the_system_roots() {
    let tls = Tls::start().await;
    let transport = ReqwestTransport::builder()
        .with_ca_file(tls.ca_file())
        .build()
        .unwrap();
    assert!(transport.send(get(&tls.url())).await.is_ok());
}

#[tokio::test]
async fn an_unknown_ca_is_refused_before_the_request_is_sent() {
    let (tls, other) = (Tls::start().await, Tls::start().await);
    let transport = other.client();
    let error = transport.send(get(&tls.url())).await.unwrap_err();
    assert!(matches!(error, TransportError::Tls { .. }), "{error:?}");
    assert!(
        error.surely_not_delivered() && error.to_string().contains("--ca-file"),
        "{error}"
    );
    assert!(tls.server.requests().is_empty());
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let tls = Tls::start().await;
    let transport = tls.client();
    let url = tls.url().replace("localhost", "127.0.0.1");
    let error = transport.send(get(&url)).await.unwrap_err();
    assert!(matches!(error, TransportError::Tls { .. }), "{error:?}");
}

#[tokio::test]
async fn without_any_ca_https_is_refused_and_http_works() {
    let server = Server::always(ok("plain")).await;
    let transport = plain_client();
    assert!(transport.send(get(&server.url("/"))).await.is_ok());
    let error = transport
        .send(get("https://localhost:1/"))
        .await
        .unwrap_err();
    assert!(
        matches!(error, TransportError::NoCertificates { .. }),
        "{error:?}"
    );
    assert!(
        error.to_string().contains("install ca-certificates"),
        "{error}"
    );
}

#[tokio::test]
async fn a_ca_file_that_is_none_is_named() {
    let directory = TempDir::new().unwrap();
    let check = |name: &str, content: Option<&str>| {
        let path = directory.path().join(name);
        content
            .into_iter()
            .for_each(|content| std::fs::write(&path, content).unwrap());
        let error = ReqwestTransport::builder()
            .with_ca_file(&path)
            .build()
            .unwrap_err();
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
        assert!(matches!(error, TransportError::CaFile { .. }), "{error:?}");
    };
    check("missing.pem", None);
    check("empty.pem", Some(""));
    check("text.pem", Some("not a certificate"));
    check(
        "bad.pem",
        Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
    );
}

#[tokio::test]
async fn a_server_that_never_shakes_hands_is_left_after_the_connect_limit() {
    let tls = Tls::start().await;
    let silent = Server::always(Reply::Silence(Vec::new())).await;
    let transport = tls.client();
    let short = Duration::from_millis(60);
    let options = CallOptions::new().with_timeouts(Timeouts::new(short, Duration::from_secs(30)));
    let request = options.attach(get(&silent.url("/").replace("http:", "https:")));
    let error = transport.send(request).await.unwrap_err();
    assert!(
        matches!(error, TransportError::Timeout { phase: Phase::Connect, after, .. }
        if after == short)
    );
    assert!(error.surely_not_delivered());
}

#[tokio::test]
async fn a_plain_server_behind_an_https_address_is_a_failed_connection() {
    let tls = Tls::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let transport = tls.client();
    let _serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
        std::future::pending::<()>().await;
    });
    let result = transport.send(get(&url)).await;
    let error = result.unwrap_err();
    assert!(error.surely_not_delivered(), "{error:?}");
}

#[tokio::test]
async fn a_slow_handshake_does_not_count_as_silence() {
    let tls = Tls::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "https://localhost:{}/",
        listener.local_addr().unwrap().port()
    );
    let acceptor = tls.acceptor.clone();
    let (connect, idle) = (Duration::from_secs(30), Duration::from_millis(400));
    let options = CallOptions::new().with_timeouts(Timeouts::new(connect, idle));
    let _serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        wait(idle + Duration::from_millis(100)).await;
        let mut stream = acceptor.accept(stream).await.unwrap();
        stream
            .write_all(&http("200 OK", &["Content-Length: 0"], ""))
            .await
            .unwrap();
        stream.flush().await.unwrap();
        std::future::pending::<()>().await;
    });
    let client = tls.client();
    let result = client.send(options.attach(get(&url))).await;
    assert_eq!(result.unwrap().status(), 200);
}
