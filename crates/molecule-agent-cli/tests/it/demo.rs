//! The whole story in one command.

use serde_json::Value;

use crate::support::Program;

#[test]
fn the_demo_shows_a_conversation_over_real_http() {
    let home = tempfile::tempdir().unwrap();
    let ran = Program::new(home.path(), &["demo"])
        .env("TMPDIR", home.path().to_str().unwrap())
        .run();
    assert_eq!(ran.code, 0, "{ran:?}");
    let quoted: Vec<_> = ran.stdout.split('"').skip(1).step_by(2).collect();
    let [word, answer] = quoted[..] else {
        panic!("{}", ran.stdout);
    };
    assert_eq!(word.to_uppercase(), answer);
    assert_ne!(word, answer);
    for step in [
        "a platform listens at http://127.0.0.1:",
        "an agent is online",
        "paused the workspace",
        "the agent stopped: paused",
    ] {
        assert!(ran.stdout.contains(step), "no {step:?} in {}", ran.stdout);
    }
    // Nothing is left behind.
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn each_demo_has_a_word_of_its_own() {
    let home = tempfile::tempdir().unwrap();
    let sent = || {
        let summary: Value = Program::new(home.path(), &["demo", "--json"]).run().json();
        assert_eq!(summary["stopped"], "paused");
        let (sent, answer) = (
            summary["sent"].as_str().unwrap(),
            summary["answer"].as_str().unwrap(),
        );
        assert_eq!(sent.to_uppercase(), answer);
        sent.to_owned()
    };
    assert_ne!(sent(), sent());
}

#[test]
fn a_wrong_answer_fails_the_demo() {
    let home = tempfile::tempdir().unwrap();
    // A `tr` that does nothing comes before the system's.
    let bin = home.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink("/bin/cat", bin.join("cat")).unwrap();
    let tr = bin.join("tr");
    std::fs::write(&tr, "#!/bin/sh\nexec cat\n").unwrap();
    std::fs::set_permissions(&tr, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let ran = Program::new(home.path(), &["demo"])
        .env("PATH", bin.to_str().unwrap())
        .run();
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("the answer is not"), "{ran:?}");
}
