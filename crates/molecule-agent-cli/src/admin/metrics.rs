//! The agents in numbers, as Prometheus reads them.

use std::fmt;

use molecule_agent::protocol::Timestamp;
use molecule_agent::transport::{Clock as _, SystemClock};
use molecule_agent::{AgentStatus, EventsState, WorkspaceId};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::{Agents, Row};

/// The type of the text.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const PREFIX: &str = "molecule_agent";

/// What only grows while the process lives.
const COUNTERS: &[(&str, &str, Number)] = &[
    (
        "heartbeats",
        "Heartbeats that the platform took",
        |status| Some(status.heartbeats as f64),
    ),
    ("accepted", "Messages that were accepted", |status| {
        Some(status.accepted as f64)
    }),
    (
        "handled",
        "Messages that were handled without an error",
        |status| Some(status.handled as f64),
    ),
    ("failed", "Handlers that failed", |status| {
        Some(status.failed as f64)
    }),
    ("answered", "Answers that were taken", |status| {
        Some(status.answered as f64)
    }),
];

/// What goes up and down.
const GAUGES: &[(&str, &str, Number)] = &[
    (
        "pending",
        "Messages that were accepted and are not done with",
        |status| Some(status.pending as f64),
    ),
    ("handling", "Messages that a handler works on", |status| {
        Some(status.handling as f64)
    }),
    ("dead", "Messages that were given up", |status| {
        Some(status.dead as f64)
    }),
    (
        "registered",
        "Whether the platform counts the agent as registered",
        |status| Some(f64::from(status.registered)),
    ),
    (
        "receiving",
        "Whether messages can come: neither the last poll nor the journal failed, and that has room",
        |status| Some(f64::from(status.receiving)),
    ),
    ("events", "Whether the platform's events arrive", |status| {
        Some(f64::from(status.events == EventsState::Flowing))
    }),
    (
        "last_heartbeat_age_seconds",
        "Since the platform last took a heartbeat",
        |status| age(status.last_heartbeat),
    ),
    (
        "last_poll_age_seconds",
        "Since messages were last asked for with success",
        |status| age(status.last_poll),
    ),
];

const STATES: [&str; 7] = [
    "starting",
    "online",
    "degraded",
    "paused",
    "disconnected",
    "draining",
    "stopped",
];

/// A number of an agent; none if there is none yet.
type Number = fn(&AgentStatus) -> Option<f64>;

/// The text that Prometheus asks for.
pub(super) fn text(agents: &Agents) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(Numbers::of(agents)));
    let mut page = String::new();
    text::encode(&mut page, &registry)?;
    Ok(page)
}

/// The agents at one moment.
#[derive(Debug)]
struct Numbers {
    /// Those that started.
    rows: Vec<Row>,
    /// What each is doing.
    states: Vec<(WorkspaceId, &'static str)>,
}

impl Collector for Numbers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, number) in COUNTERS {
            self.family(&mut encoder, (name, help, MetricType::Counter), *number)?;
        }
        for (name, help, number) in GAUGES {
            self.family(&mut encoder, (name, help, MetricType::Gauge), *number)?;
        }
        self.states(&mut encoder)
    }
}

impl Numbers {
    fn of(agents: &Agents) -> Self {
        let states = agents.all().into_iter();
        Self {
            rows: agents.rows(),
            states: states.map(|(id, agent)| (id, agent.state())).collect(),
        }
    }

    fn family(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        (name, help, kind): (&str, &str, MetricType),
        number: Number,
    ) -> fmt::Result {
        let mut family = encoder.encode_descriptor(name, help, None, kind)?;
        for row in &self.rows {
            let Some(number) = number(&row.status) else {
                continue;
            };
            let labels = [workspace(row.workspace_id)];
            let metric = family.encode_family(&labels)?;
            match kind {
                MetricType::Counter => ConstCounter::new(number).encode(metric)?,
                _ => ConstGauge::new(number).encode(metric)?,
            }
        }
        Ok(())
    }

    /// One line for each state, of which one is 1.
    fn states(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "What the agent is doing: 1 for its state, 0 for the others";
        let mut family = encoder.encode_descriptor("state", help, None, MetricType::Gauge)?;
        for (id, current) in &self.states {
            for state in STATES {
                let labels = [workspace(*id), ("state", state.to_owned())];
                let is_it = i64::from(*current == state);
                ConstGauge::new(is_it).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

fn workspace(id: WorkspaceId) -> (&'static str, String) {
    ("workspace", id.to_string())
}

fn age(time: Option<Timestamp>) -> Option<f64> {
    let now = Timestamp::from(SystemClock::new().wall());
    time.map(|time| now.since(&time).as_secs_f64())
}
