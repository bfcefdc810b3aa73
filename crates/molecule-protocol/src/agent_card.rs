//! What an agent says about itself.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

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

    /// The ids of its skills, or their names where they have none.
    #[must_use]
    pub fn skills(&self) -> Vec<&str> {
        let named = |skill: &'_ Value| {
            ["id", "name"]
                .into_iter()
                .find(|key| skill[key].is_string())
        };
        self.skill_values()
            .iter()
            .filter_map(|skill| match skill {
                Value::String(id) => Some(id.as_str()),
                skill => skill[named(skill)?].as_str(),
            })
            .collect()
    }

    /// Whether it has a skill of this id, name or tag. Case does not matter; a skill may be a text or an object.
    #[must_use]
    pub fn has_skill(&self, wanted: &str) -> bool {
        let is_it = |text: &Value| text.as_str().is_some_and(|text| same(text, wanted));
        self.skill_values().iter().any(|skill| {
            let tags = skill["tags"].as_array();
            is_it(skill)
                || is_it(&skill["id"])
                || is_it(&skill["name"])
                || tags.is_some_and(|tags| tags.iter().any(is_it))
        })
    }

    /// Whether it claims a capability: one that is `true` in A2A's object, is in a list of texts, or is the uri of an
    /// extension. Case does not matter.
    #[must_use]
    pub fn has_capability(&self, wanted: &str) -> bool {
        match self.0.get("capabilities") {
            Some(Value::Array(list)) => list
                .iter()
                .any(|one| one.as_str().is_some_and(|one| same(one, wanted))),
            Some(Value::Object(claims)) => {
                claims
                    .iter()
                    .any(|(name, claim)| same(name, wanted) && *claim == Value::Bool(true))
                    || has_extension(claims, wanted)
            }
            _ => false,
        }
    }

    fn skill_values(&self) -> &[Value] {
        let skills = self.0.get("skills").and_then(Value::as_array);
        skills.map_or(&[], Vec::as_slice)
    }

    /// The card as JSON.
    #[must_use]
    pub const fn as_json(&self) -> &Value {
        &self.0
    }
}

fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

fn has_extension(capabilities: &Map<String, Value>, uri: &str) -> bool {
    let extensions = capabilities.get("extensions").and_then(Value::as_array);
    extensions.is_some_and(|all| all.iter().any(|one| one["uri"] == uri))
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
    fn skills_are_found_by_id_name_and_tag() {
        let card = AgentCard::try_from(json!({"skills": ["plain",
            {"id": "sql", "name": "Query data", "tags": ["Database", 7]}, {"name": "unnamed id"}, 7, null]}))
        .unwrap();
        for wanted in ["plain", "SQL", "query data", "database", "unnamed id"] {
            assert!(card.has_skill(wanted), "{wanted}");
        }
        assert!(!card.has_skill("sq"));
        assert_eq!(card.skills(), ["plain", "sql", "unnamed id"]);
        for skills in [json!(null), json!({"sql": true}), json!("sql")] {
            assert!(
                !AgentCard::try_from(json!({"skills": skills}))
                    .unwrap()
                    .has_skill("sql")
            );
        }
    }

    #[test]
    fn capabilities_are_claims_that_are_true() {
        let card = AgentCard::try_from(
            json!({"capabilities": {"streaming": true, "pushNotifications": false,
            "extensions": [{"uri": "https://e.example/1"}, 7]}}),
        )
        .unwrap();
        assert!(card.has_capability("Streaming") && card.has_capability("https://e.example/1"));
        assert!(!card.has_capability("pushNotifications") && !card.has_capability("extensions"));
        let card = AgentCard::try_from(json!({"capabilities": ["code", 7]})).unwrap();
        assert!(card.has_capability("code") && !card.has_capability("7"));
        assert!(!AgentCard::named("a").has_capability("code"));
    }

    #[test]
    fn only_objects_are_cards() {
        assert!(AgentCard::try_from(json!("card")).is_err());
        assert!(AgentCard::try_from(json!({})).is_ok());
    }
}
