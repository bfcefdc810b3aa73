//! What most routes begin with: who asks, about which workspace, and with what.

use std::marker::PhantomData;

use axum::extract::{FromRequest, FromRequestParts as _, Path, Query, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::HeaderMap;
use serde::de::DeserializeOwned;

use crate::platform::Platform;
use crate::reply::Reply;
use crate::request::{Bearer, Params, bearer, decode, header};
use crate::tx::Tx;

/// Who may ask.
pub(crate) trait Guard {
    fn check(tx: &mut Tx<'_>, id: &str, bearer: &Bearer) -> Result<(), Reply>;
}

/// Anyone, as far as this goes: the route looks for itself.
pub(crate) struct Anyone;

/// The workspace that the path names, and administrators.
pub(crate) struct TheWorkspace;

/// Administrators.
pub(crate) struct Admins;

impl Guard for Anyone {
    fn check(_: &mut Tx<'_>, _: &str, _: &Bearer) -> Result<(), Reply> {
        Ok(())
    }
}

impl Guard for TheWorkspace {
    fn check(tx: &mut Tx<'_>, id: &str, bearer: &Bearer) -> Result<(), Reply> {
        tx.require_workspace(id, bearer)
    }
}

impl Guard for Admins {
    fn check(tx: &mut Tx<'_>, _: &str, bearer: &Bearer) -> Result<(), Reply> {
        tx.require_admin(bearer)
    }
}

/// A request, and the state behind its guard: whoever may not ask gets no look at it.
pub(crate) struct Asked<By> {
    pub(crate) platform: Platform,
    /// The first variable of the path, which is the id of a workspace in most.
    pub(crate) id: String,
    /// The second variable of the path.
    pub(crate) name: String,
    pub(crate) params: Params,
    pub(crate) headers: HeaderMap,
    pub(crate) bearer: Bearer,
    pub(crate) body: Bytes,
    guard: PhantomData<fn() -> By>,
}

impl<By: Guard> Asked<By> {
    /// Looks at the state.
    pub(crate) fn read<R>(
        &self,
        look: impl FnOnce(&mut Tx<'_>) -> Result<R, Reply>,
    ) -> Result<R, Reply> {
        self.platform.read(|tx| self.guarded(tx, look))
    }

    /// Changes the state.
    pub(crate) fn write<R>(
        &self,
        change: impl FnOnce(&mut Tx<'_>) -> Result<R, Reply>,
    ) -> Result<R, Reply> {
        self.platform.write(|tx| self.guarded(tx, change))
    }

    fn guarded<R>(
        &self,
        tx: &mut Tx<'_>,
        act: impl FnOnce(&mut Tx<'_>) -> Result<R, Reply>,
    ) -> Result<R, Reply> {
        By::check(tx, &self.id, &self.bearer)?;
        act(tx)
    }

    /// For routes that need no more of the state than that the guard lets pass.
    pub(crate) fn check(&self) -> Result<(), Reply> {
        self.read(|_| Ok(()))
    }

    /// The body.
    pub(crate) fn decode<T: DeserializeOwned>(&self) -> Result<T, Reply> {
        decode(&self.body)
    }

    /// A parameter of the query.
    pub(crate) fn param(&self, key: &str) -> Option<&str> {
        self.params.get(key).map(String::as_str)
    }

    /// The text of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

impl<By> FromRequest<Platform> for Asked<By> {
    type Rejection = Response;

    async fn from_request(request: Request, platform: &Platform) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let path = Path::<Vec<String>>::from_request_parts(&mut parts, platform).await;
        let Path(path) = path.map_err(IntoResponse::into_response)?;
        let params = Query::try_from_uri(&parts.uri);
        let Query(params) = params.map_err(IntoResponse::into_response)?;
        let headers = parts.headers.clone();
        let body = Bytes::from_request(Request::from_parts(parts, body), platform).await;
        let body = body.map_err(IntoResponse::into_response)?;
        let mut variables = path.into_iter();
        Ok(Self {
            platform: platform.clone(),
            id: variables.next().unwrap_or_default(),
            name: variables.next().unwrap_or_default(),
            params,
            bearer: bearer(&headers),
            headers,
            body,
            guard: PhantomData,
        })
    }
}
