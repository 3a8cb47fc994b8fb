//! Integers and UUIDs as they are stored in the file: little-endian byte arrays of alignment 1.
//!
//! These types may lie at any address, so wire structs can be borrowed from a buffer.
//! Specification: `docs/spec/daicon.md`, "Numbers and UUIDs".

use bytemuck::{Pod, Zeroable};
use uuid::Uuid;

macro_rules! little_endian {
    ($name:ident, $native:ty, $len:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Pod, Zeroable)]
        #[repr(transparent)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Stores `value` in file order.
            #[must_use]
            pub const fn new(value: $native) -> Self {
                Self(value.to_le_bytes())
            }

            /// Returns the value in native order.
            #[must_use]
            pub const fn get(self) -> $native {
                <$native>::from_le_bytes(self.0)
            }
        }

        impl From<$native> for $name {
            fn from(value: $native) -> Self {
                Self::new(value)
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Debug::fmt(&self.get(), f)
            }
        }
    };
}

little_endian!(U16Le, u16, 2, "A `u16` in file order.");
little_endian!(U32Le, u32, 4, "A `u32` in file order.");
little_endian!(U64Le, u64, 8, "A `u64` in file order.");

/// A UUID in file order: the first three fields little-endian, the rest as written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct UuidLe([u8; 16]);

impl UuidLe {
    /// Stores `id` in file order.
    #[must_use]
    pub const fn new(id: Uuid) -> Self {
        Self(id.to_bytes_le())
    }

    /// Returns the UUID.
    #[must_use]
    pub const fn get(self) -> Uuid {
        Uuid::from_bytes_le(self.0)
    }
}

impl From<Uuid> for UuidLe {
    fn from(id: Uuid) -> Self {
        Self::new(id)
    }
}

impl core::fmt::Debug for UuidLe {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(&self.get(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::{U16Le, U32Le, U64Le, UuidLe};
    use crate::bytes_of;
    use uuid::Uuid;

    #[test]
    fn integers_lie_least_significant_byte_first() {
        // spec: R-FMT-01
        assert_eq!(bytes_of(&U16Le::new(0x0102)), [2, 1]);
        assert_eq!(bytes_of(&U32Le::new(0x0102_0304)), [4, 3, 2, 1]);
        assert_eq!(bytes_of(&U64Le::new(0x0102_0304_0506_0708)), [8, 7, 6, 5, 4, 3, 2, 1]);
    }

    #[test]
    fn uuid_swaps_its_first_three_fields_only() {
        let id = Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);
        let stored = [
            0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd,
            0xee, 0xff,
        ];
        assert_eq!(bytes_of(&UuidLe::new(id)), stored);
        assert_eq!(UuidLe(stored).get(), id);
    }
}
