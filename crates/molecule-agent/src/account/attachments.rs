//! Files of the conversation.

use molecule_protocol::ApiError;
use molecule_protocol::endpoints::{
    Attachment, DownloadAttachment, DownloadedAttachment, UploadAttachment,
};
use molecule_transport::{CallOptions, Limits, Timeouts};

use crate::{AgentError, RemoteAgentClient};

/// The largest file that is fetched, in bytes: as large as one that the platform takes.
const LARGEST: u64 = 25 * 1024 * 1024;

impl RemoteAgentClient {
    /// Gives the platform a file to keep. What comes back can go along with [`notify`](Self::notify). Sent twice, it is kept
    /// twice.
    ///
    /// # Errors
    /// [`AgentError::NoAttachments`] when the platform keeps no files for an agent outside of it, as most do: put the file
    /// where its reader can fetch it, and give [`notify`](Self::notify) that address. Otherwise when the platform refuses,
    /// or gives no usable answer.
    pub async fn upload_attachment(
        &self,
        name: &str,
        mime_type: Option<&str>,
        content: Vec<u8>,
    ) -> Result<Attachment, AgentError> {
        let upload = UploadAttachment::new(self.workspace_id(), name, content);
        let upload = match mime_type {
            Some(mime_type) => upload.with_mime_type(mime_type),
            None => upload,
        };
        explained(self.authorized_with(&upload, &options()).await)
    }

    /// Fetches a file that the platform keeps for this workspace, of up to 25 MiB, into memory.
    ///
    /// # Errors
    /// [`AgentError::AttachmentUri`] when the address is another than such a file's, and nothing was asked for: fetch it
    /// yourself, without the workspace's token. [`AgentError::NoAttachments`] as for
    /// [`upload_attachment`](Self::upload_attachment). Otherwise when the platform refuses, or gives no usable answer.
    pub async fn download_attachment(&self, uri: &str) -> Result<DownloadedAttachment, AgentError> {
        let download = DownloadAttachment::new(self.workspace_id(), uri)?;
        explained(self.authorized_with(&download, &options()).await)
    }
}

fn options() -> CallOptions {
    CallOptions::new()
        .with_timeouts(Timeouts::DOWNLOAD)
        .with_limits(Limits::DEFAULT.with_body_bytes(LARGEST))
}

fn explained<T>(result: Result<T, AgentError>) -> Result<T, AgentError> {
    result.map_err(|error| match error {
        AgentError::Api(source @ ApiError::Unsupported(_)) => AgentError::NoAttachments { source },
        error => error,
    })
}
