//! What goes to a webhook.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Uri};
use molecule_transport::{CallOptions, Limits, Request};

use crate::{A2aError, ErrorCode, PushConfig};

const TOKEN: HeaderName = HeaderName::from_static("x-a2a-notification-token");
/// One notification with all its retries.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);
/// Each text of a configuration, of which many are kept.
const TEXT_BYTES: usize = 4096;
/// Nobody reads the answer.
const ANSWER_BYTES: u64 = 64 << 10;

/// Whether notifications can go there at all. Where the address leads is looked at when they do.
pub(crate) fn check(config: &PushConfig) -> Result<(), A2aError> {
    let wrong = |what| A2aError::new(ErrorCode::InvalidParams, what);
    if !is_small(config) {
        return Err(wrong(
            "a webhook's url, id, token, scheme and credentials have 4096 bytes each at most",
        ));
    }
    uri(config).ok_or_else(|| wrong("a webhook's url is http or https, with a host"))?;
    headers(config)
        .ok_or_else(|| wrong("a webhook's token or credentials do not fit into a header"))?;
    Ok(())
}

/// One notification. `None`: the configuration is one that [`check`] refuses.
pub(super) fn notification(config: &PushConfig, body: Bytes) -> Option<Request> {
    let mut request = http::Request::new(body);
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = uri(config)?;
    for (name, value) in headers(config)? {
        request.headers_mut().insert(name, value);
    }
    let options = CallOptions::new()
        .with_repeatable(true)
        .with_deadline(DEADLINE)
        .with_limits(Limits::DEFAULT.with_body_bytes(ANSWER_BYTES));
    Some(options.attach(request))
}

fn is_small(config: &PushConfig) -> bool {
    let authentication = config.authentication.as_ref();
    let schemes = authentication.map_or(0, |how| {
        how.schemes.iter().map(|name| 64 + name.len()).sum()
    });
    let texts = [
        Some(&config.url),
        config.id.as_ref(),
        config.token.as_ref(),
        authentication.and_then(|how| how.credentials.as_ref()),
    ];
    let mut lengths = texts.into_iter().flatten().map(String::len);
    schemes <= TEXT_BYTES && lengths.all(|length| length <= TEXT_BYTES)
}

fn uri(config: &PushConfig) -> Option<Uri> {
    let uri: Uri = config.url.parse().ok()?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    (known && uri.host().is_some_and(|host| !host.is_empty())).then_some(uri)
}

fn headers(config: &PushConfig) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let json = HeaderValue::from_static("application/json");
    let mut headers = vec![(CONTENT_TYPE, json)];
    if let Some(token) = &config.token {
        headers.push((TOKEN, secret(token)?));
    }
    if let Some(authentication) = &config.authentication
        && let (Some(scheme), Some(credentials)) =
            (authentication.schemes.first(), &authentication.credentials)
    {
        headers.push((AUTHORIZATION, secret(&format!("{scheme} {credentials}"))?));
    }
    Some(headers)
}

fn secret(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PushAuthentication;

    fn refused(config: &PushConfig) -> String {
        check(config).unwrap_err().message
    }

    #[test]
    fn a_webhook_is_an_absolute_address_of_http() {
        for url in [
            "http://a/b?c",
            "https://a.example:8443/",
            "http://[::1]:9/x",
        ] {
            assert_eq!(check(&PushConfig::new(url)), Ok(()), "{url}");
        }
        for url in [
            "",
            "/hook",
            "ftp://a/",
            "file:///etc/passwd",
            "http://",
            "a b",
            "hook",
        ] {
            assert!(
                refused(&PushConfig::new(url)).contains("http or https"),
                "{url}"
            );
        }
    }

    #[test]
    fn no_text_of_a_webhook_is_long() {
        let long = || "x".repeat(5000);
        let changes: [fn(&mut PushConfig, String); 5] = [
            |config, text| config.url.push_str(&text),
            |config, text| config.id = Some(text),
            |config, text| config.token = Some(text),
            |config, text| config.authentication = Some(PushAuthentication::new("Bearer", text)),
            |config, text| config.authentication = Some(PushAuthentication::new(text, "abc")),
        ];
        for change in changes {
            let mut config = PushConfig::new("http://a/");
            change(&mut config, long());
            assert!(refused(&config).contains("4096"));
        }
    }

    #[test]
    fn secrets_become_headers_that_are_not_shown() {
        let mut config = PushConfig::new("http://a/");
        config.token = Some("tok".into());
        config.authentication = Some(PushAuthentication::new("Bearer", "abc"));
        let request = notification(&config, Bytes::from_static(b"{}")).unwrap();
        assert_eq!(request.headers()["x-a2a-notification-token"], "tok");
        assert_eq!(request.headers()["authorization"], "Bearer abc");
        assert_eq!(request.headers()["content-type"], "application/json");
        let shown = format!("{:?} {config:?}", request.headers());
        assert!(
            !shown.contains("tok\"") && !shown.contains("abc"),
            "{shown}"
        );
        config.token = Some("a\nb".into());
        assert!(refused(&config).contains("header"));
    }
}
