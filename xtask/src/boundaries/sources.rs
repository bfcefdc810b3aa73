//! What the source of a crate must not mention.

use super::files::File;
use super::table::TABLE;
use crate::rust;

/// The mentions in the lowest crates that their rows forbid, and `unsafe` anywhere.
pub(crate) fn violations(files: &[File]) -> Vec<String> {
    let rust = || files.iter().filter(|file| file.path.ends_with(".rs"));
    let mut all = Vec::new();
    for row in TABLE {
        let folder = format!("crates/{}/src/", row.name);
        let sources = rust()
            .filter(|file| file.path.starts_with(&folder) && !file.path.ends_with("/tests.rs"));
        all.extend(sources.flat_map(|file| mentions(file, row.unmentionable)));
    }
    all.extend(rust().flat_map(unsafe_code));
    all
}

fn mentions(file: &File, unmentionable: &[(&str, &str)]) -> Vec<String> {
    let mut all = Vec::new();
    for (number, line) in code_outside_tests(&file.text) {
        for (word, why) in unmentionable.iter().filter(|(word, _)| line.contains(word)) {
            all.push(format!("{}:{number}: mentions `{word}`: {why}", file.path));
        }
    }
    all
}

fn unsafe_code(file: &File) -> Vec<String> {
    rust::code(&file.text)
        .lines()
        .enumerate()
        .filter(|(_, line)| rust::count_word(line, "unsafe") > 0)
        .map(|(index, _)| format!("{}:{}: unsafe code", file.path, index + 1))
        .collect()
}

/// Numbered lines that are not comments. Rust code that spells one of the words inside a longer literal is found too;
/// that is for its author to avoid.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Without the items that are compiled for tests only, as rustfmt lays them out.
fn code_outside_tests(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_tests = false;
    code(text).filter(move |(_, line)| {
        in_tests |= *line == "#[cfg(test)]";
        let skipped = in_tests;
        in_tests &= !ends_an_item(line);
        !skipped
    })
}

fn ends_an_item(line: &str) -> bool {
    line == "}" || (line.ends_with(';') && !line.starts_with(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, expected: &[&str]) {
        let file = File {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let found = violations(&[file]);
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}");
        }
    }

    const STORE: &str = "crates/molecule-token-store/src/lib.rs";

    #[test]
    fn a_lowest_crate_that_reads_the_environment_is_found_with_its_line() {
        let text = "fn home() {\n    std::env::var(\"HOME\")\n}\n";
        check(
            STORE,
            text,
            &["crates/molecule-token-store/src/lib.rs:2: mentions `std::env`"],
        );
        check("crates/molecule-agent-cli/src/main.rs", text, &[]);
    }

    #[test]
    fn a_lowest_crate_has_no_clock_and_prints_nothing() {
        check(
            STORE,
            "let now = SystemTime::now();",
            &["crates/molecule-token-store/src/lib.rs:1: mentions `SystemTime"],
        );
        check(
            STORE,
            "eprintln!(\"saved\");",
            &[
                "crates/molecule-token-store/src/lib.rs:1: mentions `println!`",
                "crates/molecule-token-store/src/lib.rs:1: mentions `eprint`",
            ],
        );
    }

    #[test]
    fn comments_and_unit_tests_may_mention_anything() {
        let text = "/// Unlike std::env, this\nfn f() {}\n\n#[cfg(test)]\nmod tests {\n    std::env::temp_dir()\n}\n";
        check(STORE, text, &[]);
        check(
            "crates/molecule-token-store/tests/it/main.rs",
            "std::env::temp_dir()",
            &[],
        );
    }

    #[test]
    fn what_follows_a_test_module_is_no_test() {
        let inline = "#[cfg(test)]\nmod tests {\n    use a;\n}\n\nfn f() {\n    std::env::var(\"HOME\")\n}\n";
        let file = "#[cfg(test)]\nmod tests;\n\nuse std::env;\n";
        check(
            STORE,
            inline,
            &["crates/molecule-token-store/src/lib.rs:7: mentions `std::env`"],
        );
        check(
            STORE,
            file,
            &["crates/molecule-token-store/src/lib.rs:4: mentions `std::env`"],
        );
    }

    #[test]
    fn unsafe_code_is_found_everywhere_even_in_tests() {
        check(
            "fuzz/fuzz_targets/a.rs",
            "let a = unsafe { b() };",
            &["fuzz/fuzz_targets/a.rs:1: unsafe code"],
        );
        check(
            "crates/molecule-agent/tests/it/main.rs",
            "let error = \"unsafe path\";",
            &[],
        );
    }
}
