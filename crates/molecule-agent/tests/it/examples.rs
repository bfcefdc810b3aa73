//! The examples run, each on a platform of its own, and say what they are meant to.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Every example with what goes into it, and what comes out somewhere.
const EXAMPLES: &[(&str, &str, &[&str])] = &[
    (
        "blocking",
        "",
        &["the agent: 5 letters, 1 secrets", "stopped: paused"],
    ),
    (
        "custom_delivery",
        "one\ntwo\n",
        &["one -> ONE", "two -> TWO", "no more lines"],
    ),
    (
        "echo",
        "",
        &["online", "the agent: hello", "stopped: paused"],
    ),
    (
        "install_plugin",
        "",
        &["the platform has demo-plugin 1.0.0", "2 files in"],
    ),
    (
        "worker",
        "",
        &[
            "secret API_KEY: 6 bytes",
            "3 files left",
            "stopped: max_iterations",
        ],
    ),
];

/// What this build leaves out.
const LEFT_OUT: &[&str] = &[
    #[cfg(not(feature = "blocking"))]
    "blocking",
    #[cfg(not(feature = "plugins"))]
    "install_plugin",
];

#[test]
fn each_example_does_what_it_says() {
    for (name, input, expect) in EXAMPLES {
        if LEFT_OUT.contains(name) {
            continue;
        }
        let ran = run(name, &[], input);
        let (out, errors) = (
            String::from_utf8_lossy(&ran.stdout),
            String::from_utf8_lossy(&ran.stderr),
        );
        assert!(ran.status.success(), "{name}: {out}{errors}");
        for line in *expect {
            assert!(
                out.contains(line),
                "{name} did not print {line:?}:\n{out}{errors}"
            );
        }
    }
}

#[test]
fn an_example_that_fails_says_why_as_people_read_it() {
    let args = ["http://127.0.0.1:1", "9e453dad-99f0-4e01-8c72-0031bf974e26"];
    for (name, ..) in EXAMPLES {
        if LEFT_OUT.contains(name) {
            continue;
        }
        let ran = run(name, &args, "");
        let errors = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(1), "{name}: {errors}");
        assert!(
            errors.starts_with("Error: GET http://127.0.0.1:1/workspaces/")
                && errors.contains("is the platform running")
                && errors.contains("\n  caused by: "),
            "{name}: {errors}"
        );
    }
}

#[test]
fn no_example_is_left_out() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let paths = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.is_file());
    let mut names = Vec::from_iter(files.map(|path| path.file_stem().unwrap().to_owned()));
    names.sort();
    let known = Vec::from_iter(EXAMPLES.iter().map(|(name, ..)| *name));
    assert_eq!(names, known);
}

#[expect(
    clippy::disallowed_methods,
    reason = "the examples are started here, as a reader would"
)]
fn run(name: &str, args: &[&str], input: &str) -> Output {
    let program = program(name);
    let mut child = Command::new(&program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!(
                "{}: {error}; `cargo build --examples` makes it",
                program.display()
            )
        });
    let mut stdin = child.stdin.take().unwrap();
    // One that fails at once does not read it.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().unwrap()
}

/// Cargo builds examples beside the directory of the tests, before it runs any of these.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.parent().and_then(Path::parent).unwrap();
    target.join("examples").join(name)
}
