//! Answers that are not what they seem: nothing of them stays, and the version before does.

use std::io::{self, Write};
use std::time::Duration;

use molecule_agent::protocol::ApiError;
use molecule_agent::protocol::endpoints::PluginRefusal;
use molecule_agent::transport::{Phase, Timeouts, TransportError};
use molecule_agent::{AgentError, ErrorKind, PluginOptions};

use super::installing::gzip;
use super::server::{Connection, Server};
use super::{Agent, archives, demo, quick};

const GZIP: &str = "Content-Type: application/gzip";
const MIB: u64 = 1 << 20;

/// The error of this answer to a download. Nothing is left, whether the agent had a version before or not.
async fn error_from(
    options: PluginOptions,
    answer: impl Fn(&mut Connection) -> io::Result<()> + Send + Sync + Clone + 'static,
) -> AgentError {
    let server = Server::downloads(answer.clone());
    let fresh = Agent::new(&server.url());
    fresh.install(options.clone()).await.unwrap_err();
    assert!(fresh.nothing_is_left());

    let first = Server::downloads(|connection| gzip(connection, &archives::plain("first")));
    let agent = Agent::new(&first.url());
    agent.install(quick()).await.unwrap();
    let before = agent.plugins();
    let other = Agent::new(&server.url());
    let there = options.with_plugins_dir(agent.client.plugins_dir());
    let error = other.install(there).await.unwrap_err();
    assert_eq!(agent.plugins(), before, "{error}");
    error
}

#[tokio::test]
async fn a_download_that_breaks_off_is_refused_however_it_is_framed() {
    let body = archives::archive(&[("noise.bin", &archives::noise(100_000))]);
    let half = body.len() / 2;
    // After the last byte of the archive too: a missing end of the framing is missing.
    for cut in [1, half, body.len() - 1, body.len()] {
        let (part, length) = (body[..cut].to_vec(), body.len() + 1);
        let error = error_from(quick(), move |connection| {
            connection.head("200 OK", &[GZIP, &format!("Content-Length: {length}")])?;
            connection.write_all(&part)
        })
        .await;
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{cut}: {error:?}");

        let part = body[..cut].to_vec();
        let error = error_from(quick(), move |connection| {
            connection.head("200 OK", &[GZIP, "Transfer-Encoding: chunked"])?;
            connection.chunk(&part)
        })
        .await;
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{cut}: {error:?}");
    }
}

#[tokio::test]
async fn an_archive_that_ends_early_in_a_complete_answer_is_refused() {
    let body = archives::plain("x");
    for cut in [0, 5, body.len() / 2, body.len() - 1] {
        let part = body[..cut].to_vec();
        let error = error_from(quick(), move |connection| gzip(connection, &part)).await;
        assert_eq!(error.kind(), ErrorKind::Integrity, "{cut}: {error:?}");

        // An answer that ends with the connection looks complete wherever it ends.
        let part = body[..cut].to_vec();
        let error = error_from(quick(), move |connection| {
            connection.head("200 OK", &[GZIP])?;
            connection.write_all(&part)
        })
        .await;
        assert_eq!(error.kind(), ErrorKind::Integrity, "{cut}: {error:?}");
    }
}

#[tokio::test]
async fn an_archive_longer_than_its_announced_length_is_refused() {
    let body = archives::plain("x");
    let error = error_from(quick(), move |connection| {
        let length = format!("Content-Length: {}", body.len() - 9);
        connection.head("200 OK", &[GZIP, &length])?;
        connection.write_all(&body)
    })
    .await;
    assert_eq!(error.kind(), ErrorKind::Integrity, "{error:?}");
}

fn at_most(bytes: u64) -> PluginOptions {
    let mut options = quick();
    options.install.unpack.limits.compressed_bytes = bytes;
    options
}

#[tokio::test]
async fn a_download_is_cut_off_at_its_limit_while_it_streams() {
    let server = Server::downloads(|connection| {
        connection.head("200 OK", &[GZIP])?;
        archives::write_large(connection, 96 * MIB)
    });
    let agent = Agent::new(&server.url());
    let error = agent.install(at_most(MIB)).await.unwrap_err();
    assert!(
        matches!(&error, AgentError::PluginTooLarge { name, limit } if (name, *limit) == (&demo(), MIB)),
        "{error:?}"
    );
    assert_eq!(error.kind(), ErrorKind::Integrity);
    assert!(agent.nothing_is_left());
    // The rest is what the buffers of two sockets took.
    assert!(server.sent() < 32 * MIB, "{}", server.sent());
}

#[tokio::test]
async fn a_download_that_announces_too_much_is_not_begun() {
    let error = error_from(at_most(MIB), |connection| {
        let length = format!("Content-Length: {}", 2 * MIB);
        connection.head("200 OK", &[GZIP, &length])?;
        connection.wait_for_hangup()
    })
    .await;
    assert!(
        matches!(error, AgentError::PluginTooLarge { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_refused_archive_is_not_waited_for() {
    // The answer never ends, or its next piece never comes: who waits for either waits for long.
    for endless in [true, false] {
        let error = error_from(quick(), move |connection| {
            connection.head("200 OK", &[GZIP])?;
            let noise = archives::noise(1 << 20);
            connection.write_all(&archives::archive(&[("back\\slash", &noise)]))?;
            if !endless {
                return connection.wait_for_hangup();
            }
            loop {
                connection.write_all(&[0; 4096])?;
            }
        })
        .await;
        assert_eq!(error.kind(), ErrorKind::Integrity, "{error:?}");
    }
}

#[tokio::test]
async fn a_server_that_falls_silent_is_left() {
    let idle = Duration::from_millis(60);
    let options = quick().with_timeouts(Timeouts::new(Duration::from_secs(30), idle));
    let error = error_from(options, |connection| {
        let body = archives::plain("x");
        connection.head(
            "200 OK",
            &[GZIP, &format!("Content-Length: {}", body.len())],
        )?;
        connection.write_all(&body[..body.len() / 2])?;
        connection.wait_for_hangup()
    })
    .await;
    match error {
        AgentError::Transport(TransportError::Timeout { phase, after, .. }) => {
            assert_eq!((phase, after), (Phase::Body, idle));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_compressed_answer_is_not_decompressed() {
    let error = error_from(quick(), |connection| {
        let body = archives::plain("x");
        let length = format!("Content-Length: {}", body.len());
        connection.head("200 OK", &[GZIP, "Content-Encoding: gzip", &length])?;
        connection.write_all(&body)
    })
    .await;
    assert!(
        matches!(error, AgentError::Transport(TransportError::Encoded { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_page_is_no_archive() {
    let error = error_from(quick(), |connection| {
        connection.answer("200 OK", "Content-Type: text/html", "<html>log in</html>")
    })
    .await;
    assert!(
        matches!(error, AgentError::Api(ApiError::Unexpected(_))),
        "{error:?}"
    );
}

#[tokio::test]
async fn another_plugin_than_the_one_that_was_asked_for_is_not_installed_under_its_name() {
    for sent in ["other", "Demo", ""] {
        let error = error_from(quick(), move |connection| {
            let name = format!("X-Plugin-Name: {sent}");
            connection.answer("200 OK", &name, archives::plain("x"))
        })
        .await;
        assert_eq!(error.kind(), ErrorKind::Integrity);
        let text = error.to_string();
        assert!(text.contains(&format!("{sent:?}")), "{text}");
        assert!(
            matches!(&error, AgentError::OtherPlugin { asked, sent: name } if *asked == demo() && name == sent),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn what_the_platform_refuses_is_typed_and_says_what_to_do() {
    let check = async |status: &'static str, body: &'static str, expect, kind, advice: &str| {
        let error = error_from(quick(), move |connection| {
            connection.answer(status, "Content-Type: application/json", body)
        })
        .await;
        let text = error.to_string();
        assert!(text.contains(advice), "{text}");
        assert_eq!(error.kind(), kind, "{text}");
        match error {
            AgentError::Api(ApiError::Plugin(_, reason)) => assert_eq!(reason, expect),
            other => panic!("{other:?}"),
        }
    };
    check(
        "404 Not Found",
        r#"{"error":"failed to fetch plugin from local","source":"local://demo"}"#,
        PluginRefusal::Unknown,
        ErrorKind::Usage,
        "check the name",
    )
    .await;
    check(
        "413 Request Entity Too Large",
        r#"{"error":"staged plugin exceeds size limit","source":"local://demo"}"#,
        PluginRefusal::TooLarge,
        ErrorKind::Usage,
        "make the plugin smaller",
    )
    .await;
    check(
        "422 Unprocessable Entity",
        r#"{"error":"plugin manifest integrity check failed","source":"local://demo"}"#,
        PluginRefusal::Damaged,
        ErrorKind::Integrity,
        "publish it again",
    )
    .await;
    check(
        "422 Unprocessable Entity",
        r#"{"error":"unpinned github source: append a tag","source":"github://o/demo"}"#,
        PluginRefusal::Unpinned,
        ErrorKind::Usage,
        "pin the source",
    )
    .await;
}

#[tokio::test]
async fn an_endless_refusal_is_still_a_refusal() {
    let error = error_from(quick(), |connection| {
        connection.head("404 Not Found", &["Content-Type: text/plain"])?;
        loop {
            connection.write_all(&[b'x'; 4096])?;
        }
    })
    .await;
    assert!(
        matches!(error, AgentError::Api(ApiError::NoSuchRoute(_))),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_redirect_to_another_origin_learns_nothing() {
    let other = Server::downloads(|connection| gzip(connection, &archives::plain("x")));
    let location = format!("Location: {}/download", other.url());
    let error = error_from(quick(), move |connection| {
        connection.answer("302 Found", &location, "")
    })
    .await;
    assert!(
        matches!(
            error,
            AgentError::Transport(TransportError::Redirect { .. })
        ),
        "{error:?}"
    );
    assert!(other.requests().is_empty());
}
