//! What is not run against a platform, and why.

use std::time::Duration;

use molecule_protocol::transcripts::{Exchange, RecordedRequest, Section};

use crate::generation_b;
use crate::platform::{DEFAULT_MODE, Generation, Platform};

/// From here on a wait is a matter of patience.
const SLOW: Duration = Duration::from_secs(2);

/// Where agents register.
pub(crate) const REGISTER: &str = "/registry/register";

pub(crate) const NEEDS_SLOW: &str = "takes seconds: run with --slow";
pub(crate) const NEEDS_NEIGHBOUR: &str =
    "agents listen on this machine alone, and the platform is on another";
pub(crate) const NEEDS_EARLIER: &str = "needs an earlier case that was not run";
const NEEDS_PLUGINS: &str = "needs the platform's operator: publish-plugins";
const OTHERWISE: &str =
    "generation b answers otherwise, or nobody knows how: its own cases are under 14";
const NEEDS_OWN: &str = "concerns other workspaces too: runs on a platform started for it";

/// The mode in which time passes until workspaces are lost.
pub(crate) const SWEEPING: &str = "container-host";

/// Why the whole of a section is not run.
pub(crate) fn of_section(section: &Section, platform: &Platform, slow: bool) -> Option<String> {
    let mut modes = section.setup_mode.iter().chain([&section.mode]);
    if !platform.is_own()
        && let Some(mode) = modes.find(|mode| *mode != DEFAULT_MODE)
    {
        return Some(format!("needs a server in mode {mode}"));
    }
    if section.mode == SWEEPING && !slow {
        return Some(NEEDS_SLOW.to_owned());
    }
    let talks_to_agents = section.setup.iter().any(|setup| {
        let register = setup.register.as_ref();
        register.is_some_and(|body| body.to_string().contains("${agent:"))
    });
    (talks_to_agents && !platform.is_here()).then(|| NEEDS_NEIGHBOUR.to_owned())
}

/// Why an exchange is not run on this platform.
pub(crate) fn of_exchange(
    title: &str,
    exchange: &Exchange,
    generation: Generation,
    is_own: bool,
) -> Option<&'static str> {
    let needs_own = concerns_others(&exchange.request) || shows_what_concerned_others(exchange);
    if needs_own && !is_own {
        return Some(NEEDS_OWN);
    }
    if !is_own && installs_a_recorded_plugin(&exchange.request) {
        return Some(NEEDS_PLUGINS);
    }
    let is_otherwise =
        generation == Generation::B && generation_b::answers_otherwise(title, exchange);
    is_otherwise.then_some(OTHERWISE)
}

/// Secrets of all workspaces, tokens of the organisation, and the events of everybody.
pub(crate) fn concerns_others(request: &RecordedRequest) -> bool {
    let path = request.path.as_str();
    path.starts_with("/settings/")
        || path.starts_with("/org/")
        || (path == "/ws" && !request.headers.contains_key("X-Workspace-ID"))
}

fn installs_a_recorded_plugin(request: &RecordedRequest) -> bool {
    let body = request.json.as_ref();
    body.is_some_and(|body| body["source"] == "local://demo-plugin")
}

fn shows_what_concerned_others(exchange: &Exchange) -> bool {
    let body = exchange.response.json.as_ref();
    body.is_some_and(|body| body.to_string().contains("GLOBAL_KEY"))
}

pub(crate) fn is_slow(time: Duration) -> bool {
    time >= SLOW
}
