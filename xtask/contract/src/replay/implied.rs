//! What a recording implies without showing it.

use std::time::Duration;

use anyhow::{Result, ensure};
use molecule_protocol::transcripts::{Action, Behaviour, RecordedRequest, Unrecorded};
use serde_json::{Value, json};

use super::Replay;
use crate::case::Outcome;
use crate::http::Request;
use crate::repeated::Repeated;
use crate::{clock, obstacle, redact};

/// How often an agent sends heartbeats while time passes.
const BEAT: Duration = Duration::from_secs(5);

impl Replay<'_> {
    pub(super) fn unrecorded(&mut self, unrecorded: &Unrecorded) -> Result<()> {
        match &unrecorded.action {
            Action::Request(request) => self.unrecorded_request(unrecorded, request),
            Action::Agent { agent, behaviour } => self.behave(agent, behaviour),
            Action::Elapse {
                elapse_seconds,
                beating,
            } => self.elapse(Duration::from_secs_f64(*elapse_seconds), beating),
            Action::Operator {
                operator,
                workspace,
                key,
                status,
                plugins,
                needed_by,
            } => {
                let change = json!({
                    "kind": operator.replace('-', "_"),
                    "key": key,
                    "status": status,
                });
                let done = self.operate(operator, workspace.as_deref(), plugins, &change)?;
                if !done {
                    let why = format!("needs the platform's operator: {operator}");
                    self.to_skip = (*needed_by, why);
                }
                Ok(())
            }
        }
    }

    fn behave(&mut self, agent: &str, behaviour: &Behaviour) -> Result<()> {
        self.agent(agent)?.behave(behaviour.clone());
        Ok(())
    }

    /// Lets time pass, with heartbeats of some workspaces every few seconds.
    fn elapse(&mut self, time: Duration, beating: &[String]) -> Result<()> {
        if obstacle::is_slow(time) && !self.options.slow {
            self.blocked = Some(obstacle::NEEDS_SLOW.to_owned());
            return Ok(());
        }
        let mut left = time;
        while !left.is_zero() {
            let step = left.min(BEAT);
            clock::sleep(step);
            left -= step;
            beating.iter().try_for_each(|name| self.beat(name))?;
        }
        Ok(())
    }

    fn beat(&mut self, name: &str) -> Result<()> {
        let bound = |text: &str| self.bindings.substitute(&text.replace("NAME", name));
        let body = json!({ "workspace_id": bound("${workspace:NAME}")? });
        let heartbeat = Request::new("POST", "/registry/heartbeat")
            .bearer(&bound("${token:NAME}")?)
            .body(body.to_string());
        let status = self.send(&heartbeat)?.status;
        ensure!(status == 200, "a heartbeat was answered with {status}");
        Ok(())
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

    /// Makes a change as the platform's operator; says whether that is possible.
    fn operate(
        &mut self,
        operator: &str,
        workspace: Option<&str>,
        plugins: &[String],
        change: &Value,
    ) -> Result<bool> {
        match (operator, workspace) {
            ("publish-plugins", _) => Ok(self.platform.publish(plugins)?),
            ("revoke-all-tokens", Some(name)) => self.revoke_all_tokens(name),
            (_, Some(name)) if self.platform.is_own() => self.change(name, change),
            _ => Ok(false),
        }
    }

    /// Makes a change over the local platform's own route.
    fn change(&mut self, name: &str, change: &Value) -> Result<bool> {
        let path = format!("/emulator/workspaces/${{workspace:{name}}}");
        let request = Request::new("POST", &self.bindings.substitute(&path)?)
            .bearer(&self.platform.admin_token)
            .body(without_nulls(change).to_string());
        let answer = self.send(&request)?;
        ensure!(
            answer.status == 200,
            "a change of the operator's was answered with {}",
            redact::summary(&answer)
        );
        Ok(true)
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

fn without_nulls(change: &Value) -> Value {
    let fields = change.as_object().into_iter().flatten();
    let given = fields.filter(|(_, value)| !value.is_null());
    given
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
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
