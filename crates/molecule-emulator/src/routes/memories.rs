//! What agents remember: texts, for themselves, their team or everyone.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::asked::{Asked, TheWorkspace};
use crate::records::{Memory, Scope};
use crate::reply::{Outcome, Reply, bad_request, forbidden, not_found};
use crate::request::{or_zero, parse_id};
use crate::tx::Tx;

/// Memories that one answer holds.
const MOST: usize = 50;

#[derive(Deserialize)]
struct Thought {
    #[serde(default, deserialize_with = "or_zero")]
    content: String,
    #[serde(default, deserialize_with = "or_zero")]
    scope: String,
    #[serde(default, deserialize_with = "or_zero")]
    namespace: String,
}

fn scope(text: &str) -> Option<Scope> {
    match text {
        "LOCAL" => Some(Scope::Local),
        "TEAM" => Some(Scope::Team),
        "GLOBAL" => Some(Scope::Global),
        _ => None,
    }
}

pub(crate) async fn commit(asked: Asked<TheWorkspace>) -> Outcome {
    asked.write(|tx| {
        let thought: Thought = asked.decode()?;
        if thought.content.is_empty() || thought.scope.is_empty() {
            return Err(bad_request("invalid request body"));
        }
        let scope = scope(&thought.scope);
        let scope = scope.ok_or_else(|| bad_request("scope must be LOCAL, TEAM, or GLOBAL"))?;
        if thought.namespace.len() > 50 {
            return Err(bad_request("namespace must be <= 50 characters"));
        }
        let row = tx.row(&asked.id)?;
        if scope == Scope::Global && row.parent_id.is_some() {
            return Err(forbidden("only root workspaces can write GLOBAL memories"));
        }
        let memory = tx.remember(row.id, thought, scope);
        let answer =
            json!({ "id": memory.id, "namespace": memory.namespace, "scope": memory.scope });
        Ok(Reply::new(StatusCode::CREATED, &answer))
    })
}

pub(crate) async fn search(asked: Asked<TheWorkspace>) -> Outcome {
    let text = |key| asked.param(key).unwrap_or_default();
    let limit = text("limit").parse::<usize>().ok();
    let limit = limit.filter(|n| (1..MOST).contains(n)).unwrap_or(MOST);
    asked.read(|tx| {
        let Some(me) = parse_id(&asked.id) else {
            return Ok(Reply::ok(&json!([])));
        };
        let query = text("q").to_lowercase();
        let fits = |memory: &&Memory| {
            let namespace = text("namespace");
            let content = memory.content.to_lowercase();
            (namespace.is_empty() || memory.namespace == namespace)
                && query.split_whitespace().all(|word| content.contains(word))
        };
        let mut found = tx.memories(me, scope(text("scope")));
        found.retain(fits);
        found.sort_by_key(|memory| std::cmp::Reverse(memory.created_at));
        let found: Vec<Value> = found.into_iter().take(limit).map(shown).collect();
        Ok(Reply::ok(&found))
    })
}

/// What everyone may have written is marked, so that nobody takes it for an instruction.
fn shown(memory: &Memory) -> Value {
    let mut shown = json!(memory);
    if memory.scope == Scope::Global {
        let (id, from, content) = (memory.id, memory.workspace_id, &memory.content);
        shown["content"] = json!(format!(
            "[MEMORY id={id} scope=GLOBAL from={from}]: {content}"
        ));
    }
    shown
}

pub(crate) async fn forget(asked: Asked<TheWorkspace>) -> Outcome {
    asked.write(|tx| {
        let missing = || not_found("memory not found or not owned by this workspace");
        let memory = parse_id(&asked.name).ok_or_else(missing)?;
        let records = tx.records_mut(&asked.id).map_err(|_| missing())?;
        let memories = &mut records.memories;
        let before = memories.len();
        memories.retain(|kept| kept.id != memory);
        if memories.len() == before {
            return Err(missing());
        }
        Ok(Reply::ok(&json!({ "status": "deleted" })))
    })
}

impl Tx<'_> {
    fn remember(&mut self, workspace: Uuid, thought: Thought, scope: Scope) -> Memory {
        let namespace = Some(thought.namespace).filter(|name| !name.is_empty());
        let memory = Memory {
            content: thought.content,
            created_at: self.now,
            id: Uuid::new_v4(),
            namespace: namespace.unwrap_or_else(|| "general".to_owned()),
            scope,
            workspace_id: workspace,
        };
        let records = self.state.records.entry(workspace).or_default();
        records.memories.push(memory.clone());
        memory
    }

    /// The memories that a workspace sees under a scope; without one, all of its own.
    fn memories(&self, me: Uuid, scope: Option<Scope>) -> Vec<&Memory> {
        let all = self.state.records.values();
        let all = all.flat_map(|records| &records.memories);
        all.filter(|memory| match scope {
            None => memory.workspace_id == me,
            Some(Scope::Local) => memory.workspace_id == me && memory.scope == Scope::Local,
            Some(Scope::Team) => memory.scope == Scope::Team && self.is_team(me, memory),
            Some(Scope::Global) => memory.scope == Scope::Global,
        })
        .collect()
    }

    /// Whether a memory is of the parent's team, or of one's own if there is no parent.
    fn is_team(&self, me: Uuid, memory: &Memory) -> bool {
        let parent = self.state.get(me).and_then(|row| row.parent_id);
        let head = parent.unwrap_or(me);
        let Some(author) = self.state.get(memory.workspace_id) else {
            return false;
        };
        !author.is_removed() && (author.id == head || author.parent_id == Some(head))
    }
}
