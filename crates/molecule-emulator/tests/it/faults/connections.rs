//! Connections that end, or half end, where an answer should be.

use molecule_emulator::{Fault, FaultRule};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::world::{Workspace, World};

/// A notification as its bytes; the connection is to stay open.
fn request(world: &World, workspace: &Workspace, text: &str) -> String {
    let body = format!(r#"{{"message":"{text}"}}"#);
    format!(
        "POST /workspaces/{}/notify HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n{body}",
        workspace.id,
        world.platform.address(),
        workspace.token,
        body.len(),
    )
}

/// All that comes until the platform closes its direction.
async fn read(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A connection that is reset has ended as well.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

/// What comes, and what the user saw of it.
async fn check(fault: Fault, answer: &str, shown: &[&str]) {
    let world = World::start().await;
    let workspace = world.create("w").await;
    world.at_notify(fault);
    let mut stream = TcpStream::connect(world.platform.address()).await.unwrap();
    let request = request(&world, &workspace, "hello");
    stream.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(read(&mut stream).await, answer);
    assert_eq!(world.shown(&workspace).await, shown);
    assert_eq!(world.fired(), [1]);
}

#[tokio::test]
async fn a_connection_dropped_before_leaves_nothing_done() {
    check(Fault::DropBefore, "", &[]).await;
}

#[tokio::test]
async fn a_connection_dropped_after_loses_the_answer_alone() {
    check(Fault::DropAfter, "", &["hello"]).await;
}

#[tokio::test]
async fn a_half_closed_connection_still_takes_requests() {
    let world = World::start().await;
    let workspace = world.create("w").await;
    world.at_notify(Fault::HalfClose);
    let mut stream = TcpStream::connect(world.platform.address()).await.unwrap();
    for text in ["one", "two", "three"] {
        let request = request(&world, &workspace, text);
        stream.write_all(request.as_bytes()).await.unwrap();
    }
    assert_eq!(read(&mut stream).await, "");
    while world.fired() != [3] {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.shown(&workspace).await, ["one", "two", "three"]);
}

#[tokio::test]
async fn a_half_closed_connection_stays_open_although_its_client_wanted_it_closed() {
    let world = World::start().await;
    let workspace = world.create("w").await;
    world.at_notify(Fault::HalfClose);
    let mut stream = TcpStream::connect(world.platform.address()).await.unwrap();
    let request =
        request(&world, &workspace, "hello").replace("Host:", "Connection: close\r\nHost:");
    stream.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(read(&mut stream).await, "");
    // A closed socket answers the first of these with a reset, and the next one fails.
    for _ in 0..3 {
        stream.write_all(b"more").await.unwrap();
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_truncated_answer_announces_more_than_comes() {
    let world = World::start().await;
    let workspace = world.create("w").await;
    for (bytes, expect) in [(5, "{\"sta"), (0, ""), (999, "{\"status\":\"sent\"")] {
        let rule = world.at_notify(Fault::Truncate { bytes });
        let mut stream = TcpStream::connect(world.platform.address()).await.unwrap();
        let request = request(&world, &workspace, "hello");
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = read(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("\r\nContent-Length: 17\r\n"), "{answer}");
        assert_eq!(answer.split_once("\r\n\r\n").unwrap().1, expect);
        assert!(world.notify(&workspace, "again").try_send().await.is_err());
        world.platform.platform().remove_fault(rule);
    }
}

#[tokio::test]
async fn other_connections_are_not_touched() {
    let world = World::start().await;
    let workspace = world.create("w").await;
    let other = world.create("v").await;
    world.add(FaultRule::new(Fault::DropBefore).with_workspace(workspace.id()));
    assert!(world.notify(&workspace, "hello").try_send().await.is_err());
    assert_eq!(world.notify(&other, "hello").send().await.status, 200);
    assert!(world.beat_of(&workspace).try_send().await.is_err());
    assert_eq!(world.beat_of(&other).send().await.status, 200);
}
