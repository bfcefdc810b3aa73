//! What the agent remembers.

use molecule_protocol::endpoints::{
    AddMemory, AddedMemory, DeleteMemory, ListMemories, Memory, MemoryQuery, NewMemory,
};

use crate::{AgentError, RemoteAgentClient};

/// The longest namespace that the platform takes, in bytes.
const LONGEST_NAMESPACE: usize = 50;

impl RemoteAgentClient {
    /// What the agent remembers, and what others remember for it.
    ///
    /// # Errors
    /// When the platform refuses, has no memories, or gives no usable answer.
    pub async fn list_memories(&self, query: MemoryQuery) -> Result<Vec<Memory>, AgentError> {
        self.authorized(&ListMemories::new(self.workspace_id(), query))
            .await
    }

    /// Remembers something. Sent twice, it is remembered twice.
    ///
    /// # Errors
    /// [`AgentError::Option`] when there is nothing to remember, or the namespace is longer than 50 bytes. When the
    /// platform refuses, has no memories, or gives no usable answer.
    pub async fn add_memory(&self, memory: NewMemory) -> Result<AddedMemory, AgentError> {
        check(&memory)?;
        self.authorized(&AddMemory::new(self.workspace_id(), memory))
            .await
    }

    /// Forgets what this workspace remembered, for all who may recall it.
    ///
    /// # Errors
    /// [`AgentError::Option`] when the id is empty. When the platform refuses, has no memories, or gives no usable answer;
    /// [`ApiError::NotFound`](molecule_protocol::ApiError::NotFound) when this workspace wrote no such memory, or it is deleted already.
    pub async fn delete_memory(&self, memory_id: &str) -> Result<(), AgentError> {
        if memory_id.is_empty() {
            let reason = "`memory list` shows the ids";
            return refuse("the id of a memory", memory_id, reason);
        }
        self.authorized(&DeleteMemory::new(self.workspace_id(), memory_id))
            .await
    }
}

fn refuse(option: &'static str, value: &str, reason: &'static str) -> Result<(), AgentError> {
    let value = value.chars().take(80).collect();
    Err(AgentError::Option {
        option,
        value,
        reason,
    })
}

fn check(memory: &NewMemory) -> Result<(), AgentError> {
    let namespace = memory.namespace.as_deref().unwrap_or_default();
    if memory.content.is_empty() {
        return refuse("a memory", "", "there has to be something to remember");
    }
    if namespace.len() > LONGEST_NAMESPACE {
        let reason = "the platform takes up to 50 bytes";
        return refuse("the namespace of a memory", namespace, reason);
    }
    Ok(())
}
