//! Packs, updates and compacts packages.
//!
//! This module reads packages by the reading modules, which do not import it. Specification:
//! `docs/spec/dacti-package.md` and `docs/spec/dacti-cdn.md`.

pub(crate) mod atomic;
pub mod compact;
pub(crate) mod pack;
pub mod publish;
pub mod update;
