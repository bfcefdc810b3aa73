//! Which redirects are followed: those that stay on the server, as the same request.

use http::header::LOCATION;
use http::{Method, StatusCode, Uri};
use reqwest::Url;

use crate::{Origin, Request, Response, Target, TransportError};

/// The most redirects that one call follows.
pub(crate) const MOST: usize = 3;

/// The address that `response` leads `request` to; `None` if the response is the answer. A
/// redirect that would turn the request into another one is an answer too.
pub(crate) fn next(request: &Request, response: &Response) -> Result<Option<Uri>, TransportError> {
    let Some(location) = response.headers().get(LOCATION) else {
        return Ok(None);
    };
    if !is_redirect(response.status()) {
        return Ok(None);
    }
    let target = || Target::of(request);
    let url = location
        .to_str()
        .ok()
        .and_then(|location| resolve(request.uri(), location));
    let url = url.ok_or_else(|| TransportError::RedirectLoop { target: target() })?;
    if Origin::of(&url) != Origin::of(request.uri()) {
        let to = Origin::of(&url).map_or_else(|_| "another scheme".to_owned(), |to| to.to_string());
        return Err(TransportError::Redirect {
            target: target(),
            to,
        });
    }
    Ok(keeps_method(response.status(), request.method()).then_some(url))
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn keeps_method(status: StatusCode, method: &Method) -> bool {
    matches!(status.as_u16(), 307 | 308) || method == Method::GET || method == Method::HEAD
}

fn resolve(base: &Uri, location: &str) -> Option<Uri> {
    let base = Url::parse(&base.to_string()).ok()?;
    base.join(location).ok()?.as_str().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Body, Bytes};

    fn redirect(
        method: &str,
        status: u16,
        location: &str,
    ) -> Result<Option<String>, TransportError> {
        let request = http::Request::builder()
            .method(method)
            .uri("https://a.example:8443/x/y?q=1");
        let response = http::Response::builder()
            .status(status)
            .header(LOCATION, location);
        let next = next(
            &request.body(Bytes::new()).unwrap(),
            &response.body(Body::empty()).unwrap(),
        );
        next.map(|uri| uri.map(|uri| uri.to_string()))
    }

    #[test]
    fn a_redirect_on_the_same_origin_is_followed_if_the_method_stays() {
        let check = |method: &str, status: u16, location: &str, expect: Option<&str>| {
            let next = redirect(method, status, location).unwrap();
            assert_eq!(next.as_deref(), expect, "{method} {status} {location}");
        };
        check(
            "POST",
            307,
            "/registry/register",
            Some("https://a.example:8443/registry/register"),
        );
        check("POST", 308, "z", Some("https://a.example:8443/x/z"));
        check(
            "GET",
            302,
            "https://A.example:8443/z",
            Some("https://a.example:8443/z"),
        );
        check("HEAD", 301, "?q=2", Some("https://a.example:8443/x/y?q=2"));
        check("POST", 301, "/z", None);
        check("POST", 302, "/z", None);
        check("DELETE", 303, "/z", None);
        check("GET", 200, "/z", None);
        check("POST", 201, "/z", None);
        check("GET", 304, "/z", None);
    }

    #[test]
    fn a_redirect_to_another_origin_is_an_error_that_names_it() {
        let check = |location: &str, expect: &str| match redirect("GET", 302, location) {
            Err(TransportError::Redirect { to, .. }) => assert_eq!(to, expect, "{location}"),
            other => panic!("{location}: {other:?}"),
        };
        check("https://evil.example/?token=1", "https://evil.example");
        check("//evil.example/x", "https://evil.example");
        check("http://a.example:8443/x", "http://a.example:8443");
        check("https://a.example/x", "https://a.example");
        check(
            "https://a.example:8443@evil.example/",
            "https://evil.example",
        );
        check("\\\\evil.example/", "https://evil.example");
        check("ftp://a.example/x", "another scheme");
    }
}
