//! What the fuzz targets do with their bytes: one function each, so that the seeds and every past crash are replayed by
//! `cargo test` on any compiler, through the same code.
//!
//! A body panics when its property does not hold. [`TARGETS`] has them all.

pub mod a2a_envelope;
pub mod activity_rows;
pub mod event_stream;
pub mod json_depth;
pub mod manifest_json;
pub mod pax_records;
pub mod plugin_name;
pub mod plugin_yaml;
pub mod protocol_answers;
pub mod retry_after;
pub mod tar_differential;
pub mod tar_entries;
pub mod token;
pub mod unpack_gzip;
pub mod unpack_tar;

mod archive;
mod listing;
mod oracle;

/// A fuzz target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, for `cargo fuzz run`.
    pub name: &'static str,
    /// What it does with its bytes.
    pub run: fn(&[u8]),
}

/// Every target, by name.
pub const TARGETS: &[Target] = &[
    target("a2a_envelope", a2a_envelope::run),
    target("activity_rows", activity_rows::run),
    target("event_stream", event_stream::run),
    target("json_depth", json_depth::run),
    target("manifest_json", manifest_json::run),
    target("pax_records", pax_records::run),
    target("plugin_name", plugin_name::run),
    target("plugin_yaml", plugin_yaml::run),
    target("protocol_answers", protocol_answers::run),
    target("retry_after", retry_after::run),
    target("tar_differential", tar_differential::run),
    target("tar_entries", tar_entries::run),
    target("token", token::run),
    target("unpack_gzip", unpack_gzip::run),
    target("unpack_tar", unpack_tar::run),
];

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}
