//! How many files and connections the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the process needs besides its agents.
const BASE: u64 = 128;

/// Connections, the lock, the socket, and files that are written.
const FOR_AN_AGENT: u64 = 5;

/// A child process: its three pipes, and what tells of its end.
const FOR_A_HANDLER: u64 = 4;

/// Raises the soft limit as far as agents need of which each may run so many handlers at the same time, and the hard limit allows. Where
/// that is not enough, it is said.
pub(crate) fn make_room_for(handlers: impl IntoIterator<Item = u32>) {
    let needed = needed(handlers);
    let limit = getrlimit(Resource::Nofile);
    let Some(current) = raised(limit, needed) else {
        return;
    };
    let wanted = Rlimit {
        current: Some(current),
        ..limit
    };
    if setrlimit(Resource::Nofile, wanted).is_err() || current < needed {
        tracing::warn!(
            needed,
            limit = current,
            "the limit of open files may be too low for so many agents and handlers; raise it with `ulimit -n`"
        );
    }
}

fn needed(handlers: impl IntoIterator<Item = u32>) -> u64 {
    let each = handlers.into_iter().map(u64::from);
    let agents = each.map(|handlers| FOR_AN_AGENT + FOR_A_HANDLER * handlers);
    BASE + agents.sum::<u64>()
}

/// The soft limit to set; `None` if the present one is enough.
fn raised(limit: Rlimit, needed: u64) -> Option<u64> {
    let current = limit.current?;
    let most = limit.maximum.unwrap_or(u64::MAX);
    (current < needed).then(|| needed.min(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(current: Option<u64>, maximum: Option<u64>, expect: Option<u64>) {
        assert_eq!(raised(Rlimit { current, maximum }, 1000), expect);
    }

    #[test]
    fn handlers_need_more_than_agents() {
        assert_eq!(needed([4]), 128 + 5 + 16);
        assert_eq!(needed([1, 1000]), 128 + 2 * 5 + 4 * 1001);
    }

    #[test]
    fn the_limit_is_raised_only_as_far_as_needed_and_allowed() {
        check(Some(256), Some(4096), Some(1000));
        check(Some(256), None, Some(1000));
        check(Some(256), Some(512), Some(512));
        check(Some(1024), Some(4096), None);
        check(None, None, None);
    }
}
