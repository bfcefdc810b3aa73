use super::*;

const A: &str = "9e453dad-99f0-4e01-8c72-0031bf974e26";
const B: &str = "66e06ec4-90a3-43b9-ad33-4b7d3a1ae8a5";
const TOKEN: &str = "OUT56Uhi8dg4eLRWuckdJ-_nYNy1TvkqyBMpRprprxs";

fn values(pairs: &[(&str, &str)]) -> Layer {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()]))
        .collect()
}

fn members(toml: &str, others: [Layer; 3]) -> Result<Vec<String>, String> {
    let given = Given::of_toml("agents.toml", toml).map_err(|error| format!("{error:#}"))?;
    let members = given
        .members(others)
        .map_err(|error| format!("{error:#}"))?;
    Ok(members
        .iter()
        .map(|member| format!("{:?}", member.args))
        .collect())
}

/// What the options of the only agent contain.
#[track_caller]
fn check(toml: &str, others: [Layer; 3], expect: &str) {
    let toml = format!("{toml}\nworkspace_id = '{A}'");
    let members = members(&toml, others).unwrap();
    assert!(
        members[0].contains(expect),
        "no {expect:?} in {}",
        members[0]
    );
}

#[track_caller]
fn check_refused(toml: &str, parts: &[&str]) {
    let error = members(toml, Default::default()).unwrap_err();
    for part in parts {
        assert!(error.contains(part), "no {part:?} in {error}");
    }
}

#[test]
fn the_own_table_comes_before_flags_and_those_before_what_is_for_all() {
    let reply = |text: &str| values(&[("agent_name", text)]);
    let name = |text: &str| format!("agent_name: Some({text:?})");
    let others = || [reply("flag"), reply("environment"), reply("config")];
    check("[[agent]]\nagent_name = 'own'", others(), &name("own"));
    check("[[agent]]\nname = 'own'", others(), &name("own"));
    check("agent_name = 'all'\n[[agent]]", others(), &name("flag"));
    let [_, environment, config] = others();
    let none = Layer::new();
    check(
        "agent_name = 'all'\n[[agent]]",
        [none.clone(), environment, config.clone()],
        &name("environment"),
    );
    check(
        "agent_name = 'all'\n[[agent]]",
        [none.clone(), none.clone(), config.clone()],
        &name("all"),
    );
    check("[[agent]]", [none.clone(), none, config], &name("config"));
}

#[test]
fn the_strongest_source_chooses_the_handler() {
    let none = Layer::new();
    let flag = values(&[("echo", "true")]);
    check(
        "[[agent]]\nexec = 'cat'",
        [flag.clone(), none.clone(), none.clone()],
        "exec: Some(\"cat\"), forward: None, echo: false",
    );
    check(
        "exec = 'cat'\n[[agent]]",
        [flag.clone(), none.clone(), none.clone()],
        "exec: None, forward: None, echo: true",
    );
    check(
        "[[agent]]\necho = false\nexec = 'cat'",
        [flag, none.clone(), none],
        "exec: Some(\"cat\"), forward: None, echo: false",
    );
}

#[test]
fn what_is_another_agents_is_not_inherited() {
    let other = values(&[
        ("workspace_id", B),
        ("state_dir", "/elsewhere"),
        ("token_file", "/t"),
    ]);
    let others = [Layer::new(), other.clone(), other];
    check("[[agent]]", others.clone(), "state_dir: None");
    check("[[agent]]", others, "token_file: None");
}

#[test]
fn what_cannot_be_is_refused_by_its_place() {
    check_refused("", &["there is no agent"]);
    check_refused("agent = 1", &["agents.toml", "[[agent]]"]);
    check_refused(
        "[[agent]]\necho = true",
        &["agents.toml, agent 1", "workspace_id is missing"],
    );
    check_refused("state_dir = '/x'\n[[agent]]", &["state_dir", "own table"]);
    let agent = format!("[[agent]]\nworkspace_id = '{A}'\n");
    check_refused(&format!("{agent}{agent}"), &["agent 2", A, "before"]);
    check_refused(&format!("{agent}rate_limit = 5"), &["rate_limit", "above"]);
    check_refused(&format!("{agent}nonsense = 5"), &["agent 1", "nonsense"]);
    check_refused(&format!("{agent}token = '{TOKEN}'"), &["token_file"]);
    check_refused(&format!("{agent}echo = 'maybe'"), &["echo is a switch"]);
    check_refused(
        &format!("{agent}poll_interval = 'never'"),
        &["agent 1: poll_interval: write a duration"],
    );
    check_refused(
        &format!("{agent}echo = true\nreply = 'x'"),
        &["agent 1", "cannot be used"],
    );
    check_refused(
        "[[agent]]\nworkspace_id = 's3cr3t'",
        &["agent 1: workspace_id: "],
    );
}

#[test]
fn a_flag_for_one_agent_is_refused() {
    let toml = format!("[[agent]]\nid = '{A}'");
    let flags = values(&[("state_dir", "/x")]);
    let error = members(&toml, [flags, Layer::new(), Layer::new()]).unwrap_err();
    assert!(error.contains("--state-dir"), "{error}");
}

fn tokens(given: anyhow::Result<Given>) -> Vec<(String, Option<String>)> {
    let members = given.unwrap().members(Default::default()).unwrap();
    let pair = |member: &Member| {
        let id = member.args.workspace_id().unwrap().to_string();
        (
            id,
            member.token.as_ref().map(|token| token.expose().to_owned()),
        )
    };
    members.iter().map(pair).collect()
}

#[test]
fn the_environment_names_agents_and_their_tokens() {
    let expect = [(A.to_owned(), Some(TOKEN.to_owned())), (B.to_owned(), None)];
    let json = format!(
        r#"[{{"id": "{A}", "token": "{TOKEN}"}}, {{"workspace_id": "{B}", "echo": true}}]"#
    );
    assert_eq!(tokens(Given::of_json(&json)), expect);
    let both = [
        (A.to_owned(), Some(TOKEN.to_owned())),
        (B.to_owned(), Some(TOKEN.to_owned())),
    ];
    assert_eq!(
        tokens(Given::of_lists(
            &format!("{A}, {B}"),
            &format!("{TOKEN},{TOKEN},")
        )),
        both
    );
    let none = [(A.to_owned(), None)];
    assert_eq!(tokens(Given::of_lists(A, "")), none);
}

#[test]
fn what_is_wrong_is_said_without_the_tokens() {
    let wrong = [
        Given::of_json(&format!("[{{\"id\": \"{A}\", \"token\": \"{TOKEN}\"")),
        Given::of_json(&format!("\"{TOKEN}\"")),
        Given::of_json(&format!("[\"{TOKEN}\"]")),
        Given::of_json(&format!("[{{\"token\": [\"{TOKEN}\"]}}]")),
        Given::of_json(&format!(
            "[{{\"id\": \"{A}\", \"token\": \"{TOKEN} {TOKEN}\"}}]"
        )),
        Given::of_json(&format!("[{{\"id\": {{\"x\": \"{TOKEN}\"}}}}]")),
        Given::of_lists(&format!("{A},{B}"), TOKEN),
    ];
    for given in wrong {
        let error = format!("{:#}", given.err().unwrap());
        assert!(!error.contains(TOKEN), "{error}");
    }
    let misplaced = Given::of_json(&format!("[{{\"id\": \"{TOKEN}\"}}]")).unwrap();
    let error = format!("{:#}", misplaced.members(Default::default()).err().unwrap());
    assert!(!error.contains(TOKEN), "{error}");
}
