//! What the registry's list says of each plugin.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde::Serialize;

/// A `plugin.yaml` is not read further than this.
const MAX_MANIFEST: u64 = 1024 * 1024;

/// One plugin of the registry, with what its `plugin.yaml` says apart from the name.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Entry {
    name: String,
    version: String,
    description: String,
    author: String,
    tags: Option<Vec<String>>,
    skills: Option<Vec<String>>,
    runtimes: Option<Vec<String>>,
}

/// The plugins for a runtime, or all of them, by name. It reads files and blocks.
pub(crate) fn list(dir: Option<&Path>, runtime: Option<&str>) -> Vec<Entry> {
    let folders = dir.and_then(|dir| fs::read_dir(dir).ok());
    let folders = folders.into_iter().flatten().flatten();
    let folders = folders.filter(|folder| folder.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut entries: Vec<_> = folders
        .map(|folder| Entry::read(&folder.path()))
        .filter(|entry| runtime.is_none_or(|runtime| entry.runs_on(runtime)))
        .collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

impl Entry {
    fn read(folder: &Path) -> Self {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let mut text = String::new();
        let read = File::open(folder.join("plugin.yaml"))
            .and_then(|file| file.take(MAX_MANIFEST).read_to_string(&mut text));
        let fields = read.ok().and_then(|_| fields(&text)).unwrap_or_default();
        Self::new(name.into_owned(), fields)
    }

    fn new(name: String, mut fields: BTreeMap<String, Field>) -> Self {
        let mut take = |key| fields.remove(key).unwrap_or_default();
        Self {
            name,
            version: take("version").text,
            description: take("description").text,
            author: take("author").text,
            tags: take("tags").list(),
            skills: take("skills").list(),
            runtimes: take("runtimes").list(),
        }
    }

    /// A plugin that names no runtimes is for all.
    fn runs_on(&self, runtime: &str) -> bool {
        self.runtimes
            .as_ref()
            .is_none_or(|runtimes| runtimes.iter().any(|known| known == runtime))
    }
}

/// The value of a top-level key: a text or a list of texts.
#[derive(Debug, Default)]
struct Field {
    text: String,
    items: Vec<String>,
}

impl Field {
    fn list(self) -> Option<Vec<String>> {
        Some(self.items).filter(|items| !items.is_empty())
    }
}

/// The texts and the lists of texts in a YAML mapping; nothing of a file that is no YAML.
fn fields(yaml: &str) -> Option<BTreeMap<String, Field>> {
    let mut reader = Reader::default();
    for event in Parser::new_from_str(yaml) {
        match event.ok()?.0 {
            Event::SequenceStart(..) if reader.depth == 0 => return None,
            Event::SequenceStart(..) => reader.open(true),
            Event::MappingStart(..) => reader.open(false),
            Event::SequenceEnd | Event::MappingEnd => reader.close(),
            Event::Alias(_) => reader.text(String::new()),
            Event::Scalar(text, style, ..) => reader.text(plain_text(&text, style)),
            Event::DocumentEnd => break,
            _ => {}
        }
    }
    Some(reader.fields)
}

/// Null is an empty text.
fn plain_text(text: &str, style: ScalarStyle) -> String {
    let is_null = style == ScalarStyle::Plain && ["~", "null"].contains(&text);
    if is_null { "" } else { text }.to_owned()
}

/// Reads events of which only the two outer levels matter.
#[derive(Default)]
struct Reader {
    fields: BTreeMap<String, Field>,
    depth: usize,
    /// The top-level key whose value comes.
    key: Option<String>,
    /// Whether the value of that key is a list.
    in_list: bool,
}

impl Reader {
    fn open(&mut self, is_list: bool) {
        self.depth += 1;
        if self.depth == 2 {
            self.in_list = is_list;
        }
    }

    fn close(&mut self) {
        self.depth -= 1;
        if self.depth == 1 {
            self.key = None;
        }
    }

    fn text(&mut self, text: String) {
        match (self.depth, &self.key) {
            (1, None) => self.key = Some(text),
            (1, Some(key)) => {
                self.fields.entry(key.clone()).or_default().text = text;
                self.key = None;
            }
            (2, Some(key)) if self.in_list => {
                self.fields.entry(key.clone()).or_default().items.push(text);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(yaml: &str, expect: [&str; 3], lists: [&[&str]; 3]) {
        let entry = Entry::new("p".to_owned(), fields(yaml).unwrap_or_default());
        assert_eq!(
            [entry.version, entry.description, entry.author],
            expect,
            "{yaml}"
        );
        let found = [entry.tags, entry.skills, entry.runtimes].map(Option::unwrap_or_default);
        assert_eq!(found, lists.map(<[_]>::to_vec), "{yaml}");
    }

    #[test]
    fn texts_and_lists_of_the_top_level_are_read() {
        check(
            "version: 1\ndescription: 'a: b'\nauthor: ~\ntags: [x, y]\nskills:\n- s\nruntimes: []\n",
            ["1", "a: b", ""],
            [&["x", "y"], &["s"], &[]],
        );
    }

    #[test]
    fn what_is_nested_deeper_is_left_out() {
        check(
            "setup: {version: 9, tags: [no]}\ntags: [x, [deep, {a: b}], y]\nversion: '2'\n",
            ["2", "", ""],
            [&["x", "y"], &[], &[]],
        );
    }

    #[test]
    fn what_is_no_mapping_says_nothing() {
        for yaml in ["", "- version\n- 1\n", "version: [1\n", "\t:", "text"] {
            check(yaml, ["", "", ""], [&[], &[], &[]]);
        }
    }
}
