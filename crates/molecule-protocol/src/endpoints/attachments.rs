//! Files of a conversation: `/workspaces/:id/chat/uploads`, `/chat/download` and `/pending-uploads`.

use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::Attachment;
use super::plugins::with_query;
use crate::endpoint::{Answer, Call, Endpoint};
use crate::idempotency::hex_sha256;
use crate::lenient::readable;
use crate::{ApiError, WorkspaceId};

/// What the platform answers where it would have to keep the file in a container that there is not.
const NO_PLACE: [&str; 2] = ["workspace container not running", "docker unavailable"];

/// `POST /workspaces/:id/chat/uploads`: gives the platform a file to keep, whose address can go along with a notification.
///
/// Only some later platforms keep files for agents outside of them. Others answer [`ApiError::Unsupported`]; put the file
/// where its reader can fetch it then, and send that address. Sent twice, it is kept twice.
#[derive(Clone)]
pub struct UploadAttachment {
    workspace_id: WorkspaceId,
    name: String,
    mime_type: Option<String>,
    content: Vec<u8>,
}

impl std::fmt::Debug for UploadAttachment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UploadAttachment")
            .field("name", &self.name)
            .field("bytes", &self.content.len())
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Uploaded {
    files: Vec<Value>,
}

impl UploadAttachment {
    /// A file of this name and content. The platform may change the name, and takes up to 25 MiB.
    #[must_use]
    pub fn new(
        workspace_id: WorkspaceId,
        name: impl Into<String>,
        content: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            workspace_id,
            name: name.into(),
            mime_type: None,
            content: content.into(),
        }
    }

    /// With its media type; what is none is left out.
    #[must_use]
    pub fn with_mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.mime_type = Some(mime_type.into());
        self
    }

    /// The head of the file's part, in which a name cannot end the line or the quotes.
    fn head(&self) -> String {
        let escaped = |c| match c {
            '"' => "%22".to_owned(),
            c if c.is_control() => "_".to_owned(),
            c => c.to_string(),
        };
        let name: String = self.name.chars().map(escaped).collect();
        let mime_type = self.mime_type.as_deref();
        let mime_type = mime_type
            .filter(|text| text.contains('/') && text.bytes().all(|byte| byte.is_ascii_graphic()))
            .unwrap_or("application/octet-stream");
        format!(
            "Content-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\nContent-Type: {mime_type}\r\n\r\n"
        )
    }

    /// A line that is not in the content, because it depends on all of it.
    fn boundary(&self) -> String {
        format!("molecule-{}", hex_sha256(&self.content))
    }
}

impl Endpoint for UploadAttachment {
    type Output = Attachment;
    const NAME: &'static str = "attachment upload";

    fn call(&self) -> Call {
        let boundary = self.boundary();
        let mut body = format!("--{boundary}\r\n{}", self.head()).into_bytes();
        body.extend_from_slice(&self.content);
        body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        let content_type = format!("multipart/form-data; boundary={boundary}");
        let content_type = HeaderValue::try_from(content_type)
            .expect("a boundary of letters, digits and a hyphen is a valid header value");
        Call::post(format!("/workspaces/{}/chat/uploads", self.workspace_id))
            .bytes(content_type, body)
    }

    fn read(&self, answer: &Answer<'_>) -> Result<Attachment, ApiError> {
        kept(answer, Self::NAME)?;
        let Uploaded { files } = answer.json(Self::NAME)?;
        let first = readable(files).into_iter().next();
        first.ok_or_else(|| answer.refusal(Self::NAME))
    }
}

/// Whether the platform keeps files for such a workspace at all.
fn kept(answer: &Answer<'_>, endpoint: &'static str) -> Result<(), ApiError> {
    answer.known(endpoint)?;
    let no_place = answer.status() == StatusCode::SERVICE_UNAVAILABLE
        && answer
            .message()
            .is_some_and(|words| NO_PLACE.contains(&words.as_str()));
    if no_place {
        return Err(ApiError::Unsupported(answer.refused(endpoint)));
    }
    Ok(())
}

/// Fetches a file that the platform keeps: `GET /workspaces/:id/chat/download?path=…` for the address `workspace:/path`, and
/// `GET /workspaces/:id/pending-uploads/:file/content` for `platform-pending:workspace/file`.
#[derive(Debug, Clone)]
pub struct DownloadAttachment {
    path: String,
}

/// A file's content.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DownloadedAttachment {
    /// Its bytes, which are foreign input.
    pub content: Vec<u8>,
    /// Its media type, as the platform has it.
    pub mime_type: Option<String>,
}

/// Why an address is none of a file that the platform keeps for the workspace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidAttachmentUri {
    /// It is an address elsewhere.
    #[error(
        "{0:?} is no file of the platform's: fetch it from where it is, without the workspace's token"
    )]
    Elsewhere(String),
    /// It is a file of another workspace, to which our token does not open.
    #[error("{0:?} is a file of another workspace; ask its agent for it")]
    OtherWorkspace(String),
}

impl DownloadAttachment {
    /// The file of `workspace_id` at this address.
    ///
    /// # Errors
    /// When that is no address of a file that the platform keeps for this workspace.
    pub fn new(workspace_id: WorkspaceId, uri: &str) -> Result<Self, InvalidAttachmentUri> {
        let shown = || uri.chars().take(200).collect::<String>();
        if let Some(path) = uri.strip_prefix("workspace:").filter(|path| is_plain(path)) {
            let at = format!("/workspaces/{workspace_id}/chat/download");
            let path = with_query(at, [("path", path)]);
            return Ok(Self { path });
        }
        let Some((owner, file)) = pending(uri) else {
            return Err(InvalidAttachmentUri::Elsewhere(shown()));
        };
        if owner != workspace_id {
            return Err(InvalidAttachmentUri::OtherWorkspace(shown()));
        }
        let path = format!("/workspaces/{owner}/pending-uploads/{file}/content");
        Ok(Self { path })
    }
}

fn pending(uri: &str) -> Option<(WorkspaceId, Uuid)> {
    let (owner, file) = uri.strip_prefix("platform-pending:")?.split_once('/')?;
    Some((owner.parse().ok()?, file.parse().ok()?))
}

/// Absolute, and nothing that leads out of where it seems to be.
fn is_plain(path: &str) -> bool {
    let walks = path.split('/').any(|part| part == "..");
    path.starts_with('/') && !walks && !path.contains(char::is_control)
}

impl Endpoint for DownloadAttachment {
    type Output = DownloadedAttachment;
    const NAME: &'static str = "attachment download";

    fn call(&self) -> Call {
        Call::get(self.path.clone())
    }

    fn read(&self, answer: &Answer<'_>) -> Result<DownloadedAttachment, ApiError> {
        kept(answer, Self::NAME)?;
        answer.success(Self::NAME)?;
        let mime_type = answer.headers().get(CONTENT_TYPE);
        Ok(DownloadedAttachment {
            content: answer.body().to_vec(),
            mime_type: mime_type.and_then(|value| Some(value.to_str().ok()?.to_owned())),
        })
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::*;

    const ID: &str = "fc381c93-f14f-4112-a564-0b630b52d59d";
    const FILE: &str = "28aa9223-a2e1-4348-ac8d-55c47e1b030e";

    fn id() -> WorkspaceId {
        ID.parse().unwrap()
    }

    #[test]
    fn a_file_is_one_part_that_its_name_cannot_leave() {
        let call = UploadAttachment::new(id(), "a\"\r\nX: 1.txt", *b"con\r\n--tent")
            .with_mime_type("text/plain\r\nX: 2")
            .call();
        assert_eq!(call.method, Method::POST);
        assert!(!call.repeatable);
        let content_type = call.headers[CONTENT_TYPE].to_str().unwrap();
        let boundary = content_type.split_once("boundary=").unwrap().1;
        let body = String::from_utf8(call.body.unwrap()).unwrap();
        assert_eq!(
            body,
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a%22__X: 1.txt\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\ncon\r\n--tent\r\n--{boundary}--\r\n"
            )
        );
    }

    fn upload(status: u16, body: &str) -> Result<Attachment, ApiError> {
        let headers = HeaderMap::new();
        let status = StatusCode::from_u16(status).unwrap();
        UploadAttachment::new(id(), "a.txt", *b"x").read(&Answer::new(
            status,
            &headers,
            body.as_bytes(),
        ))
    }

    #[test]
    fn what_was_kept_can_be_attached() {
        let body = format!(
            r#"{{"files":[{{"uri":"platform-pending:{ID}/{FILE}","name":"a.txt","mimeType":"text/plain","size":1}}]}}"#
        );
        let expect = Attachment::new(format!("platform-pending:{ID}/{FILE}"), "a.txt")
            .with_mime_type("text/plain")
            .with_size(1);
        assert_eq!(upload(200, &body).unwrap(), expect);
        assert!(upload(200, r#"{"files":[]}"#).is_err());
        assert!(upload(200, "{}").is_err());
    }

    #[test]
    fn a_platform_that_keeps_no_files_says_so() {
        for (status, body) in [
            (404, "404 page not found"),
            (503, r#"{"error":"workspace container not running"}"#),
        ] {
            let error = upload(status, body).unwrap_err();
            assert!(matches!(error, ApiError::Unsupported(_)), "{error:?}");
        }
        let busy = r#"{"error":"platform datastore unavailable"}"#;
        assert!(matches!(
            upload(503, busy).unwrap_err(),
            ApiError::Unavailable(_)
        ));
        assert!(matches!(
            upload(404, "").unwrap_err(),
            ApiError::NoSuchRoute(_)
        ));
    }

    #[test]
    fn addresses_of_the_platforms_files_become_paths() {
        let path = |uri: &str| DownloadAttachment::new(id(), uri).unwrap().call().path;
        assert_eq!(
            path("workspace:/workspace/a b&c.pdf"),
            format!("/workspaces/{ID}/chat/download?path=%2Fworkspace%2Fa+b%26c.pdf")
        );
        assert_eq!(
            path(&format!("platform-pending:{ID}/{FILE}")),
            format!("/workspaces/{ID}/pending-uploads/{FILE}/content")
        );
    }

    #[test]
    fn other_addresses_are_not_asked_for() {
        let refused = |uri: &str| DownloadAttachment::new(id(), uri).unwrap_err();
        for uri in [
            "https://example.com/a.pdf",
            "file:///etc/passwd",
            "workspace:a.txt",
            "workspace:/a/../../etc/passwd",
            "workspace:/a\r\nb",
            "platform-pending:no-slash",
            &format!("platform-pending:{ID}/../secrets"),
            "",
        ] {
            assert!(
                matches!(refused(uri), InvalidAttachmentUri::Elsewhere(_)),
                "{uri:?}"
            );
        }
        let theirs = format!("platform-pending:{FILE}/{ID}");
        assert_eq!(
            refused(&theirs),
            InvalidAttachmentUri::OtherWorkspace(theirs.clone())
        );
    }
}
