//! Every limit of the seal component, by name.

/// The maximum number of public keys that a seal component may name.
pub const KEYS_MAX: usize = 64;

/// The maximum number of seals after the stored bytes of a region: one for each id that shares
/// these bytes.
pub const SEALS_MAX: u32 = 16;
