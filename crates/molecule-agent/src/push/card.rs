//! The agent card as A2A clients read it, out of what the agent tells its platform about itself.

use molecule_a2a::{Card, Skill};
use molecule_protocol::AgentCard;
use serde_json::Value;

/// What an agent is for that does not say it.
const DESCRIPTION: &str = "a remote agent of a Molecule AI platform";

/// The card of an agent that is called at `url`.
pub(super) fn card_of(card: &AgentCard, url: &str) -> Card {
    let json = card.as_json();
    let name = card.name().unwrap_or("remote agent");
    let mut made =
        Card::new(name, url).with_description(text(json, "description").unwrap_or(DESCRIPTION));
    if let Some(version) = text(json, "version") {
        made = made.with_version(version);
    }
    if let Some(url) = text(json, "documentationUrl") {
        made = made.with_documentation_url(url);
    }
    let skills = json["skills"].as_array().into_iter().flatten();
    skills.filter_map(skill).fold(made, Card::with_skill)
}

/// Platforms take a skill that is just a text, too.
fn skill(skill: &Value) -> Option<Skill> {
    let id = skill.as_str().or_else(|| text(skill, "id"));
    let name = text(skill, "name").or(id)?;
    let made = Skill::new(id.unwrap_or(name), name)
        .with_description(text(skill, "description").unwrap_or(name));
    let made = texts(skill, "tags").fold(made, Skill::with_tag);
    Some(texts(skill, "examples").fold(made, Skill::with_example))
}

fn text<'a>(json: &'a Value, key: &str) -> Option<&'a str> {
    json.get(key)?.as_str().filter(|text| !text.is_empty())
}

fn texts<'a>(json: &'a Value, key: &str) -> impl Iterator<Item = &'a str> {
    let texts = json.get(key).and_then(Value::as_array);
    texts.into_iter().flatten().filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(card: Value, expect: &Card) {
        let card = AgentCard::try_from(card).unwrap();
        assert_eq!(card_of(&card, "http://localhost:8000"), *expect);
    }

    fn named(name: &str) -> Card {
        Card::new(name, "http://localhost:8000")
    }

    #[test]
    fn what_an_agent_says_about_itself_is_in_its_card() {
        let said = json!({"name": "ann", "description": "adds up", "version": "2.1", "documentationUrl": "https://a.example/",
            "skills": [{"id": "add", "name": "Add", "description": "sums", "tags": ["math"], "examples": ["1+1"]}]});
        let add = Skill::new("add", "Add")
            .with_description("sums")
            .with_tag("math")
            .with_example("1+1");
        let expect = named("ann")
            .with_description("adds up")
            .with_version("2.1")
            .with_documentation_url("https://a.example/")
            .with_skill(add);
        check(said, &expect);
    }

    #[test]
    fn what_it_does_not_say_is_made_up() {
        check(
            json!({}),
            &named("remote agent").with_description(DESCRIPTION),
        );
        let skill = |name: &str| Skill::new(name, name).with_description(name);
        let expect = named("ann")
            .with_description(DESCRIPTION)
            .with_skill(skill("add"))
            .with_skill(skill("Sub"));
        let skills = json!(["add", {"name": "Sub"}, {"tags": []}, 7]);
        check(
            json!({"name": "ann", "description": "", "skills": skills}),
            &expect,
        );
    }
}
