//! What a person at a terminal sees, and what a signal leaves.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::{Home, MANIFEST, archive, files, noise};
use crate::support::Ran;

#[test]
fn output_that_nobody_watches_has_no_progress_in_it() {
    let home = Home::new();
    let big = "x".repeat(1 << 20);
    let archive = home.archive(&[("plugin.yaml", MANIFEST), ("big", &big)]);
    let ran = home.install(&archive, &[]);
    ran.succeeds();
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(!said.contains(['\r', '\u{1b}']), "{said:?}");
}

#[test]
fn an_interrupted_installation_leaves_nothing() {
    for signal in [Signal::INT, Signal::TERM] {
        let home = Home::new();
        let bytes = archive(&[("plugin.yaml", MANIFEST), ("evil", &noise(1 << 20))]);
        let mut child = home
            .program(&["install", "demo", "--archive", "-"])
            .stdin(Stdio::piped())
            .start();
        let mut stdin = child.stdin.take().unwrap();
        // More than a pipe holds: once it is written, the program is at work on it.
        stdin.write_all(&bytes[..bytes.len() - 8]).unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        let ran = Ran::of(&child.wait_with_output().unwrap());
        ran.fails(1, &["cancelled", "nothing was changed"]);
        drop(stdin);
        assert!(home.installed().is_empty());
        for file in files(&home.path("plugins")) {
            let size = fs::metadata(home.path("plugins").join(&file))
                .unwrap()
                .len();
            assert!(size < 1024, "{file} is left, with {size} bytes");
        }
    }
}

/// What a terminal shows of a run.
fn on_a_terminal(home: &Home, args: &[&str]) -> (i32, String) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let path = ptsname(&terminal, Vec::new()).unwrap();
    let path = path.to_str().unwrap();
    let open = || File::options().read(true).write(true).open(path).unwrap();
    let mut child = home
        .program(args)
        .env("TERM", "xterm")
        .stdout(open())
        .stderr(open())
        .start();
    let mut shown = Vec::new();
    // At the end of the last process that has it, a terminal gives an error and no end of file.
    let _ = File::from(terminal).read_to_end(&mut shown);
    let code = child.wait().unwrap().code().unwrap();
    (code, String::from_utf8(shown).unwrap())
}

#[test]
fn a_person_at_a_terminal_sees_how_far_it_is() {
    let home = Home::new();
    let big = noise(4 << 20);
    let path = home.archive(&[("plugin.yaml", MANIFEST), ("big", &big)]);
    let args = ["install", "demo", "--archive", &path];
    let (code, shown) = on_a_terminal(&home, &args);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("demo ["), "{shown:?}");
    assert!(shown.contains("installed demo in "), "{shown:?}");
    let (code, shown) = on_a_terminal(&home, &[&args[..], &["--json"]].concat());
    assert_eq!(code, 0, "{shown}");
    assert!(!shown.contains("demo ["), "{shown:?}");
}
