//! What `serde_yaml` reads in a `plugin.yaml`.

use std::fmt;

use molecule_plugin::Manifest;
use serde::Deserialize;
use serde::de::{Deserializer, Visitor};

/// The keys that a [`Manifest`] has, as the oracle reads them.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Oracle {
    #[serde(default)]
    pub(crate) name: Read,
    #[serde(default)]
    pub(crate) version: Read,
    #[serde(default)]
    pub(crate) sha256: Read,
}

/// What the oracle reads for a key.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Read {
    #[default]
    Absent,
    Text(String),
    /// Null, a number, a boolean or a collection.
    Other,
}

impl Read {
    pub(crate) fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Absent | Self::Other => None,
        }
    }
}

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReadVisitor)
    }
}

struct ReadVisitor;

impl<'de> Visitor<'de> for ReadVisitor {
    type Value = Read;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E>(self, text: &str) -> Result<Read, E> {
        Ok(Read::Text(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Read, E> {
        Ok(Read::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Read, E> {
        Ok(Read::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Read, E> {
        Ok(Read::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Read, E> {
        Ok(Read::Other)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Read, E> {
        Ok(Read::Other)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Read, E> {
        Ok(Read::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Read, E> {
        Ok(Read::Other)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Read, A::Error> {
        while items.next_element::<serde::de::IgnoredAny>()?.is_some() {}
        Ok(Read::Other)
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut entries: A) -> Result<Read, A::Error> {
        use serde::de::IgnoredAny;
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Read::Other)
    }

    fn visit_enum<A: serde::de::EnumAccess<'de>>(self, tagged: A) -> Result<Read, A::Error> {
        use serde::de::VariantAccess;
        let (_, value) = tagged.variant::<serde::de::IgnoredAny>()?;
        value.newtype_variant::<serde::de::IgnoredAny>()?;
        Ok(Read::Other)
    }
}

/// What the oracle reads.
pub(crate) fn read(text: &str) -> Result<Oracle, serde_yaml::Error> {
    serde_yaml::from_str(text)
}

/// Whatever is accepted, the oracle reads alike.
pub(crate) fn agrees(text: &str, manifest: &Manifest) -> Result<(), String> {
    let oracle = read(text).map_err(|error| format!("{text:?}: the oracle refuses: {error}"))?;
    if oracle.sha256 == Read::Other {
        return Err(format!("{text:?}: the oracle takes sha256 for no text"));
    }
    let ours = (
        manifest.name.clone(),
        manifest.version.clone(),
        manifest.sha256.map(|digest| digest.to_string()),
    );
    let theirs = (
        oracle.name.text(),
        oracle.version.text(),
        oracle.sha256.text(),
    );
    if ours == theirs {
        Ok(())
    } else {
        Err(format!("{text:?}: {ours:?}, but the oracle {theirs:?}"))
    }
}
