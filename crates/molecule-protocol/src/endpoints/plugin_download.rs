//! `GET /workspaces/:id/plugins/:name/download`: a plugin's archive.

use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use url::form_urlencoded::byte_serialize;

use super::plugin_refusal::refused;
use super::plugins::with_query;
use crate::endpoint::{Answer, Call, Endpoint};
use crate::{ApiError, WorkspaceId};

/// `GET /workspaces/:id/plugins/:name/download`: a plugin's `.tar.gz`. Only the workspace's own token is accepted.
///
/// The archive is the body, which can be large and is for the caller to stream: [`read`](Endpoint::read) looks at the head alone
/// when the answer is good, and at the body only when it is a refusal.
///
/// ```
/// use http::{HeaderMap, StatusCode};
/// use molecule_protocol::endpoints::{DownloadPlugin, PluginRefusal};
/// use molecule_protocol::{Answer, ApiError, Endpoint};
///
/// let download = DownloadPlugin::new("9e453dad-99f0-4e01-8c72-0031bf974e26".parse()?, "demo-plugin");
/// assert!(download.call().path.ends_with("/plugins/demo-plugin/download"));
///
/// let mut headers = HeaderMap::new();
/// headers.insert("x-plugin-source", "local://demo-plugin".parse()?);
/// let archive = download.read(&Answer::new(StatusCode::OK, &headers, &[]))?;
/// assert_eq!(archive.source.as_deref(), Some("local://demo-plugin"));
///
/// let body = br#"{"error":"failed to fetch plugin from local","source":"local://demo-plugin"}"#;
/// let refused = download.read(&Answer::new(StatusCode::NOT_FOUND, &HeaderMap::new(), body));
/// assert!(matches!(refused, Err(ApiError::Plugin(_, PluginRefusal::Unknown))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct DownloadPlugin {
    workspace_id: WorkspaceId,
    name: String,
    source: Option<String>,
}

/// What the head of an answer says about the archive in its body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PluginArchive {
    /// Bytes of the archive, compressed, if the platform knows before it sends.
    pub bytes: Option<u64>,
    /// The plugin that the source holds.
    pub name: Option<String>,
    /// Where the platform took it from, such as `local://demo-plugin`.
    pub source: Option<String>,
}

impl DownloadPlugin {
    /// The plugin `name` for the agent `workspace_id`, from the platform's own plugins.
    ///
    /// Whatever the name holds, it stays one segment of the path.
    #[must_use]
    pub fn new(workspace_id: WorkspaceId, name: impl Into<String>) -> Self {
        Self {
            workspace_id,
            name: name.into(),
            source: None,
        }
    }

    /// From another source, such as `github://owner/repo#v1.2.0`.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Whether the platform has to fetch the plugin from elsewhere first, which may take it five minutes. Each call does that anew, so
    /// such a download is not repeatable.
    #[must_use]
    pub fn is_fetched_first(&self) -> bool {
        let scheme = self
            .source
            .as_deref()
            .and_then(|source| source.split_once("://"));
        scheme.is_some_and(|(scheme, _)| scheme != "local")
    }
}

impl Endpoint for DownloadPlugin {
    type Output = PluginArchive;
    const NAME: &'static str = "plugin download";

    fn call(&self) -> Call {
        let (id, name) = (self.workspace_id, segment(&self.name));
        let query = self.source.as_deref().map(|value| ("source", value));
        let path = with_query(format!("/workspaces/{id}/plugins/{name}/download"), query);
        Call {
            repeatable: !self.is_fetched_first(),
            ..Call::get(path)
        }
    }

    fn read(&self, answer: &Answer<'_>) -> Result<PluginArchive, ApiError> {
        let headers = answer.headers();
        if answer.status() == StatusCode::OK && !is_page(headers) {
            return Ok(PluginArchive {
                bytes: text(headers, CONTENT_LENGTH.as_str()).and_then(|bytes| bytes.parse().ok()),
                name: text(headers, "x-plugin-name"),
                source: text(headers, "x-plugin-source"),
            });
        }
        Err(refused(answer, Self::NAME))
    }
}

/// The text as one segment of a path. `.` and `..` are steps along a path however they are encoded, so they are encoded twice:
/// the platform has nothing of such a name, and says so.
pub(super) fn segment(text: &str) -> String {
    match text {
        "." => "%252E".to_owned(),
        ".." => "%252E%252E".to_owned(),
        _ => byte_serialize(text.as_bytes())
            .collect::<String>()
            .replace('+', "%20"),
    }
}

/// Whether the body is for people or programs, and so no archive: the answer of something that is no platform.
fn is_page(headers: &HeaderMap) -> bool {
    let media_type = text(headers, CONTENT_TYPE.as_str())
        .unwrap_or_default()
        .to_ascii_lowercase();
    media_type.starts_with("text/") || media_type.starts_with("application/json")
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "fc381c93-f14f-4112-a564-0b630b52d59d";

    fn download(name: &str) -> DownloadPlugin {
        DownloadPlugin::new(ID.parse().unwrap(), name)
    }

    fn read(status: u16, content_type: &str, body: &str) -> Result<PluginArchive, ApiError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        let status = StatusCode::from_u16(status).unwrap();
        download("x").read(&Answer::new(status, &headers, body.as_bytes()))
    }

    #[test]
    fn a_name_is_one_segment_whatever_it_holds() {
        let check = |name: &str, expect: &str| {
            let path = download(name).call().path;
            assert_eq!(
                path,
                format!("/workspaces/{ID}/plugins/{expect}/download"),
                "{name:?}"
            );
            let url = url::Url::parse(&format!("http://h{path}")).unwrap();
            assert_eq!(
                url.path(),
                path,
                "{name:?}: a client would send another path"
            );
            assert_eq!(url.query(), None, "{name:?}");
        };
        check("demo-plugin_1.2", "demo-plugin_1.2");
        check("x/../../../admin?y=", "x%2F..%2F..%2F..%2Fadmin%3Fy%3D");
        check("..", "%252E%252E");
        check(".", "%252E");
        check("%2e%2e", "%252e%252e");
        check("a b+c#d;e&f", "a%20b%2Bc%23d%3Be%26f");
        check("\\..\\x\r\n", "%5C..%5Cx%0D%0A");
        check("ä\0", "%C3%A4%00");
    }

    #[test]
    fn a_source_is_one_value_whatever_it_holds() {
        let path = download("x")
            .with_source("github://o/r#v1&name=y?z=1 é")
            .call()
            .path;
        assert!(
            path.ends_with("/download?source=github%3A%2F%2Fo%2Fr%23v1%26name%3Dy%3Fz%3D1+%C3%A9"),
            "{path}"
        );
    }

    #[test]
    fn a_download_is_repeatable_unless_the_platform_fetches_the_plugin_first() {
        let repeatable = |source| download("x").with_source(source).call().repeatable;
        assert!(download("x").call().repeatable);
        assert!(repeatable("x") && repeatable("local://x"));
        assert!(!repeatable("github://o/r#v1") && !repeatable("new://x"));
    }

    proptest::proptest! {
        #[test]
        fn no_name_or_source_leaves_its_place(name in ".{0,40}", source in ".{0,40}") {
            let path = download(&name).with_source(source.as_str()).call().path;
            let url = url::Url::parse(&format!("http://h{path}")).unwrap();
            let segments: Vec<_> = url.path_segments().unwrap().collect();
            proptest::prop_assert_eq!(segments.len(), 5);
            proptest::prop_assert_eq!((segments[2], segments[4]), ("plugins", "download"));
            let pairs: Vec<_> = url.query_pairs().collect();
            proptest::prop_assert_eq!(pairs, [("source".into(), source.into())]);
            let uri = format!("http://h{path}").parse::<http::Uri>();
            proptest::prop_assert!(uri.is_ok());
        }
    }

    #[test]
    fn what_is_no_archive_is_not_taken_for_one() {
        for (status, content_type) in [
            (200, "text/html; charset=utf-8"),
            (200, "application/json"),
            (206, "application/gzip"),
            (204, "application/gzip"),
        ] {
            let error = read(status, content_type, "").unwrap_err();
            assert!(
                matches!(error, ApiError::Unexpected(_)),
                "{status} {content_type}: {error:?}"
            );
        }
        for content_type in ["application/gzip", "application/octet-stream"] {
            assert!(read(200, content_type, "").is_ok(), "{content_type}");
        }
    }
}
