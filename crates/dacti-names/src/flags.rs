//! The `dacti-names` component's data: eight bytes of flags that tell whether a path look-up needs
//! the list.
//!
//! Specification: `docs/spec/dacti-names.md`, "The component".

/// What a package says about its names list, in the component's table data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags {
    /// Some path has an id that is not the one hashed from it, so the list must be asked.
    pub explicit_ids: bool,
}

impl Flags {
    const EXPLICIT_IDS: u8 = 1;

    /// The flags as a component's data. Reserved bits are written as zero.
    #[must_use]
    pub const fn to_data(self) -> [u8; 8] {
        [if self.explicit_ids { Self::EXPLICIT_IDS } else { 0 }, 0, 0, 0, 0, 0, 0, 0]
    }

    /// The flags from a component's data. Reserved bits are ignored.
    #[must_use]
    pub const fn from_data(data: [u8; 8]) -> Self {
        Self { explicit_ids: data[0] & Self::EXPLICIT_IDS != 0 }
    }
}
