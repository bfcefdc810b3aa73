//! The project's documents, whose Rust examples are tested like any other.

/// The README of the project.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
