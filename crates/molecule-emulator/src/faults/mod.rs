//! Faults on purpose: rules that say which requests go wrong, and how.

mod answer;
mod connection;
mod kind;
mod layer;
mod pattern;
pub(crate) mod routes;
mod rule;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(crate) use answer::{Never, Pause, stream};
pub(crate) use connection::Line;
pub use connection::Severed;
pub use kind::Fault;
pub(crate) use layer::inject;
pub use rule::{FaultRule, FaultStatus};

use crate::error::EmulatorError;
use crate::platform::Platform;
use rule::Subject;

/// The rules of a platform, in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    added: u64,
    rules: Vec<FaultStatus>,
}

/// What happens to one request.
#[derive(Debug, Default)]
struct Plan {
    latency: Duration,
    fault: Option<Fault>,
}

impl Faults {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_empty(&self) -> bool {
        self.lock().rules.is_empty()
    }

    /// Counts a request. Latencies add up; the first other fault that is due decides, and later rules do not see the
    /// request.
    fn plan(&self, subject: &Subject<'_>) -> Plan {
        let mut plan = Plan::default();
        for status in &mut self.lock().rules {
            if !status.is_due(subject) {
                continue;
            }
            match &status.rule.fault {
                Fault::Latency { ms } => plan.latency += Duration::from_millis(*ms),
                fault => {
                    plan.fault = Some(fault.clone());
                    break;
                }
            }
        }
        plan
    }
}

impl Platform {
    /// Lets requests go wrong from now on, as the rule says. The number that it gives back is the rule's id. Rules are
    /// not kept with the state: a platform that starts anew has none.
    ///
    /// ```
    /// use molecule_emulator::{EmulatorConfig, Fault, FaultRule, Platform};
    ///
    /// let platform = Platform::new(EmulatorConfig::new())?;
    /// let rule = FaultRule::new(Fault::rate_limited(30)).with_path("/workspaces/*/notify").with_times(3);
    /// let id = platform.add_fault(rule)?;
    /// assert_eq!(platform.faults()[0].fired, 0);
    /// assert!(platform.remove_fault(id));
    /// # Ok::<(), molecule_emulator::EmulatorError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`EmulatorError::BadFault`] if the rule makes no sense.
    pub fn add_fault(&self, rule: FaultRule) -> Result<u64, EmulatorError> {
        rule.check()?;
        let mut table = self.fault_table().lock();
        table.added += 1;
        let id = table.added;
        table.rules.push(FaultStatus::new(id, rule));
        Ok(id)
    }

    /// The rules, and how often each applied.
    #[must_use]
    pub fn faults(&self) -> Vec<FaultStatus> {
        self.fault_table().lock().rules.clone()
    }

    /// Ends one rule, and says whether there was such a rule.
    #[expect(clippy::must_use_candidate, reason = "it is called for what it does")]
    pub fn remove_fault(&self, id: u64) -> bool {
        let mut table = self.fault_table().lock();
        let before = table.rules.len();
        table.rules.retain(|status| status.id != id);
        table.rules.len() < before
    }

    /// Ends all rules, and says how many there were.
    #[expect(clippy::must_use_candidate, reason = "it is called for what it does")]
    pub fn clear_faults(&self) -> usize {
        std::mem::take(&mut self.fault_table().lock().rules).len()
    }
}
