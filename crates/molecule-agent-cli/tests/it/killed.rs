//! An agent that is killed again and again at moments that nobody chose, over real sockets.

use std::process::{Child, Stdio};
use std::time::Duration;

use fastrand::Rng;
use molecule_emulator::{Fault, FaultRule};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Agent, World};

const KILLS: usize = 10;
const MESSAGES_EACH: usize = 4;

fn start(agent: &Agent<'_>) -> Child {
    // Being killed counts as a failure of what was being handled.
    let options = ["--exec", "sleep 0.05; tr a-z A-Z", "--attempts", "20"];
    let program = agent.connect(&options);
    program.stdout(Stdio::null()).stderr(Stdio::null()).start()
}

/// Every so often a request goes wrong in one of these ways.
fn troubles(world: &World) {
    let rules = [
        (Fault::DropAfter, "/workspaces/*/notify", 5),
        (Fault::status(503), "/workspaces/*/notify", 7),
        (Fault::DropBefore, "/registry/register", 4),
        (Fault::status(502), "/workspaces/*/state", 5),
        (
            Fault::latency(Duration::from_millis(60)),
            "/workspaces/*/activity",
            3,
        ),
        (Fault::DropAfter, "/registry/heartbeat", 3),
        (Fault::status(503), "/workspaces/*/events/stream", 3),
    ];
    for (fault, path, every) in rules {
        let rule = FaultRule::new(fault).with_path(path).with_every(every);
        world.emulator.platform().add_fault(rule).unwrap();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test waits for a moment of real time, and for another process"
)]
async fn rest(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

async fn until_online(agent: &Agent<'_>) {
    while agent.info().await.status.as_str() != "online" {
        rest(10).await;
    }
}

fn end(mut child: Child) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_killed_again_and_again_answers_everything_once_and_in_order() {
    let world = World::start().await;
    let agent = world.agent().await;
    let mut moments = Rng::with_seed(5);
    let mut child = start(&agent);
    until_online(&agent).await;
    troubles(&world);
    let mut expected = Vec::new();
    for _ in 0..KILLS {
        for _ in 0..MESSAGES_EACH {
            let number = expected.len();
            agent.hears(&format!("message {number}")).await;
            expected.push(format!("MESSAGE {number}"));
            rest(moments.u64(..150)).await;
        }
        rest(moments.u64(..900)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        child = start(&agent);
    }
    while agent.notifications().await.len() < expected.len() {
        assert!(child.try_wait().unwrap().is_none(), "the agent ended");
        rest(50).await;
    }
    end(child);
    let mut notified = agent.notifications().await;
    notified.reverse();
    assert_eq!(notified, expected);
}
