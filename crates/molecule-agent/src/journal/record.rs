//! What the journal keeps of a message.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use molecule_protocol::{ActivityId, InboundMessage, Sender, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// How long a message is known again by its sender, id and text. Ids are up to their senders, and some use the same again and again.
const REPEATED_WITHIN_MS: u64 = 300_000;
/// How much of a message's text a list of dead letters shows, in characters.
const PREVIEW: usize = 200;

/// The place of a message in the order in which messages were accepted.
pub(crate) type Seq = u64;

/// What changes while a message is worked on. The message itself stands beside it, and is written once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) id: ActivityId,
    pub(crate) sender: Sender,
    /// When it was accepted, in milliseconds since 1970.
    pub(crate) at: u64,
    /// How it is known again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<Key>,
    /// How often a handler was started with it.
    #[serde(default)]
    pub(crate) attempts: u32,
    /// How the last one failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// What the handler said, until the platform took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) answer: Option<Answer>,
}

/// A text on its way to whoever asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) text: String,
    /// It is no answer, but says that there will be none.
    #[serde(default)]
    pub(crate) is_failure: bool,
    /// The newest row of the log before the first try: a notification has no id by which to find it later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mark: Option<ActivityId>,
    #[serde(default)]
    pub(crate) tries: u32,
    /// An earlier try may have arrived. What is read from the journal always may, once it has a mark.
    #[serde(skip)]
    pub(crate) unsure: bool,
}

/// A message and how far it is.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) head: Head,
    pub(crate) message: InboundMessage,
}

/// What became of a message that was handed to the journal.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Accepted {
    /// It waits to be handled.
    New(Seq, Sender),
    /// It was accepted before.
    Known,
    /// There is no room now.
    Full,
}

/// How many messages there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) pending: usize,
    pub(crate) dead: usize,
}

/// A message that the agent gave up.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The row it came in: what [`Journal::retry`](crate::Journal::retry) and [`Journal::remove`](crate::Journal::remove) take.
    pub id: ActivityId,
    /// Who sent it.
    pub sender: Sender,
    /// How its text begins: its first 200 characters. The whole message is [`Journal::dead_message`](crate::Journal::dead_message).
    pub preview: String,
    /// Why it was given up.
    pub why: String,
    /// How often a handler was started with it.
    pub attempts: u32,
    /// The handler's answer, if there was one and nobody would take it.
    pub answer: Option<String>,
    /// When it was given up.
    pub at: Timestamp,
}

/// What the journal keeps of a dead letter beside the message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Burial {
    pub(crate) head: Head,
    pub(crate) preview: String,
    pub(crate) why: String,
    pub(crate) at: u64,
}

/// Sender, id and text of a message, as a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Key(pub(crate) [u8; 16]);

impl Head {
    pub(crate) fn new(message: &InboundMessage, at: u64) -> Self {
        Self {
            id: message.activity_id,
            sender: message.sender.clone(),
            at,
            key: Key::of(message),
            attempts: 0,
            error: None,
            answer: None,
        }
    }

    /// Whether its answer tells the sender that it failed.
    pub(crate) fn answers_a_failure(&self) -> bool {
        let answer = self.answer.as_ref();
        answer.is_some_and(|answer| answer.is_failure)
    }

    /// As if it had just come, but for an answer that is there already.
    pub(crate) fn anew(mut self) -> Self {
        self.attempts = 0;
        self.error = None;
        self.answer = self.answer.filter(|answer| !answer.is_failure);
        if let Some(answer) = &mut self.answer {
            answer.tries = 0;
            // Where the log ended when it was given up says nothing of what comes now: another message may have the same answer.
            answer.mark = None;
        }
        self
    }
}

impl Answer {
    pub(crate) const fn new(text: String) -> Self {
        Self {
            text,
            is_failure: false,
            mark: None,
            tries: 0,
            unsure: false,
        }
    }

    pub(crate) const fn failure(text: String) -> Self {
        let mut answer = Self::new(text);
        answer.is_failure = true;
        answer
    }
}

impl Burial {
    pub(crate) fn new(entry: Entry, why: String, at: u64) -> Self {
        Self {
            preview: entry.message.text.chars().take(PREVIEW).collect(),
            head: entry.head,
            why,
            at,
        }
    }

    pub(crate) fn letter(self) -> DeadLetter {
        let answer = self.head.answer.filter(|answer| !answer.is_failure);
        DeadLetter {
            id: self.head.id,
            sender: self.head.sender,
            preview: self.preview,
            why: self.why,
            attempts: self.head.attempts,
            answer: answer.map(|answer| answer.text),
            at: Timestamp::from(UNIX_EPOCH + Duration::from_millis(self.at)),
        }
    }
}

impl Key {
    /// A message without an id is like no other.
    fn of(message: &InboundMessage) -> Option<Self> {
        let id = message.message_id.as_ref()?;
        let sender = match &message.sender {
            Sender::CanvasUser => String::new(),
            Sender::Peer(peer) => peer.to_string(),
            other => format!("{other:?}"),
        };
        let mut hash = Sha256::new();
        for text in [&sender, id, &message.text] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        let mut key = [0; 16];
        key.copy_from_slice(&hash.finalize()[..16]);
        Some(Self(key))
    }
}

/// Whether a message that was known at this time is so still. The time of day may have been set back meanwhile.
pub(crate) const fn is_recent(at: u64, now: u64) -> bool {
    now.abs_diff(at) < REPEATED_WITHIN_MS
}

/// Milliseconds since 1970.
pub(crate) fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
