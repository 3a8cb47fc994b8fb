//! Packs, updates and compacts packages.
//!
//! It reads packages like any reader, and no reading module imports it. Specification:
//! `docs/spec/dacti-package.md` and `docs/spec/dacti-cdn.md`.

pub(crate) mod atomic;
pub mod compact;
pub(crate) mod pack;
pub mod publish;
pub mod update;
