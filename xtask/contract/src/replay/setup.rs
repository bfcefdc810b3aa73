//! The workspaces that a section needs.

use anyhow::{Result, ensure};
use molecule_protocol::transcripts::Setup;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Replay;
use crate::case::Outcome;
use crate::http::Request;
use crate::{obstacle, redact};

impl Replay<'_> {
    /// A section whose workspaces cannot be made is a difference, and not run.
    pub(super) fn set_up_all(&mut self, setups: &[Setup]) {
        for setup in setups {
            if let Err(error) = self.set_up(setup) {
                let outcome = Outcome::Differs {
                    expected: "a workspace to begin with".to_owned(),
                    got: redact::text(&format!("{error:#}")),
                };
                let request = format!("making {}", setup.workspace);
                self.record("workspaces", request, outcome);
                self.blocked = Some("its workspaces could not be made".to_owned());
                return;
            }
        }
    }

    fn set_up(&mut self, setup: &Setup) -> Result<()> {
        let name = &setup.workspace;
        let (id, token) = (format!("workspace:{name}"), format!("token:{name}"));
        if self.bindings.get(&id).is_some() {
            return Ok(());
        }
        if let Some(create) = &setup.create {
            let answer = self.create(create)?;
            self.bind_text(&id, &answer["id"]);
            self.bind_text(&token, &answer["connection"]["auth_token"]);
        } else {
            self.bindings.bind(&id, &Uuid::new_v4().to_string());
        }
        if let Some(register) = &setup.register {
            self.register(&id, &token, register)?;
        }
        self.check_status(&id, setup)
    }

    fn create(&mut self, body: &Value) -> Result<Value> {
        self.start_agents(&body.to_string())?;
        let body = self.bindings.substitute_json(body)?.to_string();
        let request = Request::new("POST", "/workspaces").body(body);
        let answer = self.send(&request.bearer(&self.platform.admin_token))?;
        ensure!(
            answer.status == 201,
            "creating a workspace was answered with {}",
            redact::summary(&answer)
        );
        Ok(answer.json())
    }

    fn register(&mut self, id: &str, token: &str, body: &Value) -> Result<()> {
        self.start_agents(&body.to_string())?;
        let mut body = self.bindings.substitute_json(body)?;
        body["id"] = json!(self.bindings.get(id));
        let mut request = Request::new("POST", obstacle::REGISTER).body(body.to_string());
        if let Some(token) = self.bindings.get(token) {
            request = request.bearer(&token);
        }
        let answer = self.send(&request)?;
        ensure!(
            answer.status == 200,
            "registering a workspace was answered with {}",
            redact::summary(&answer)
        );
        self.bind_text(token, &answer.json()["auth_token"]);
        Ok(())
    }

    /// A workspace that is not what it should be is a difference of its own.
    fn check_status(&mut self, id: &str, setup: &Setup) -> Result<()> {
        let path = format!("/workspaces/${{{id}}}");
        let request = Request::new("GET", &self.bindings.substitute(&path)?);
        let row = self.send(&request)?.json();
        if row["status"] != json!(setup.status) {
            self.record(
                "workspaces",
                format!("the status of {} after it was made", setup.workspace),
                Outcome::Differs {
                    expected: setup.status.clone(),
                    got: row["status"].to_string(),
                },
            );
        }
        Ok(())
    }
}
