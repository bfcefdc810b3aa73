//! `/registry/*`: joining, describing oneself, staying alive.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::endpoint::{Answer, Call, Endpoint};
use crate::{AgentCard, ApiError, Secret, WorkspaceId};

/// How messages reach the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryMode {
    /// The agent fetches them; Gen B only.
    Poll,
    /// The platform posts them to the agent's url.
    Push,
}

/// How messages are to reach the agent, with what that needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The agent fetches them.
    Poll,
    /// The platform posts them to this url, which it must be able to reach.
    Push {
        /// An `http` or `https` URL.
        url: String,
    },
}

/// `POST /registry/register`: joins the platform, or comes back to it.
///
/// Registering a paused workspace un-pauses it, and an unknown id creates a row: look first.
#[derive(Debug, Clone)]
pub struct Register {
    workspace_id: WorkspaceId,
    delivery: Delivery,
    agent_card: AgentCard,
}

/// The platform took the registration.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Registered {
    /// The token of the workspace, the one time it is shown: only where the workspace had none.
    pub auth_token: Option<Secret>,
    /// The mode that is in force; Gen A says nothing.
    pub delivery_mode: Option<DeliveryMode>,
}

impl Register {
    /// A registration of `workspace_id`.
    #[must_use]
    pub const fn new(workspace_id: WorkspaceId, delivery: Delivery, agent_card: AgentCard) -> Self {
        Self {
            workspace_id,
            delivery,
            agent_card,
        }
    }
}

#[derive(Serialize)]
struct RegisterBody<'a> {
    id: WorkspaceId,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    delivery_mode: DeliveryMode,
    agent_card: &'a AgentCard,
}

/// The token comes once: nothing else in the answer may keep it from being read.
#[derive(Deserialize)]
struct RegisteredBody {
    #[serde(rename = "status")]
    _status: String,
    #[serde(default)]
    auth_token: Option<Secret>,
    #[serde(default)]
    delivery_mode: Option<Value>,
}

impl Endpoint for Register {
    type Output = Registered;
    const NAME: &'static str = "register";

    fn call(&self) -> Call {
        let (url, delivery_mode) = match &self.delivery {
            Delivery::Poll => (None, DeliveryMode::Poll),
            Delivery::Push { url } => (Some(url.as_str()), DeliveryMode::Push),
        };
        let body = RegisterBody {
            id: self.workspace_id,
            url,
            delivery_mode,
            agent_card: &self.agent_card,
        };
        Call::post("/registry/register").json(&body).repeatable()
    }

    fn read(&self, answer: &Answer<'_>) -> Result<Registered, ApiError> {
        let body: RegisteredBody = answer.json(Self::NAME)?;
        Ok(Registered {
            auth_token: body
                .auth_token
                .filter(|token| !token.expose().trim().is_empty()),
            delivery_mode: body
                .delivery_mode
                .and_then(|mode| serde_json::from_value(mode).ok()),
        })
    }
}

/// `POST /registry/update-card`: replaces the agent card. It cannot change the url.
#[derive(Debug, Clone, Serialize)]
pub struct UpdateCard {
    workspace_id: WorkspaceId,
    agent_card: AgentCard,
}

impl UpdateCard {
    /// A new card for `workspace_id`.
    #[must_use]
    pub const fn new(workspace_id: WorkspaceId, agent_card: AgentCard) -> Self {
        Self {
            workspace_id,
            agent_card,
        }
    }
}

impl Endpoint for UpdateCard {
    type Output = ();
    const NAME: &'static str = "update-card";

    fn call(&self) -> Call {
        Call::post("/registry/update-card").json(self).repeatable()
    }

    fn read(&self, answer: &Answer<'_>) -> Result<(), ApiError> {
        answer.done(Self::NAME)
    }
}

/// `POST /registry/heartbeat`: says that the agent lives, and how it is.
///
/// The platform replaces every field with what is sent, so all of them always go along.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Heartbeat {
    /// Whose heart beats.
    pub workspace_id: WorkspaceId,
    /// The share of failed work, from 0 to 1. From 0.5 on the platform shows the workspace as
    /// degraded, until it falls below 0.1.
    pub error_rate: f64,
    /// An example of what went wrong.
    pub sample_error: String,
    /// How many messages are being handled.
    pub active_tasks: u32,
    /// Seconds since the agent started, at most `i32::MAX`: the platform fails on more.
    pub uptime_seconds: u32,
    /// What is being done, for people.
    pub current_task: String,
    /// What the runtime of a container does itself. Without it, it is as if it did nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_metadata: Option<RuntimeMetadata>,
}

/// What a runtime does itself, instead of leaving it to the platform. Default: nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RuntimeMetadata {
    /// Which of the platform's jobs.
    pub capabilities: RuntimeCapabilities,
    /// Seconds without a sign of the agent, such as a heartbeat, after which the platform gives up a message to it. Default: the
    /// platform's, 300.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout_seconds: Option<u32>,
}

/// Which of the platform's jobs a runtime does itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RuntimeCapabilities {
    /// It keeps conversations, so that nothing is queued for it while it is busy.
    pub session: bool,
    /// It runs schedules.
    pub scheduler: bool,
    /// It says how it is.
    pub status_mgmt: bool,
}

impl Heartbeat {
    /// A beat of a healthy, idle agent.
    #[must_use]
    pub const fn new(workspace_id: WorkspaceId) -> Self {
        Self {
            workspace_id,
            error_rate: 0.0,
            sample_error: String::new(),
            active_tasks: 0,
            uptime_seconds: 0,
            current_task: String::new(),
            runtime_metadata: None,
        }
    }

    /// With what the runtime of a container does itself.
    #[must_use]
    pub const fn with_runtime_metadata(mut self, metadata: RuntimeMetadata) -> Self {
        self.runtime_metadata = Some(metadata);
        self
    }

    /// With a rate of failed work (brought into 0 to 1) and an example of what failed.
    #[must_use]
    pub fn with_errors(mut self, rate: f64, sample: impl Into<String>) -> Self {
        self.error_rate = if rate.is_finite() {
            rate.clamp(0.0, 1.0)
        } else {
            0.0
        };
        self.sample_error = sample.into();
        self
    }

    /// With the number of messages being handled, and what is being done.
    #[must_use]
    pub fn with_work(mut self, active_tasks: u32, current_task: impl Into<String>) -> Self {
        self.active_tasks = active_tasks.min(i32::MAX.unsigned_abs());
        self.current_task = current_task.into();
        self
    }

    /// With the seconds since the agent started.
    #[must_use]
    pub fn with_uptime(mut self, seconds: u64) -> Self {
        self.uptime_seconds = u32::try_from(seconds)
            .unwrap_or(u32::MAX)
            .min(i32::MAX.unsigned_abs());
        self
    }
}

impl Endpoint for Heartbeat {
    type Output = ();
    const NAME: &'static str = "heartbeat";

    fn call(&self) -> Call {
        Call::post("/registry/heartbeat").json(self).repeatable()
    }

    fn read(&self, answer: &Answer<'_>) -> Result<(), ApiError> {
        answer.done(Self::NAME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "9e453dad-99f0-4e01-8c72-0031bf974e26";

    fn body(endpoint: &impl Endpoint) -> String {
        String::from_utf8(endpoint.call().body.unwrap()).unwrap()
    }

    #[test]
    fn poll_mode_registers_without_a_url() {
        let register = Register::new(ID.parse().unwrap(), Delivery::Poll, AgentCard::named("a"));
        assert_eq!(
            body(&register),
            format!(r#"{{"id":"{ID}","delivery_mode":"poll","agent_card":{{"name":"a"}}}}"#)
        );
    }

    #[test]
    fn push_mode_registers_the_url() {
        let delivery = Delivery::Push {
            url: "http://localhost:8000".to_owned(),
        };
        let register = Register::new(ID.parse().unwrap(), delivery, AgentCard::named("a"));
        assert_eq!(
            body(&register),
            format!(
                r#"{{"id":"{ID}","url":"http://localhost:8000","delivery_mode":"push","agent_card":{{"name":"a"}}}}"#
            )
        );
    }

    #[test]
    fn the_runtime_of_a_container_says_what_it_does_itself() {
        let beat = Heartbeat::new(ID.parse().unwrap());
        assert!(!body(&beat).contains("runtime_metadata"));
        let nothing = r#""runtime_metadata":{"capabilities":{"session":false,"scheduler":false,"status_mgmt":false}}"#;
        let beat = beat.with_runtime_metadata(RuntimeMetadata::default());
        assert!(
            body(&beat).ends_with(&format!("{nothing}}}")),
            "{}",
            body(&beat)
        );
    }

    #[test]
    fn a_heartbeat_carries_every_field_within_what_the_platform_takes() {
        let beat = Heartbeat::new(ID.parse().unwrap())
            .with_errors(7.5, "boom")
            .with_work(2, "doing")
            .with_uptime(3_000_000_000);
        assert_eq!(
            body(&beat),
            format!(
                r#"{{"workspace_id":"{ID}","error_rate":1.0,"sample_error":"boom","active_tasks":2,"uptime_seconds":2147483647,"current_task":"doing"}}"#
            )
        );
        assert_eq!(
            Heartbeat::new(ID.parse().unwrap())
                .with_errors(f64::NAN, "")
                .error_rate,
            0.0
        );
    }

    #[test]
    fn a_mode_of_a_later_platform_does_not_cost_the_token() {
        let register = Register::new(ID.parse().unwrap(), Delivery::Poll, AgentCard::named("a"));
        let headers = http::HeaderMap::new();
        let body =
            br#"{"auth_token":"tok","status":"registered","delivery_mode":"carrier-pigeon"}"#;
        let registered = register
            .read(&Answer::new(http::StatusCode::OK, &headers, body))
            .unwrap();
        assert!(registered.auth_token.is_some() && registered.delivery_mode.is_none());
    }

    #[test]
    fn a_200_that_is_not_the_platforms_is_no_success() {
        let headers = http::HeaderMap::new();
        for body in ["", "{}", "<html>", "[]"] {
            let answer = Answer::new(http::StatusCode::OK, &headers, body.as_bytes());
            let error = Heartbeat::new(ID.parse().unwrap())
                .read(&answer)
                .unwrap_err();
            assert!(
                matches!(error, ApiError::Malformed { .. }),
                "{body}: {error:?}"
            );
        }
    }

    #[test]
    fn an_empty_token_counts_as_none() {
        let register = Register::new(ID.parse().unwrap(), Delivery::Poll, AgentCard::named("a"));
        let headers = http::HeaderMap::new();
        let answer = Answer::new(
            http::StatusCode::OK,
            &headers,
            br#"{"auth_token":"","status":"registered"}"#,
        );
        assert!(register.read(&answer).unwrap().auth_token.is_none());
    }
}
