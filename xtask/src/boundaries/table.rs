//! The crates and what each may use, as ARCHITECTURE.md describes them.

/// One crate of the workspace.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// The crates of the workspace that it may build on.
    pub(crate) internal: &'static [&'static str],
    /// All it may use from outside. `Some` makes it one of the lowest crates.
    pub(crate) third_party: Option<&'static [&'static str]>,
    /// What its source must not mention outside tests, and why.
    pub(crate) unmentionable: &'static [(&'static str, &'static str)],
}

/// Every crate there may be; one that is not here is refused, one that is not there yet is not missed.
pub(crate) const TABLE: &[Row] = &[
    lowest(
        "molecule-protocol",
        &[],
        &[
            "serde",
            "serde_json",
            "uuid",
            "sha2",
            "http",
            "url",
            "thiserror",
        ],
        PURE,
    ),
    lowest(
        "molecule-safe-tar",
        &[],
        &[
            "flate2",
            "zlib-rs",
            "rustix",
            "unicode-normalization",
            "thiserror",
        ],
        UNAWARE,
    ),
    lowest(
        "molecule-token-store",
        &[],
        &["fs4", "zeroize", "rustix", "thiserror"],
        UNAWARE,
    ),
    lowest(
        "molecule-plugin",
        &["molecule-safe-tar"],
        &[
            "sha2",
            "serde",
            "saphyr-parser",
            "tar",
            "fs4",
            "rustix",
            "thiserror",
        ],
        UNAWARE,
    ),
    library("molecule-transport", &[]),
    library("molecule-peers", &["molecule-protocol"]),
    library("molecule-a2a", &["molecule-protocol", "molecule-transport"]),
    library(
        "molecule-agent",
        &[
            "molecule-protocol",
            "molecule-safe-tar",
            "molecule-token-store",
            "molecule-plugin",
            "molecule-transport",
            "molecule-peers",
            "molecule-a2a",
        ],
    ),
    library("molecule-mcp", &["molecule-agent"]),
    library("molecule-emulator", &["molecule-protocol"]),
    program(
        "molecule-agent-cli",
        &[
            "molecule-protocol",
            "molecule-safe-tar",
            "molecule-token-store",
            "molecule-plugin",
            "molecule-transport",
            "molecule-peers",
            "molecule-a2a",
            "molecule-agent",
            "molecule-mcp",
            "molecule-emulator",
        ],
    ),
    // What the fuzz targets do: as much of a test as anything below tests/.
    program(
        "molecule-fuzz-bodies",
        &[
            "molecule-protocol",
            "molecule-safe-tar",
            "molecule-token-store",
            "molecule-plugin",
            "molecule-transport",
            "molecule-a2a",
        ],
    ),
    program("xtask", &[]),
    // Started by xtask. It holds the platform against the contract as anybody would, and so uses none of ours but the words.
    program("molecule-contract", &["molecule-protocol"]),
    // Started by xtask too: agents with a stopwatch.
    program("molecule-fleet-bench", &["molecule-agent"]),
];

/// What the lowest crates never pull in, directly or not, whatever their features.
pub(crate) const TOO_HEAVY: &[&str] = &["tokio", "hyper", "reqwest", "axum"];

/// The emulator is written from the contract, not from the client that it tests.
pub(crate) const EMULATOR_AVOIDS: &[&str] =
    &["molecule-agent", "molecule-transport", "molecule-a2a"];

/// What somebody who only polls does not build: a server, plugins and a store.
pub(crate) const POLL_ONLY_AVOIDS: &[&str] = &["axum", "molecule-plugin", "redb"];

/// What only programs may use: argument parsing, printing, errors without a type.
pub(crate) const PROGRAMS: &[&str] = &[
    "molecule-agent-cli",
    "molecule-contract",
    "molecule-fleet-bench",
    "xtask",
];
pub(crate) const FOR_PROGRAMS: &[&str] = &["clap", "anyhow", "tracing-subscriber"];

/// What may only help in tests and fuzz targets.
pub(crate) const FOR_TESTS: &[(&str, &str)] = &[(
    "serde_yaml",
    "it is archived and reads a sha256 behind a merge key as absent; it is the oracle of tests and fuzz targets only",
)];

/// What the public API of a library must not show: its users would have to use the same versions of these.
pub(crate) const HIDDEN: &[&str] = &[
    "reqwest",
    "hyper",
    "hyper_util",
    "axum",
    "tower",
    "tower_layer",
    "tower_service",
    "rustls",
    "rustls_native_certs",
    "tokio_rustls",
    "redb",
];

/// The exceptions: a library, what it shows, and why.
pub(crate) const SHOWN_ON_PURPOSE: &[(&str, &str, &str)] = &[
    (
        "molecule-a2a",
        "axum",
        "an agent's routes can be part of a server that is there already",
    ),
    (
        "molecule-emulator",
        "axum",
        "tests call its router without a socket, in simulated time",
    ),
];

/// Crates that are tests as a whole.
pub(crate) const TESTS: &[&str] = &["molecule-fuzz-bodies"];

/// The row of a crate.
pub(crate) fn row(name: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.name == name)
}

const fn lowest(
    name: &'static str,
    internal: &'static [&'static str],
    third_party: &'static [&'static str],
    unmentionable: &'static [(&'static str, &'static str)],
) -> Row {
    Row {
        name,
        internal,
        third_party: Some(third_party),
        unmentionable,
    }
}

const fn library(name: &'static str, internal: &'static [&'static str]) -> Row {
    Row {
        name,
        internal,
        third_party: None,
        unmentionable: SILENT,
    }
}

const fn program(name: &'static str, internal: &'static [&'static str]) -> Row {
    Row {
        unmentionable: &[],
        ..library(name, internal)
    }
}

const SILENT: &[(&str, &str)] = &[
    ("env::var", "only the binary reads the environment"),
    ("process::exit", "only the binary picks exit codes"),
    ("println!", "only the binary prints"),
    ("eprint", "only the binary prints"),
];

const UNAWARE: &[(&str, &str)] = &[
    ("std::env", "only the binary reads the environment"),
    ("SystemTime::now", "the caller brings the time"),
    ("std::net", "it knows no network"),
    ("println!", "only the binary prints"),
    ("eprint", "only the binary prints"),
];

const PURE: &[(&str, &str)] = &[
    ("std::env", "only the binary reads the environment"),
    ("std::fs", "it performs no I/O"),
    ("std::io", "it performs no I/O"),
    ("std::net::Tcp", "it performs no I/O"),
    ("std::process", "it performs no I/O"),
    ("std::thread", "it waits for nothing"),
    ("Instant::now", "it has no clock"),
    ("SystemTime::now", "it has no clock"),
    ("Timestamp::now", "it has no clock"),
    ("Zoned::now", "it has no clock"),
    ("println!", "only the binary prints"),
    ("eprint", "only the binary prints"),
];
