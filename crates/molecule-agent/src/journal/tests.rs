//! A journal that is cut off at any moment, on disks that lie, fill up and rot.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use molecule_protocol::{ActivityId, InboundMessage, Sender};
use proptest::prelude::*;
use redb::{Database, StorageBackend};
use tempfile::TempDir;
use uuid::Uuid;

use super::disk::{Disk, META, create_tables};
use super::record::{Accepted, Answer, Burial};
use super::store::{Place, Store};
use super::trouble::Trouble;
use super::volatile::Volatile;
use super::*;
use crate::ErrorKind;

/// A disk that forgets what was not synced when the power fails.
#[derive(Debug, Clone, Default)]
struct FakeDisk(Arc<Mutex<Contents>>);

#[derive(Debug, Default)]
struct Contents {
    bytes: Vec<u8>,
    synced: Vec<u8>,
    unsynced: Vec<Change>,
    /// How many more changes it takes before it is full.
    room: Option<usize>,
}

#[derive(Debug, Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Len(u64),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Len(len) => bytes.resize(*len as usize, 0),
            Self::Write(offset, data) => {
                let end = *offset as usize + data.len();
                bytes.resize(bytes.len().max(end), 0);
                bytes[*offset as usize..end].copy_from_slice(data);
            }
        }
    }

    /// As far as it got.
    fn torn(&self, at: usize) -> Self {
        match self {
            Self::Write(offset, data) => {
                Self::Write(*offset, data[..at % (data.len() + 1)].to_vec())
            }
            len => len.clone(),
        }
    }
}

impl FakeDisk {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap()
    }

    fn room(&self, changes: Option<usize>) {
        self.contents().room = changes;
    }

    fn change(&self, change: Change) -> io::Result<()> {
        let mut contents = self.contents();
        if let Some(room) = &mut contents.room {
            *room = room.checked_sub(1).ok_or(io::ErrorKind::StorageFull)?;
        }
        change.apply(&mut contents.bytes);
        contents.unsynced.push(change);
        Ok(())
    }

    /// What is there after the power failed: all that was synced, and any part of the rest.
    fn after_a_power_failure(&self, luck: u64) -> Self {
        let contents = self.contents();
        let mut bytes = contents.synced.clone();
        let mut luck = luck | 1;
        for change in &contents.unsynced {
            luck = luck.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            match luck >> 62 {
                0 => {}
                1 => change.torn((luck >> 32) as usize).apply(&mut bytes),
                _ => change.apply(&mut bytes),
            }
        }
        let contents = Contents {
            synced: bytes.clone(),
            bytes,
            ..Contents::default()
        };
        Self(Arc::new(Mutex::new(contents)))
    }
}

impl StorageBackend for FakeDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.contents().bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let contents = self.contents();
        let range = offset as usize..offset as usize + out.len();
        let bytes = contents.bytes.get(range);
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Change::Len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut contents = self.contents();
        if contents.room == Some(0) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        contents.synced = contents.bytes.clone();
        contents.unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(Change::Write(offset, data.to_vec()))
    }
}

impl Place for FakeDisk {
    fn open(&self, _: bool) -> Result<Option<Box<dyn Store>>, AgentError> {
        let fresh = self.contents().bytes.is_empty();
        let at = |trouble: Trouble| trouble.at("open", Path::new("fake"));
        let mut builder = Database::builder();
        builder.set_cache_size(64 * 1024);
        let database = builder.create_with_backend(self.clone());
        let database = database.map_err(|error| at(error.into()))?;
        if fresh {
            create_tables(&database, 1).map_err(at)?;
        }
        Ok(Some(Box::new(Disk::new(database, "fake".into()))))
    }

    fn failed(&self) {}

    fn panicked(&self, what: String) -> AgentError {
        panic!("{what}")
    }
}

fn message(number: u8) -> InboundMessage {
    let id = ActivityId::from(Uuid::from_u128(u128::from(number) + 1));
    let sender = match number % 3 {
        0 => Sender::CanvasUser,
        1 => Sender::Peer(Uuid::from_u128(7).into()),
        _ => Sender::Unknown("system:cron".to_owned()),
    };
    let time = "2026-11-22T04:01:56.5Z".parse().unwrap();
    let mut message = InboundMessage::text(id, time, sender, format!("text {}", number / 2));
    message.message_id = number.is_multiple_of(4).then(|| "the same".to_owned());
    message
}

fn id(number: u8) -> ActivityId {
    message(number).activity_id
}

/// A step of an agent. Numbers of messages that are not there do nothing.
#[derive(Debug, Clone)]
enum Step {
    Accept(u8),
    Attempt(u8),
    Answer(u8),
    Settle(u8),
    Bury(u8),
    Retry(u8),
    Remove(u8),
}

fn step() -> impl Strategy<Value = Step> {
    (0u8..7, 0u8..6).prop_map(|(kind, number)| match kind {
        0 | 6 => Step::Accept(number),
        1 => Step::Attempt(number),
        2 => Step::Answer(number),
        3 => Step::Settle(number),
        4 => Step::Bury(number),
        _ if number.is_multiple_of(2) => Step::Retry(number),
        _ => Step::Remove(number),
    })
}

impl Step {
    /// Takes the step, and says what came of it.
    fn take(&self, store: &mut dyn Store) -> Result<String, AgentError> {
        let (number, waiting) = match self {
            Self::Accept(number) => {
                let accepted = store.accept(&message(*number), 1_000_000)?;
                return Ok(match accepted {
                    Accepted::New(_, sender) => format!("new from {sender:?}"),
                    other => format!("{other:?}"),
                });
            }
            Self::Retry(number) => return Ok(store.retry(id(*number))?.to_string()),
            Self::Remove(number) => return Ok(store.remove(id(*number))?.to_string()),
            Self::Attempt(number)
            | Self::Answer(number)
            | Self::Settle(number)
            | Self::Bury(number) => (number, store.waiting()?),
        };
        let found = waiting.into_iter().find(|(_, head)| head.id == id(*number));
        let Some((seq, mut head)) = found else {
            return Ok("nothing".to_owned());
        };
        match self {
            Self::Attempt(_) => head.attempts += 1,
            Self::Answer(_) => head.answer = Some(Answer::new("an answer".to_owned())),
            Self::Settle(_) => return store.settle(seq).map(|()| "settled".to_owned()),
            _ => {
                let entry = store.entry(seq)?.unwrap();
                let burial = Burial::new(entry, "because".to_owned(), 5);
                return Ok(format!("{:?}", store.bury(seq, &burial)?));
            }
        }
        store.update(seq, &head).map(|()| "updated".to_owned())
    }
}

/// All that there is to see, but for the numbers that stand for the order.
fn seen(store: &mut dyn Store) -> Vec<String> {
    let mut lines = Vec::new();
    for (seq, head) in store.waiting().unwrap() {
        let message = store.entry(seq).unwrap().unwrap().message;
        lines.push(format!("{head:?} {message:?}"));
    }
    for letter in store.dead().unwrap() {
        let message = store.dead_message(letter.id).unwrap().unwrap();
        lines.push(format!("{letter:?} {message:?}"));
    }
    lines.push(format!("{:?}", store.counts().unwrap()));
    lines
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn both_kinds_do_the_same(steps in prop::collection::vec(step(), 1..40)) {
        let (mut disk, mut memory) = (FakeDisk::default().open(true).unwrap().unwrap(), Volatile::default());
        for step in steps {
            let found = step.take(disk.as_mut()).unwrap();
            prop_assert_eq!(found, step.take(&mut memory).unwrap(), "{:?}", step);
        }
        prop_assert_eq!(seen(disk.as_mut()), seen(&mut memory));
    }

    #[test]
    fn a_power_failure_leaves_every_step_that_was_done_and_none_by_halves(
        steps in prop::collection::vec(step(), 1..25), changes in 0usize..120, luck: u64,
    ) {
        let disk = FakeDisk::default();
        let mut store = disk.open(true).unwrap().unwrap();
        let mut memory = Volatile::default();
        disk.room(Some(changes));
        let mut cut = None;
        for step in steps {
            match step.take(store.as_mut()) {
                Ok(_) => drop(step.take(&mut memory).unwrap()),
                Err(_) => {
                    cut = Some(step);
                    break;
                }
            }
        }
        let after = disk.after_a_power_failure(luck);
        drop(store);
        let found = seen(after.open(true).unwrap().unwrap().as_mut());
        let without = seen(&mut memory);
        if let Some(step) = cut {
            step.take(&mut memory).unwrap();
        }
        let with = seen(&mut memory);
        prop_assert!(found == without || found == with, "{found:#?}\nis neither\n{without:#?}\nnor\n{with:#?}");
    }
}

fn fake() -> (FakeDisk, Journal) {
    let disk = FakeDisk::default();
    let journal = Journal::new(Some(Box::new(disk.clone())), None);
    (disk, journal.with_files(Files::Inline))
}

#[tokio::test]
async fn a_full_disk_is_an_error_that_passes_and_what_was_accepted_is_there_still() {
    let (disk, journal) = fake();
    journal.accept(&message(0), 0).await.unwrap();
    for room in 0..8 {
        disk.room(Some(room));
        let error = journal.accept(&message(1), 0).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Temporary, "{error:?}");
        assert!(
            error.may_pass() && error.to_string().contains("make room"),
            "{error}"
        );
        disk.room(None);
        assert_eq!(
            journal.waiting().await.unwrap().len(),
            1,
            "with room for {room} changes"
        );
    }
    let accepted = journal.accept(&message(1), 0).await.unwrap();
    assert!(matches!(accepted, Accepted::New(..)), "{accepted:?}");
    assert_eq!(journal.counts().pending, 2);
}

#[tokio::test]
async fn more_messages_than_may_wait_are_not_accepted_until_others_are_done_with() {
    let mut memory = Volatile::default();
    let numbered = |number: u128| {
        let mut message = message(1);
        message.activity_id = Uuid::from_u128(number).into();
        message
    };
    for number in 1..=10_000 {
        assert!(matches!(
            memory.accept(&numbered(number), 0).unwrap(),
            Accepted::New(..)
        ));
    }
    assert_eq!(memory.accept(&numbered(10_001), 0).unwrap(), Accepted::Full);
    assert_eq!(memory.accept(&numbered(5), 0).unwrap(), Accepted::Known);
    let (first, _) = memory.waiting().unwrap()[0].clone();
    memory.settle(first).unwrap();
    assert!(matches!(
        memory.accept(&numbered(10_001), 0).unwrap(),
        Accepted::New(..)
    ));
}

#[tokio::test]
async fn in_memory_what_was_not_acknowledged_is_forgotten_when_an_agent_begins() {
    let journal = Journal::volatile();
    let Accepted::New(dead, _) = journal.accept(&message(0), 0).await.unwrap() else {
        panic!("not accepted")
    };
    let entry = journal.entry(dead).await.unwrap().unwrap();
    let burial = Burial::new(entry, "because".to_owned(), 0);
    journal.bury(dead, &burial).await.unwrap();
    journal.accept(&message(1), 0).await.unwrap();
    assert!(journal.retry(id(0)).await.unwrap());
    let waiting = journal.begin().await.unwrap();
    assert_eq!(waiting.len(), 1, "the other would not come again");
    assert!(matches!(
        journal.accept(&message(1), 0).await.unwrap(),
        Accepted::New(..)
    ));
}

fn file(dir: &TempDir) -> Journal {
    Journal::open(dir.path().join("deep/journal.redb"))
}

async fn accept(journal: &Journal, number: u8) -> Seq {
    match journal.accept(&message(number), 0).await.unwrap() {
        Accepted::New(seq, _) => seq,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_file_is_made_by_the_first_message_for_its_owner_alone_and_open_while_something_waits()
{
    let dir = tempfile::tempdir().unwrap();
    let journal = file(&dir);
    assert!(journal.begin().await.unwrap().is_empty());
    assert!(journal.dead().await.unwrap().is_empty());
    assert!(!journal.retry(id(0)).await.unwrap());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);

    let seq = accept(&journal, 0).await;
    journal.rest().await.unwrap();
    assert!(
        journal.shared.is_open.load(Ordering::Relaxed),
        "a message waits"
    );
    let path = dir.path().join("deep/journal.redb");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));

    journal.settle(seq).await.unwrap();
    journal.rest().await.unwrap();
    assert!(!journal.shared.is_open.load(Ordering::Relaxed));
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    assert_eq!(
        journal.accept(&message(0), 0).await.unwrap(),
        Accepted::Known
    );
    accept(&journal, 1).await;
}

#[tokio::test]
async fn a_message_of_megabytes_is_kept_and_its_room_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let journal = file(&dir);
    let mut large = message(0);
    large.text = "x".repeat(20_000_000);
    let Accepted::New(seq, _) = journal.accept(&large, 0).await.unwrap() else {
        panic!("not accepted")
    };
    assert!(file_len(&dir) > 20_000_000);
    drop(journal);
    let journal = file(&dir);
    let entry = journal.entry(seq).await.unwrap().unwrap();
    assert_eq!(entry.message, large);
    journal.settle(seq).await.unwrap();
    journal.rest().await.unwrap();
    assert!(file_len(&dir) < 2_000_000, "{} bytes", file_len(&dir));
}

fn file_len(dir: &TempDir) -> u64 {
    fs::metadata(dir.path().join("deep/journal.redb"))
        .unwrap()
        .len()
}

#[tokio::test]
async fn a_message_that_could_not_be_read_again_is_kept_as_its_text() {
    let (_, journal) = fake();
    let mut deep = message(0);
    let mut value = serde_json::json!(1);
    for _ in 0..200 {
        value = serde_json::json!([value]);
    }
    deep.metadata.insert("deep".to_owned(), value);
    let Accepted::New(seq, _) = journal.accept(&deep, 0).await.unwrap() else {
        panic!("not accepted")
    };
    let entry = journal.entry(seq).await.unwrap().unwrap();
    assert_eq!(
        (entry.message.text, entry.message.metadata.len()),
        (deep.text, 0)
    );
}

/// Which error a file of this content is.
async fn check_refused(content: &[u8]) -> AgentError {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.redb");
    fs::write(&path, content).unwrap();
    let error = Journal::open(&path).begin().await.unwrap_err();
    assert_eq!(
        fs::read(&path).unwrap().len(),
        content.len(),
        "it is as it was"
    );
    assert!(
        error.to_string().contains(path.to_str().unwrap()),
        "{error}"
    );
    error
}

#[tokio::test]
async fn a_file_that_is_none_or_was_cut_is_damaged_and_says_what_to_do() {
    let whole = {
        let dir = tempfile::tempdir().unwrap();
        let journal = file(&dir);
        for number in 0..6 {
            let _ = journal.accept(&message(number), 0).await.unwrap();
        }
        drop(journal);
        fs::read(dir.path().join("deep/journal.redb")).unwrap()
    };
    let cut = |part: usize| whole[..whole.len() * part / 16].to_vec();
    let mut damaged = vec![
        Vec::new(),
        b"no journal".to_vec(),
        vec![0; 100_000],
        whole[..100].to_vec(),
    ];
    damaged.extend((1..16).map(cut));
    for content in damaged {
        let error = check_refused(&content).await;
        assert!(
            matches!(error, AgentError::JournalDamaged { .. }),
            "{} bytes: {error:?}",
            content.len()
        );
        assert_eq!(error.kind(), ErrorKind::Integrity);
        assert!(error.to_string().contains("move it aside"), "{error}");
    }
}

#[tokio::test]
async fn bytes_that_changed_are_found_or_do_not_matter() {
    let dir = tempfile::tempdir().unwrap();
    let journal = file(&dir);
    for number in 0..6 {
        let _ = journal.accept(&message(number), 0).await.unwrap();
    }
    let expect = journal.waiting().await.unwrap();
    drop(journal);
    let path = dir.path().join("deep/journal.redb");
    let whole = fs::read(&path).unwrap();
    let used: Vec<_> = (0..whole.len()).filter(|at| whole[*at] != 0).collect();
    for at in used.iter().step_by(used.len() / 150 + 1) {
        let mut content = whole.clone();
        content[*at] ^= 0x55;
        fs::write(&path, content).unwrap();
        match Journal::open(&path).begin().await {
            Ok(found) => assert_eq!(found, expect, "byte {at}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Integrity, "byte {at}: {error:?}"),
        }
    }
}

#[tokio::test]
async fn a_journal_of_a_later_version_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let journal = file(&dir);
    accept(&journal, 0).await;
    drop(journal);
    let path = dir.path().join("deep/journal.redb");
    let database = Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction
        .open_table(META)
        .unwrap()
        .insert("schema", 2)
        .unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = file(&dir).begin().await.unwrap_err();
    assert!(
        matches!(
            error,
            AgentError::JournalNewer {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("later version"), "{error}");
}

#[tokio::test]
async fn a_journal_that_another_has_open_is_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let journal = file(&dir);
    accept(&journal, 0).await;
    let error = file(&dir).begin().await.unwrap_err();
    assert!(
        matches!(error, AgentError::JournalInUse { .. }),
        "{error:?}"
    );
    drop(journal);
    assert_eq!(file(&dir).begin().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_an_error_that_passes() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("deep"), "in the way").unwrap();
    let journal = file(&dir);
    let error = journal.accept(&message(0), 0).await.unwrap_err();
    assert!(error.may_pass(), "{error:?}");
    fs::remove_file(dir.path().join("deep")).unwrap();
    accept(&journal, 0).await;
}

#[tokio::test]
async fn a_dead_letter_is_retried_as_often_as_it_dies() {
    let (_, journal) = fake();
    let mut seq = accept(&journal, 0).await;
    for _ in 0..3 {
        let entry = journal.entry(seq).await.unwrap().unwrap();
        let burial = Burial::new(entry, "because".to_owned(), 0);
        journal.bury(seq, &burial).await.unwrap();
        assert!(journal.dead_message(id(0)).await.unwrap().is_some());
        assert!(journal.retry(id(0)).await.unwrap());
        seq = journal.waiting().await.unwrap()[0].0;
    }
}

#[test]
fn what_is_minutes_away_is_not_recent_whichever_way_the_clock_was_set() {
    use super::record::is_recent;
    const HOUR: u64 = 3_600_000;
    for (at, now, expect) in [
        (0, 299_999, true),
        (299_999, 0, true),
        (0, HOUR, false),
        (HOUR, 0, false),
    ] {
        assert_eq!(is_recent(at, now), expect, "{at} {now}");
    }
}
