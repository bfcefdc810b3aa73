//! An agent that is killed at any moment: the next one goes on where it was, and nobody hears anything twice.

use std::sync::{Arc, Mutex};

use molecule_agent::protocol::Message;
use molecule_agent::{
    AgentLoop, InboundMessage, PollOptions, RemoteAgentClient, Sender, Since, WorkspaceId,
};

use crate::world::{ParseToken as _, Running, Trouble, World, shout};

/// What a scene is about: a platform with two messages of the canvas user and one of a peer.
struct Scene {
    world: World,
    /// The workspace whose agent is killed, and its token.
    id: WorkspaceId,
    token: String,
    peer: RemoteAgentClient,
}

impl Scene {
    async fn new() -> Self {
        let world = World::new();
        let peer = world.registered("peer").await;
        let (id, token) = world.workspace("alpha").await;
        let scene = Self {
            world,
            id,
            token,
            peer,
        };
        scene.client().register().await.unwrap();
        scene.world.say(id, "m-1", "one").await;
        scene.world.clock_tick().await;
        scene.world.say(id, "m-2", "two").await;
        let ask = scene.peer.send_message(id, Message::text("m-3", "three"));
        ask.await.unwrap();
        scene
    }

    /// A client as a new process would make it. All happens in one thread, so that a crash strikes at the same place each time.
    fn client(&self) -> RemoteAgentClient {
        let builder = self.world.builder(self.id).token(self.token.parse_token());
        builder.inline_files().build().unwrap()
    }

    fn start(&self, handled: &Arc<Mutex<Vec<String>>>) -> Running {
        let client = self.client();
        let everything = client.poll_delivery(PollOptions::new().with_since(Since::All));
        let handled = Arc::clone(handled);
        let handler = move |message: InboundMessage| {
            handled.lock().unwrap().push(message.text.clone());
            shout(message)
        };
        // Crashes are not the messages' fault here.
        let options = AgentLoop::new().with_attempts(20);
        World::run(&client, handler, everything, options)
    }

    /// What the peer was told, where what comes twice under one id is heard once.
    async fn heard(&self) -> Vec<String> {
        let answers = self.peer.fetch_inbound(&Default::default()).await.unwrap();
        let mut ids = Vec::new();
        let mut heard = Vec::new();
        for answer in answers {
            assert_eq!(answer.sender, Sender::Peer(self.id));
            if !ids.contains(&answer.message_id) {
                ids.push(answer.message_id);
                heard.push(answer.text);
            }
        }
        heard
    }

    /// A last agent lives long enough: all is handled, and answered once.
    async fn check(&self, handled: &Arc<Mutex<Vec<String>>>, crash: &str) {
        let agent = self.start(handled);
        self.world.pass(20).await;
        let notified = self.world.notifications(self.id).await;
        assert_eq!(notified, ["ONE", "TWO"], "{crash}");
        assert_eq!(self.heard().await, ["THREE"], "{crash}");
        assert!(agent.is_running(), "{crash}: {:?}", agent.ended().await);
        let mut texts = handled.lock().unwrap().clone();
        texts.sort();
        texts.dedup();
        assert_eq!(texts, ["one", "three", "two"], "{crash}");
        agent.stop().await.unwrap();
        let journal = self.client().journal();
        assert!(journal.dead().await.unwrap().is_empty(), "{crash}");
    }
}

/// Lets the others run so many times.
async fn turns(count: usize) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

/// How many turns an agent needs for all.
async fn turns_needed() -> usize {
    let scene = Scene::new().await;
    let agent = scene.start(&Arc::default());
    for count in 1.. {
        turns(1).await;
        let done =
            scene.world.notifications(scene.id).await.len() == 2 && scene.heard().await.len() == 1;
        // Looking takes turns too, which makes the number smaller than it is.
        if done {
            agent.crash().await;
            return count;
        }
        assert!(count < 10_000);
    }
    unreachable!()
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_moment_loses_nothing_and_repeats_nothing() {
    let mut crash = 0;
    let mut survived = 0;
    // The last crashes come when all is done.
    while survived < 20 {
        let scene = Scene::new().await;
        let handled = Arc::default();
        let agent = scene.start(&handled);
        turns(crash).await;
        agent.crash().await;
        let is_done =
            scene.world.notifications(scene.id).await.len() == 2 && scene.heard().await.len() == 1;
        survived += usize::from(is_done);
        scene.check(&handled, &format!("after {crash} turns")).await;
        crash += 1;
        assert!(crash < 2_000, "the agent does not get on");
    }
    assert!(crash > 40, "{crash} moments are too few to be all");
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_moment_while_answers_get_lost_repeats_nothing() {
    let most = turns_needed().await * 4;
    for crash in (0..most).step_by(2) {
        let scene = Scene::new().await;
        scene.world.trouble_at("/notify", 1, Trouble::AnswerLost);
        let handled = Arc::default();
        let agent = scene.start(&handled);
        turns(crash).await;
        agent.crash().await;
        scene.check(&handled, &format!("after {crash} turns")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn crash_after_crash_at_random_moments_loses_nothing_and_repeats_nothing() {
    for seed in 0..40u64 {
        let scene = Scene::new().await;
        let handled = Arc::default();
        let mut luck = seed;
        for _ in 0..6 {
            luck = luck.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(7);
            let agent = scene.start(&handled);
            turns((luck >> 33) as usize % 90).await;
            agent.crash().await;
        }
        scene.check(&handled, &format!("seed {seed}")).await;
    }
}
