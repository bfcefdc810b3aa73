//! Cards on the wire.

use serde_json::{Map, Value, json};

use super::{Card, CardProfile, Skill};

/// What the server does, which goes into the card.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CardFeatures {
    /// It tells webhooks.
    pub(crate) push_notifications: bool,
    /// Callers have to show a token.
    pub(crate) bearer: bool,
}

impl Card {
    /// The card as it goes over the wire, of a server that streams, tells webhooks, and takes messages of anyone.
    #[must_use]
    pub fn to_json(&self) -> Value {
        self.written(
            &self.url,
            CardFeatures {
                push_notifications: true,
                bearer: false,
            },
        )
    }

    /// The card at this address.
    pub(crate) fn written(&self, url: &str, features: CardFeatures) -> Value {
        let mut card = self.common(features);
        if self.profile != CardProfile::V03 {
            self.add_v10(&mut card, url, features);
        }
        if self.profile != CardProfile::V1 {
            self.add_v03(&mut card, url, features);
        }
        Value::Object(card)
    }

    /// The card for those who may see more. `None`: there is none.
    pub(crate) fn extended(&self, url: &str, features: CardFeatures) -> Option<Value> {
        let more = self.extended.as_ref()?;
        let mut card = self.written(url, features);
        if let (Value::Object(card), Value::Object(more)) = (&mut card, more) {
            card.extend(more.clone());
        }
        features.bearer.then_some(card)
    }

    /// What both versions say in the same words.
    fn common(&self, features: CardFeatures) -> Map<String, Value> {
        let mut card = Map::new();
        card.insert("name".into(), self.name.clone().into());
        card.insert("description".into(), self.description.clone().into());
        card.insert("version".into(), self.version.clone().into());
        let capabilities = json!({
            "streaming": true,
            "pushNotifications": features.push_notifications,
        });
        card.insert("capabilities".into(), capabilities);
        card.insert("defaultInputModes".into(), self.input_modes.clone().into());
        card.insert(
            "defaultOutputModes".into(),
            self.output_modes.clone().into(),
        );
        card.insert("skills".into(), self.skills.iter().map(skill).collect());
        if let Some((organization, url)) = &self.provider {
            let provider = json!({"organization": organization, "url": url});
            card.insert("provider".into(), provider);
        }
        if let Some(url) = &self.documentation_url {
            card.insert("documentationUrl".into(), url.clone().into());
        }
        card
    }

    fn add_v10(&self, card: &mut Map<String, Value>, url: &str, features: CardFeatures) {
        let interface =
            |version| json!({"url": url, "protocolBinding": "JSONRPC", "protocolVersion": version});
        let interfaces = vec![interface("1.0"), interface("0.3")];
        card.insert("supportedInterfaces".into(), interfaces.into());
        if self.is_extended(features) {
            card["capabilities"]["extendedAgentCard"] = true.into();
        }
        if features.bearer {
            let scheme = json!({"httpAuthSecurityScheme": {"scheme": "Bearer"}});
            card.insert("securitySchemes".into(), json!({"bearer": scheme}));
            let requirement = json!([{"schemes": {"bearer": {"list": []}}}]);
            card.insert("securityRequirements".into(), requirement);
        }
    }

    fn add_v03(&self, card: &mut Map<String, Value>, url: &str, features: CardFeatures) {
        card.insert("url".into(), url.into());
        card.insert("preferredTransport".into(), "JSONRPC".into());
        card.insert("protocolVersion".into(), "0.3.0".into());
        if self.is_extended(features) {
            card.insert("supportsAuthenticatedExtendedCard".into(), true.into());
        }
        if features.bearer {
            let schemes = card.entry("securitySchemes").or_insert_with(|| json!({}));
            schemes["bearer"]["type"] = "http".into();
            schemes["bearer"]["scheme"] = "bearer".into();
            card.insert("security".into(), json!([{"bearer": []}]));
        }
    }

    const fn is_extended(&self, features: CardFeatures) -> bool {
        self.extended.is_some() && features.bearer
    }
}

fn skill(skill: &Skill) -> Value {
    let mut written = json!({
        "id": skill.id,
        "name": skill.name,
        "description": skill.description,
        "tags": skill.tags,
    });
    if !skill.examples.is_empty() {
        written["examples"] = skill.examples.clone().into();
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(profile: CardProfile, bearer: bool) -> Value {
        let card = Card::new("echo", "http://a.example/")
            .with_profile(profile)
            .with_extended(json!({"description": "more", "extra": 1}));
        let features = CardFeatures {
            push_notifications: true,
            bearer,
        };
        card.written("http://a.example/", features)
    }

    fn members(card: &Value) -> Vec<&str> {
        let members = card.as_object().into_iter().flatten();
        members.map(|(name, _)| name.as_str()).collect()
    }

    const COMMON: [&str; 7] = [
        "capabilities",
        "defaultInputModes",
        "defaultOutputModes",
        "description",
        "name",
        "skills",
        "version",
    ];

    fn check_members(profile: CardProfile, besides: &[&str]) {
        let card = card(profile, false);
        let mut expect = [COMMON.as_slice(), besides].concat();
        let mut members = members(&card);
        expect.sort_unstable();
        members.sort_unstable();
        assert_eq!(members, expect, "{profile:?}");
    }

    #[test]
    fn each_profile_has_the_members_of_its_versions_and_no_others() {
        let v03 = ["url", "preferredTransport", "protocolVersion"];
        let v10 = ["supportedInterfaces"];
        check_members(CardProfile::V03, &v03);
        check_members(CardProfile::V1, &v10);
        check_members(CardProfile::Dual, &[&v03[..], &v10].concat());
    }

    #[test]
    fn a_dual_card_names_the_same_address_everywhere() {
        let card = card(CardProfile::Dual, false);
        assert_eq!(card["url"], "http://a.example/");
        for (index, version) in ["1.0", "0.3"].into_iter().enumerate() {
            let interface = &card["supportedInterfaces"][index];
            assert_eq!(interface["url"], "http://a.example/");
            assert_eq!(interface["protocolVersion"], version);
        }
    }

    #[test]
    fn a_token_is_announced_in_the_words_of_each_version() {
        let card = card(CardProfile::Dual, true);
        let scheme = &card["securitySchemes"]["bearer"];
        assert_eq!(scheme["type"], "http");
        assert_eq!(scheme["httpAuthSecurityScheme"]["scheme"], "Bearer");
        assert_eq!(card["supportsAuthenticatedExtendedCard"], true);
        assert_eq!(card["capabilities"]["extendedAgentCard"], true);
    }

    #[test]
    fn there_is_an_extended_card_only_where_callers_authenticate() {
        let card = Card::new("echo", "").with_extended(json!({"description": "more"}));
        let mut features = CardFeatures::default();
        assert_eq!(card.extended("", features), None);
        features.bearer = true;
        let extended = card.extended("", features).unwrap();
        assert_eq!(
            (&extended["description"], &extended["name"]),
            (&json!("more"), &json!("echo"))
        );
        assert_eq!(Card::new("echo", "").extended("", features), None);
    }
}
