//! The stub runtime: its answers over real sockets, its life in simulated time, and both against
//! a platform.

mod answers;
mod life;
mod lifecycle;
mod scene;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use molecule_agent::stub::{StubConfig, StubRuntime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ID: &str = "9e453dad-99f0-4e01-8c72-0031bf974e26";

/// A stub of [`ID`] on a free port of this machine, whose platform is `platform`.
fn config(platform: &str) -> StubConfig {
    StubConfig::new(ID.parse().unwrap(), platform.parse().unwrap())
        .with_listen(([127, 0, 0, 1], 0).into())
        .with_config_dir("/nonexistent")
}

/// The lines of a log.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn sink(&self) -> impl Fn(&str) + Send + Sync + 'static {
        let lines = self.0.clone();
        move |line| lines.lock().unwrap().push(line.to_owned())
    }

    /// All lines without their prefix, which each of them has to have.
    fn all(&self) -> Vec<String> {
        let text = |line: &String| {
            line.strip_prefix("[stub-runtime 9e453dad-99f] ")
                .expect("a prefix")
                .to_owned()
        };
        self.0.lock().unwrap().iter().map(text).collect()
    }

    /// The lines that start with `start`.
    fn starting(&self, start: &str) -> Vec<String> {
        self.all()
            .into_iter()
            .filter(|line| line.starts_with(start))
            .collect()
    }
}

/// A raw exchange with `stub` over a connection of its own: the head of the answer, and its body.
async fn exchange(stub: &StubRuntimeAt, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(stub.0).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within_limit(stream.read_to_string(&mut answer))
        .await
        .unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
    (head.to_ascii_lowercase(), body.to_owned())
}

/// What happens at once unless something is broken, in which case the test fails instead of hanging.
async fn within_limit<T>(event: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(30);
    tokio::time::timeout(limit, event)
        .await
        .expect("it happens in time")
}

/// Where a running stub listens.
struct StubRuntimeAt(std::net::SocketAddr);

impl StubRuntimeAt {
    async fn request(&self, method: &str, path: &str, body: &str) -> (String, String) {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: stub\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        exchange(self, &request).await
    }
}

/// Runs `stub` for as long as the test does.
fn run(stub: StubRuntime) -> StubRuntimeAt {
    let address = stub.local_addr();
    tokio::spawn(stub.run(tokio_util::sync::CancellationToken::new()));
    StubRuntimeAt(address)
}
