//! What the documentation and the help show is what the program does.

use std::fs;
use std::path::Path;

#[test]
fn the_console_examples_work() {
    let home = tempfile::tempdir().unwrap();
    let readme = in_a_sandbox(home.path());
    trycmd::TestCases::new()
        .env("HOME", home.path().to_str().unwrap())
        .case(readme)
        .case("tests/cmd/*.md");
}

/// A copy of the README whose examples run where they may write: trycmd copies what is in `README.in` for them, because
/// there is a `README.out`.
fn in_a_sandbox(dir: &Path) -> std::path::PathBuf {
    let readme = dir.join("README.md");
    fs::copy("README.md", &readme).unwrap();
    copy(Path::new("examples"), &dir.join("README.in/examples"));
    fs::create_dir(dir.join("README.out")).unwrap();
    readme
}

fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let name = entry.unwrap().file_name();
        copy(&from.join(&name), &to.join(&name));
    }
}
