#![doc = include_str!("../README.md")]

#[cfg(not(unix))]
compile_error!(
    "molecule-token-store needs Unix file modes and flock; on Windows, build and run it inside WSL"
);

mod dir;
mod error;
mod lock;
mod mounted;
mod read;
mod revision;
mod rotation;
mod rules;
mod store;
mod temp;
mod token;
mod wait;

pub use error::TokenStoreError;
pub use mounted::{MountedToken, read_mounted};
pub use revision::Revision;
pub use rotation::RotationLock;
pub use store::TokenStore;
pub use token::{InvalidToken, Token};
pub use wait::Wait;
