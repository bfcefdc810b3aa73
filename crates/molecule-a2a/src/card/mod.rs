//! The agent card: what the agent says about itself.

mod json;

pub(crate) use json::CardFeatures;

use serde_json::Value;

/// What the agent says about itself.
///
/// ```
/// use molecule_a2a::{Card, Skill};
///
/// let card = Card::new("translator", "https://agents.example/translator")
///     .with_description("Translates texts")
///     .with_skill(Skill::new("translate", "Translate").with_tag("language"));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Card {
    /// What it is called.
    pub name: String,
    /// Where it takes messages. Empty: where the server listens.
    pub url: String,
    /// What it is for.
    pub description: String,
    /// The version of the agent, not of the protocol.
    pub version: String,
    /// What it can do.
    pub skills: Vec<Skill>,
    /// Who runs it, and the address of their page.
    pub provider: Option<(String, String)>,
    /// Where it is described.
    pub documentation_url: Option<String>,
    /// The kinds of content that it takes.
    pub input_modes: Vec<String>,
    /// The kinds of content that it answers with.
    pub output_modes: Vec<String>,
    /// The versions of the protocol that the card is written for.
    pub profile: CardProfile,
    /// What those see who authenticate: these members in place of, or besides, those of the card.
    pub extended: Option<Value>,
}

/// The versions of the protocol that a card is written for. The server speaks both in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CardProfile {
    /// Both, in one card.
    #[default]
    Dual,
    /// Version 0.3 alone.
    V03,
    /// Version 1.0 alone, for readers that refuse members of other versions.
    V1,
}

/// Something that an agent can do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skill {
    /// Its id, unique among those of the agent.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What it does.
    pub description: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Messages that ask for it.
    pub examples: Vec<String>,
}

impl Card {
    /// The card of an agent that takes messages at `url`; empty is where the server listens.
    #[must_use]
    pub fn new(name: impl Into<String>, url: impl Into<String>) -> Self {
        let text = || vec!["text/plain".to_owned()];
        Self {
            name: name.into(),
            url: url.into(),
            description: String::new(),
            version: "0.1.0".into(),
            skills: Vec::new(),
            provider: None,
            documentation_url: None,
            input_modes: text(),
            output_modes: text(),
            profile: CardProfile::default(),
            extended: None,
        }
    }

    /// Says what the agent is for.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Sets the agent's version.
    #[must_use]
    pub fn with_version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// Adds a skill.
    #[must_use]
    pub fn with_skill(mut self, skill: Skill) -> Self {
        self.skills.push(skill);
        self
    }

    /// Says who runs the agent, and the address of their page.
    #[must_use]
    pub fn with_provider(mut self, name: impl Into<String>, url: impl Into<String>) -> Self {
        self.provider = Some((name.into(), url.into()));
        self
    }

    /// Says where the agent is described.
    #[must_use]
    pub fn with_documentation_url(mut self, url: impl Into<String>) -> Self {
        self.documentation_url = Some(url.into());
        self
    }

    /// Sets the kinds of content that the agent takes, and those that it answers with. Default: `text/plain`.
    #[must_use]
    pub fn with_modes(mut self, input: Vec<String>, output: Vec<String>) -> Self {
        self.input_modes = input;
        self.output_modes = output;
        self
    }

    /// Sets the versions of the protocol that the card is written for.
    #[must_use]
    pub const fn with_profile(mut self, profile: CardProfile) -> Self {
        self.profile = profile;
        self
    }

    /// Sets what those see who authenticate: these members in place of, or besides, those of the card. It takes a server with an
    /// inbound token.
    #[must_use]
    pub fn with_extended(mut self, members: Value) -> Self {
        self.extended = Some(members);
        self
    }
}

impl Skill {
    /// Something that the agent can do. Until it is described, its name describes it.
    #[must_use]
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        let name = name.into();
        Self {
            id: id.into(),
            description: name.clone(),
            name,
            tags: Vec::new(),
            examples: Vec::new(),
        }
    }

    /// Says what it does.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Adds a word to find it by.
    #[must_use]
    pub fn with_tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Adds a message that asks for it.
    #[must_use]
    pub fn with_example(mut self, example: impl Into<String>) -> Self {
        self.examples.push(example.into());
        self
    }
}
