//! The headers that lead a request to its tenant on a hosted platform.

use http::HeaderValue;
use http::header::{HeaderName, ORIGIN};

use crate::{BoxFuture, Origin, Request, Response, Transport, TransportError};

const ORG_ID: HeaderName = HeaderName::from_static("x-molecule-org-id");

/// Adds `X-Molecule-Org-Id`, if there is one, and `Origin` to requests to the platform. A header
/// that a request already carries stays.
///
/// `Origin` is scheme, host and port alone, the only form that platforms accept. It has to stay
/// away when a proxy in front of the platform rewrites `Host`.
#[derive(Debug)]
pub struct TenantHeaders<T> {
    inner: T,
    platform: Origin,
    org_id: Option<HeaderValue>,
    origin: Option<HeaderValue>,
}

impl<T: Transport> TenantHeaders<T> {
    /// Adds `Origin` to the requests that `inner` sends to `platform`.
    pub fn new(inner: T, platform: Origin) -> Self {
        let origin = HeaderValue::try_from(platform.to_string()).ok();
        Self {
            inner,
            platform,
            org_id: None,
            origin,
        }
    }

    /// Adds `X-Molecule-Org-Id` as well.
    #[must_use]
    pub fn with_org_id(mut self, org_id: HeaderValue) -> Self {
        self.org_id = Some(org_id);
        self
    }

    /// Leaves `Origin` away.
    #[must_use]
    pub fn without_origin_header(mut self) -> Self {
        self.origin = None;
        self
    }

    fn decorate(&self, request: &mut Request) {
        if Origin::of(request.uri()).as_ref() != Ok(&self.platform) {
            return;
        }
        for (name, value) in [(ORG_ID, &self.org_id), (ORIGIN, &self.origin)] {
            if let Some(value) = value {
                request
                    .headers_mut()
                    .entry(name)
                    .or_insert_with(|| value.clone());
            }
        }
    }
}

impl<T: Transport> Transport for TenantHeaders<T> {
    fn send(&self, mut request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        self.decorate(&mut request);
        self.inner.send(request)
    }
}
