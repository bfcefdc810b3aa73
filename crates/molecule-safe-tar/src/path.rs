//! Which paths may occur.

use crate::header::Member;
use crate::portable::check_portable;
use crate::unicode::{collision_key, is_hidden};
use crate::{EntryName, NamePolicy, Options, Refusal};

/// The manifest, which every reader has to find, or not, alike.
const MANIFEST: &str = "plugin.yaml";

/// Names at the top that other programs look for.
const RESERVED: [&str; 2] = [MANIFEST, "setup.sh"];

/// A path that may be written: components joined by `/`, none of them empty, `.` or `..`. Without any it is the top itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EntryPath(String);

impl EntryPath {
    /// Checks the path of an entry. `entry` is its name for refusals.
    pub(crate) fn parse(
        raw: &[u8],
        member: Member,
        options: &Options,
        entry: &EntryName,
    ) -> Result<Self, Refusal> {
        let path = check_text(raw, entry)?;
        check_shape(path, member, entry)?;
        let components: Vec<&str> = components(path).collect();
        check_limits(&components, options, entry)?;
        for component in &components {
            check_component(component, options.names, entry)?;
        }
        let path = Self(components.join("/"));
        path.check_reserved(member, entry)?;
        Ok(path)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Each component, from the top down, with the path that ends in it.
    pub(crate) fn prefixes(&self) -> impl Iterator<Item = (&str, &str)> {
        components(&self.0).scan(0, |end, component| {
            let begin = *end;
            *end = begin + component.len() + 1;
            Some((&self.0[..*end - 1], component))
        })
    }

    /// At the top, reserved names are spelled exactly, and the manifest is a file.
    fn check_reserved(&self, member: Member, entry: &EntryName) -> Result<(), Refusal> {
        let top = components(&self.0).next().unwrap_or_default();
        let key = collision_key(top);
        let same = |reserved: &&&str| collision_key(reserved) == key;
        let Some(reserved) = RESERVED.iter().find(same) else {
            return Ok(());
        };
        let is_file = member == Member::File && top == self.0;
        let entry = entry.clone();
        match top {
            _ if top != *reserved => Err(Refusal::Lookalike { entry, reserved }),
            MANIFEST if !is_file => Err(Refusal::ManifestNotAFile { entry }),
            _ => Ok(()),
        }
    }
}

/// What stands between slashes, without those that stand for the directory itself. `tar -c .` writes `./` in front of all.
fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
        .filter(|component| !matches!(*component, "" | "."))
}

fn check_text<'a>(raw: &'a [u8], entry: &EntryName) -> Result<&'a str, Refusal> {
    let entry = entry.clone();
    let Ok(path) = str::from_utf8(raw) else {
        return Err(Refusal::NotUtf8 { entry });
    };
    if path.chars().any(char::is_control) {
        return Err(Refusal::ControlCharacter { entry });
    }
    if path.chars().any(is_hidden) {
        return Err(Refusal::HiddenCharacter { entry });
    }
    if path.contains('\\') {
        return Err(Refusal::Backslash { entry });
    }
    Ok(path)
}

/// Slashes where they belong: between components, and behind a directory.
fn check_shape(path: &str, member: Member, entry: &EntryName) -> Result<(), Refusal> {
    let entry = entry.clone();
    let names_directory = path.ends_with('/') || path == "." || path.ends_with("/.");
    if path.is_empty() {
        return Err(Refusal::EmptyPath { entry });
    }
    if path.starts_with('/') {
        return Err(Refusal::AbsolutePath { entry });
    }
    if path.contains("//") {
        return Err(Refusal::EmptyComponent { entry });
    }
    if names_directory && member != Member::Directory {
        return Err(Refusal::TrailingSlash { entry });
    }
    Ok(())
}

fn check_limits(components: &[&str], options: &Options, entry: &EntryName) -> Result<(), Refusal> {
    let limits = &options.limits;
    let entry = entry.clone();
    let lengths = || components.iter().map(|component| component.len());
    let slashes = components.len().saturating_sub(1);
    if lengths().sum::<usize>() + slashes > limits.path_bytes {
        let limit = limits.path_bytes;
        return Err(Refusal::PathTooLong { entry, limit });
    }
    if components.len() > limits.depth {
        let limit = limits.depth;
        return Err(Refusal::TooDeep { entry, limit });
    }
    if lengths().any(|length| length > limits.component_bytes) {
        let limit = limits.component_bytes;
        return Err(Refusal::ComponentTooLong { entry, limit });
    }
    Ok(())
}

fn check_component(component: &str, names: NamePolicy, entry: &EntryName) -> Result<(), Refusal> {
    match (component, names) {
        ("..", _) => {
            let entry = entry.clone();
            Err(Refusal::ParentComponent { entry })
        }
        (_, NamePolicy::Portable) => check_portable(component, entry),
        (_, NamePolicy::Posix) => Ok(()),
    }
}
