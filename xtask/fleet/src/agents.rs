//! The agents: they answer, and every few seconds say how it goes, as one line of JSON.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use molecule_agent::transport::{Clock, ReqwestTransport, Transport};
use molecule_agent::{
    Cadence, CancellationToken, Fleet, FleetAgent, FleetEvent, InboundMessage, PlatformUrl,
    RemoteAgentClient, Token, WorkspaceId,
};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use crate::stopwatch::{Counts, FixedJitter, Stopwatch};

/// How often it says how it goes.
const EVERY: Duration = Duration::from_secs(5);

#[derive(clap::Args)]
pub(crate) struct Options {
    #[arg(long)]
    platform: PlatformUrl,
    #[arg(long)]
    limit: u32,
    /// Where the agents' directories are.
    #[arg(long)]
    home: PathBuf,
}

/// An agent to be, on the first line of stdin.
#[derive(Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) id: WorkspaceId,
    pub(crate) token: String,
}

/// Runs until stdin ends.
pub(crate) async fn run(options: Options) -> Result<()> {
    let mut stdin = BufReader::new(tokio::io::stdin());
    let mut line = String::new();
    stdin.read_line(&mut line).await?;
    let members: Vec<Member> = serde_json::from_str(&line).context("stdin names no agents")?;

    let clock: Arc<dyn Clock> = Arc::new(FixedJitter::default());
    let cadence = Cadence::for_agents(members.len(), options.limit);
    let counts = Arc::new(Counts::new(cadence.heartbeat, Arc::clone(&clock)));
    let transport: Arc<dyn Transport> = Arc::new(Stopwatch::new(
        ReqwestTransport::new()?,
        Arc::clone(&counts),
    ));
    let heard = Arc::clone(&counts);
    let mut fleet = Fleet::new()
        .with_rate_limit(options.limit)
        .with_clock(Arc::clone(&clock))
        .with_on_event(move |event| note(&event, &heard));
    for member in members {
        let builder = RemoteAgentClient::builder(member.id, options.platform.clone())
            .state_dir(options.home.join(member.id.to_string()))
            .token(Token::new(member.token)?)
            .transport(Arc::clone(&transport));
        fleet.add(FleetAgent::new(builder, handler(&counts, &clock)));
    }

    let cancel = CancellationToken::new();
    let running = tokio::spawn({
        let cancel = cancel.clone();
        async move { fleet.run(&cancel).await }
    });
    let mut rest = Vec::new();
    let mut ended = Box::pin(stdin.read_to_end(&mut rest));
    loop {
        tokio::select! {
            _ = &mut ended => break,
            () = clock.sleep(EVERY) => say(&counts)?,
        }
    }
    cancel.cancel();
    running.await?;
    say(&counts)
}

/// Takes the time of sending from the message.
fn handler(counts: &Arc<Counts>, clock: &Arc<dyn Clock>) -> impl molecule_agent::Handler {
    let (counts, clock) = (Arc::clone(counts), Arc::clone(clock));
    move |message: InboundMessage| {
        let now = since_epoch(clock.as_ref());
        if let Ok(sent) = message.text.parse() {
            counts.handled(now.saturating_sub(Duration::from_micros(sent)));
        }
        async { "ok" }
    }
}

/// The time of day, as messages carry it.
pub(crate) fn since_epoch(clock: &dyn Clock) -> Duration {
    let since = clock.wall().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default()
}

fn note(event: &FleetEvent<'_>, counts: &Counts) {
    match event {
        FleetEvent::Restarting { error, .. } => {
            counts.restarted();
            eprintln!("restarting: {error}");
        }
        FleetEvent::Ended { result, .. } if result.is_err() => eprintln!("ended: {result:?}"),
        _ => {}
    }
}

fn say(counts: &Counts) -> Result<()> {
    println!("{}", serde_json::to_string(&counts.report())?);
    Ok(())
}
