//! `GET /registry/:id/peers`: whom an agent may talk to.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::plugins::with_query;
use crate::endpoint::{Answer, Call, Endpoint};
use crate::json::Budget;
use crate::lenient::lenient;
use crate::{AgentCard, ApiError, InvalidPeerUrl, PeerUrl, WorkspaceId, WorkspaceStatus};

/// What a peer, with its card, may take in memory at most, in bytes, so that a few of them cannot use up what there is for all.
const PEER_SHARE: usize = 1 << 20;

/// `GET /registry/:id/peers`: siblings, then children, then the parent. Workspaces without a parent are each other's
/// siblings; removed ones are not listed, paused and failed ones are.
#[derive(Debug, Clone)]
pub struct ListPeers {
    workspace_id: WorkspaceId,
    query: Option<String>,
}

/// A peer as the platform lists it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PeerInfo {
    /// Its id.
    pub id: WorkspaceId,
    /// Its name.
    #[serde(default, deserialize_with = "lenient")]
    pub name: String,
    /// What it registered as its address, which may be a placeholder; see [`peer_url`](Self::peer_url).
    #[serde(default, deserialize_with = "lenient")]
    pub url: Option<String>,
    /// Its role, for people.
    #[serde(default, deserialize_with = "lenient")]
    pub role: Option<String>,
    /// Its tier.
    #[serde(default, deserialize_with = "lenient")]
    pub tier: Option<i64>,
    /// Its status; `unknown` where the platform does not say it.
    #[serde(default = "unknown", deserialize_with = "status")]
    pub status: WorkspaceStatus,
    /// What it says about itself.
    #[serde(default, deserialize_with = "card")]
    pub agent_card: Option<AgentCard>,
    /// The workspace above it.
    #[serde(default, deserialize_with = "lenient")]
    pub parent_id: Option<WorkspaceId>,
    /// How many messages it is handling.
    #[serde(default, deserialize_with = "lenient")]
    pub active_tasks: Option<i64>,
}

/// What has to be known of a peer to list it.
#[derive(Deserialize)]
struct PeerHead {
    id: WorkspaceId,
}

impl PeerInfo {
    /// The address at which it takes messages, if it has one.
    ///
    /// # Errors
    /// When there is none, or it is a placeholder or no http(s) address.
    pub fn peer_url(&self) -> Result<PeerUrl, InvalidPeerUrl> {
        self.url.as_deref().unwrap_or_default().parse()
    }

    /// Whether its card names a skill: see [`AgentCard::has_skill`].
    #[must_use]
    pub fn has_skill(&self, wanted: &str) -> bool {
        let card = self.agent_card.as_ref();
        card.is_some_and(|card| card.has_skill(wanted))
    }

    /// Whether its card claims a capability: see [`AgentCard::has_capability`].
    #[must_use]
    pub fn has_capability(&self, wanted: &str) -> bool {
        let card = self.agent_card.as_ref();
        card.is_some_and(|card| card.has_capability(wanted))
    }

    /// Whether its name or role contains `text`, as the platform's own search has it. Case does not matter.
    #[must_use]
    pub fn mentions(&self, text: &str) -> bool {
        let (text, role) = (text.to_lowercase(), self.role.as_deref());
        [self.name.as_str(), role.unwrap_or_default()]
            .iter()
            .any(|place| place.to_lowercase().contains(&text))
    }

    /// Reads a row. One that is too deep, too dear or too odd to be read is still a peer, of which only the id is known.
    fn read(row: &RawValue, budget: &mut Budget) -> Option<Self> {
        let head = || serde_json::from_str::<PeerHead>(row.get());
        let whole = budget.parse(row.get().as_bytes());
        whole.or_else(|_| head().map(Self::from)).ok()
    }
}

impl From<PeerHead> for PeerInfo {
    fn from(PeerHead { id }: PeerHead) -> Self {
        Self {
            id,
            name: String::new(),
            url: None,
            role: None,
            tier: None,
            status: unknown(),
            agent_card: None,
            parent_id: None,
            active_tasks: None,
        }
    }
}

fn unknown() -> WorkspaceStatus {
    "unknown".to_owned().into()
}

fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<WorkspaceStatus, D::Error> {
    let word: Option<String> = lenient(deserializer)?;
    Ok(word.map_or_else(unknown, Into::into))
}

fn card<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<AgentCard>, D::Error> {
    Ok(AgentCard::try_from(Value::deserialize(deserializer)?).ok())
}

impl ListPeers {
    /// The peers of `workspace_id`.
    #[must_use]
    pub const fn new(workspace_id: WorkspaceId) -> Self {
        Self {
            workspace_id,
            query: None,
        }
    }

    /// Only those whose name or role contains `text`.
    ///
    /// A platform of the first generation answers 500 as soon as one peer has no role: list all and look at
    /// [`PeerInfo::mentions`] instead.
    #[must_use]
    pub fn with_query(mut self, text: impl Into<String>) -> Self {
        self.query = Some(text.into());
        self
    }
}

impl Endpoint for ListPeers {
    type Output = Vec<PeerInfo>;
    const NAME: &'static str = "peers";

    fn call(&self) -> Call {
        let path = format!("/registry/{}/peers", self.workspace_id);
        let query = self.query.iter().map(|text| ("q", text));
        Call::get(with_query(path, query)).on_behalf_of(&self.workspace_id)
    }

    /// Each row is read for itself, so that an odd one hides no other; what has no id is left out.
    fn read(&self, answer: &Answer<'_>) -> Result<Vec<PeerInfo>, ApiError> {
        Ok(answer.rows(Self::NAME, PEER_SHARE, PeerInfo::read)?.rows)
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    const ME: &str = "01fd509e-62be-4a0c-9425-7886d8978300";
    const PEER: &str = "1eb82460-07e2-423a-bd6f-9ca0b2c552f7";

    fn read(body: &str) -> Vec<PeerInfo> {
        let headers = HeaderMap::new();
        let answer = Answer::new(StatusCode::OK, &headers, body.as_bytes());
        ListPeers::new(ME.parse().unwrap()).read(&answer).unwrap()
    }

    fn one(fields: &str) -> PeerInfo {
        read(&format!(r#"[{{"id":"{PEER}"{fields}}}]"#)).remove(0)
    }

    #[test]
    fn null_and_missing_fields_stay_what_they_are() {
        for fields in [
            "",
            r#","role":null,"agent_card":null,"parent_id":null,"tier":null,"status":null,"name":null,"url":null"#,
            r#","role":7,"agent_card":"x","parent_id":"nope","tier":"3","status":[],"name":{},"url":false"#,
        ] {
            let peer = one(fields);
            assert_eq!(
                (peer.role, peer.agent_card, peer.parent_id),
                (None, None, None)
            );
            assert_eq!((peer.tier, peer.status.as_str()), (None, "unknown"));
            assert_eq!((peer.name.as_str(), peer.url), ("", None));
        }
    }

    #[test]
    fn an_unreadable_row_hides_no_other() {
        let deep = "[".repeat(200) + &"]".repeat(200);
        let body = format!(
            r#"[7, null, {{"name":"no id"}}, {{"id":"upper case nonsense"}},
                {{"id":"{ME}","name":"deep","agent_card":{deep}}}, {{"id":"{PEER}","name":"good"}}]"#
        );
        let ids: Vec<_> = read(&body).iter().map(|peer| peer.id.to_string()).collect();
        assert_eq!(ids, [ME, PEER]);
    }

    #[test]
    fn nobody_is_no_error() {
        assert!(read("[]").is_empty() && read("null").is_empty());
    }

    #[test]
    fn placeholders_are_no_addresses() {
        let url = |text: &str| one(&format!(r#","url":"{text}""#)).peer_url();
        assert!(url("http://localhost:39219").is_ok());
        assert!(
            url("http://ws-08eea8db-eed:8000")
                .unwrap()
                .is_container_only()
        );
        for text in ["", "remote://no-inbound"] {
            assert_eq!(url(text), Err(InvalidPeerUrl::NotHttp), "{text}");
        }
    }

    #[test]
    fn a_search_is_encoded() {
        let list = ListPeers::new(ME.parse().unwrap()).with_query("a b&c=ü");
        assert_eq!(
            list.call().path,
            format!("/registry/{ME}/peers?q=a+b%26c%3D%C3%BC")
        );
    }

    #[test]
    fn a_peer_is_found_by_name_and_role() {
        let peer = one(r#","name":"Data Desk","role":"Analyst""#);
        assert!(peer.mentions("desk") && peer.mentions("ANALYST"));
        assert!(!peer.mentions("writer"));
    }
}
