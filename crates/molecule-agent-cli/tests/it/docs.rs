//! What the documentation and the help show is what the program does.

#[test]
fn the_console_examples_work() {
    let home = tempfile::tempdir().unwrap();
    trycmd::TestCases::new()
        .env("HOME", home.path().to_str().unwrap())
        .case("README.md")
        .case("tests/cmd/*.md");
}
