//! What streams cost that are open and still.

use anyhow::{Context as _, Result, ensure};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::client::{Calls, Connection};
use crate::process::Server;
use crate::servers::{HOLD, Kind};

pub(crate) async fn measure(count: usize) -> Result<()> {
    let server = Server::start(Kind::A2a).await?;
    let before = server.resident()?;
    let calls = Calls::new("message/stream", HOLD);
    let mut streams = Vec::new();
    for _ in 0..count {
        streams.push(Stream::open(&server, &calls).await?);
    }
    let after = server.resident()?;
    let open = streams.iter().filter(|stream| stream.connection.is_open());
    ensure!(
        open.count() == count,
        "the server closed some of the streams"
    );
    println!(
        "\n{count} open streams, each of a task of its own: {:.0} MiB resident, target under 100 MiB; {:.0} MiB without them, {:.1} KiB a stream",
        after as f64 / 1024.0,
        before as f64 / 1024.0,
        after.saturating_sub(before) as f64 / count.max(1) as f64
    );
    Ok(())
}

struct Stream {
    connection: Connection,
    _body: Incoming,
}

impl Stream {
    /// Open means that its first event came.
    async fn open(server: &Server, calls: &Calls) -> Result<Self> {
        let mut connection = Connection::open(server.address()).await?;
        let mut body = connection.send(calls.next()).await?.into_body();
        let first = body.frame().await.context("a stream ended at once")??;
        let first = first.into_data().ok().context("a stream is empty")?;
        let first = String::from_utf8_lossy(&first);
        ensure!(
            first.contains(r#""result":"#),
            "a stream begins with {first}"
        );
        Ok(Self {
            connection,
            _body: body,
        })
    }
}
