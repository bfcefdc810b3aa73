//! The registry of plugins, and the plugins of containers.

use std::path::PathBuf;

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, StatusCode};
use serde::Deserialize;
use serde_json::json;

use crate::asked::{Anyone, Asked, TheWorkspace};
use crate::platform::Platform;
use crate::plugins::{SCHEMES, Staged, check_name, list as entries, pack, send, stage};
use crate::reply::{Outcome, Reply, bad_request, internal, no_container};
use crate::request::{decode, or_zero, parse_id};

/// More of an installation's body is not read.
const MAX_INSTALL_BODY: usize = 64 * 1024;

/// All plugins, or those for a runtime.
pub(crate) async fn list(asked: Asked<Anyone>) -> Outcome {
    listed(&asked.platform, asked.params.get("runtime").cloned()).await
}

pub(crate) async fn sources() -> Reply {
    Reply::ok(&json!({ "schemes": SCHEMES }))
}

/// The plugins for the runtime of a workspace.
pub(crate) async fn available(asked: Asked<TheWorkspace>) -> Outcome {
    let runtime = asked.read(|tx| {
        let row = parse_id(&asked.id).and_then(|id| tx.state.get(id));
        Ok::<_, Reply>(row.map(|row| row.runtime.clone()))
    })?;
    listed(&asked.platform, runtime).await
}

async fn listed(platform: &Platform, runtime: Option<String>) -> Outcome {
    let dir = plugins_dir(platform);
    let runtime = runtime.filter(|runtime| !runtime.is_empty());
    let plugins = blocking(move || entries(dir.as_deref(), runtime.as_deref())).await?;
    Ok(Reply::ok(&plugins))
}

/// There are no containers here, so nothing is installed in any.
pub(crate) async fn installed(asked: Asked<TheWorkspace>) -> Outcome {
    asked.check()?;
    Ok(Reply::ok(&json!([])))
}

#[derive(Deserialize)]
struct Install {
    #[serde(default, deserialize_with = "or_zero")]
    source: String,
    #[serde(default, deserialize_with = "or_zero")]
    sha256: String,
}

/// An installation into a container: the plugin is fetched and checked, and then there is none to put it into.
pub(crate) async fn install(asked: Asked<TheWorkspace>) -> Outcome {
    asked.check()?;
    let Install { source, sha256 } = decode(&asked.body[..asked.body.len().min(MAX_INSTALL_BODY)])?;
    if source.is_empty() {
        let text = r#"'source' is required (e.g. "local://my-plugin" or "github://owner/repo")"#;
        return Err(bad_request(text));
    }
    fetch(
        &asked.platform,
        source,
        Some(sha256).filter(|pinned| !pinned.is_empty()),
    )
    .await?;
    Err(no_container())
}

pub(crate) async fn uninstall(asked: Asked<TheWorkspace>) -> Response {
    if asked.name.contains('/') {
        return super::unrouted().await;
    }
    let refusal = asked.check().and_then(|()| check_name(&asked.name)).err();
    refusal.unwrap_or_else(no_container).into_response()
}

/// The archive of a plugin, for the workspace's own token alone.
pub(crate) async fn download(asked: Asked<TheWorkspace>) -> Result<Response, Reply> {
    // The platform routes by the decoded path, in which such a name is two components.
    if asked.name.contains('/') {
        return Ok(super::unrouted().await);
    }
    asked.read(|tx| {
        check_name(&asked.name)?;
        tx.require_own(&asked.id, &asked.bearer)
    })?;
    let given = asked
        .params
        .get("source")
        .filter(|source| !source.is_empty());
    let source = given.map_or_else(|| format!("local://{}", asked.name), String::clone);
    let plugin = fetch(&asked.platform, source, None).await?;
    check_resolved(&plugin.name, &asked.name)?;
    archive(&asked.platform, plugin).await
}

/// A source must resolve to the plugin that the path names.
fn check_resolved(resolved: &str, requested: &str) -> Result<(), Reply> {
    if resolved == requested {
        return Ok(());
    }
    let error = format!("source resolved to plugin {resolved:?} but URL requested {requested:?}");
    let body = json!({ "error": error, "requested_name": requested, "resolved_name": resolved });
    Err(Reply::new(StatusCode::BAD_REQUEST, &body))
}

async fn fetch(
    platform: &Platform,
    source: String,
    pinned: Option<String>,
) -> Result<Staged, Reply> {
    let dir = plugins_dir(platform);
    blocking(move || stage(dir.as_deref(), &source, pinned.as_deref())).await?
}

async fn archive(platform: &Platform, plugin: Staged) -> Result<Response, Reply> {
    let fault = platform.download_fault();
    let Staged { name, source, .. } = &plugin;
    let headers: [(HeaderName, String); 4] = [
        (CONTENT_TYPE, "application/gzip".to_owned()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}.tar.gz\""),
        ),
        (HeaderName::from_static("x-plugin-name"), name.clone()),
        (HeaderName::from_static("x-plugin-source"), source.clone()),
    ];
    let packed = blocking(move || {
        let (mut archive, size) = pack(&plugin)?;
        if let Some(fault) = fault {
            fault.damage(&mut archive, size)?;
        }
        Ok::<_, std::io::Error>((archive, size))
    });
    let (archive, size) = packed.await?.map_err(|error| {
        tracing::warn!(%error, "a plugin cannot be packed");
        internal("failed to pack plugin")
    })?;
    let (length, body) = send(archive, size, fault);
    Ok((headers, [(CONTENT_LENGTH, length)], body).into_response())
}

fn plugins_dir(platform: &Platform) -> Option<PathBuf> {
    platform.config().plugins_dir.clone()
}

/// Does what reads and writes files.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Reply> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| internal("plugin download failed"))
}
