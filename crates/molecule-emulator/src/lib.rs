#![doc = include_str!("../README.md")]

mod activity;
mod auth;
mod clock;
mod config;
mod controls;
mod delegation;
mod emulator;
mod error;
mod events;
mod layers;
mod persistence;
mod platform;
mod plugins;
mod provisioner;
mod proxy;
mod quirks;
mod records;
mod relations;
mod reply;
mod request;
mod routes;
mod server;
mod state;
mod token;
mod tx;
mod url_rules;
mod workspace;

pub use clock::{Clock, ManualClock, Sleep, SystemClock};
pub use config::{EmulatorConfig, Generation, Liveness, Mode};
pub use emulator::Emulator;
pub use error::EmulatorError;
pub use platform::Platform;
pub use plugins::DownloadFault;
pub use provisioner::ContainerSpec;
pub use quirks::Quirks;
