//! What an archive looks like.

use serde_json::json;

use super::{Entry, Shop, entries, noise, tarball};
use crate::registry::{DEMO_MANIFEST, set_mode};

#[tokio::test]
async fn an_archive_holds_the_tree_sorted_without_a_top_folder_and_links_as_files() {
    let shop = Shop::with_demo().await;
    let expect = [
        Entry::new("link", b'0', 0o755, "x".repeat(1271)),
        Entry::file("plugin.yaml", DEMO_MANIFEST),
        Entry::dir("rules"),
        Entry::file("rules/r.md", "rule\n"),
        Entry::new("setup.sh", b'0', 0o755, "#!/bin/sh\necho set up\n"),
        Entry::dir("skills"),
        Entry::dir("skills/hello"),
        Entry::file("skills/hello/SKILL.md", "# Hello\n"),
    ];
    let answer = shop.download("demo-plugin").await;
    assert_eq!(entries(&answer), expect);
    let header = |name| answer.header(name).unwrap();
    assert_eq!(header("content-type"), "application/gzip");
    assert_eq!(
        header("content-disposition"),
        r#"attachment; filename="demo-plugin.tar.gz""#
    );
    assert_eq!(header("content-length"), answer.body.len().to_string());
    assert_eq!(header("x-plugin-name"), "demo-plugin");
    assert_eq!(header("x-plugin-source"), "local://demo-plugin");
    assert_eq!(
        (answer.header("etag"), answer.header("digest")),
        (None, None)
    );
}

#[tokio::test]
async fn headers_of_an_archive_are_posix_ustar_with_owner_and_time() {
    use std::os::unix::fs::MetadataExt as _;

    let shop = Shop::open().await;
    shop.write("p/a.md", "a");
    let tarball = tarball(&shop.download("p").await);
    assert_eq!(&tarball[257..265], b"ustar\x0000");
    assert_eq!(tarball.len(), 4 * 512);
    assert!(tarball[1024..].iter().all(|byte| *byte == 0));
    let header = tar::Header::from_byte_slice(&tarball[..512]);
    let metadata = std::fs::metadata(shop.folder("p/a.md")).unwrap();
    let owner = (header.uid().unwrap(), header.gid().unwrap());
    assert_eq!(owner, (metadata.uid().into(), metadata.gid().into()));
    let mtime = i64::try_from(header.mtime().unwrap()).unwrap();
    assert_eq!(mtime, metadata.mtime());
}

#[tokio::test]
async fn directories_come_before_their_content_and_names_sort_by_bytes() {
    let shop = Shop::open().await;
    for name in ["b/x", "b.txt", "B", "a/z/y", "ab"] {
        shop.write(&format!("p/{name}"), "");
    }
    let names = entries(&shop.download("p").await);
    let names: Vec<_> = names.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["B", "a", "a/z", "a/z/y", "ab", "b", "b/x", "b.txt"]);
}

#[tokio::test]
async fn modes_are_those_that_the_usual_umask_leaves() {
    let shop = Shop::open().await;
    for (name, mode) in [("a", 0o600), ("b", 0o666), ("c", 0o4777)] {
        shop.write(&format!("p/{name}"), "");
        set_mode(&shop.folder("p").join(name), mode);
    }
    let modes: Vec<_> = entries(&shop.download("p").await)
        .iter()
        .map(|entry| entry.mode)
        .collect();
    assert_eq!(modes, [0o600, 0o644, 0o755]);
}

#[tokio::test]
async fn names_that_ustar_has_no_place_for_arrive_whole() {
    let shop = Shop::open().await;
    let split = format!("{}/{}", "d".repeat(90), "f".repeat(90));
    let long = format!("l{}", "o".repeat(150));
    for name in [&split, &long, "z-grüße/ü"] {
        shop.write(&format!("p/{name}"), name);
    }
    let answer = shop.download("p").await;
    let files: Vec<_> = entries(&answer)
        .into_iter()
        .filter(|entry| entry.kind == b'0')
        .map(|entry| (entry.name, String::from_utf8(entry.content).unwrap()))
        .collect();
    let expect = [split.as_str(), &long, "z-grüße/ü"];
    assert_eq!(files, expect.map(|name| (name.to_owned(), name.to_owned())));
    let tarball = tarball(&answer);
    let headers = tar::Archive::new(&tarball[..])
        .entries()
        .unwrap()
        .raw(true)
        .count();
    let split_and_its_directory = 2;
    let records_and_what_they_name = 2 * 3;
    assert_eq!(
        headers,
        split_and_its_directory + records_and_what_they_name
    );
}

#[tokio::test]
async fn archives_are_written_beside_one_another() {
    let shop = Shop::open().await;
    for name in ["a", "b", "c", "d"] {
        shop.write(&format!("{name}/noise"), noise(200_000));
        shop.write(&format!("{name}/name"), name);
    }
    let calls = ["a", "b", "c", "d"].map(|name| {
        let call = shop.get(&format!("/{name}/download"));
        (name, tokio::spawn(call.send()))
    });
    for (name, call) in calls {
        let entries = entries(&call.await.unwrap());
        assert_eq!(entries[0], Entry::file("name", name));
    }
}

#[tokio::test]
async fn the_directory_is_read_for_every_request() {
    let shop = Shop::open().await;
    assert_eq!(shop.download("p").await.status, 404);
    assert_eq!(shop.world.get("/plugins").send().await.json(), json!([]));
    for content in ["one", "two"] {
        shop.write("p/plugin.yaml", content);
        let expect = [Entry::file("plugin.yaml", content)];
        assert_eq!(entries(&shop.download("p").await), expect);
    }
    let listed = shop.world.get("/plugins").send().await.json();
    assert_eq!(listed[0]["name"], "p");
    std::fs::remove_dir_all(shop.plugins.path()).unwrap();
    assert_eq!(shop.download("p").await.status, 404);
    assert_eq!(shop.world.get("/plugins").send().await.json(), json!([]));
}
