//! What the crate promises, over real files.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod builder;
mod child;
mod disk;
mod gzip;
mod memory;
mod oracle;
mod properties;
mod rules;
mod sandbox;
mod security_page;
mod tree;
