//! An agent that is killed again and again at moments that nobody chose, over real sockets.

use std::collections::HashSet;
use std::process::Stdio;
use std::time::Duration;

use fastrand::Rng;
use molecule_agent::protocol::Message;
use molecule_agent::{FetchInbound, RemoteAgentClient};
use molecule_emulator::{Fault, FaultRule};
use rustix::process::Signal;

use crate::support::{Agent, Process, World, rest, until};

const KILLS: usize = 10;
const MESSAGES_EACH: usize = 4;
const HEARTBEAT: &str = "/registry/heartbeat";

fn start(agent: &Agent<'_>) -> Process {
    // Being killed counts as a failure of what was being handled.
    let options = ["--exec", "sleep 0.05; tr a-z A-Z", "--attempts", "20"];
    let beats = ["--heartbeat-interval", "100ms"];
    let program = agent.connect(&[&options[..], &beats].concat());
    let program = program.stdout(Stdio::null()).stderr(Stdio::null());
    Process::of(program.start())
}

/// Every so often a request goes wrong in one of these ways.
fn troubles(world: &World, peer: &Agent<'_>) {
    let to_peer = format!("/workspaces/{}/a2a", peer.id);
    let rules = [
        (Fault::DropAfter, "/workspaces/*/notify", 5),
        (Fault::status(503), "/workspaces/*/notify", 7),
        (Fault::DropAfter, &to_peer, 5),
        (Fault::status(503), &to_peer, 4),
        (Fault::DropBefore, "/registry/register", 4),
        (Fault::status(502), "/workspaces/*/state", 5),
        (
            Fault::latency(Duration::from_millis(60)),
            "/workspaces/*/activity",
            3,
        ),
        (Fault::DropAfter, HEARTBEAT, 3),
        (Fault::status(503), "/workspaces/*/events/stream", 3),
    ];
    for (fault, path, every) in rules {
        let rule = FaultRule::new(fault).with_path(path).with_every(every);
        world.emulator.platform().add_fault(rule).unwrap();
    }
}

/// Heartbeats that came since there are troubles.
fn beats(world: &World) -> u64 {
    let faults = world.emulator.platform().faults().into_iter();
    let about = faults.filter(|fault| fault.rule.path.as_deref() == Some(HEARTBEAT));
    about.map(|fault| fault.seen).sum()
}

async fn until_it_beats(world: &World, more: u64) {
    let before = beats(world);
    let beat = async || (beats(world) >= before + more).then_some(());
    until("a heartbeat", beat).await;
}

/// A peer that the agent talks to.
struct Peer(RemoteAgentClient);

impl Peer {
    async fn new(agent: &Agent<'_>) -> Self {
        let platform = agent.world.emulator.url().parse().unwrap();
        let client = RemoteAgentClient::builder(agent.id, platform).state_dir(agent.dir());
        let client = client.build().unwrap();
        client.register().await.unwrap();
        Self(client)
    }

    async fn says(&self, to: &Agent<'_>, text: &str) {
        let message = Message::text(text, text);
        self.0.send_message(to.id, message).await.unwrap();
    }

    /// What it heard, each message once, by its id.
    async fn heard(&self) -> Vec<String> {
        let query = FetchInbound::new().with_limit(500);
        let messages = self.0.fetch_inbound(&query).await.unwrap();
        let mut known = HashSet::new();
        let new = messages
            .into_iter()
            .filter(|message| known.insert(message.message_id.clone()));
        new.map(|message| message.text).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_killed_again_and_again_answers_everything_once_and_in_order() {
    let world = World::start().await;
    let (agent, other) = (world.agent().await, world.agent().await);
    let peer = Peer::new(&other).await;
    let mut moments = Rng::with_seed(5);
    let mut process = start(&agent);
    let online = async || (agent.info().await.status.as_str() == "online").then_some(());
    until("the agent to be online", online).await;
    troubles(&world, &other);
    let (mut to_canvas, mut to_peer) = (Vec::new(), Vec::new());
    for kill in 0..KILLS {
        for _ in 0..MESSAGES_EACH {
            let number = to_canvas.len();
            agent.hears(&format!("message {number}")).await;
            peer.says(&agent, &format!("question {number}")).await;
            to_canvas.push(format!("MESSAGE {number}"));
            to_peer.push(format!("QUESTION {number}"));
            rest(moments.u64(..150)).await;
        }
        if kill % 2 == 0 {
            until_it_beats(&world, 1).await;
        }
        rest(moments.u64(..900)).await;
        assert!(process.is_running(), "the agent ended");
        process.signal(Signal::KILL);
        process.ends();
        process = start(&agent);
    }
    until("all answers", async || {
        assert!(process.is_running(), "the agent ended");
        let told = agent.notifications().await.len();
        let heard = peer.heard().await.len();
        (told >= to_canvas.len() && heard >= to_peer.len()).then_some(())
    })
    .await;
    until_it_beats(&world, 3).await;
    process.signal(Signal::TERM);
    assert!(process.ends().status.success());
    let mut notified = agent.notifications().await;
    notified.reverse();
    assert_eq!(notified, to_canvas);
    assert_eq!(peer.heard().await, to_peer);
}
