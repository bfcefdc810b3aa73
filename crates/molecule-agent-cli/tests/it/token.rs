//! The agent's token: never an argument, never printed whole.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::{Program, Ran};

const ID: &str = "9e453dad-99f0-4e01-8c72-0031bf974e26";
const TOKEN: &str = "IQeUadP6-a-token-that-nobody-may-see";

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn program(&self, args: &[&str]) -> Program {
        Program::new(self.0.path(), &[&["token"], args, &["-w", ID]].concat())
    }

    fn run(&self, args: &[&str]) -> Ran {
        hides(self.program(args).run())
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join(".molecule").join(ID).join(".auth_token")
    }
}

fn hides(ran: Ran) -> Ran {
    assert!(
        !ran.stdout.contains("nobody") && !ran.stderr.contains("nobody"),
        "{ran:?}"
    );
    ran
}

#[test]
fn a_token_from_stdin_is_kept_shown_and_removed() {
    let home = Home::new();
    let path = home.path();
    let kept = hides(home.program(&["set"]).input(&format!("{TOKEN}\n")).run());
    kept.prints(&format!("kept IQeUadP6... in {}\n", path.display()));
    assert_eq!(fs::read_to_string(&path).unwrap().trim(), TOKEN);
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    home.run(&["show"])
        .prints(&format!("IQeUadP6...  from {}\n", path.display()));
    assert_eq!(home.run(&["show", "--json"]).json()["prefix"], "IQeUadP6");
    home.run(&["remove"])
        .prints(&format!("removed {}\n", path.display()));
    home.run(&["remove"])
        .prints(&format!("there was no token in {}\n", path.display()));
    home.run(&["show"])
        .fails(3, &["there is no token", "token set"]);
}

#[test]
fn a_token_comes_from_a_file_or_a_descriptor() {
    let home = Home::new();
    let source = home.0.path().join("source");
    fs::write(&source, TOKEN).unwrap();
    fs::set_permissions(&source, fs::Permissions::from_mode(0o600)).unwrap();
    let source = source.to_str().unwrap();
    home.run(&["set", "--token-file", source]).succeeds();
    home.run(&["remove"]);
    let file = fs::File::open(source).unwrap();
    hides(home.program(&["set", "--token-fd", "0"]).stdin(file).run()).succeeds();
    assert_eq!(fs::read_to_string(home.path()).unwrap().trim(), TOKEN);
    home.run(&["show", "--token-file", source])
        .prints(&format!("IQeUadP6...  from {source}\n"));
}

#[test]
fn the_environment_gives_a_token_too() {
    let home = Home::new();
    let ran = home
        .program(&["show"])
        .env("MOLECULE_WORKSPACE_TOKEN", TOKEN)
        .run();
    hides(ran).prints("IQeUadP6...  from environment MOLECULE_WORKSPACE_TOKEN\n");
}

#[test]
fn what_is_no_token_is_not_kept() {
    let home = Home::new();
    for input in ["", " \n", "two\nlines", "a space"] {
        home.program(&["set"])
            .input(input)
            .run()
            .fails(3, &["no token in the input", "on one line"]);
    }
    assert!(!home.path().exists());
}
