//! Every limit of the seal component, by name.

/// The maximum number of public keys that a seal component may name.
pub const KEYS_MAX: usize = 64;
