//! Peers that send their answers as if they were questions. Some clients do, and two agents would answer each other without end.

use std::collections::VecDeque;
use std::time::Duration;

use molecule_protocol::{InboundMessage, Role, Sender, Timestamp, WorkspaceId};

use crate::journal::Entry;

/// How many peers are kept in mind.
const CAPACITY: usize = 100;
/// What comes later than this after an answer is a question of its own.
const WINDOW: Duration = Duration::from_secs(30);
/// How often in a row an answer may come back and be answered again.
const MOST_ECHOES: u32 = 3;
/// How much of an answer is compared, in characters.
const COMPARED: usize = 1000;
/// A shorter answer may be part of any text, so that it has to be all of it.
const TELLING: usize = 8;

/// A pause of this length ends a row of turns.
const PAUSE: Duration = Duration::from_secs(60);

/// The exchanges with peers that are going on.
#[derive(Debug)]
pub(super) struct PingPong {
    exchanges: VecDeque<Exchange>,
    max_turns: u32,
}

#[derive(Debug)]
struct Exchange {
    peer: WorkspaceId,
    /// The last answer to the peer, and when it was given.
    answer: String,
    at: Duration,
    /// The same by the time of day, in milliseconds.
    wall: u64,
    /// When the platform took what was answered, and how long the agent had it.
    asked: Timestamp,
    took: Duration,
    /// How often in a row the answer came back.
    echoes: u32,
    /// How often in a row the peer was answered.
    turns: u32,
}

impl PingPong {
    pub(super) const fn new(max_turns: u32) -> Self {
        Self {
            exchanges: VecDeque::new(),
            max_turns,
        }
    }

    pub(super) const fn max_turns(&self) -> u32 {
        self.max_turns
    }

    /// Whether this message is one answer too many that came back.
    pub(super) fn goes_on(&mut self, message: &InboundMessage, now: Duration) -> bool {
        let Some(exchange) = self.with(&message.sender) else {
            return false;
        };
        let is_echo = now.saturating_sub(exchange.at) < WINDOW && exchange.is_in(&message.text);
        exchange.echoes = if is_echo { exchange.echoes + 1 } else { 0 };
        exchange.echoes > MOST_ECHOES
    }

    /// Whether a peer was answered too often in a row, whatever the words. An answer is not answered, and so not counted.
    pub(super) fn is_too_long(&mut self, entry: &Entry) -> bool {
        let (max, is_new) = (self.max_turns, entry.head.attempts == 0);
        let exchange = self.with(&entry.head.sender);
        is_new
            && entry.message.role != Role::Agent
            && exchange.is_some_and(|exchange| exchange.turns >= max && exchange.is_gone_on(entry))
    }

    /// Takes note of an answer: now, and by the time of day in milliseconds.
    pub(super) fn answered(&mut self, entry: &Entry, text: &str, now: Duration, wall: u64) {
        let Sender::Peer(peer) = entry.head.sender else {
            return;
        };
        let last = self.with(&entry.head.sender);
        let (echoes, turns) = last.map_or((0, 0), |last| {
            let turns = if last.is_gone_on(entry) {
                last.turns
            } else {
                0
            };
            (last.echoes, turns)
        });
        self.exchanges.retain(|exchange| exchange.peer != peer);
        if self.exchanges.len() == CAPACITY {
            self.exchanges.pop_front();
        }
        self.exchanges.push_back(Exchange {
            peer,
            answer: text.trim().chars().take(COMPARED).collect(),
            at: now,
            wall,
            asked: entry.message.created_at,
            took: Duration::from_millis(wall.saturating_sub(entry.head.at)),
            echoes,
            turns: turns + 1,
        });
    }

    fn with(&mut self, sender: &Sender) -> Option<&mut Exchange> {
        self.exchanges
            .iter_mut()
            .find(|exchange| *sender == Sender::Peer(exchange.peer))
    }
}

impl Exchange {
    /// Whether a message can be about the answer, and came soon after it. Of messages that were sent at once none is about the answer to
    /// another; the platform's clock tells that without being compared to ours.
    fn is_gone_on(&self, entry: &Entry) -> bool {
        let later = entry.head.at.checked_sub(self.wall);
        later.is_some_and(|later| Duration::from_millis(later) < PAUSE)
            && entry.message.created_at.since(&self.asked) >= self.took
    }

    /// Whether a text is the answer, or quotes it.
    fn is_in(&self, text: &str) -> bool {
        text.trim() == self.answer
            || (self.answer.chars().count() >= TELLING && text.contains(&self.answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Head;

    fn asked(text: &str, at: Duration, sent: &str) -> Entry {
        let id = "28aa9223-a2e1-4348-ac8d-55c47e1b030e".parse().unwrap();
        let peer = "c7a82861-b15f-421d-903c-f767f108d62f".parse().unwrap();
        let message = InboundMessage::text(id, sent.parse().unwrap(), Sender::Peer(peer), text);
        Entry {
            head: Head::new(&message, at.as_millis() as u64),
            message,
        }
    }

    fn question(text: &str, at: Duration) -> Entry {
        let second = at.as_secs();
        let sent = format!(
            "2026-11-22T{:02}:{:02}:{:02}Z",
            second / 3600,
            second / 60 % 60,
            second % 60
        );
        asked(text, at, &sent)
    }

    impl PingPong {
        /// Whether a question was answered, at once.
        fn answers(&mut self, question: &Entry, answer: &str, now: Duration) -> bool {
            let goes_on = self.is_too_long(question) || self.goes_on(&question.message, now);
            if !goes_on {
                self.answered(question, answer, now, now.as_millis() as u64);
            }
            !goes_on
        }
    }

    /// Questions of one peer, so many seconds apart, each answered by `answer` if it is to be; says which were.
    fn check(apart: u64, exchange: &[(&str, &str)], expect: &[bool]) {
        let mut ping_pong = PingPong::new(200);
        let mut answered = Vec::new();
        for (index, (text, answer)) in exchange.iter().enumerate() {
            let now = Duration::from_secs(apart * index as u64);
            answered.push(ping_pong.answers(&question(text, now), answer, now));
        }
        assert_eq!(answered, expect, "{exchange:?}, {apart} s apart");
    }

    /// How many of so many questions are answered that are never the same, so many seconds apart.
    fn check_new_words(apart: u64, questions: u64, expect: usize) {
        let mut ping_pong = PingPong::new(5);
        let answered = (0..questions).filter(|number| {
            let now = Duration::from_secs(apart * number);
            ping_pong.answers(&question(&format!("and {number}?"), now), "well", now)
        });
        assert_eq!(answered.count(), expect, "{questions}, {apart} s apart");
    }

    #[test]
    fn a_peer_that_finds_new_words_is_not_answered_for_ever() {
        check_new_words(1, 50, 5);
        // One that goes on after a minute without an answer begins anew.
        check_new_words(20, 12, 10);
        check_new_words(60, 50, 50);
    }

    #[test]
    fn questions_that_came_before_the_answer_are_answered_however_many_they_are() {
        let mut ping_pong = PingPong::new(5);
        for number in 0..20 {
            let question = question(&format!("{number}?"), Duration::ZERO);
            let now = Duration::from_secs(number + 1);
            assert!(ping_pong.answers(&question, "well", now), "{number}");
        }
    }

    #[test]
    fn questions_that_were_sent_at_once_are_answered_however_late_they_come() {
        let mut ping_pong = PingPong::new(5);
        for number in 0..20 {
            let sent = format!("2026-11-22T00:00:00.{number:03}Z");
            let came = Duration::from_secs(2 * number);
            let question = asked(&format!("{number}?"), came, &sent);
            let now = came + Duration::from_secs(1);
            assert!(ping_pong.answers(&question, "well", now), "{number}");
        }
    }

    #[test]
    fn an_answer_that_keeps_coming_back_is_not_answered_for_ever() {
        let echo = [("hello", "hello"); 6];
        check(5, &echo, &[true, true, true, true, false, false]);
    }

    #[test]
    fn an_answer_that_comes_back_with_words_around_it_is_one() {
        let quoted = [("what did you say: good morning", "good morning"); 5];
        check(5, &quoted, &[true, true, true, true, false]);
    }

    #[test]
    fn questions_are_answered_however_many_they_are() {
        check(
            1,
            &[
                ("a", "1"),
                ("b", "2"),
                ("c", "3"),
                ("d", "4"),
                ("e", "5"),
                ("f", "6"),
            ],
            &[true; 6],
        );
        check(1, &[("is it ok?", "ok"); 6], &[true; 6]);
    }

    #[test]
    fn the_same_question_now_and_then_is_answered_each_time() {
        check(30, &[("ping", "ping"); 6], &[true; 6]);
    }

    #[test]
    fn a_silence_begins_a_new_exchange() {
        let mut ping_pong = PingPong::new(200);
        let mut hello = |second| {
            let now = Duration::from_secs(second);
            ping_pong.answers(&question("hello", now), "hello", now)
        };
        assert!((0..4).all(&mut hello));
        assert!(!hello(4));
        assert!(hello(60));
    }
}
