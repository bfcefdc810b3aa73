//! What is decided by the caller.

use crate::Limits;

/// How an archive is unpacked. The defaults are the strict ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// How much it may ask for.
    pub limits: Limits,
    /// What becomes of links.
    pub links: LinkPolicy,
    /// Which names may occur.
    pub names: NamePolicy,
}

impl Options {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// With another rule for links.
    #[must_use]
    pub fn with_links(mut self, links: LinkPolicy) -> Self {
        self.links = links;
        self
    }

    /// With another rule for names.
    #[must_use]
    pub fn with_names(mut self, names: NamePolicy) -> Self {
        self.names = names;
        self
    }
}

/// What becomes of symbolic and hard links. None is ever made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LinkPolicy {
    /// They are left out and reported.
    #[default]
    Skip,
    /// They refuse the archive.
    Refuse,
}

/// Which names may occur, beyond what is always refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NamePolicy {
    /// Names that mean the same on Linux, macOS and Windows.
    #[default]
    Portable,
    /// Also names that only Windows takes for something else: colons, device names, a dot or space at the end, `NAME~1`.
    Posix,
}
