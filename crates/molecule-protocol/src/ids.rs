//! Identifiers that are checked once and then safe in paths, headers and file names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a text is not a usable identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} {text:?} is not a UUID such as 9e453dad-99f0-4e01-8c72-0031bf974e26; copy it from the platform"
)]
pub struct InvalidId {
    what: &'static str,
    text: String,
}

macro_rules! uuid_newtype {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// The identifier as a UUID.
            #[must_use]
            pub const fn as_uuid(&self) -> &Uuid {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0.as_hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse_hyphenated(text)
                    .map(Self)
                    .ok_or_else(|| InvalidId { what: $what, text: text.chars().take(80).collect() })
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }
    };
}

uuid_newtype! {
    /// The id of a workspace: the identity that an agent claims on the platform.
    ///
    /// It is always written in lower case, because the platform compares tokens to the id as a
    /// string and an upper-case id never authenticates.
    ///
    /// ```
    /// use molecule_protocol::WorkspaceId;
    ///
    /// let id: WorkspaceId = "9E453DAD-99F0-4E01-8C72-0031BF974E26".parse()?;
    /// assert_eq!(id.to_string(), "9e453dad-99f0-4e01-8c72-0031bf974e26");
    /// assert!("../../etc".parse::<WorkspaceId>().is_err());
    /// # Ok::<(), molecule_protocol::InvalidId>(())
    /// ```
    WorkspaceId, "workspace id"
}

uuid_newtype! {
    /// The id of a row in a workspace's activity log; also the poll cursor.
    ActivityId, "activity id"
}

uuid_newtype! {
    /// The id of a delegation; also the id of the message in which its target gets the task.
    DelegationId, "delegation id"
}

uuid_newtype! {
    /// The id of a token, by which it is revoked. It is no secret.
    TokenId, "token id"
}

impl WorkspaceId {
    /// The first eight characters, as the default agent name uses them.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string()[..8].to_owned()
    }
}

impl ActivityId {
    /// The all-zero id that no row has: probes for cursor support, and "before the first row".
    pub const NIL: Self = Self(Uuid::nil());
}

/// Only the hyphenated form: `Uuid::parse_str` would also take braces, URNs and bare hex.
fn parse_hyphenated(text: &str) -> Option<Uuid> {
    (text.len() == 36).then(|| Uuid::try_parse(text).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_normalised_to_lower_case() {
        let id: WorkspaceId = "AC4F2BDE-1CBD-46C3-8117-F2BA1A0867E6".parse().unwrap();
        assert_eq!(id.to_string(), "ac4f2bde-1cbd-46c3-8117-f2ba1a0867e6");
        assert_eq!(id.short(), "ac4f2bde");
    }

    #[test]
    fn anything_but_a_hyphenated_uuid_is_refused() {
        for text in [
            "",
            "nope",
            "..",
            "../../etc/passwd",
            "9e453dad99f04e018c720031bf974e26",
            "{9e453dad-99f0-4e01-8c72-0031bf974e26}",
            "urn:uuid:9e453dad-99f0-4e01-8c72-0031bf974e26",
            " 9e453dad-99f0-4e01-8c72-0031bf974e26",
            "9e453dad-99f0-4e01-8c72-0031bf974e2/",
        ] {
            assert!(text.parse::<WorkspaceId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_long_text_is_cut_in_the_message() {
        let error = "x".repeat(10_000).parse::<WorkspaceId>().unwrap_err();
        assert!(error.to_string().len() < 250);
    }
}
