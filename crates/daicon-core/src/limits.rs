//! Every limit of the container reader, by name.

/// The most tables that one file may have, by default. Real files have one to three; the rest
/// leaves room for chains that grow.
pub const TABLES_MAX: usize = 64;

/// The most components that one file may have in all its tables, duplicates included, by default.
///
/// The founding formats have fewer than ten. The walker keeps components inline, so this limit also
/// sets its size.
pub const COMPONENTS_MAX: usize = 256;

/// The most diagnostics that a walk keeps. Further ones are only counted.
pub const DIAGNOSTICS_MAX: usize = 16;

/// What a walk may spend on one file. A walk that passes a limit ends with `Error::LimitExceeded`.
///
/// The walker's type parameters bound these limits from above.
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
