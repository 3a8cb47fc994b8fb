//! The table data of the names component: eight bytes of flags.
//!
//! Specification: `docs/spec/dacti-names.md`, "The component".

/// The flags of the component's table data, which describe the names list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags {
    /// Whether some path has an explicit id. A reader that does not find the hashed id of a path
    /// must then search the names list.
    pub explicit_ids: bool,
}

impl Flags {
    const EXPLICIT_IDS: u8 = 1;

    /// Returns the flags as a component's data, with zeros in the reserved bits.
    #[must_use]
    pub const fn to_data(self) -> [u8; 8] {
        [if self.explicit_ids { Self::EXPLICIT_IDS } else { 0 }, 0, 0, 0, 0, 0, 0, 0]
    }

    /// Reads the flags from a component's data. Ignores the reserved bits.
    #[must_use]
    pub const fn from_data(data: [u8; 8]) -> Self {
        Self { explicit_ids: data[0] & Self::EXPLICIT_IDS != 0 }
    }
}
