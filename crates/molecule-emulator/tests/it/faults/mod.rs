//! Requests that go wrong on purpose, as a client on a real socket sees it.

mod admin;
mod answers;
mod connections;

use molecule_emulator::{Fault, FaultRule};

use crate::client::Call;
use crate::world::{Workspace, World};

impl World {
    /// This happens to every notification from now on.
    fn at_notify(&self, fault: Fault) -> u64 {
        self.add(FaultRule::new(fault).with_path("/workspaces/*/notify"))
    }

    fn add(&self, rule: FaultRule) -> u64 {
        self.platform.platform().add_fault(rule).unwrap()
    }

    fn fired(&self) -> Vec<u64> {
        let rules = self.platform.platform().faults();
        rules.iter().map(|status| status.fired).collect()
    }

    fn notify(&self, workspace: &Workspace, text: &str) -> Call {
        let path = format!("/workspaces/{}/notify", workspace.id);
        let body = serde_json::json!({ "message": text });
        self.post(&path, &body).bearer(&workspace.token)
    }

    /// What the user saw, oldest first.
    async fn shown(&self, workspace: &Workspace) -> Vec<String> {
        let rows = self.activity(workspace, "").await.json();
        let text =
            |row: &serde_json::Value| row["response_body"]["result"].as_str().map(str::to_owned);
        rows.as_array()
            .unwrap()
            .iter()
            .rev()
            .filter_map(text)
            .collect()
    }
}
