//! A journal in a file.

use std::path::PathBuf;

use molecule_protocol::{ActivityId, InboundMessage};
use redb::{
    Database, ReadTransaction, ReadableDatabase as _, ReadableTable, ReadableTableMetadata as _,
    Table, TableDefinition, WriteTransaction,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::record::{Accepted, Burial, Counts, Entry, Head, Key, Seq, is_recent};
use super::store::{MOST_PENDING, Store};
use super::trouble::Trouble;
use crate::{AgentError, DeadLetter};

/// How many messages that are done with are known again.
const MOST_DONE: u64 = 10_000;
/// How many dead letters are kept. One more replaces the oldest.
const MOST_DEAD: u64 = 10_000;
/// A file that is larger than this with nothing that waits in it is made smaller.
const LARGE: u64 = 16 * 1024 * 1024;

/// What is to be known of the file: the version of its schema, and the last number that was given to a message.
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// What waits.
const HEADS: TableDefinition<'_, Seq, &[u8]> = TableDefinition::new("heads");
/// The messages of what waits and of dead letters.
const MESSAGES: TableDefinition<'_, Seq, &[u8]> = TableDefinition::new("messages");
const DEAD: TableDefinition<'_, Seq, &[u8]> = TableDefinition::new("dead");
/// Ids and keys by which messages are known again: the message's number, and when it was accepted.
const KNOWN: TableDefinition<'_, u128, (Seq, u64)> = TableDefinition::new("known");
/// What is done with, oldest first: its number, its id, and its key or 0.
const DONE: TableDefinition<'_, u64, (Seq, u128, u128)> = TableDefinition::new("done");

type Result<T> = std::result::Result<T, Trouble>;

/// The records, in a file.
#[derive(Debug)]
pub(super) struct Disk {
    database: Database,
    path: PathBuf,
}

impl Disk {
    pub(super) const fn new(database: Database, path: PathBuf) -> Self {
        Self { database, path }
    }

    fn write<T>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<T>,
    ) -> std::result::Result<T, AgentError> {
        let step = || {
            let transaction = self.database.begin_write()?;
            let output = work(&transaction)?;
            transaction.commit()?;
            Ok(output)
        };
        step().map_err(|trouble: Trouble| trouble.at("write", &self.path))
    }

    fn read<T>(
        &self,
        work: impl FnOnce(&ReadTransaction) -> Result<T>,
    ) -> std::result::Result<T, AgentError> {
        let step = || work(&self.database.begin_read()?);
        step().map_err(|trouble: Trouble| trouble.at("read", &self.path))
    }
}

/// Makes the tables of a new file.
pub(super) fn create_tables(database: &Database, schema: u64) -> Result<()> {
    let transaction = database.begin_write()?;
    transaction.open_table(META)?.insert("schema", schema)?;
    transaction.open_table(HEADS)?;
    transaction.open_table(MESSAGES)?;
    transaction.open_table(DEAD)?;
    transaction.open_table(KNOWN)?;
    transaction.open_table(DONE)?;
    Ok(transaction.commit()?)
}

/// The schema of a file.
pub(super) fn schema(database: &Database) -> Result<u64> {
    let transaction = database.begin_read()?;
    let schema = transaction.open_table(META)?.get("schema")?;
    Ok(schema.map_or(0, |schema| schema.value()))
}

impl Store for Disk {
    fn accept(
        &mut self,
        message: &InboundMessage,
        now: u64,
    ) -> std::result::Result<Accepted, AgentError> {
        let head = Head::new(message, now);
        let known = |transaction: &ReadTransaction| {
            let known = transaction.open_table(KNOWN)?.get(number(head.id))?;
            let full = transaction.open_table(HEADS)?.len()? >= MOST_PENDING as u64;
            Ok((known.is_some(), full))
        };
        match self.read(known)? {
            (true, _) => return Ok(Accepted::Known),
            (false, true) => return Ok(Accepted::Full),
            (false, false) => {}
        }
        self.write(|transaction| accept(transaction, &head, message))
    }

    fn waiting(&mut self) -> std::result::Result<Vec<(Seq, Head)>, AgentError> {
        self.read(|transaction| all(&transaction.open_table(HEADS)?))
    }

    fn entry(&mut self, seq: Seq) -> std::result::Result<Option<Entry>, AgentError> {
        self.read(|transaction| {
            let head: Option<Head> = get(&transaction.open_table(HEADS)?, seq)?;
            let message = get(&transaction.open_table(MESSAGES)?, seq)?;
            Ok(head
                .zip(message)
                .map(|(head, message)| Entry { head, message }))
        })
    }

    fn update(&mut self, seq: Seq, head: &Head) -> std::result::Result<(), AgentError> {
        self.write(|transaction| put(&mut transaction.open_table(HEADS)?, seq, head))
    }

    fn settle(&mut self, seq: Seq) -> std::result::Result<(), AgentError> {
        self.write(|transaction| {
            let head = take::<Head>(&mut transaction.open_table(HEADS)?, seq)?;
            head.map_or(Ok(()), |head| forget_later(transaction, seq, &head))
        })
    }

    fn bury(
        &mut self,
        seq: Seq,
        burial: &Burial,
    ) -> std::result::Result<Option<ActivityId>, AgentError> {
        self.write(|transaction| {
            transaction.open_table(HEADS)?.remove(seq)?;
            put(&mut transaction.open_table(DEAD)?, seq, burial)?;
            make_room(transaction)
        })
    }

    fn dead(&mut self) -> std::result::Result<Vec<DeadLetter>, AgentError> {
        let burials: Vec<(Seq, Burial)> =
            self.read(|transaction| all(&transaction.open_table(DEAD)?))?;
        Ok(burials
            .into_iter()
            .map(|(_, burial)| burial.letter())
            .collect())
    }

    fn dead_message(
        &mut self,
        id: ActivityId,
    ) -> std::result::Result<Option<InboundMessage>, AgentError> {
        self.read(|transaction| {
            let known = transaction.open_table(KNOWN)?.get(number(id))?;
            let Some((seq, _)) = known.map(|known| known.value()) else {
                return Ok(None);
            };
            match transaction.open_table(DEAD)?.get(seq)? {
                Some(_) => get(&transaction.open_table(MESSAGES)?, seq),
                None => Ok(None),
            }
        })
    }

    fn retry(&mut self, id: ActivityId) -> std::result::Result<bool, AgentError> {
        self.write(|transaction| match take_dead(transaction, id)? {
            Some((seq, burial)) => revive(transaction, seq, burial.head.anew()).map(|()| true),
            None => Ok(false),
        })
    }

    fn remove(&mut self, id: ActivityId) -> std::result::Result<bool, AgentError> {
        self.write(|transaction| match take_dead(transaction, id)? {
            Some((seq, burial)) => forget_later(transaction, seq, &burial.head).map(|()| true),
            None => Ok(false),
        })
    }

    fn counts(&mut self) -> std::result::Result<Counts, AgentError> {
        self.read(|transaction| {
            Ok(Counts {
                pending: transaction.open_table(HEADS)?.len()? as usize,
                dead: transaction.open_table(DEAD)?.len()? as usize,
            })
        })
    }

    fn tidy(&mut self) -> std::result::Result<(), AgentError> {
        if std::fs::metadata(&self.path).is_ok_and(|file| file.len() > LARGE) {
            let compacted = self.database.compact();
            compacted.map_err(|error| Trouble::from(error).at("write", &self.path))?;
        }
        Ok(())
    }
}

/// Takes a message whose id is not known.
fn accept(
    transaction: &WriteTransaction,
    head: &Head,
    message: &InboundMessage,
) -> Result<Accepted> {
    let seq = next(transaction)?;
    let repeats = match head.key {
        Some(key) => {
            let known = transaction.open_table(KNOWN)?;
            let known = known.get(of_key(key))?;
            known.is_some_and(|known| is_recent(known.value().1, head.at))
        }
        None => false,
    };
    if repeats {
        let anonymous = Head {
            key: None,
            ..head.clone()
        };
        know(transaction, seq, &anonymous)?;
        forget_later(transaction, seq, &anonymous)?;
        return Ok(Accepted::Known);
    }
    know(transaction, seq, head)?;
    put(&mut transaction.open_table(HEADS)?, seq, head)?;
    let kept = readable(message)?;
    transaction
        .open_table(MESSAGES)?
        .insert(seq, kept.as_slice())?;
    Ok(Accepted::New(seq, head.sender.clone()))
}

/// A message as it can be read again. One that cannot, nested deeper than any that a platform hands out, is kept as its text.
fn readable(message: &InboundMessage) -> Result<Vec<u8>> {
    let kept = serde_json::to_vec(message)?;
    if let Err(error) = serde_json::from_slice::<InboundMessage>(&kept) {
        tracing::error!(activity = %message.activity_id, %error, "only the text of this message can be kept");
        let (id, time) = (message.activity_id, message.created_at);
        let text = InboundMessage::text(id, time, message.sender.clone(), message.text.as_str());
        return Ok(serde_json::to_vec(&text)?);
    }
    Ok(kept)
}

/// The next number.
fn next(transaction: &WriteTransaction) -> Result<Seq> {
    let mut meta = transaction.open_table(META)?;
    let last = meta.get("last")?.map_or(0, |last| last.value());
    meta.insert("last", last + 1)?;
    Ok(last + 1)
}

fn know(transaction: &WriteTransaction, seq: Seq, head: &Head) -> Result<()> {
    let mut known = transaction.open_table(KNOWN)?;
    known.insert(number(head.id), (seq, head.at))?;
    if let Some(key) = head.key {
        known.insert(of_key(key), (seq, head.at))?;
    }
    Ok(())
}

/// It is done with. It is known until so many others are.
fn forget_later(transaction: &WriteTransaction, seq: Seq, head: &Head) -> Result<()> {
    transaction.open_table(MESSAGES)?.remove(seq)?;
    let mut done = transaction.open_table(DONE)?;
    let last = done.last()?.map_or(0, |(last, _)| last.value());
    let key = head.key.map_or(0, of_key);
    done.insert(last + 1, (seq, number(head.id), key))?;
    while done.len()? > MOST_DONE {
        let oldest = done.pop_first()?.map(|(_, oldest)| oldest.value());
        let Some((seq, id, key)) = oldest else { break };
        let mut known = transaction.open_table(KNOWN)?;
        forget(&mut known, seq, id)?;
        forget(&mut known, seq, key)?;
    }
    Ok(())
}

/// A later message may be known by the same key.
fn forget(known: &mut Table<'_, u128, (Seq, u64)>, seq: Seq, key: u128) -> Result<()> {
    let is_its = known.get(key)?.is_some_and(|known| known.value().0 == seq);
    if is_its {
        known.remove(key)?;
    }
    Ok(())
}

/// One dead letter too many costs the oldest.
fn make_room(transaction: &WriteTransaction) -> Result<Option<ActivityId>> {
    let oldest = {
        let mut dead = transaction.open_table(DEAD)?;
        if dead.len()? <= MOST_DEAD {
            return Ok(None);
        }
        let oldest = dead.pop_first()?;
        oldest.map(|(seq, burial)| (seq.value(), burial.value().to_vec()))
    };
    let Some((seq, burial)) = oldest else {
        return Ok(None);
    };
    let burial: Burial = parse(&burial)?;
    forget_later(transaction, seq, &burial.head)?;
    Ok(Some(burial.head.id))
}

fn take_dead(transaction: &WriteTransaction, id: ActivityId) -> Result<Option<(Seq, Burial)>> {
    let known = transaction.open_table(KNOWN)?;
    let Some((seq, _)) = known.get(number(id))?.map(|known| known.value()) else {
        return Ok(None);
    };
    let burial = take(&mut transaction.open_table(DEAD)?, seq)?;
    Ok(burial.map(|burial| (seq, burial)))
}

/// A dead letter waits again, under a new number.
fn revive(transaction: &WriteTransaction, old: Seq, head: Head) -> Result<()> {
    let seq = next(transaction)?;
    let mut messages = transaction.open_table(MESSAGES)?;
    let message = messages
        .remove(old)?
        .map(|message| message.value().to_vec());
    messages.insert(seq, message.unwrap_or_default().as_slice())?;
    put(&mut transaction.open_table(HEADS)?, seq, &head)?;
    know(transaction, seq, &head)
}

fn number(id: ActivityId) -> u128 {
    id.as_uuid().as_u128()
}

const fn of_key(key: Key) -> u128 {
    u128::from_be_bytes(key.0)
}

fn put(table: &mut Table<'_, Seq, &[u8]>, seq: Seq, record: &impl Serialize) -> Result<()> {
    table.insert(seq, serde_json::to_vec(record)?.as_slice())?;
    Ok(())
}

/// What is in the file was read under limits before it got there, and has to be read back however large it is.
fn parse<T: DeserializeOwned>(record: &[u8]) -> Result<T> {
    Ok(serde_json::from_slice(record)?)
}

fn get<T: DeserializeOwned>(
    table: &impl ReadableTable<Seq, &'static [u8]>,
    seq: Seq,
) -> Result<Option<T>> {
    let record = table.get(seq)?;
    record.map(|record| parse(record.value())).transpose()
}

fn take<T: DeserializeOwned>(table: &mut Table<'_, Seq, &[u8]>, seq: Seq) -> Result<Option<T>> {
    let record = table.remove(seq)?;
    record.map(|record| parse(record.value())).transpose()
}

fn all<T: DeserializeOwned>(
    table: &impl ReadableTable<Seq, &'static [u8]>,
) -> Result<Vec<(Seq, T)>> {
    table
        .iter()?
        .map(|row| {
            let (seq, record) = row?;
            Ok((seq.value(), parse(record.value())?))
        })
        .collect()
}
