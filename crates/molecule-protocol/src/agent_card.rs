//! What an agent says about itself.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::WorkspaceId;

/// An A2A agent card: a JSON object that the platform stores as it is.
///
/// ```
/// use molecule_protocol::{AgentCard, WorkspaceId};
///
/// let id: WorkspaceId = "9e453dad-99f0-4e01-8c72-0031bf974e26".parse()?;
/// let card = AgentCard::default_for(&id);
/// assert_eq!(card.name(), Some("remote-agent-9e453dad"));
/// # Ok::<(), molecule_protocol::InvalidId>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AgentCard(Value);

/// The JSON of an agent card is not an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an agent card is a JSON object such as {{\"name\": \"my-agent\"}}")]
pub struct InvalidAgentCard;

impl AgentCard {
    /// A card that has only a name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self(json!({"name": name}))
    }

    /// The card of an agent that was not given one.
    #[must_use]
    pub fn default_for(workspace: &WorkspaceId) -> Self {
        Self::named(&format!("remote-agent-{}", workspace.short()))
    }

    /// Adds a skill with this id and name.
    #[must_use]
    pub fn with_skill(mut self, skill: &str) -> Self {
        match &mut self.0["skills"] {
            Value::Array(skills) => skills.push(json!({"id": skill, "name": skill})),
            other => *other = json!([{"id": skill, "name": skill}]),
        }
        self
    }

    /// The agent's name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.get("name")?.as_str()
    }

    /// The card as JSON.
    #[must_use]
    pub const fn as_json(&self) -> &Value {
        &self.0
    }
}

impl TryFrom<Value> for AgentCard {
    type Error = InvalidAgentCard;

    fn try_from(card: Value) -> Result<Self, InvalidAgentCard> {
        if card.is_object() {
            Ok(Self(card))
        } else {
            Err(InvalidAgentCard)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skills_are_added_one_by_one() {
        let card = AgentCard::named("a").with_skill("x").with_skill("y");
        assert_eq!(
            card.as_json(),
            &json!({"name": "a", "skills": [{"id": "x", "name": "x"}, {"id": "y", "name": "y"}]})
        );
    }

    #[test]
    fn only_objects_are_cards() {
        assert!(AgentCard::try_from(json!("card")).is_err());
        assert!(AgentCard::try_from(json!({})).is_ok());
    }
}
