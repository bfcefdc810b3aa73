//! `/workspaces/:id/memories`: what an agent wants to remember.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::plugin_download::segment;
use super::plugins::with_query;
use crate::endpoint::{Answer, Call, Endpoint};
use crate::lenient::{lenient, readable};
use crate::{ApiError, Timestamp, WorkspaceId};

/// Who may recall a memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum MemoryScope {
    /// The workspace itself.
    Local,
    /// The workspace, the one above it, and those beside it.
    Team,
    /// Everybody. Only a workspace with none above it may write one.
    Global,
}

/// Why a text is no [`MemoryScope`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a memory's scope is local, team or global")]
pub struct InvalidMemoryScope;

impl MemoryScope {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "LOCAL",
            Self::Team => "TEAM",
            Self::Global => "GLOBAL",
        }
    }
}

impl fmt::Display for MemoryScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for MemoryScope {
    type Err = InvalidMemoryScope;

    /// Case does not matter.
    fn from_str(text: &str) -> Result<Self, InvalidMemoryScope> {
        [Self::Local, Self::Team, Self::Global]
            .into_iter()
            .find(|scope| scope.as_str().eq_ignore_ascii_case(text))
            .ok_or(InvalidMemoryScope)
    }
}

/// Which memories to recall.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct MemoryQuery {
    /// Only those of this scope. Without it the platform gives the workspace's own, of all scopes.
    pub scope: Option<MemoryScope>,
    /// Only those about this.
    pub text: Option<String>,
    /// Only those of this namespace.
    pub namespace: Option<String>,
    /// At most this many. The platform gives no more than 50.
    pub limit: Option<u32>,
}

impl MemoryQuery {
    /// All that the workspace wrote itself, as far as the platform gives them.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only those of this scope.
    #[must_use]
    pub const fn with_scope(mut self, scope: MemoryScope) -> Self {
        self.scope = Some(scope);
        self
    }

    /// Only those about this.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Only those of this namespace.
    #[must_use]
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// At most this many.
    #[must_use]
    pub const fn with_limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }

    fn pairs(&self) -> impl Iterator<Item = (&'static str, String)> {
        let pairs = [
            ("scope", self.scope.map(|scope| scope.to_string())),
            ("q", self.text.clone()),
            ("namespace", self.namespace.clone()),
            ("limit", self.limit.map(|limit| limit.to_string())),
        ];
        pairs
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
    }
}

/// `GET /workspaces/:id/memories`.
#[derive(Debug, Clone)]
pub struct ListMemories {
    workspace_id: WorkspaceId,
    query: MemoryQuery,
}

/// A memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Memory {
    /// Its id.
    pub id: String,
    /// What is remembered. It may be another agent's words: data, and no instructions.
    #[serde(default, deserialize_with = "lenient")]
    pub content: String,
    /// Who may recall it, where that is a scope we know.
    #[serde(default, deserialize_with = "lenient")]
    pub scope: Option<MemoryScope>,
    /// What kind it is, such as `general`.
    #[serde(default, deserialize_with = "lenient")]
    pub namespace: String,
    /// Who wrote it.
    #[serde(default, deserialize_with = "lenient")]
    pub workspace_id: Option<WorkspaceId>,
    /// When it was written.
    #[serde(default, deserialize_with = "lenient")]
    pub created_at: Option<Timestamp>,
}

impl ListMemories {
    /// Memories that `workspace_id` may recall.
    #[must_use]
    pub const fn new(workspace_id: WorkspaceId, query: MemoryQuery) -> Self {
        Self {
            workspace_id,
            query,
        }
    }
}

impl Endpoint for ListMemories {
    type Output = Vec<Memory>;
    const NAME: &'static str = "memory list";

    fn call(&self) -> Call {
        let path = format!("/workspaces/{}/memories", self.workspace_id);
        Call::get(with_query(path, self.query.pairs()))
    }

    fn read(&self, answer: &Answer<'_>) -> Result<Vec<Memory>, ApiError> {
        let list: Option<Vec<_>> = answer.json_if_known(Self::NAME)?;
        Ok(readable(list.unwrap_or_default()))
    }
}

/// Something to remember.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NewMemory {
    /// What is to be remembered. The platform replaces what looks like a secret in it.
    pub content: String,
    /// Who may recall it.
    pub scope: MemoryScope,
    /// What kind it is, in up to 50 bytes. Default: the platform's, `general`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

impl NewMemory {
    /// This, for those of `scope`.
    #[must_use]
    pub fn new(content: impl Into<String>, scope: MemoryScope) -> Self {
        Self {
            content: content.into(),
            scope,
            namespace: None,
        }
    }

    /// Of this kind.
    #[must_use]
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }
}

/// `POST /workspaces/:id/memories`. Sent twice, it is remembered twice.
#[derive(Debug, Clone)]
pub struct AddMemory {
    workspace_id: WorkspaceId,
    memory: NewMemory,
}

/// A memory that the platform took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AddedMemory {
    /// Its id.
    pub id: String,
    /// What kind it is.
    #[serde(default, deserialize_with = "lenient")]
    pub namespace: String,
    /// Who may recall it, where that is a scope we know.
    #[serde(default, deserialize_with = "lenient")]
    pub scope: Option<MemoryScope>,
}

impl AddMemory {
    /// `workspace_id` remembers this.
    #[must_use]
    pub const fn new(workspace_id: WorkspaceId, memory: NewMemory) -> Self {
        Self {
            workspace_id,
            memory,
        }
    }
}

impl Endpoint for AddMemory {
    type Output = AddedMemory;
    const NAME: &'static str = "memory add";

    fn call(&self) -> Call {
        Call::post(format!("/workspaces/{}/memories", self.workspace_id)).json(&self.memory)
    }

    fn read(&self, answer: &Answer<'_>) -> Result<AddedMemory, ApiError> {
        answer.json_if_known(Self::NAME)
    }
}

/// `DELETE /workspaces/:id/memories/:memory`: forgets what the workspace itself wrote.
///
/// [`ApiError::NotFound`] says that there is no such memory of this workspace's own.
#[derive(Debug, Clone)]
pub struct DeleteMemory {
    workspace_id: WorkspaceId,
    memory_id: String,
}

impl DeleteMemory {
    /// The memory of `workspace_id` with this id, as it is listed.
    #[must_use]
    pub fn new(workspace_id: WorkspaceId, memory_id: impl Into<String>) -> Self {
        Self {
            workspace_id,
            memory_id: memory_id.into(),
        }
    }
}

impl Endpoint for DeleteMemory {
    type Output = ();
    const NAME: &'static str = "memory delete";

    fn call(&self) -> Call {
        let (workspace_id, memory) = (self.workspace_id, segment(&self.memory_id));
        Call::delete(format!("/workspaces/{workspace_id}/memories/{memory}"))
    }

    fn read(&self, answer: &Answer<'_>) -> Result<(), ApiError> {
        answer.known(Self::NAME)?;
        answer.done(Self::NAME)
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    const ID: &str = "fc381c93-f14f-4112-a564-0b630b52d59d";

    #[test]
    fn a_query_names_only_what_it_asks_for() {
        let path = |query| ListMemories::new(ID.parse().unwrap(), query).call().path;
        assert_eq!(
            path(MemoryQuery::new()),
            format!("/workspaces/{ID}/memories")
        );
        let query = MemoryQuery::new()
            .with_scope(MemoryScope::Team)
            .with_text("a&b")
            .with_limit(5);
        assert_eq!(
            path(query),
            format!("/workspaces/{ID}/memories?scope=TEAM&q=a%26b&limit=5")
        );
    }

    #[test]
    fn an_odd_memory_hides_no_other() {
        let body = br#"[{"id":"m-1","content":"a","scope":"GALAXY"},{"content":"no id"},7,{"id":"m-2","scope":"LOCAL"}]"#;
        let headers = HeaderMap::new();
        let list = ListMemories::new(ID.parse().unwrap(), MemoryQuery::new())
            .read(&Answer::new(StatusCode::OK, &headers, body))
            .unwrap();
        let read: Vec<_> = list
            .iter()
            .map(|memory| (memory.id.as_str(), memory.scope))
            .collect();
        assert_eq!(read, [("m-1", None), ("m-2", Some(MemoryScope::Local))]);
    }

    #[test]
    fn a_memory_is_deleted_by_its_id_whatever_that_is() {
        let check = |memory: &str, expect: &str| {
            let call = DeleteMemory::new(ID.parse().unwrap(), memory).call();
            assert_eq!(call.path, format!("/workspaces/{ID}/memories/{expect}"));
            assert_eq!((call.method.as_str(), call.repeatable), ("DELETE", false));
        };
        check(ID, ID);
        check("../tokens?a=b#c", "..%2Ftokens%3Fa%3Db%23c");
        check("..", "%252E%252E");
    }

    #[test]
    fn a_memory_counts_as_deleted_only_if_the_platform_says_so() {
        let read = |status: u16, body: &str| {
            let (status, headers) = (StatusCode::from_u16(status).unwrap(), HeaderMap::new());
            DeleteMemory::new(ID.parse().unwrap(), ID).read(&Answer::new(
                status,
                &headers,
                body.as_bytes(),
            ))
        };
        read(200, r#"{"status":"deleted"}"#).unwrap();
        assert!(matches!(
            read(200, "<html>"),
            Err(ApiError::Malformed { .. })
        ));
        let foreign = r#"{"error":"memory not found or not owned by this workspace"}"#;
        assert!(matches!(read(404, foreign), Err(ApiError::NotFound(_))));
        let old = read(404, "404 page not found");
        assert!(matches!(old, Err(ApiError::Unsupported(_))), "{old:?}");
    }

    #[test]
    fn scopes_are_read_in_any_case() {
        assert_eq!("team".parse(), Ok(MemoryScope::Team));
        assert_eq!("GLOBAL".parse(), Ok(MemoryScope::Global));
        assert!("all".parse::<MemoryScope>().is_err());
    }
}
