//! The steps of `cargo xtask ci`.

use anyhow::Result;

use crate::process::Run;
use crate::{boundaries, contract, features, soak, vectors, walk_through};

/// One thing that a change has to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Fmt,
    Boundaries,
    Clippy,
    Features,
    Test,
    Doc,
    Vectors,
    Contract,
    Soak,
    WalkThrough,
    Deny,
}

impl Step {
    /// Every step in order, quick and telling ones first.
    pub(crate) const ALL: [Self; 11] = [
        Self::Fmt,
        Self::Boundaries,
        Self::Clippy,
        Self::Features,
        Self::Test,
        Self::Doc,
        Self::Vectors,
        Self::Contract,
        Self::Soak,
        Self::WalkThrough,
        Self::Deny,
    ];

    /// The name of its sub-command.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Boundaries => "boundaries",
            Self::Clippy => "clippy",
            Self::Features => "features",
            Self::Test => "test",
            Self::Doc => "doc",
            Self::Vectors => "vectors",
            Self::Contract => "contract",
            Self::Soak => "soak",
            Self::WalkThrough => "walk-through",
            Self::Deny => "deny",
        }
    }

    /// Runs it; an error says what failed.
    pub(crate) fn run(self) -> Result<()> {
        match self {
            Self::Fmt => Run::new("cargo fmt --all --check").show(),
            Self::Boundaries => boundaries::check(),
            Self::Clippy => {
                Run::new("cargo clippy --workspace --all-targets -- -D warnings").show()
            }
            Self::Features => features::lint(),
            Self::Test => Run::new("cargo test --workspace").show(),
            Self::Doc => Run::new("cargo doc --workspace --no-deps")
                .env("RUSTDOCFLAGS", "-D warnings")
                .show(),
            Self::Vectors => vectors::check(),
            Self::Contract => contract::run(&[]),
            Self::Soak => soak::run(None),
            Self::WalkThrough => walk_through::check(),
            Self::Deny => deny(),
        }
    }
}

fn deny() -> Result<()> {
    Run::new("cargo deny --workspace check --hide-inclusion-graph bans licenses sources")
        .hint("cargo-deny missing? cargo install cargo-deny --locked")
        .show()?;
    println!(
        "advisories: not checked here, because their database is not reachable from everywhere; \
         the repository's workflow runs `cargo deny check advisories`"
    );
    Ok(())
}
