//! The agent card over HTTP.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LAST_MODIFIED, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;

use super::options::ServerOptions;
use super::shared::Shared;
use crate::card::CardFeatures;
use crate::push::Webhooks;
use crate::{A2aError, Card, ErrorCode};

/// Clients may keep the card for so long before they ask whether it changed.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");
const FORWARDED: HeaderValue = HeaderValue::from_static("x-forwarded-proto, x-forwarded-host");

/// The card, written once, and what is needed to write it for another address.
pub(super) struct Cards {
    card: Card,
    url: String,
    features: CardFeatures,
    written: Written,
    modified: HeaderValue,
    forwarded: bool,
}

#[derive(Clone)]
struct Written {
    body: Bytes,
    etag: HeaderValue,
}

impl Cards {
    pub(super) fn new(options: &ServerOptions, webhooks: &Webhooks, url: &str) -> Self {
        let card = options.card.clone();
        let url = match &*card.url {
            "" => url.to_owned(),
            known => known.to_owned(),
        };
        let features = CardFeatures {
            push_notifications: webhooks.is_supported(),
            bearer: options.token.is_some(),
        };
        if card.extended.is_some() && !features.bearer {
            tracing::warn!("nobody sees the extended card: it takes an inbound token");
        }
        let modified = httpdate::fmt_http_date(options.clock.wall());
        Self {
            written: Written::new(&card.written(&url, features)),
            // A date consists of letters, digits and punctuation.
            modified: HeaderValue::try_from(modified).unwrap_or(HeaderValue::from_static("")),
            forwarded: options.forwarded,
            card,
            url,
            features,
        }
    }

    /// The card for those who may see more, which whoever gets here may.
    pub(super) fn extended(&self) -> Result<Value, A2aError> {
        let card = self.card.extended(&self.url, self.features);
        card.ok_or_else(|| ErrorCode::NoExtendedCard.into())
    }

    fn for_reader(&self, headers: &HeaderMap) -> Written {
        let elsewhere = self
            .forwarded
            .then(|| self.forwarded_url(headers))
            .flatten();
        elsewhere.map_or_else(
            || self.written.clone(),
            |url| Written::new(&self.card.written(&url, self.features)),
        )
    }

    /// The address that the reader used, as the proxy before us tells it.
    fn forwarded_url(&self, headers: &HeaderMap) -> Option<String> {
        let first = |name: &str| {
            let value = headers.get(name)?.to_str().ok()?;
            value.split(',').next().map(str::trim)
        };
        let host: http::uri::Authority = first("x-forwarded-host")?.parse().ok()?;
        let own: http::Uri = self.url.parse().ok()?;
        let scheme = match first("x-forwarded-proto") {
            Some(scheme @ ("http" | "https")) => scheme,
            Some(_) => return None,
            None => own.scheme_str()?,
        };
        Some(format!("{scheme}://{host}{}", own.path()))
    }
}

impl Written {
    fn new(card: &Value) -> Self {
        let body = card.to_string();
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        let etag = format!("\"{:016x}\"", hasher.finish());
        Self {
            body: body.into(),
            // Sixteen hexadecimal digits in quotes.
            etag: HeaderValue::try_from(etag).unwrap_or(HeaderValue::from_static("\"\"")),
        }
    }

    fn is_known(&self, headers: &HeaderMap) -> bool {
        let known = headers.get(IF_NONE_MATCH);
        let known = known.and_then(|known| known.to_str().ok()).unwrap_or("");
        let mut tags = known.split(',').map(str::trim);
        tags.any(|tag| {
            tag == "*" || tag.trim_start_matches("W/").as_bytes() == self.etag.as_bytes()
        })
    }
}

pub(super) async fn get(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let cards = &shared.cards;
    let written = cards.for_reader(&headers);
    let mut response = if written.is_known(&headers) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        Response::new(Body::from(written.body))
    };
    let json = HeaderValue::from_static("application/json");
    let about = response.headers_mut();
    about.insert(CONTENT_TYPE, json);
    about.insert(ETAG, written.etag);
    about.insert(LAST_MODIFIED, cards.modified.clone());
    about.insert(CACHE_CONTROL, CACHE);
    if cards.forwarded {
        about.insert(VARY, FORWARDED);
    }
    response
}
