//! Downloads that go wrong on purpose.

use std::time::Duration;

use molecule_emulator::{DownloadFault, Emulator, EmulatorConfig};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Entry, Shop, entries, noise};
use crate::client::Call;
use crate::registry::write;
use crate::world::World;

/// The head and the bytes that follow it, until the connection ends or nothing comes any more.
async fn raw(shop: &Shop, name: &str) -> (String, Vec<u8>) {
    let address = shop.world.platform.address();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let path = shop.path(&format!("/{name}/download"));
    let token = &shop.workspace.token;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let body = bytes.split_off(end.unwrap() + 4);
    (String::from_utf8(bytes).unwrap(), body)
}

fn length(head: &str) -> usize {
    let line = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "));
    line.unwrap().parse().unwrap()
}

#[tokio::test]
async fn downloads_can_be_damaged_and_mended_again() {
    let shop = Shop::open().await;
    shop.write("p/noise", noise(300_000));
    let platform = shop.world.platform.platform();
    let whole = shop.download("p").await.body;

    for n in [0, 1, 100, 200_000] {
        platform.set_download_fault(DownloadFault::CutAfter(n));
        let (head, body) = raw(&shop, "p").await;
        assert_eq!(length(&head), whole.len());
        assert_eq!(body, whole[..usize::try_from(n).unwrap()]);
        assert!(shop.get("/p/download").try_send().await.is_err(), "{n}");
    }

    for (offset, place) in [(0, 0), (777, 777), (u64::MAX, whole.len() - 1)] {
        platform.set_download_fault(DownloadFault::FlippedAt(offset));
        let mut mended = shop.download("p").await.body.to_vec();
        mended[place] = !mended[place];
        assert_eq!(mended, whole);
    }

    platform.set_download_fault(DownloadFault::WrongLength(1000));
    let short = shop.download("p").await;
    assert_eq!(short.header("content-length"), Some("1000"));
    assert_eq!(short.body, whole[..1000]);
    let too_long = whole.len() + 1;
    platform.set_download_fault(DownloadFault::WrongLength(too_long.try_into().unwrap()));
    let (head, body) = raw(&shop, "p").await;
    assert_eq!((length(&head), body.len()), (too_long, whole.len()));
    assert!(shop.get("/p/download").try_send().await.is_err());

    platform.set_download_fault(None);
    assert_eq!(shop.download("p").await.body, whole);
}

#[tokio::test]
async fn a_download_that_stalls_sends_what_it_has_and_stays_open() {
    let shop = Shop::open().await;
    shop.write("p/noise", noise(300_000));
    let platform = shop.world.platform.platform();
    platform.set_download_fault(DownloadFault::StallAfter(1234));
    let address = shop.world.platform.address();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (path, token) = (shop.path("/p/download"), &shop.workspace.token);
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let body_starts = |bytes: &[u8]| bytes.windows(4).position(|four| four == b"\r\n\r\n");
    while body_starts(&bytes).is_none_or(|at| bytes.len() < at + 4 + 1234) {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0);
    }
    assert_eq!(bytes.len(), body_starts(&bytes).unwrap() + 4 + 1234);
    let more = tokio::time::timeout(Duration::from_millis(50), stream.read_buf(&mut bytes)).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test]
async fn a_fault_is_not_kept_with_the_state() {
    let (plugins, state) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    write(plugins.path(), "p/a", "a");
    let config = EmulatorConfig::new()
        .with_plugins_dir(plugins.path())
        .with_admin_token("admin")
        .with_state_file(state.path().join("state.json"));
    let world = World::with(config.clone()).await;
    let workspace = world.create("w").await;
    let path = format!("/workspaces/{}/plugins/p/download", workspace.id);
    let fault = DownloadFault::CutAfter(1);
    world.platform.platform().set_download_fault(fault);
    let cut = world.get(&path).bearer(&workspace.token);
    assert!(cut.try_send().await.is_err());
    world.platform.stop().await.unwrap();
    let platform = Emulator::start(config).await.unwrap();
    let call = Call::new(&platform, "GET", &path).bearer(&workspace.token);
    assert_eq!(entries(&call.send().await), [Entry::file("a", "a")]);
}
