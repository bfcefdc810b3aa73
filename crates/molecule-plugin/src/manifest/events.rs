//! From YAML events to a manifest: everything that could make two readers disagree is refused on the way.

use std::borrow::Cow;
use std::collections::HashSet;

use saphyr_parser::{Event, Parser, ScanError, Span, Tag};

use super::scalar::Scalar;
use super::text::Cursor;
use crate::shorten::shorten;
use crate::{Manifest, ManifestError};

const NOT_A_MAPPING: &str = "it must be one mapping, such as `name: demo`";

type Reason = Cow<'static, str>;

/// Takes the events one at a time, so that the depth is checked before the parser goes deeper.
pub(super) fn read(text: &str) -> Result<Manifest, ManifestError> {
    let mut reader = Reader {
        manifest: Manifest::default(),
        documents: 0,
        nodes: 0,
        open: Vec::new(),
        cursor: Cursor::new(text),
    };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(not_yaml)?;
        reader
            .event(event, span)
            .map_err(|reason| ManifestError::at(&span.start, reason))?;
    }
    if reader.documents == 0 {
        return Err(ManifestError::new(1, 1, NOT_A_MAPPING));
    }
    Ok(reader.manifest)
}

fn not_yaml(error: ScanError) -> ManifestError {
    ManifestError::at(error.marker(), format!("it is not YAML: {}", error.info()))
}

/// What was read so far.
#[derive(Debug)]
struct Reader<'a> {
    manifest: Manifest,
    documents: usize,
    nodes: usize,
    open: Vec<Collection>,
    cursor: Cursor<'a>,
}

/// A collection that has begun and not ended.
#[derive(Debug)]
enum Collection {
    Sequence,
    Mapping {
        keys: HashSet<String>,
        /// The key whose value comes next.
        key: Option<String>,
    },
}

/// What a node is to the collection around it.
enum Role {
    Root,
    Item,
    Key,
    /// The value of this key, and whether the key is one of the root's.
    Value(String, bool),
}

impl Reader<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Reason> {
        match event {
            Event::DocumentStart(_) => self.document(),
            Event::Alias(_) => Err("an alias; write out what it stands for".into()),
            Event::Scalar(text, style, anchor, tag) => {
                self.node(anchor)?;
                check_tag(tag.as_deref())?;
                let scalar = Scalar {
                    text,
                    style,
                    tagged: tag.is_some(),
                    lines: span.end.line() - span.start.line() + 1,
                    length: span.end.index() - span.start.index(),
                    behind: self.cursor.at(span.end.index()),
                };
                self.scalar(&scalar)
            }
            Event::SequenceStart(anchor, tag) => {
                self.collection(anchor, tag.is_some(), Collection::Sequence)
            }
            Event::MappingStart(anchor, tag) => {
                let mapping = Collection::Mapping {
                    keys: HashSet::new(),
                    key: None,
                };
                self.collection(anchor, tag.is_some(), mapping)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.open.pop();
                Ok(())
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn document(&mut self) -> Result<(), Reason> {
        self.documents += 1;
        if self.documents > 1 {
            return Err("a second document; keep one".into());
        }
        Ok(())
    }

    fn node(&mut self, anchor: usize) -> Result<(), Reason> {
        self.nodes += 1;
        if self.nodes > Manifest::MAX_NODES {
            return Err(format!("it holds more than {} nodes", Manifest::MAX_NODES).into());
        }
        if anchor != 0 {
            return Err("an anchor; remove it, and write out its aliases".into());
        }
        Ok(())
    }

    fn collection(&mut self, anchor: usize, tag: bool, new: Collection) -> Result<(), Reason> {
        self.node(anchor)?;
        if tag {
            return Err("a tag on a collection; remove it".into());
        }
        if self.open.len() == Manifest::MAX_DEPTH {
            return Err(format!("it is more than {} levels deep", Manifest::MAX_DEPTH).into());
        }
        match self.role() {
            Role::Root if matches!(new, Collection::Sequence) => return Err(NOT_A_MAPPING.into()),
            Role::Key => return Err("a key that is a collection; use a text".into()),
            Role::Value(key, true) if key == "sha256" => return Err("sha256 must be a text".into()),
            _ => {}
        }
        self.open.push(new);
        Ok(())
    }

    fn scalar(&mut self, scalar: &Scalar<'_>) -> Result<(), Reason> {
        scalar.check()?;
        match self.role() {
            Role::Root => Err(NOT_A_MAPPING.into()),
            Role::Key => self.key(scalar),
            Role::Value(key, true) => self.root_value(&key, scalar),
            Role::Item | Role::Value(..) => Ok(()),
        }
    }

    fn role(&mut self) -> Role {
        let at_root = self.open.len() == 1;
        match self.open.last_mut() {
            None => Role::Root,
            Some(Collection::Sequence) => Role::Item,
            Some(Collection::Mapping { key, .. }) => key
                .take()
                .map_or(Role::Key, |key| Role::Value(key, at_root)),
        }
    }

    /// Keys are compared as texts, whatever their style: two that differ in type alone are refused too.
    fn key(&mut self, scalar: &Scalar<'_>) -> Result<(), Reason> {
        scalar.check_key()?;
        if let Some(Collection::Mapping { keys, key }) = self.open.last_mut() {
            if !keys.insert(scalar.text.to_string()) {
                let key = shorten(&scalar.text);
                return Err(format!("the key {key:?} is there twice; keep one").into());
            }
            *key = Some(scalar.text.to_string());
        }
        Ok(())
    }

    fn root_value(&mut self, key: &str, value: &Scalar<'_>) -> Result<(), Reason> {
        match key {
            "name" => self.manifest.name = value.to_text()?,
            "version" => self.manifest.version = value.to_text()?,
            "sha256" => self.manifest.sha256 = Some(value.to_digest()?),
            _ => {}
        }
        Ok(())
    }
}

fn check_tag(tag: Option<&Tag>) -> Result<(), Reason> {
    match tag {
        Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == "str") => {
            Err("a tag other than !!str; remove it".into())
        }
        _ => Ok(()),
    }
}
