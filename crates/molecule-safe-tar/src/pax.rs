//! The records of a pax header: `length key=value newline`.

use crate::number::{decimal, is_time};
use crate::{EntryName, Refusal};

/// What a pax header says about the entry behind it, as far as that matters.
#[derive(Debug, Default)]
pub(crate) struct Pax {
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) target: Option<Vec<u8>>,
    pub(crate) size: Option<u64>,
}

/// Attributes that are ignored as owner and time are. Their values may hold any bytes but a newline.
const ATTRIBUTES: [&[u8]; 3] = [b"SCHILY.xattr.", b"SCHILY.acl.", b"LIBARCHIVE.xattr."];

/// Texts and numbers without a meaning here, that trusted writers store.
const NOTES: [&[u8]; 8] = [
    b"comment",
    b"uname",
    b"gname",
    b"SCHILY.dev",
    b"SCHILY.ino",
    b"SCHILY.nlink",
    b"SCHILY.fflags",
    b"LIBARCHIVE.creationtime",
];

impl Pax {
    /// Reads the body of an `x` header. `header` is its name, for refusals.
    pub(crate) fn parse(body: &[u8], header: &EntryName) -> Result<Self, Refusal> {
        let mut pax = Self::default();
        for (key, value) in &records(body, header)? {
            pax.take(key, value, header)?;
        }
        Ok(pax)
    }

    fn take(&mut self, key: &[u8], value: &[u8], header: &EntryName) -> Result<(), Refusal> {
        let entry = header.clone();
        let invalid = |field| Refusal::InvalidNumber { entry, field };
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.target = Some(value.to_vec()),
            b"size" => self.size = Some(decimal(value).ok_or_else(|| invalid("size"))?),
            b"uid" if decimal(value).is_none() => return Err(invalid("user id")),
            b"gid" if decimal(value).is_none() => return Err(invalid("group id")),
            b"mtime" | b"atime" | b"ctime" if !is_time(value) => return Err(invalid("time")),
            b"uid" | b"gid" | b"mtime" | b"atime" | b"ctime" => {}
            _ if NOTES.contains(&key) || is_attribute(key) => {}
            _ => return Err(unsupported(key, header)),
        }
        Ok(())
    }
}

/// Reads the body of a `g` header, which may hold comments alone: git writes its commit there.
pub(crate) fn check_global(body: &[u8], header: &EntryName) -> Result<(), Refusal> {
    let records = records(body, header)?;
    match records.iter().find(|(key, _)| *key != b"comment") {
        None => Ok(()),
        Some((key, _)) => {
            let (entry, key) = (header.clone(), EntryName::new(key));
            Err(Refusal::UnsupportedGlobal { entry, key })
        }
    }
}

fn is_attribute(key: &[u8]) -> bool {
    ATTRIBUTES.iter().any(|prefix| key.starts_with(prefix))
}

fn unsupported(key: &[u8], header: &EntryName) -> Refusal {
    let entry = header.clone();
    // Some dialects of sparse files are pax keys alone.
    if key.starts_with(b"GNU.sparse.") || key == b"SCHILY.realsize" {
        return Refusal::SparseFile { entry };
    }
    let key = EntryName::new(key);
    Refusal::UnsupportedPaxKey { entry, key }
}

type Record<'a> = (&'a [u8], &'a [u8]);

/// All records, each key once.
fn records<'a>(mut body: &'a [u8], header: &EntryName) -> Result<Vec<Record<'a>>, Refusal> {
    let mut records = Vec::new();
    while !body.is_empty() {
        let Some((record, rest)) = record(body) else {
            let entry = header.clone();
            return Err(Refusal::MalformedPax { entry });
        };
        check_value(record, header)?;
        records.push(record);
        body = rest;
    }
    check_unique(&records, header)?;
    Ok(records)
}

/// The first record, and what follows it.
fn record(body: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let space = body.iter().position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(&body[..space])?).ok()?;
    let canonical = body[0] != b'0';
    let (record, rest) = body.split_at_checked(length)?;
    let text = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = text.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (&text[..equals], &text[equals + 1..]);
    let named = !key.is_empty() && !key.contains(&b'\n') && !key.contains(&0);
    (canonical && named).then_some(((key, value), rest))
}

fn check_value((key, value): Record<'_>, header: &EntryName) -> Result<(), Refusal> {
    let (entry, shown) = (header.clone(), || EntryName::new(key));
    if value.is_empty() {
        let key = shown();
        return Err(Refusal::EmptyPaxValue { entry, key });
    }
    if value.contains(&b'\n') {
        let key = shown();
        return Err(Refusal::NewlineInPax { entry, key });
    }
    if value.contains(&0) && !is_attribute(key) {
        return Err(Refusal::NulInName { entry });
    }
    Ok(())
}

fn check_unique(records: &[Record<'_>], header: &EntryName) -> Result<(), Refusal> {
    let mut keys: Vec<&[u8]> = records.iter().map(|(key, _)| *key).collect();
    keys.sort_unstable();
    match keys.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(()),
        Some(pair) => {
            let (entry, key) = (header.clone(), EntryName::new(pair[0]));
            Err(Refusal::DuplicatePaxKey { entry, key })
        }
    }
}
