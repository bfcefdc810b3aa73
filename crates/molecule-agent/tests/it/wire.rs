//! What happens to answers that stream, on their way.

use axum::body::Body as Source;
use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use molecule_agent::transport::{Body, Target, TransportError};
use tokio::sync::watch;

/// What happens to those that are on their way now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blow {
    /// The connection breaks.
    Cut,
    /// Nothing comes any more, and nobody says so.
    Freeze,
}

/// Strikes all streams of a world.
#[derive(Debug, Clone)]
pub(crate) struct Wire(watch::Sender<Blow>);

impl Wire {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Blow::Cut))
    }

    pub(crate) fn strike(&self, blow: Blow) {
        self.0.send_replace(blow);
    }

    /// The body as it arrives.
    pub(crate) fn carry(&self, body: Source, target: Target) -> Body {
        let start = (body, self.0.subscribe(), target);
        let frames = stream::unfold(start, |(mut body, mut blows, target)| async move {
            let frame = tokio::select! {
                biased;
                _ = blows.changed() => None,
                frame = body.frame() => Some(frame?),
            };
            if frame.is_none() && *blows.borrow() == Blow::Freeze {
                std::future::pending::<()>().await;
            }
            let broken = |source| TransportError::Interrupted {
                target: target.clone(),
                source,
            };
            let frame = match frame {
                Some(frame) => frame.map_err(|error| broken(error.into())),
                None => Err(broken("simulated".into())),
            };
            Some((frame, (body, blows, target)))
        });
        Body::wrap(StreamBody::new(Box::pin(frames)))
    }
}
