//! What a download answers instead of an archive.

use std::os::unix::fs::symlink;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{Shop, not_fetched};
use crate::client::Call;
use crate::registry::{TOO_BIG, sparse, write};

#[tokio::test]
async fn names_never_leave_the_directory() {
    let shop = Shop::open().await;
    let inside = shop.plugins.path().join("p");
    write(&inside, "plugin.yaml", "");
    let invalid = (400, json!({ "error": "invalid plugin name" }));
    for name in ["a..b", "..", "%2e%2e", ".", "..%5cp", "a%5cb"] {
        let path = format!("/{name}/download");
        assert_eq!(shop.refused(&path).await, invalid, "{name}");
        let delete = Call::new(
            &shop.world.platform,
            "DELETE",
            &shop.path(&format!("/{name}")),
        );
        let delete = delete.bearer(&shop.workspace.token).send().await;
        assert_eq!(delete.summary(), invalid, "{name}");
    }
    for spec in ["..", "../p", "/etc", "p/../p", "..%5cp", "%2e%2e%2fp", "."] {
        let path = format!("/p/download?source=local://{spec}");
        assert_eq!(shop.refused(&path).await, invalid, "{spec}");
    }
    for spec in ["..", "../p", "/etc", "p\\..", ""] {
        let answer = shop
            .install(&json!({ "source": format!("local://./{spec}") }))
            .await;
        assert_eq!(answer.summary(), invalid, "{spec}");
    }
    for name in ["..%2f..%2fetc", "%2fetc", "p%2f", "..%2Fp"] {
        for (method, rest) in [("GET", "/download"), ("DELETE", "")] {
            let path = shop.path(&format!("/{name}{rest}"));
            let call = Call::new(&shop.world.platform, method, &path);
            let answer = call.bearer(&shop.workspace.token).send().await;
            assert_eq!(answer.status, 404, "{name}");
            assert_eq!(answer.text(), "404 page not found", "{name}");
        }
    }
}

#[tokio::test]
async fn a_plugin_that_is_not_there_is_not_found_under_any_spelling_of_its_source() {
    let shop = Shop::open().await;
    for path in [
        "/nope/download",
        "/nope/download?source=",
        "/nope/download?source=nope",
        "/x/download?source=local%3A%2F%2Fnope",
    ] {
        assert_eq!(
            shop.refused(path).await,
            (404, not_fetched("nope")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn what_is_no_plugin_folder_cannot_be_fetched() {
    let shop = Shop::open().await;
    shop.write("file", "");
    shop.write("Upper/plugin.yaml", "");
    shop.write("real/plugin.yaml", "");
    symlink(shop.folder("nowhere"), shop.folder("real/dangling")).unwrap();
    shop.write("dirlink/plugin.yaml", "");
    symlink(shop.folder("dirlink"), shop.folder("dirlink/loop")).unwrap();
    for name in ["file", "Upper", "real", "dirlink"] {
        let path = format!("/{name}/download");
        assert_eq!(
            shop.refused(&path).await,
            (502, not_fetched(name)),
            "{name}"
        );
    }
}

#[tokio::test]
async fn the_source_must_resolve_to_the_name_that_was_asked_for() {
    let shop = Shop::with_demo().await;
    let expect = json!({
        "error": r#"source resolved to plugin "demo-plugin" but URL requested "foo""#,
        "requested_name": "foo",
        "resolved_name": "demo-plugin",
    });
    let path = "/foo/download?source=local%3A%2F%2Fdemo-plugin";
    assert_eq!(shop.refused(path).await, (400, expect));
    let path = "/demo-plugin/download?source=local%3A%2F%2Fdemo-plugin";
    assert_eq!(shop.get(path).send().await.status, 200);
}

#[tokio::test]
async fn sources_from_elsewhere_answer_as_a_server_without_network() {
    let shop = Shop::open().await;
    let at = |source: &str| format!("/x/download?source={source}");
    let unknown = json!({ "available_schemes": ["github", "local"], "error": "failed to resolve plugin source" });
    assert_eq!(shop.refused(&at("ftp://o/x")).await, (400, unknown));
    let (status, body) = shop.refused(&at("github://o/x")).await;
    assert_eq!((status, &body["source"]), (422, &json!("github://o/x")));
    let text = body["error"].as_str().unwrap();
    assert!(text.starts_with("unpinned github source: "), "{text}");
    let failed =
        json!({ "error": "failed to fetch plugin from github", "source": "github://o/x#v1" });
    assert_eq!(shop.refused(&at("github://o/x%23v1")).await, (502, failed));
    let invalid = json!({ "error": "invalid plugin source" });
    assert_eq!(shop.refused(&at("local://")).await, (400, invalid));
}

#[tokio::test]
async fn a_plugin_beyond_100_mib_is_too_large() {
    let shop = Shop::open().await;
    shop.write("p/plugin.yaml", "x");
    sparse(&shop.folder("p/blob"), TOO_BIG - 1);
    let expect = json!({ "error": "staged plugin exceeds size limit", "source": "local://p" });
    assert_eq!(shop.refused("/p/download").await, (413, expect));
}

#[tokio::test]
async fn manifest_json_must_match_the_content_if_it_has_a_digest() {
    let shop = Shop::open().await;
    shop.write("p/b.txt", "bee");
    shop.write("p/a/x", "ex");
    shop.write("p/a.b", "");
    let digest = Sha256::digest(b"a.b\0a/x\0exb.txt\0bee");
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let refused =
        json!({ "error": "plugin manifest integrity check failed", "source": "local://p" });
    for (manifest, good) in [
        (json!({ "sha256": digest }).to_string(), true),
        (json!({ "sha256": digest.to_uppercase() }).to_string(), true),
        (json!({ "name": "p" }).to_string(), true),
        (json!({ "sha256": "0".repeat(64) }).to_string(), false),
        (json!({ "sha256": 1 }).to_string(), false),
        (json!({ "sha256": null }).to_string(), false),
        ("[]".to_owned(), false),
        ("{".to_owned(), false),
    ] {
        shop.write("p/manifest.json", &manifest);
        if good {
            assert_eq!(shop.download("p").await.status, 200, "{manifest}");
        } else {
            let answer = shop.refused("/p/download").await;
            assert_eq!(answer, (422, refused.clone()), "{manifest}");
        }
    }
}

#[tokio::test]
async fn a_workspace_sees_its_own_plugins_and_only_its_own_token_downloads() {
    let shop = Shop::with_demo().await;
    let other = shop.world.create("other").await;
    let admin = shop.world.platform.admin_token();
    let missing = (401, json!({ "error": "missing workspace auth token" }));
    let invalid = (401, json!({ "error": "invalid workspace auth token" }));
    for (path, admin_status) in [
        ("", 200),
        ("/available", 200),
        ("/demo-plugin/download", 401),
        ("/no-such-plugin/download", 401),
    ] {
        let call = || shop.world.get(&shop.path(path));
        assert_eq!(call().send().await.summary(), missing, "{path}");
        let foreign = call().bearer(&other.token).send().await;
        assert_eq!(foreign.summary(), invalid, "{path}");
        assert_eq!(call().bearer(admin).send().await.status, admin_status);
    }
    let by_admin = shop.world.get(&shop.path("/demo-plugin/download"));
    assert_eq!(by_admin.bearer(admin).send().await.summary(), invalid);
    for method in ["POST", "DELETE"] {
        let path = shop.path(if method == "POST" { "" } else { "/demo-plugin" });
        let call = || Call::new(&shop.world.platform, method, &path).body("{}");
        assert_eq!(call().send().await.summary(), missing, "{method}");
        let foreign = call().bearer(&other.token).send().await;
        assert_eq!(foreign.summary(), invalid, "{method}");
    }
}
