//! Bodies of requests.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use molecule_transport::{Clock, within};

use crate::{A2aError, ErrorCode};

/// How many times the limit of a body that is too large is read all the same: a client that is cut off while it sends does not
/// read the answer.
const PATIENCE: usize = 16;

/// The whole body, if it is not too large and does not take too long.
pub(super) async fn read(
    body: Body,
    limit: usize,
    time: Duration,
    clock: &dyn Clock,
) -> Result<Bytes, A2aError> {
    let mut body = pin!(whole(body, limit));
    // Most bodies are there already, and need no timer.
    if let Poll::Ready(read) = futures_util::poll!(body.as_mut()) {
        return read;
    }
    let read = within(clock, time, body).await;
    read.unwrap_or_else(|_| Err(refused("the request's body came too slowly")))
}

async fn whole(body: Body, limit: usize) -> Result<Bytes, A2aError> {
    let mut pieces = body.into_data_stream();
    let cut_short = |_| refused("the request's body broke off");
    let (mut whole, mut length) = (Pieces::None, 0_usize);
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(cut_short)?;
        length = length.saturating_add(piece.len());
        if length <= limit {
            whole.add(piece);
        } else if length > limit.saturating_mul(PATIENCE) {
            break;
        }
    }
    if length > limit {
        let text = format!("the request's body is larger than {limit} bytes");
        return Err(refused(text));
    }
    Ok(whole.into_bytes())
}

/// What was read. A body in one piece is not copied.
enum Pieces {
    None,
    One(Bytes),
    More(BytesMut),
}

impl Pieces {
    fn add(&mut self, piece: Bytes) {
        *self = match std::mem::replace(self, Self::None) {
            Self::None => Self::One(piece),
            Self::One(first) => {
                let mut more = BytesMut::from(first);
                more.extend_from_slice(&piece);
                Self::More(more)
            }
            Self::More(mut more) => {
                more.extend_from_slice(&piece);
                Self::More(more)
            }
        };
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::None => Bytes::new(),
            Self::One(piece) => piece,
            Self::More(pieces) => pieces.freeze(),
        }
    }
}

fn refused(what: impl Into<String>) -> A2aError {
    A2aError::new(ErrorCode::InvalidRequest, what)
}
