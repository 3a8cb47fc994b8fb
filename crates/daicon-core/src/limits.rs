//! Every limit of the container reader, by name.

/// The default for the maximum number of tables in one file. Real files have one to three tables;
/// the higher limit leaves room for chains that grow.
pub const TABLES_MAX: usize = 64;

/// The default for the maximum number of components in all tables of one file, duplicates included.
///
/// Files of the formats in the founding document have fewer than ten components. The walker stores
/// components inline, so this limit also sets the walker's size.
pub const COMPONENTS_MAX: usize = 256;

/// The maximum number of diagnostics that a walk stores. Further diagnostics are only counted.
pub const DIAGNOSTICS_MAX: usize = 16;

/// The limits of a walk over one file. A walk that exceeds a limit ends with
/// `Error::LimitExceeded`.
///
/// The walker has room for as many tables and components as its type parameters state. A higher
/// limit than this has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Maximum number of tables in the chain.
    pub tables_max: usize,
    /// Maximum number of entries in all tables together, duplicates included.
    pub components_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { tables_max: TABLES_MAX, components_max: COMPONENTS_MAX }
    }
}
