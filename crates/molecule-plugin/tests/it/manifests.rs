//! `plugin.yaml`: what is read, and what is refused although other readers take it.

use molecule_plugin::{Manifest, ManifestError};
use proptest::prelude::*;

use crate::oracle::{self, Oracle, Read};

const HASH: &str = "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945";

fn parse(text: &str) -> Result<Manifest, ManifestError> {
    let parsed = Manifest::parse(text.as_bytes());
    if let Ok(manifest) = &parsed {
        oracle::agrees(text, manifest).unwrap();
    }
    parsed
}

/// A text that declares [`HASH`].
fn declares(text: &str) {
    let manifest = parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    let declared = manifest.sha256.map(|digest| digest.to_string());
    assert_eq!(declared.as_deref(), Some(HASH), "{text:?}");
}

/// A text that is accepted and declares nothing.
fn declares_nothing(text: &str) {
    assert_eq!(parse(text).unwrap().sha256, None, "{text:?}");
}

fn refused(text: &str, hint: &str) {
    let error = parse(text).expect_err(text).to_string();
    assert!(error.contains(hint), "{text:?}: {error}");
}

/// A text that is refused, and what the oracle takes its `sha256` for.
fn refused_although(text: &str, hint: &str, oracle: Option<Read>) {
    refused(text, hint);
    let theirs = oracle::read(text).ok().map(|read: Oracle| read.sha256);
    assert_eq!(theirs, oracle, "{text:?}");
}

fn text_of(digest: &str) -> Option<Read> {
    Some(Read::Text(digest.to_owned()))
}

#[test]
fn a_declared_hash_is_read_however_it_is_spelled() {
    declares(&format!("sha256: {HASH}"));
    declares(&format!("sha256: {HASH}\n"));
    declares(&format!("sha256:    {HASH}   # the content\n"));
    declares(&format!("sha256: \"{HASH}\"\n"));
    declares(&format!("sha256: '{HASH}'\n"));
    declares(&format!("sha256: !!str {HASH}\n"));
    declares(&format!("sha256: !!str\n  {HASH}\n"));
    declares(&format!("sha256:\n  {HASH}\n"));
    declares(&format!("\"sha256\": {HASH}\n"));
    declares(&format!("'sha256': {HASH}\n"));
    declares(&format!("!!str sha256: {HASH}\n"));
    declares(&format!("\"sha\\x3256\": {HASH}\n"));
    declares(&format!("\"\\u0073ha256\": {HASH}\n"));
    declares(&format!("sha256 : {HASH}\n"));
    declares(&format!("name: x\r\nsha256: {HASH}\r\n"));
    declares(&format!("# first\n---\nname: x\nsha256: {HASH}\n"));
    declares(&format!("{{name: x, sha256: {HASH}}}\n"));
    declares(&format!("{{\"name\": \"x\", \"sha256\": \"{HASH}\"}}\n"));
    declares(&format!("{{\"name\":\"x\",\"sha256\":\"{HASH}\"}}"));
    declares(&format!("  name: x\n  sha256: {HASH}\n"));
    declares(&format!("list:\n- a\n- b: [c, {{d: e}}]\nsha256: {HASH}\n"));
    declares(&format!(
        "text: |\n  sha256: no\n\n  more\nsha256: {HASH}\n"
    ));
}

#[test]
fn a_hash_elsewhere_is_no_declaration() {
    declares_nothing("name: x\n");
    declares_nothing("{}\n");
    declares_nothing(&format!("nested:\n  sha256: {HASH}\n"));
    declares_nothing(&format!("nested: {{sha256: {HASH}}}\n"));
    declares_nothing(&format!("list:\n- sha256: {HASH}\n"));
    declares_nothing(&format!("# sha256: {HASH}\nname: x\n"));
    declares_nothing(&format!("text: |\n  sha256: {HASH}\n"));
    declares_nothing(&format!("text: 'a\n  sha256: {HASH}'\n"));
    declares_nothing(&format!("a sha256: {HASH}\nsha256x: y\n"));
    declares_nothing("nested:\n  sha256: null\n");
}

#[test]
fn a_declaration_that_is_no_hash_is_refused_and_not_absent() {
    let other = || Some(Read::Other);
    refused_although("sha256:\n", "64 lower-case", other());
    refused_although("sha256: null\n", "64 lower-case", other());
    refused_although("sha256: ~\n", "64 lower-case", other());
    refused_although("sha256: false\n", "64 lower-case", other());
    refused_although("sha256: 1\n", "64 lower-case", other());
    refused_although("sha256: 1.5\n", "64 lower-case", other());
    refused_although(&format!("sha256: [{HASH}]\n"), "must be a text", other());
    refused_although(&format!("sha256:\n- {HASH}\n"), "must be a text", other());
    refused_although("sha256: {}\n", "must be a text", other());
    refused_although("sha256: \"\"\n", "64 lower-case", text_of(""));
    refused_although("sha256: deadbeef\n", "64 lower-case", text_of("deadbeef"));
    refused_although(
        &format!("sha256: \"{HASH} \"\n"),
        "64 lower-case",
        text_of(&format!("{HASH} ")),
    );
    refused_although(
        &format!("sha256: sha256:{HASH}\n"),
        "64 lower-case",
        text_of(&format!("sha256:{HASH}")),
    );
    let upper = HASH.to_uppercase();
    refused_although(
        &format!("sha256: {upper}\n"),
        "64 lower-case",
        text_of(&upper),
    );
    refused_although("{sha256}\n", "without a colon", other());
    refused_although("{sha256: }\n", "64 lower-case", other());
    refused_although("name: x\nsha256\n", "not YAML", None);
}

#[test]
fn a_hash_that_is_a_number_without_quotes_is_refused_until_it_has_them() {
    let digits = "1234567890".repeat(7)[..64].to_owned();
    let padded = format!("0{}", &digits[1..]);
    let huge = format!("1e{}", &digits[2..]);
    let zero = format!("0e{}", &digits[2..]);
    let binary = format!("0b{}", "10".repeat(31));
    for (number, oracle) in [
        (&digits, Some(Read::Other)),
        (&padded, text_of(&padded)),
        (&huge, text_of(&huge)),
        (&zero, Some(Read::Other)),
        (&binary, Some(Read::Other)),
    ] {
        refused_although(&format!("sha256: {number}\n"), "put it in quotes", oracle);
        for quoted in [
            format!("sha256: '{number}'\n"),
            format!("sha256: \"{number}\"\n"),
            format!("sha256: !!str {number}\n"),
        ] {
            let declared = parse(&quoted).unwrap().sha256.unwrap();
            assert_eq!(declared.to_string(), **number);
        }
    }
}

#[test]
fn a_block_of_text_is_no_hash() {
    for style in ["|-", ">-", "|", ">"] {
        let text = format!("sha256: {style}\n  {HASH}\n");
        refused(&text, "put it in quotes");
    }
}

#[test]
fn a_key_that_comes_twice_is_refused_in_every_spelling() {
    for (first, second) in [
        ("sha256", "sha256"),
        ("sha256", "\"sha256\""),
        ("'sha256'", "\"sha\\x3256\""),
        ("!!str sha256", "sha256"),
    ] {
        let text = format!("{first}: {HASH}\n{second}: {HASH}\n");
        refused_although(&text, "twice", None);
    }
    refused("name: a\nname: b\n", "twice");
    refused("other: a\nother: b\n", "twice");
    refused("nested:\n  a: 1\n  a: 2\n", "twice");
    refused("nested: {a: 1, 'a': 2}\n", "twice");
    refused("list:\n- a: 1\n  a: 2\n", "twice");
    declares_nothing("a:\n  x: 1\nb:\n  x: 1\nx: 1\n");
}

#[test]
fn keys_that_some_readers_take_for_one_although_their_texts_differ_are_refused() {
    declares_nothing("ports: {8080: a, 0: b, '0x1': c, on: d, 007: e}\n");
    for key in [
        "0x5", "+5", "-5", "5.0", "5e0", "true", "True", "~", "null", ".inf",
    ] {
        refused(&format!("{key}: x\n"), "put it in quotes");
        declares_nothing(&format!("'{key}': x\n"));
    }
}

#[test]
fn merge_keys_are_refused_because_they_could_bring_the_hash() {
    refused_although(
        &format!("base: &b {{sha256: {HASH}}}\n<<: *b\n"),
        "anchor",
        Some(Read::Absent),
    );
    refused_although(
        &format!("<<: {{sha256: {HASH}}}\n"),
        "merge key",
        Some(Read::Absent),
    );
    refused_although(
        &format!("<<:\n- sha256: {HASH}\n"),
        "merge key",
        Some(Read::Absent),
    );
    refused("\"<<\": {a: b}\n", "merge key");
    refused("!!merge <<: {a: b}\n", "tag");
    refused("nested:\n  <<: {a: b}\n", "merge key");
}

#[test]
fn anchors_and_aliases_are_refused_wherever_they_are() {
    refused_although(&format!("sha256: &h {HASH}\n"), "anchor", text_of(HASH));
    refused_although(&format!("&k sha256: {HASH}\n"), "anchor", text_of(HASH));
    refused_although(
        &format!("x: &h {HASH}\nsha256: *h\n"),
        "anchor",
        text_of(HASH),
    );
    refused_although(
        &format!("x: &k sha256\n*k : {HASH}\n"),
        "anchor",
        text_of(HASH),
    );
    refused_although(&format!("&m\nsha256: {HASH}\n"), "anchor", text_of(HASH));
    refused("x: [&a b]\n", "anchor");
    refused("x: &a {}\n", "anchor");
    refused("x: *unknown\n", "unknown anchor");
}

#[test]
fn an_alias_bomb_is_refused_before_it_grows() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let inner = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb += &format!("a{level}: &a{level} [{inner}]\n");
    }
    refused(&bomb, "anchor");
}

#[test]
fn tags_other_than_str_are_refused() {
    for tag in [
        "!!binary",
        "!!int",
        "!!null",
        "!!float",
        "!local",
        "!str",
        "!",
        "!<tag:example.com,2026:x>",
        "!<tag:yaml.org,2002:str>",
    ] {
        refused(&format!("sha256: {tag} {HASH}\n"), "tag");
        refused(&format!("{tag} sha256: {HASH}\n"), "tag");
        refused(&format!("x: {tag} y\n"), "tag");
    }
    refused(&format!("--- !!map\nsha256: {HASH}\n"), "tag");
    refused("x: !!seq [a]\n", "tag");
    // PyYAML takes a mapping with the key `=` for a text.
    refused(&format!("sha256: !!str {{=: {HASH}}}\n"), "tag");
    refused(&format!("? !!str {{=: sha256}}\n: {HASH}\n"), "tag");
    refused("x: !!str [a]\n", "tag");
    refused("x: !undeclared!y z\n", "not YAML");
}

#[test]
fn a_second_document_and_directives_are_refused() {
    refused_although(
        &format!("name: x\n---\nsha256: {HASH}\n"),
        "second document",
        None,
    );
    refused("name: x\n---\n", "second document");
    refused("name: x\n...\n", "end of a document");
    refused("...\nname: x\n", "end of a document");
    refused(
        &format!("name: x\n...\nsha256: {HASH}\n"),
        "end of a document",
    );
    refused("%YAML 1.1\n---\nname: x\n", "directive");
    refused(
        &format!("%TAG !! tag:example.com,2026:\n---\nsha256: !!str {HASH}\n"),
        "directive",
    );
    declares_nothing("name: 50%\nx: |\n  %YAML\n  ...\n");
}

#[test]
fn keys_that_only_some_readers_find_are_refused() {
    refused_although(
        &format!("? sha256\n: {HASH}\n"),
        "without a colon",
        text_of(HASH),
    );
    refused(
        &format!("? [sha256]\n: {HASH}\n"),
        "a key that is a collection",
    );
    refused(
        &format!("? {{sha256: a}}\n: {HASH}\n"),
        "a key that is a collection",
    );
    refused(&format!("{{sha256\n: {HASH}}}\n"), "without a colon");
    refused(": x\n", "without a text");
    refused("\"\": x\n", "without a text");
    refused("{a:}\n", "some readers only");
    refused("{a::}\n", "some readers only");
    refused("x: [a:?b]\n", "some readers only");
    refused("x: [|a]\n", "special character");
    refused("x: ?a\n", "special character");
    refused(&format!("{{{}: x}}\n", "a\n b"), "more than one line");
    declares_nothing(&format!("{}: x\n", "k".repeat(512)));
    for key in [
        "k".repeat(513),
        format!("k{}", " ".repeat(512)),
        format!("'{}'", "k".repeat(511)),
    ] {
        refused(&format!("{key}: x\n"), "more than 512 characters");
    }
}

#[test]
fn characters_that_only_some_readers_take_for_a_line_end_are_refused() {
    for end in ["\u{85}", "\u{2028}", "\u{2029}"] {
        refused(
            &format!("name: x # y{end}sha256: {HASH}\n"),
            "end of a line",
        );
    }
    refused(&format!("name: x\rsha256: {HASH}\r"), "carriage return");
    refused(&format!("# x\0\nsha256: {HASH}\n"), "control character");
    refused(&format!("name: x\n\0sha256: {HASH}\n"), "control character");
    refused("name: a\u{1b}b\n", "control character");
    refused("name: a\u{9b}b\n", "control character");
    refused("name: a\u{ffff}b\n", "does not allow");
}

#[test]
fn tabs_and_byte_order_marks_are_refused() {
    refused(&format!("sha256:\t{HASH}\n"), "a tab");
    refused(&format!("name: x\n\tsha256: {HASH}\n"), "a tab");
    refused("name: x\t# y\n", "a tab");
    refused_although(
        &format!("\u{feff}sha256: {HASH}\n"),
        "byte order mark",
        text_of(HASH),
    );
    refused(
        &format!("name: x\n\u{feff}sha256: {HASH}\n"),
        "byte order mark",
    );
    let utf_16: Vec<u8> = "\u{feff}name: x\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let error = Manifest::parse(&utf_16).unwrap_err();
    assert!(error.reason.contains("not UTF-8"), "{error}");
}

#[test]
fn what_is_no_mapping_is_refused() {
    for text in [
        "",
        "\n",
        "# only a comment\n",
        "---\n",
        "--- # x\n",
        "null\n",
        "text\n",
        "- a\n",
        "[]\n",
        "42\n",
        "\"name: x\"\n",
        "|\n  name: x\n",
    ] {
        refused(text, "must be one mapping");
    }
}

#[test]
fn what_is_no_yaml_is_refused() {
    for text in [
        "name: [\n",
        "name: \"x\n",
        "a: b: c\n",
        "a: b\n  c: d\n",
        "}\n",
        "a: b\n c: d\n",
        "@: x\n",
    ] {
        refused(text, "not YAML");
    }
}

#[test]
fn an_error_says_where_it_is() {
    let place = |text: &[u8]| {
        let error = Manifest::parse(text).unwrap_err();
        (error.line, error.column)
    };
    assert_eq!(place(b"name: x\nsha256: null\n"), (2, 9));
    assert_eq!(place("\u{e9}: x\n\u{e9}: y\n".as_bytes()), (2, 1));
    assert_eq!(place(b"name: x\n\xe9\xe9 \xff"), (2, 1));
    assert_eq!(place("a: b\n\u{e9}\u{e9} \u{feff}".as_bytes()), (2, 4));
    assert_eq!(place(b"a: b\n%"), (2, 1));
    assert_eq!(place(b"a: &x b"), (1, 4));
    let error = Manifest::parse(b"a: b\nsha256: 1\n").unwrap_err();
    let message = error.to_string();
    assert!(
        message.starts_with("plugin.yaml, line 2, column 9: "),
        "{message}"
    );
}

#[test]
fn an_error_shows_no_raw_control_characters_and_only_the_beginning_of_a_long_text() {
    let long = "x".repeat(30_000);
    let error = parse(&format!("sha256: \"\\e[2J{long}\"\n")).unwrap_err();
    let message = error.to_string();
    assert!(message.contains(r"\u{1b}[2J"), "{message}");
    assert!(message.len() < 400, "{}", message.len());
    let key = format!("\"\\e{}\"", "x".repeat(900));
    let message = parse(&format!("{key}: 1\n{key}: 2\n"))
        .unwrap_err()
        .to_string();
    assert!(!message.contains('\u{1b}'), "{message}");
    assert!(message.len() < 400, "{}", message.len());
}

#[test]
fn the_size_has_a_limit() {
    let limit = usize::try_from(Manifest::MAX_BYTES).unwrap();
    let name = "name: x\n";
    let full = format!("{name}#{}\n", "x".repeat(limit - name.len() - 2));
    assert_eq!(full.len(), limit);
    assert!(parse(&full).is_ok());
    refused(&format!("{full}\n"), "more than 65536 bytes");
}

#[test]
fn the_depth_has_a_limit() {
    let flow = |depth: usize| format!("a: {}{}\n", "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert!(parse(&flow(Manifest::MAX_DEPTH)).is_ok());
    refused(&flow(Manifest::MAX_DEPTH + 1), "32 levels");
    for opening in ["[", "{a: ", "[{a: "] {
        let deep = opening.repeat(60_000 / opening.len());
        assert!(Manifest::parse(format!("a: {deep}").as_bytes()).is_err());
    }
    let block: String = (0..300)
        .map(|depth| format!("{}a:\n", " ".repeat(depth)))
        .collect();
    refused(&block, "32 levels");
    refused(&format!("a:\n  {}", "- ".repeat(30_000)), "32 levels");
}

#[test]
fn the_number_of_nodes_has_a_limit() {
    let list = |items: usize| format!("a: [{}]\n", vec!["1"; items].join(","));
    let others = 3;
    assert!(parse(&list(Manifest::MAX_NODES - others)).is_ok());
    refused(&list(Manifest::MAX_NODES - others + 1), "10000 nodes");
    let keys =
        |count: usize| (0..count).fold(String::new(), |text, i| text + &format!("k{i:x}:\n"));
    assert!(parse(&keys((Manifest::MAX_NODES - 1) / 2)).is_ok());
    refused(&keys(Manifest::MAX_NODES / 2), "10000 nodes");
}

/// `name` and `version` are what YAML 1.2 takes for texts.
#[test]
fn names_and_versions_are_texts_or_none() {
    let version = |value: &str| {
        let manifest = parse(&format!("version: {value}\n"));
        manifest
            .unwrap_or_else(|error| panic!("{value:?}: {error}"))
            .version
    };
    for text in [
        "1.2.3",
        "v1",
        "yes",
        "on",
        "2026-01-02",
        "1:30",
        "007",
        "-007",
        "0o8",
        "0x",
        "0xg",
        "0b2",
        "1_000",
        "nan",
        "inf",
        "infinity",
        "1e",
        "e1",
        ".",
        "--1",
        "+-1",
        "-.nan",
        "1e999",
        "nULL",
        "tRUE",
        "1.2.",
        "\u{e9}",
        "0x100000000000000000000000000000000",
        "=",
    ] {
        assert_eq!(version(text).as_deref(), Some(text), "{text:?}");
    }
    for other in [
        "",
        "~",
        "null",
        "Null",
        "NULL",
        "true",
        "True",
        "TRUE",
        "false",
        "False",
        "FALSE",
        "0",
        "1",
        "-1",
        "+1",
        "1.2",
        "-1.5",
        ".5",
        "5.",
        "1e3",
        "1E-3",
        "+1e+3",
        "0x1F",
        "-0x1f",
        "0o17",
        "+0b11",
        ".inf",
        "-.Inf",
        "+.INF",
        ".nan",
        ".NaN",
        "18446744073709551616",
        "0xffffffffffffffffffffffffffffffff",
        "[1.2.3]",
        "{a: b}",
        "[]",
    ] {
        assert_eq!(version(other), None, "{other:?}");
    }
    assert_eq!(version("'1.2'").as_deref(), Some("1.2"));
    assert_eq!(version("!!str 1.2").as_deref(), Some("1.2"));
    assert_eq!(version("\"\"").as_deref(), Some(""));
    assert_eq!(version("a\n  b").as_deref(), Some("a b"));
    refused("name: |\n  x\n", "a block of text");
    refused("version: >\n  x\n", "a block of text");
    let manifest = parse("name: demo\nversion: '1.0'\n").unwrap();
    assert_eq!(manifest.name.as_deref(), Some("demo"));
}

const PIECES: &[&str] = &[
    "sha256",
    "sha256: ",
    "\"sha256\": ",
    "'sha256'",
    "\"sha\\x3256\"",
    "sha\\x3256",
    "name",
    "name: ",
    "name: x\n",
    "version: ",
    ":",
    ": ",
    ":\t",
    "\n",
    "\n",
    "\n",
    "\r\n",
    "\r",
    " ",
    "  ",
    "\t",
    "- ",
    "-",
    "? ",
    "?",
    "[",
    "]",
    "{",
    "}",
    ",",
    ", ",
    "#",
    " # ",
    "\"",
    "'",
    "|",
    ">",
    "|-",
    "|+2",
    ">-",
    "&a ",
    "*a",
    "!!str ",
    "!",
    "!! ",
    "!<tag:yaml.org,2002:str> ",
    "---",
    "--- ",
    "...",
    "\n---\n",
    "\n...\n",
    "%YAML 1.1\n",
    "<<",
    "<<: ",
    "a",
    "foo",
    "1",
    "0b1",
    "0x1",
    "1.2",
    "1e3",
    "007",
    "-1",
    "true",
    "~",
    "null",
    "\\",
    "\\n",
    "\\\"",
    "''",
    "@",
    "`",
    "=",
    ".",
    "\u{e9}",
    "\u{1f600}",
    "\u{a0}",
    "\u{3000}",
    "\u{85}",
    "\u{2028}",
    "\u{feff}",
    "\0",
    "a: b\n",
    "  c: d\n",
    "\n  ",
    "\n    ",
    "\n ",
    "\n- ",
    "x: |\n",
    "x: >\n",
    "x: \"\n",
    "x: '\n",
    "x: {\n",
    "x: [\n",
    "x:\n",
    "#\n",
    "http://a",
    "a#b",
    "::",
    "-a",
    "?a",
    ":a",
    HASH,
    "0123456789012345678901234567890123456789012345678901234567890123",
    "0b10101010101010101010101010101010101010101010101010101010101010",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn what_is_accepted_the_oracle_reads_alike(
        start in prop::sample::select(vec!["", "name: x\n", "{", "---\n", "x:\n"]),
        pieces in prop::collection::vec(prop::sample::select(PIECES), 0..12),
    ) {
        let text = format!("{start}{}", pieces.concat());
        if let Ok(manifest) = Manifest::parse(text.as_bytes()) {
            oracle::agrees(&text, &manifest).map_err(TestCaseError::fail)?;
        }
    }

    #[test]
    fn a_scalar_without_quotes_is_what_the_oracle_takes_it_for(
        value in prop_oneof![
            "[-+]{0,2}0?[xob]?[0-9a-f]{0,4}([.e][-+]?[0-9]{0,3}){0,2}",
            "[.~a-zA-Z]{0,5}",
            "[-+]?[0-9]{1,45}",
        ],
    ) {
        let text = format!("version: {value}\nname: {value}\n");
        if let Ok(manifest) = Manifest::parse(text.as_bytes()) {
            oracle::agrees(&text, &manifest).map_err(TestCaseError::fail)?;
        }
    }

    #[test]
    fn a_manifest_that_serde_yaml_writes_is_read(
        name in "[ -9;->@-~\\u{e9}\\u{1f600}]{0,12}",
        description in "[ -9;->@-~\n]{0,40}",
        digest: [u8; 32],
    ) {
        let digest = molecule_plugin::Sha256Digest::from(digest);
        let value = serde_json::json!({
            "name": name, "runtimes": ["a", "b"], "author": {"url": description}, "sha256": digest.to_string(),
        });
        let text = serde_yaml::to_string(&value).unwrap();
        let manifest = Manifest::parse(text.as_bytes()).map_err(|e| TestCaseError::fail(format!("{text:?}: {e}")))?;
        prop_assert_eq!(manifest.sha256, Some(digest));
        prop_assert_eq!(manifest.name, Some(name));
    }

    #[test]
    fn arbitrary_bytes_are_an_error_or_a_manifest_and_no_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let _ = Manifest::parse(&bytes);
    }
}
