//! Packs, updates and compacts packages.
//!
//! This module uses the reading modules, but they do not use this module. Specification:
//! `docs/spec/dacti-package.md` and `docs/spec/dacti-cdn.md`.

pub(crate) mod atomic;
pub mod compact;
pub(crate) mod pack;
pub mod publish;
pub mod update;
