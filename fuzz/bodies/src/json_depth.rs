//! JSON that the transport lets through is never too deep for whoever parses it, and JSON of little depth is let through.

use std::sync::LazyLock;

use http::header::CONTENT_TYPE;
use molecule_protocol::parse_json;
use molecule_transport::testing::ScriptedTransport;
use molecule_transport::{Body, Bytes, Response, Transport, TransportError};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = Builder::new_current_thread();
    builder
        .enable_time()
        .build()
        .expect("a runtime without I/O needs nothing from the system")
});

/// Sends the bytes through the transport as the body of a JSON answer.
///
/// # Panics
/// When shallow JSON is refused, or JSON that is too deep is not.
pub fn run(body: &[u8]) {
    let admitted = RUNTIME.block_on(admit(body));
    match parse_json::<Value>(body) {
        Ok(value) if depth(&value) <= 16 => assert!(admitted.is_ok(), "shallow JSON was refused"),
        Ok(_) => {}
        Err(error) => {
            let too_deep = error.to_string().contains("recursion limit");
            assert!(
                !too_deep || admitted.is_err(),
                "JSON that no parser takes was let through"
            );
        }
    }
}

async fn admit(body: &[u8]) -> Result<Bytes, TransportError> {
    let mut response = Response::new(Body::from(body.to_vec()));
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    let request = http::Request::new(Bytes::new());
    let transport = ScriptedTransport::answers([response]);
    transport.send(request).await?.into_body().collect().await
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
