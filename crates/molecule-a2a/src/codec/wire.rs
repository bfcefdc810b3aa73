//! What the two wires do not have in common, and what reading needs beside derived code.

use std::fmt;
use std::marker::PhantomData;

use molecule_protocol::Role;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::{CallResult, Event, Part, PushConfigOf, TaskState};

/// A version's words.
pub(super) trait Wire: Sized {
    /// Whether an object says what it is in itself, as its `kind`. Otherwise the object around it says it.
    const KINDS: bool;
    /// Whether an empty text is the same as none.
    const EMPTY_IS_ABSENT: bool;
    /// The words for who wrote a message: the user, the agent.
    const ROLES: [&'static str; 2];
    /// The words for the states of tasks.
    const STATES: [(TaskState, &'static str); 9];

    fn read_part<'de, D: Deserializer<'de>>(d: D) -> Result<Part, D::Error>;
    fn write_part<S: Serializer>(part: &Part, s: S) -> Result<S::Ok, S::Error>;

    fn read_push<'de, D: Deserializer<'de>>(d: D) -> Result<PushConfigOf, D::Error>;
    fn write_push<S: Serializer>(push: &PushConfigOf, s: S) -> Result<S::Ok, S::Error>;
    fn read_pushes(list: &RawValue) -> serde_json::Result<Vec<PushConfigOf>>;
    fn write_pushes<S: Serializer>(list: &[PushConfigOf], s: S) -> Result<S::Ok, S::Error>;

    /// What a stream says, and what a message is answered with.
    fn read_event(event: &RawValue) -> serde_json::Result<Event>;

    fn role(word: &str) -> Option<Role> {
        let [user, agent] = Self::ROLES;
        match word {
            _ if word == user => Some(Role::User),
            _ if word == agent => Some(Role::Agent),
            _ => None,
        }
    }

    fn role_word(role: Role) -> &'static str {
        let [user, agent] = Self::ROLES;
        match role {
            Role::User => user,
            Role::Agent => agent,
        }
    }

    fn state(word: &str) -> Option<TaskState> {
        let row = Self::STATES.iter().find(|row| row.1 == word);
        row.map(|row| row.0)
    }

    fn state_word(state: TaskState) -> &'static str {
        let row = Self::STATES.iter().find(|row| row.0 == state);
        row.map_or("", |row| row.1)
    }
}

/// A `T` as the wire `W` has it.
pub(super) struct In<W, T>(pub(super) T, PhantomData<W>);

impl<W, T> In<W, T> {
    pub(super) const fn new(value: T) -> Self {
        Self(value, PhantomData)
    }
}

pub(super) fn all<W, T>(list: Vec<In<W, T>>) -> Vec<T> {
    list.into_iter().map(|item| item.0).collect()
}

/// Reads an object. Derived code alone would read a list as one too, by the order of its fields.
pub(super) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(d: D) -> Result<T, D::Error> {
    struct Object<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }

    d.deserialize_map(Object(PhantomData))
}

/// The same of an object that need not be there; null is not there.
pub(super) fn some_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    d: D,
) -> Result<Option<T>, D::Error> {
    struct Inner<T>(T);

    impl<'de, T: Deserialize<'de>> Deserialize<'de> for Inner<T> {
        fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
            object(d).map(Self)
        }
    }

    let inner: Option<Inner<T>> = Deserialize::deserialize(d)?;
    Ok(inner.map(|inner| inner.0))
}

/// A value that is there, even if it is null.
pub(super) fn present<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(d).map(Some)
}

/// Reads a word, without a copy of it.
pub(super) fn word<'de, D: Deserializer<'de>, T>(
    d: D,
    what: &'static str,
    read: fn(&str) -> Option<T>,
) -> Result<T, D::Error> {
    struct Word<T>(&'static str, fn(&str) -> Option<T>);

    impl<T> Visitor<'_> for Word<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_str<E: de::Error>(self, word: &str) -> Result<T, E> {
            (self.1)(word).ok_or_else(|| E::invalid_value(de::Unexpected::Str(word), &self))
        }
    }

    d.deserialize_str(Word(what, read))
}

/// The result that an event is, if it may answer a message.
pub(super) fn reply(event: Event) -> serde_json::Result<CallResult> {
    match event {
        Event::Message(message) => Ok(CallResult::Message(message)),
        Event::Task(task) => Ok(CallResult::Sent(task)),
        _ => Err(de::Error::custom("neither a message nor a task")),
    }
}
