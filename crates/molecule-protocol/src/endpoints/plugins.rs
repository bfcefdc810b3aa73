//! `/plugins` and `/workspaces/:id/plugins`: what there is to install, and the record of an installation.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::form_urlencoded::Serializer;

use super::plugin_refusal::refused;
use crate::endpoint::{Answer, Auth, Call, Endpoint};
use crate::lenient::lenient;
use crate::{ApiError, WorkspaceId};

/// `GET /plugins`: the plugins that the platform itself holds; needs no token.
#[derive(Debug, Clone, Default)]
pub struct ListPlugins {
    runtime: Option<String>,
}

/// A plugin as the platform lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PluginInfo {
    /// The name under which it is downloaded.
    pub name: String,
    /// Its version, or empty.
    #[serde(default, deserialize_with = "lenient")]
    pub version: String,
    /// What it is for, or empty.
    #[serde(default, deserialize_with = "lenient")]
    pub description: String,
    /// Who made it, or empty.
    #[serde(default, deserialize_with = "lenient")]
    pub author: String,
    /// Its tags.
    #[serde(default, deserialize_with = "lenient")]
    pub tags: Vec<String>,
    /// Its skills.
    #[serde(default, deserialize_with = "lenient")]
    pub skills: Vec<String>,
    /// The runtimes it says it works with; none means any.
    #[serde(default, deserialize_with = "lenient")]
    pub runtimes: Vec<String>,
}

impl ListPlugins {
    /// All of them.
    #[must_use]
    pub const fn new() -> Self {
        Self { runtime: None }
    }

    /// Those that work with `runtime`, or do not say what they work with.
    #[must_use]
    pub fn with_runtime(mut self, runtime: impl Into<String>) -> Self {
        self.runtime = Some(runtime.into());
        self
    }
}

impl Endpoint for ListPlugins {
    type Output = Vec<PluginInfo>;
    const NAME: &'static str = "plugins";

    fn call(&self) -> Call {
        let query = self.runtime.as_deref().map(|value| ("runtime", value));
        Call::get(with_query("/plugins".to_owned(), query)).auth(Auth::Open)
    }

    fn read(&self, answer: &Answer<'_>) -> Result<Vec<PluginInfo>, ApiError> {
        Ok(answer.json::<Option<_>>(Self::NAME)?.unwrap_or_default())
    }
}

/// `GET /plugins/sources`: where the platform can take plugins from; needs no token.
#[derive(Debug, Clone, Copy, Default)]
pub struct ListPluginSources;

/// Where the platform can take plugins from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PluginSources {
    /// The schemes of sources, such as `local` and `github`.
    #[serde(default, deserialize_with = "lenient")]
    pub schemes: Vec<String>,
}

impl Endpoint for ListPluginSources {
    type Output = PluginSources;
    const NAME: &'static str = "plugin sources";

    fn call(&self) -> Call {
        Call::get("/plugins/sources".to_owned()).auth(Auth::Open)
    }

    fn read(&self, answer: &Answer<'_>) -> Result<PluginSources, ApiError> {
        answer.json(Self::NAME)
    }
}

/// `POST /workspaces/:id/plugins`: tells the platform that the agent installed a plugin.
///
/// The platform takes it for an order to install the plugin into the workspace's container, which a remote agent does not
/// have: [`InstallRecord::NoContainer`] is what it answers then.
#[derive(Debug, Clone)]
pub struct RecordPluginInstall {
    workspace_id: WorkspaceId,
    source: String,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InstallRecord {
    /// The platform took it.
    Recorded,
    /// The workspace has no container, so that there is nothing to record.
    NoContainer,
}

impl RecordPluginInstall {
    /// The agent `workspace_id` installed what `source` holds, such as `local://demo-plugin`.
    #[must_use]
    pub fn new(workspace_id: WorkspaceId, source: impl Into<String>) -> Self {
        Self {
            workspace_id,
            source: source.into(),
        }
    }
}

#[derive(Serialize)]
struct RecordBody<'a> {
    source: &'a str,
}

impl Endpoint for RecordPluginInstall {
    type Output = InstallRecord;
    const NAME: &'static str = "plugin record";

    fn call(&self) -> Call {
        let source = &self.source;
        Call::post(format!("/workspaces/{}/plugins", self.workspace_id))
            .json(&RecordBody { source })
    }

    fn read(&self, answer: &Answer<'_>) -> Result<InstallRecord, ApiError> {
        let words = answer.message();
        match answer.status() {
            status if status.is_success() => {
                let _: Map<String, Value> = answer.json(Self::NAME)?;
                Ok(InstallRecord::Recorded)
            }
            StatusCode::SERVICE_UNAVAILABLE
                if words.as_deref() == Some("workspace container not running") =>
            {
                Ok(InstallRecord::NoContainer)
            }
            _ => Err(refused(answer, Self::NAME)),
        }
    }
}

/// The path with a query, if there is anything to ask.
pub(super) fn with_query<V: AsRef<str>>(
    path: String,
    query: impl IntoIterator<Item = (&'static str, V)>,
) -> String {
    let query = Serializer::new(String::new()).extend_pairs(query).finish();
    if query.is_empty() {
        path
    } else {
        format!("{path}?{query}")
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    const ID: &str = "fc381c93-f14f-4112-a564-0b630b52d59d";

    #[test]
    fn only_the_missing_container_is_no_failure() {
        let record = RecordPluginInstall::new(ID.parse().unwrap(), "local://x");
        let read = |status: u16, body: &str| {
            let headers = HeaderMap::new();
            let status = StatusCode::from_u16(status).unwrap();
            record.read(&Answer::new(status, &headers, body.as_bytes()))
        };
        let no_container = r#"{"error":"workspace container not running"}"#;
        assert_eq!(read(503, no_container).unwrap(), InstallRecord::NoContainer);
        assert_eq!(
            read(200, r#"{"status":"installed"}"#).unwrap(),
            InstallRecord::Recorded
        );
        for (status, body) in [
            (503, r#"{"error":"platform datastore unavailable"}"#),
            (503, ""),
            (500, no_container),
            (200, "<html>"),
            (401, r#"{"error":"missing workspace auth token"}"#),
        ] {
            assert!(read(status, body).is_err(), "{status} {body}");
        }
    }

    #[test]
    fn a_listed_plugin_needs_a_name_only() {
        let headers = HeaderMap::new();
        let body = br#"[{"name":"a","version":1.5,"tags":null,"skills":"x","runtimes":["py"]}]"#;
        let plugins = ListPlugins::new()
            .read(&Answer::new(StatusCode::OK, &headers, body))
            .unwrap();
        assert_eq!(
            (plugins[0].name.as_str(), plugins[0].version.as_str()),
            ("a", "")
        );
        assert_eq!(plugins[0].runtimes, ["py"]);
    }
}
