//! `POST /workspaces/:id/notify`: a message to the person at the canvas.

use serde::{Deserialize, Serialize};

use crate::endpoint::{Answer, Call, Endpoint};
use crate::lenient::lenient;
use crate::{ApiError, WorkspaceId};

/// `POST /workspaces/:id/notify`. Sent twice, it shows twice.
#[derive(Debug, Clone, Serialize)]
pub struct Notify {
    #[serde(skip)]
    workspace_id: WorkspaceId,
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<Attachment>,
}

/// A file that goes along with a notification, or was said to in a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Attachment {
    /// Where it is, such as `workspace:/report.pdf`; required by the platform.
    pub uri: String,
    /// Its name; required by the platform.
    #[serde(default, deserialize_with = "lenient")]
    pub name: String,
    /// Its media type.
    #[serde(
        default,
        deserialize_with = "lenient",
        skip_serializing_if = "Option::is_none"
    )]
    pub mime_type: Option<String>,
    /// Its size in bytes.
    #[serde(
        default,
        deserialize_with = "lenient",
        skip_serializing_if = "Option::is_none"
    )]
    pub size: Option<u64>,
}

impl Attachment {
    /// A file of this name at this place.
    #[must_use]
    pub fn new(uri: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            name: name.into(),
            mime_type: None,
            size: None,
        }
    }

    /// With its media type, such as `application/pdf`.
    #[must_use]
    pub fn with_mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.mime_type = Some(mime_type.into());
        self
    }

    /// With its size in bytes.
    #[must_use]
    pub const fn with_size(mut self, bytes: u64) -> Self {
        self.size = Some(bytes);
        self
    }
}

impl Notify {
    /// A text to the person at the canvas; the platform refuses an empty one.
    #[must_use]
    pub fn new(workspace_id: WorkspaceId, message: impl Into<String>) -> Self {
        Self {
            workspace_id,
            message: message.into(),
            attachments: Vec::new(),
        }
    }

    /// With a file.
    #[must_use]
    pub fn with_attachment(mut self, attachment: Attachment) -> Self {
        self.attachments.push(attachment);
        self
    }
}

impl Endpoint for Notify {
    type Output = ();
    const NAME: &'static str = "notify";

    fn call(&self) -> Call {
        Call::post(format!("/workspaces/{}/notify", self.workspace_id)).json(self)
    }

    fn read(&self, answer: &Answer<'_>) -> Result<(), ApiError> {
        answer.done(Self::NAME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attachments_go_along_only_if_there_are_any() {
        let notify = Notify::new(
            "9e453dad-99f0-4e01-8c72-0031bf974e26".parse().unwrap(),
            "hi",
        );
        assert_eq!(notify.call().body.unwrap(), br#"{"message":"hi"}"#);
        let mut file = Attachment::new("workspace:/a.txt", "a.txt");
        file.mime_type = Some("text/plain".to_owned());
        let body = notify.with_attachment(file).call().body.unwrap();
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"message":"hi","attachments":[{"uri":"workspace:/a.txt","name":"a.txt","mimeType":"text/plain"}]}"#
        );
    }
}
