//! Peers that send their answers as if they were questions. Some clients do, and two agents would answer each other without end.

use std::collections::VecDeque;
use std::time::Duration;

use molecule_protocol::{InboundMessage, Sender, WorkspaceId};

/// How many peers are kept in mind.
const CAPACITY: usize = 100;
/// What comes later than this after an answer is a question of its own.
const WINDOW: Duration = Duration::from_secs(30);
/// How often in a row an answer may come back and be answered again.
const MOST_TURNS: u32 = 3;
/// How much of an answer is compared, in characters.
const COMPARED: usize = 1000;
/// A shorter answer may be part of any text, so that it has to be all of it.
const TELLING: usize = 8;

/// The exchanges with peers that are going on.
#[derive(Debug, Default)]
pub(crate) struct PingPong {
    exchanges: VecDeque<Exchange>,
}

#[derive(Debug)]
struct Exchange {
    peer: WorkspaceId,
    /// The last answer to the peer, and when it was given.
    answer: String,
    at: Duration,
    /// How often in a row the answer came back.
    turns: u32,
}

impl PingPong {
    /// Whether this message is one answer too many that came back.
    pub(crate) fn goes_on(&mut self, message: &InboundMessage, now: Duration) -> bool {
        let Some(exchange) = self.with(message) else {
            return false;
        };
        let is_echo = now.saturating_sub(exchange.at) < WINDOW && exchange.is_in(&message.text);
        exchange.turns = if is_echo { exchange.turns + 1 } else { 0 };
        exchange.turns > MOST_TURNS
    }

    /// Takes note of an answer.
    pub(crate) fn answered(&mut self, message: &InboundMessage, text: &str, now: Duration) {
        let Sender::Peer(peer) = message.sender else {
            return;
        };
        let turns = self.with(message).map_or(0, |exchange| exchange.turns);
        self.exchanges.retain(|exchange| exchange.peer != peer);
        if self.exchanges.len() == CAPACITY {
            self.exchanges.pop_front();
        }
        self.exchanges.push_back(Exchange {
            peer,
            answer: text.trim().chars().take(COMPARED).collect(),
            at: now,
            turns,
        });
    }

    fn with(&mut self, message: &InboundMessage) -> Option<&mut Exchange> {
        self.exchanges
            .iter_mut()
            .find(|exchange| message.sender == Sender::Peer(exchange.peer))
    }
}

impl Exchange {
    /// Whether a text is the answer, or quotes it.
    fn is_in(&self, text: &str) -> bool {
        text.trim() == self.answer
            || (self.answer.chars().count() >= TELLING && text.contains(&self.answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> InboundMessage {
        let id = "28aa9223-a2e1-4348-ac8d-55c47e1b030e".parse().unwrap();
        let peer = "c7a82861-b15f-421d-903c-f767f108d62f".parse().unwrap();
        let time = "2026-11-22T04:01:56Z".parse().unwrap();
        InboundMessage::text(id, time, Sender::Peer(peer), text)
    }

    /// Questions of one peer, so many seconds apart, each answered by `answer` if it is to be; says which were.
    fn check(apart: u64, exchange: &[(&str, &str)], expect: &[bool]) {
        let mut ping_pong = PingPong::default();
        let mut answered = Vec::new();
        for (index, (question, answer)) in exchange.iter().enumerate() {
            let now = Duration::from_secs(apart * index as u64);
            let question = message(question);
            let goes_on = ping_pong.goes_on(&question, now);
            answered.push(!goes_on);
            if !goes_on {
                ping_pong.answered(&question, answer, now);
            }
        }
        assert_eq!(answered, expect, "{exchange:?}, {apart} s apart");
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
        let mut ping_pong = PingPong::default();
        let hello = message("hello");
        for second in 0..3 {
            let now = Duration::from_secs(second);
            assert!(!ping_pong.goes_on(&hello, now));
            ping_pong.answered(&hello, "hello", now);
        }
        assert!(!ping_pong.goes_on(&hello, Duration::from_secs(3)));
        assert!(ping_pong.goes_on(&hello, Duration::from_secs(4)));
        assert!(!ping_pong.goes_on(&hello, Duration::from_secs(60)));
    }
}
