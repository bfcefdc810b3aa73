//! What a recording implies without showing it.

use std::time::Duration;

use anyhow::Result;
use molecule_protocol::transcripts::{Action, Behaviour, RecordedRequest, Unrecorded};

use super::Replay;
use crate::case::Outcome;
use crate::http::Request;
use crate::repeated::Repeated;
use crate::{clock, obstacle, redact};

impl Replay<'_> {
    pub(super) fn unrecorded(&mut self, unrecorded: &Unrecorded) -> Result<()> {
        match &unrecorded.action {
            Action::Request(request) => self.unrecorded_request(unrecorded, request),
            Action::Agent { agent, behaviour } => self.behave(agent, behaviour),
            Action::Elapse { elapse_seconds, .. } => {
                self.elapse(Duration::from_secs_f64(*elapse_seconds));
                Ok(())
            }
            Action::Operator {
                operator,
                workspace,
                plugins,
                needed_by,
                ..
            } => self.operate(operator, workspace.as_deref(), plugins, *needed_by),
        }
    }

    fn behave(&mut self, agent: &str, behaviour: &Behaviour) -> Result<()> {
        self.agent(agent)?.behave(behaviour.clone());
        Ok(())
    }

    fn elapse(&mut self, time: Duration) {
        if obstacle::is_slow(time) && !self.options.slow {
            self.blocked = Some(obstacle::NEEDS_SLOW.to_owned());
        } else {
            clock::sleep(time);
        }
    }

    fn unrecorded_request(
        &mut self,
        unrecorded: &Unrecorded,
        recorded: &RecordedRequest,
    ) -> Result<()> {
        if obstacle::concerns_others(recorded) && !self.platform.is_own() {
            return Ok(());
        }
        if let Some(seconds) = unrecorded.every_seconds {
            let request = self.request(recorded)?;
            let every = Duration::from_secs(seconds);
            self.repeated
                .push(Repeated::start(self.platform, request, every));
            return Ok(());
        }
        for _ in 0..unrecorded.times.unwrap_or(1) {
            let Ok(request) = self.request(recorded) else {
                return Ok(());
            };
            let answer = self.send(&request)?;
            if answer.status >= 400 {
                self.blocked = Some(obstacle::NEEDS_EARLIER.to_owned());
                let got = redact::summary(&answer);
                let outcome = Outcome::Differs {
                    expected: "success".to_owned(),
                    got,
                };
                let request = format!("{} {} (implied)", recorded.method, recorded.path);
                self.record(topic_of(&recorded.path), request, outcome);
                return Ok(());
            }
            self.bindings.capture(&unrecorded.capture, &answer.json())?;
        }
        Ok(())
    }

    /// Makes a change as the platform's operator, or skips what needs it.
    fn operate(
        &mut self,
        operator: &str,
        workspace: Option<&str>,
        plugins: &[String],
        needed_by: usize,
    ) -> Result<()> {
        let done = match (operator, workspace) {
            ("publish-plugins", _) => self.platform.publish(plugins)?,
            ("revoke-all-tokens", Some(name)) => self.revoke_all_tokens(name)?,
            _ => false,
        };
        if !done {
            self.to_skip = (
                needed_by,
                format!("needs the platform's operator: {operator}"),
            );
        }
        Ok(())
    }

    fn revoke_all_tokens(&mut self, name: &str) -> Result<bool> {
        let path = self
            .bindings
            .substitute(&format!("/workspaces/${{workspace:{name}}}/tokens"))?;
        let admin = self.platform.admin_token.clone();
        let list = Request::new("GET", &format!("{path}?limit=200")).bearer(&admin);
        let tokens = self.send(&list)?.json()["tokens"].take();
        for token in tokens.as_array().into_iter().flatten() {
            let id = token["id"].as_str().unwrap_or_default();
            self.send(&Request::new("DELETE", &format!("{path}/{id}")).bearer(&admin))?;
        }
        Ok(tokens.is_array())
    }
}

/// The topic of a request that is not recorded.
fn topic_of(path: &str) -> &str {
    match path.rsplit('/').next().unwrap_or_default() {
        "a2a" => "a2a",
        "register" => "register",
        "heartbeat" => "heartbeat",
        "notify" => "notify",
        "tokens" => "tokens",
        "secrets" => "secrets",
        "pause" | "resume" => "lifecycle",
        _ => "workspaces",
    }
}
