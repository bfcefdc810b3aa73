//! The manual.

use std::fs;

use crate::support::Program;

#[test]
fn a_page_is_printed_for_every_command() {
    let home = tempfile::tempdir().unwrap();
    let page = |args: &[&str]| {
        let ran = Program::new(home.path(), &[&["man"], args].concat()).run();
        ran.succeeds();
        ran.stdout
    };
    let program = page(&[]);
    assert!(program.contains(".TH molecule-agent 1"), "{program}");
    assert!(
        program.contains("molecule\\-agent\\-connect(1)"),
        "{program}"
    );
    let install = page(&["plugin", "install"]);
    assert!(
        install.contains("--sha256") || install.contains("\\-\\-sha256"),
        "{install}"
    );
    assert!(install.contains("MOLECULE_PLATFORM_URL"), "{install}");
}

#[test]
fn all_pages_are_written_where_man_looks_for_them() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("man/man1");
    let args = ["man", "--dir", dir.to_str().unwrap()];
    Program::new(home.path(), &args).run().prints("");
    for name in [
        "molecule-agent.1",
        "molecule-agent-connect.1",
        "molecule-agent-plugin-install.1",
    ] {
        let page = fs::read_to_string(dir.join(name)).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{name}: {page}");
    }
}

#[test]
fn a_command_that_is_none_has_no_page() {
    let home = tempfile::tempdir().unwrap();
    Program::new(home.path(), &["man", "plugin", "frobnicate"])
        .run()
        .fails(2, &["no command \"plugin frobnicate\"", "--help"]);
}
