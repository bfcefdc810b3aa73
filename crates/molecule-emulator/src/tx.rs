//! One locked look at the state, with the rules and the time that go with it.

use jiff::Timestamp;

use crate::clock::signed;
use crate::config::EmulatorConfig;
use crate::events::Bus;
use crate::records::Records;
use crate::reply::{Reply, not_found};
use crate::request::parse_id;
use crate::state::State;
use crate::workspace::{Status, Workspace};

/// What a handler works with while it holds the lock.
pub(crate) struct Tx<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) config: &'a EmulatorConfig,
    pub(crate) bus: &'a Bus,
    pub(crate) now: Timestamp,
}

impl Tx<'_> {
    /// The row of an id as it was sent.
    pub(crate) fn row(&self, id: &str) -> Result<&Workspace, Reply> {
        let row = parse_id(id).and_then(|id| self.state.get(id));
        row.ok_or_else(|| not_found("workspace not found"))
    }

    /// What a workspace keeps here, if it ever kept anything.
    pub(crate) fn records(&self, id: &str) -> Option<&Records> {
        self.state.records.get(&parse_id(id)?)
    }

    /// The same, to be changed.
    pub(crate) fn records_mut(&mut self, id: &str) -> Result<&mut Records, Reply> {
        let id = self.row(id)?.id;
        Ok(self.state.records.entry(id).or_default())
    }

    /// The status of an external workspace that nobody hears of.
    fn lost_status(&self, row: &Workspace) -> Status {
        if self.config.has_new_statuses() && row.is_external() {
            Status::AwaitingAgent
        } else {
            Status::Offline
        }
    }

    /// One liveness sweep as of `at`.
    pub(crate) fn sweep(&mut self, at: Timestamp) {
        let ids: Vec<_> = self.state.workspaces.keys().copied().collect();
        for id in ids {
            let Some(row) = self.state.get(id) else {
                continue;
            };
            let lost = self.lost_status(row);
            let (before, verdict) = (row.status, Verdict::of(row, self.config, at));
            let Some(row) = self.state.get_mut(id) else {
                continue;
            };
            verdict.apply(row, lost, at);
            if row.status != before {
                self.record_status(id);
            }
        }
        self.purge_activity(at);
    }

    fn purge_activity(&mut self, at: Timestamp) {
        let retention = jiff::SignedDuration::from_hours(crate::activity::RETENTION_HOURS);
        if let Ok(oldest) = at.checked_sub(retention) {
            self.state
                .activity
                .values_mut()
                .for_each(|log| log.purge(oldest));
        }
    }
}

/// What a sweep finds about a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Fine,
    /// The last heartbeat is too old.
    Stale,
    /// The liveness key ran out.
    KeyExpired,
    /// There is no container behind the row.
    NoContainer,
    /// Provisioning takes too long.
    StuckProvisioning,
}

impl Verdict {
    fn of(row: &Workspace, config: &EmulatorConfig, at: Timestamp) -> Self {
        let older = |since: Timestamp, age| at.duration_since(since) > signed(age);
        let is_orphan = config.container_sweep && !row.is_external() && row.container.is_none();
        let sweeps = config.provisioner || !config.quirks().sweep_needs_provisioner;
        let ten_minutes = std::time::Duration::from_secs(600);
        if is_orphan && row.status.can_be_lost() && row.status != Status::Failed {
            Self::NoContainer
        } else if row.status.can_be_lost() && row.live_until.is_some_and(|until| until <= at) {
            Self::KeyExpired
        } else if sweeps
            && row.is_external()
            && row.status.is_serving()
            && row
                .last_heartbeat_at
                .is_some_and(|last| older(last, config.liveness.stale_after))
        {
            Self::Stale
        } else if row.status == Status::Provisioning && older(row.status_since, ten_minutes) {
            Self::StuckProvisioning
        } else {
            Self::Fine
        }
    }

    fn apply(self, row: &mut Workspace, lost: Status, at: Timestamp) {
        match self {
            Self::Fine => {}
            Self::Stale | Self::KeyExpired => {
                row.set_status(lost, at);
                row.live_until = None;
                row.url_cached_until = None;
            }
            Self::NoContainer => row.fail_to_start(at),
            Self::StuckProvisioning => row.set_status(Status::Failed, at),
        }
    }
}
