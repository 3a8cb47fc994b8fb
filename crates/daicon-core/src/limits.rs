//! Every cap of the container reader, by name.

/// Tables that one file may have, by default. Real files have one to three; the rest is room for
/// chains that grow.
pub const TABLES_MAX: usize = 64;

/// Components that one file may have in all its tables, duplicates included, by default.
///
/// The founding formats have fewer than ten. The cap bounds the walker's size, as it keeps what it
/// found inline.
pub const COMPONENTS_MAX: usize = 256;

/// Diagnostics that a walk keeps; more are counted but not kept.
pub const DIAGNOSTICS_MAX: usize = 16;

/// What a walk may spend on one file. Past a limit it ends with `Error::LimitExceeded`.
///
/// The walker's type parameters are the room that it has; these are how much of it a caller grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Tables in the chain.
    pub tables_max: usize,
    /// Entries in all tables together, duplicates included.
    pub components_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { tables_max: TABLES_MAX, components_max: COMPONENTS_MAX }
    }
}
