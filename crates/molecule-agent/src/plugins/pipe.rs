//! A download on its way from a task to a thread: bounded, asked for, and complete only when the sender says so.

use std::io::{self, Read};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

/// Pieces of the download that wait for the thread. A piece is what one read of a socket gave, far below a megabyte.
const CAPACITY: usize = 8;

enum Piece {
    Data(Bytes),
    End,
}

/// Where the task puts the download in.
#[derive(Debug)]
pub(super) struct Inlet {
    wanted: oneshot::Receiver<()>,
    pieces: mpsc::Sender<Piece>,
}

/// Where the thread reads it. An inlet that is dropped before it said that the download is complete reads as an error.
#[derive(Debug)]
pub(super) struct Outlet {
    want: Option<oneshot::Sender<()>>,
    pieces: mpsc::Receiver<Piece>,
    rest: Bytes,
    ended: bool,
}

/// A pipe, and nothing in it.
pub(super) fn pipe() -> (Inlet, Outlet) {
    let (want, wanted) = oneshot::channel();
    let (sender, receiver) = mpsc::channel(CAPACITY);
    let inlet = Inlet {
        wanted,
        pieces: sender,
    };
    let outlet = Outlet {
        want: Some(want),
        pieces: receiver,
        rest: Bytes::new(),
        ended: false,
    };
    (inlet, outlet)
}

impl Inlet {
    /// Waits until the thread reads for the first time. `false`: it never will.
    pub(super) async fn wanted(&mut self) -> bool {
        (&mut self.wanted).await.is_ok()
    }

    /// Waits until nobody reads any more.
    pub(super) async fn abandoned(&self) {
        self.pieces.closed().await;
    }

    /// Hands over a piece, as soon as there is room. `false`: nobody reads any more.
    pub(super) async fn put(&self, data: Bytes) -> bool {
        self.pieces.send(Piece::Data(data)).await.is_ok()
    }

    /// Says that this was all.
    pub(super) async fn complete(self) {
        // A thread that reads no more has its reasons, and says them itself.
        let _ = self.pieces.send(Piece::End).await;
    }
}

impl Outlet {
    /// The next piece; an empty one at the end.
    fn refill(&mut self) -> io::Result<()> {
        if let Some(want) = self.want.take() {
            let _ = want.send(());
        }
        while self.rest.is_empty() && !self.ended {
            match self.pieces.blocking_recv() {
                Some(Piece::Data(data)) => self.rest = data,
                Some(Piece::End) => self.ended = true,
                None => return Err(broken_off()),
            }
        }
        Ok(())
    }
}

fn broken_off() -> io::Error {
    let reason = "the download stopped before it was complete";
    io::Error::new(io::ErrorKind::ConnectionAborted, reason)
}

impl Read for Outlet {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.refill()?;
        let taken = self.rest.split_to(buffer.len().min(self.rest.len()));
        buffer[..taken.len()].copy_from_slice(&taken);
        Ok(taken.len())
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::spawn_blocking;

    use super::*;

    /// All that a thread reads, and how it ends.
    async fn read(mut outlet: Outlet) -> (Vec<u8>, io::Result<usize>) {
        let read = move || {
            let mut all = Vec::new();
            let result = outlet.read_to_end(&mut all);
            (all, result)
        };
        spawn_blocking(read).await.unwrap()
    }

    #[tokio::test]
    async fn what_is_put_in_comes_out_to_the_end() {
        let (mut inlet, outlet) = pipe();
        let reader = tokio::spawn(read(outlet));
        assert!(inlet.wanted().await);
        for piece in ["one ", "", "two ", "three"] {
            assert!(inlet.put(Bytes::from_static(piece.as_bytes())).await);
        }
        inlet.complete().await;
        let (all, result) = reader.await.unwrap();
        assert_eq!(
            (all.as_slice(), result.unwrap()),
            (&b"one two three"[..], 13)
        );
    }

    #[tokio::test]
    async fn an_inlet_that_is_dropped_is_an_error_and_never_the_end() {
        let (inlet, outlet) = pipe();
        inlet.put(Bytes::from_static(b"half")).await;
        drop(inlet);
        let (all, result) = read(outlet).await;
        assert_eq!(all, b"half");
        let error = result.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
    }

    #[tokio::test]
    async fn an_error_stays_an_error_however_often_it_is_read() {
        let (inlet, mut outlet) = pipe();
        drop(inlet);
        let twice = move || {
            [
                outlet.read(&mut [0]).is_err(),
                outlet.read(&mut [0]).is_err(),
            ]
        };
        assert_eq!(spawn_blocking(twice).await.unwrap(), [true, true]);
    }

    #[tokio::test]
    async fn nothing_is_wanted_before_the_first_read_or_without_one() {
        let (mut inlet, outlet) = pipe();
        let early = tokio::select! {
            biased;
            _ = inlet.wanted() => true,
            () = std::future::ready(()) => false,
        };
        assert!(!early);
        drop(outlet);
        assert!(!inlet.wanted().await);
        inlet.abandoned().await;
        assert!(!inlet.put(Bytes::from_static(b"x")).await);
    }

    #[tokio::test]
    async fn no_more_waits_than_the_capacity() {
        let (inlet, outlet) = pipe();
        for _ in 0..CAPACITY {
            inlet.put(Bytes::from_static(b"x")).await;
        }
        let full = tokio::select! {
            biased;
            _ = inlet.put(Bytes::from_static(b"x")) => false,
            () = std::future::ready(()) => true,
        };
        assert!(full);
        drop(inlet);
        assert_eq!(read(outlet).await.0.len(), CAPACITY);
    }
}
