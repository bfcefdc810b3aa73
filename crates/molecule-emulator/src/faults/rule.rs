//! Which requests a fault happens to.

use http::{Method, Uri};
use molecule_protocol::WorkspaceId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Fault, pattern};
use crate::error::EmulatorError;
use crate::request::parse_id;

/// Which requests, how often, and what happens to them.
///
/// The requests that match are counted. The first `skip` of them pass; of the others it happens to every `every`-th,
/// `times` times in all.
///
/// ```
/// use molecule_emulator::{Fault, FaultRule};
///
/// // The answer to every second notification is lost, three times.
/// let rule = FaultRule::new(Fault::DropAfter)
///     .with_method("POST")
///     .with_path("/workspaces/*/notify")
///     .with_every(2)
///     .with_times(3);
/// assert_eq!(rule.skip, 0);
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FaultRule {
    /// The method, in capitals. Default: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The path without its query; `*` stands for one segment, and `**` at the end for any number. Default: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The workspace that the path names, or whose token goes along. Default: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<WorkspaceId>,
    /// How many requests pass first. Default: 0.
    #[serde(default)]
    pub skip: u64,
    /// 1 for each of the others, 2 for every second one, and so on. Default: 1.
    #[serde(default = "one")]
    pub every: u64,
    /// How often it happens. Default: until the rule is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// What happens.
    pub fault: Fault,
}

fn one() -> u64 {
    1
}

impl FaultRule {
    /// It happens to every request.
    #[must_use]
    pub fn new(fault: Fault) -> Self {
        Self {
            method: None,
            path: None,
            workspace: None,
            skip: 0,
            every: 1,
            times: None,
            fault,
        }
    }

    /// Sets the method.
    #[must_use]
    pub fn with_method(mut self, method: impl Into<String>) -> Self {
        self.method = Some(method.into());
        self
    }

    /// Sets the path, with `*` for a segment.
    #[must_use]
    pub fn with_path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Sets the workspace that the path names, or whose token goes along.
    #[must_use]
    pub fn with_workspace(mut self, workspace: WorkspaceId) -> Self {
        self.workspace = Some(workspace);
        self
    }

    /// Sets how many requests pass first.
    #[must_use]
    pub fn with_skip(mut self, requests: u64) -> Self {
        self.skip = requests;
        self
    }

    /// Sets to which of the others it happens: 2 means to every second one.
    #[must_use]
    pub fn with_every(mut self, every: u64) -> Self {
        self.every = every;
        self
    }

    /// Sets how often it happens.
    #[must_use]
    pub fn with_times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    pub(super) fn check(&self) -> Result<(), EmulatorError> {
        let bad = |reason| EmulatorError::BadFault { reason };
        if self.every == 0 {
            return Err(bad("every is at least 1, which means each request"));
        }
        self.fault
            .problem()
            .map_or(Ok(()), |reason| Err(bad(reason)))
    }

    fn matches(&self, subject: &Subject<'_>) -> bool {
        let method = self.method.as_deref();
        let path = self.path.as_deref();
        let workspace = self.workspace.map(|id| *id.as_uuid());
        method.is_none_or(|method| method == subject.method.as_str())
            && path.is_none_or(|path| pattern::matches(path, subject.uri.path()))
            && workspace.is_none_or(|id| subject.concerns(id))
            && subject.allows(&self.fault)
    }

    /// Whether it is the turn of the request number `seen`, counted from 1.
    fn is_turn(&self, seen: u64, fired: u64) -> bool {
        seen > self.skip
            && (seen - self.skip).is_multiple_of(self.every)
            && self.times.is_none_or(|times| fired < times)
    }
}

/// A rule, and what became of it so far.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct FaultStatus {
    /// The number of the rule.
    pub id: u64,
    /// How many requests matched.
    pub seen: u64,
    /// To how many of them it happened.
    pub fired: u64,
    /// The rule.
    #[serde(flatten)]
    pub rule: FaultRule,
}

impl FaultStatus {
    pub(super) fn new(id: u64, rule: FaultRule) -> Self {
        Self {
            id,
            seen: 0,
            fired: 0,
            rule,
        }
    }

    /// Counts a request, and says whether it happens to it.
    pub(super) fn is_due(&mut self, subject: &Subject<'_>) -> bool {
        if !self.rule.matches(subject) {
            return false;
        }
        self.seen += 1;
        let due = self.rule.is_turn(self.seen, self.fired);
        self.fired += u64::from(due);
        due
    }
}

/// What a rule looks at.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub(super) method: &'a Method,
    pub(super) uri: &'a Uri,
    /// The workspace whose token goes along.
    pub(super) owner: Option<Uuid>,
}

impl Subject<'_> {
    /// The workspace that the path names, else the one whose token goes along.
    pub(super) fn workspace(&self) -> Option<Uuid> {
        self.named().or(self.owner)
    }

    fn named(&self) -> Option<Uuid> {
        self.uri.path().split('/').find_map(parse_id)
    }

    fn concerns(&self, workspace: Uuid) -> bool {
        self.named() == Some(workspace) || self.owner == Some(workspace)
    }

    /// Some faults can happen to some requests only.
    fn allows(&self, fault: &Fault) -> bool {
        match fault {
            Fault::DuplicateRows | Fault::ReorderRows => self.lists_activity(),
            Fault::PrunedCursor => self.lists_activity() && self.names_a_cursor(),
            Fault::RotateToken { .. } => self.workspace().is_some(),
            _ => true,
        }
    }

    fn lists_activity(&self) -> bool {
        self.method == Method::GET && pattern::matches("/workspaces/*/activity", self.uri.path())
    }

    /// The nil id is no cursor: with it clients find out whether there are cursors.
    fn names_a_cursor(&self) -> bool {
        let query = self.uri.query().unwrap_or_default();
        let mut ids = query
            .split('&')
            .filter_map(|pair| pair.strip_prefix("since_id="));
        ids.any(|id| !id.is_empty() && parse_id(id) != Some(Uuid::nil()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: &str = "/workspaces/36f9bb7d-8aba-4f88-a020-18434fa22c3b";

    fn fired(rule: FaultRule, method: &Method, path: &str, requests: u64) -> Vec<u64> {
        let uri = path.parse().unwrap();
        let owner = None;
        let subject = Subject {
            method,
            uri: &uri,
            owner,
        };
        let mut status = FaultStatus::new(1, rule);
        (1..=requests).filter(|_| status.is_due(&subject)).collect()
    }

    fn rule() -> FaultRule {
        FaultRule::new(Fault::DropBefore)
    }

    #[test]
    fn requests_are_counted() {
        let check = |rule: FaultRule, expect: &[u64]| {
            assert_eq!(
                fired(rule.clone(), &Method::GET, "/x", 8),
                expect,
                "{rule:?}"
            );
        };
        check(rule(), &[1, 2, 3, 4, 5, 6, 7, 8]);
        check(rule().with_times(3), &[1, 2, 3]);
        check(rule().with_every(2), &[2, 4, 6, 8]);
        check(rule().with_every(3).with_times(1), &[3]);
        check(rule().with_skip(5), &[6, 7, 8]);
        check(rule().with_skip(1).with_every(3), &[4, 7]);
        check(rule().with_times(0), &[]);
    }

    #[test]
    fn only_what_matches_is_counted() {
        let check = |rule: FaultRule, method: Method, path: &str, expect: bool| {
            let fired = !fired(rule.clone(), &method, path, 1).is_empty();
            assert_eq!(fired, expect, "{rule:?} {method} {path}");
        };
        let activity = format!("{ME}/activity");
        check(rule().with_method("POST"), Method::GET, "/x", false);
        check(rule().with_method("POST"), Method::POST, "/x", true);
        check(rule().with_path("/x"), Method::GET, "/x?q=1", true);
        check(rule().with_path("/x"), Method::GET, "/y", false);
        let me = ME.trim_start_matches("/workspaces/").parse().unwrap();
        check(rule().with_workspace(me), Method::GET, &activity, true);
        check(rule().with_workspace(me), Method::GET, "/health", false);
        let rows = FaultRule::new(Fault::DuplicateRows);
        check(rows.clone(), Method::GET, &activity, true);
        check(rows.clone(), Method::POST, &activity, false);
        check(rows, Method::GET, ME, false);
        let pruned = FaultRule::new(Fault::PrunedCursor);
        let with = |id: &str| format!("{activity}?limit=9&since_id={id}");
        check(pruned.clone(), Method::GET, &activity, false);
        let nil = Uuid::nil().to_string();
        check(pruned.clone(), Method::GET, &with(&nil), false);
        check(
            pruned,
            Method::GET,
            &with("9e453dad-99f0-4e01-8c72-0031bf974e26"),
            true,
        );
    }
}
