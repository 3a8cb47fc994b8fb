//! Where names stand in a sharded folder: the bits of a name's hash choose a place in each block.

use alloc::string::String;

use super::murmur3;

/// The number of places in a block that this crate writes, as IPFS nodes do.
pub(super) const FANOUT: u64 = 256;
/// The hash function of sharded folders: murmur3, its first 64 bits.
pub(super) const HASH_TYPE: u64 = 0x22;

/// The places of a name in the blocks of a sharded folder, from the top.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    hash: u64,
    left: u32,
    bits: u32,
}

impl Places {
    /// `None` if no folder can have that fan-out.
    pub(super) fn of(name: &[u8], fanout: u64) -> Option<Self> {
        let valid = fanout.is_power_of_two() && (8..=1024).contains(&fanout);
        let bits = fanout.trailing_zeros();
        valid.then(|| Self { hash: murmur3::hash(name), left: 64, bits })
    }

    /// Returns the place in the next block; `None` if all bits are used.
    pub(super) fn next(&mut self) -> Option<u64> {
        self.left = self.left.checked_sub(self.bits)?;
        let mask = 1_u64.wrapping_shl(self.bits).wrapping_sub(1);
        Some(self.hash.wrapping_shr(self.left) & mask)
    }
}

/// Returns the number of digits before a name.
pub(super) fn prefix_len(fanout: u64) -> usize {
    alloc::format!("{:X}", fanout.saturating_sub(1)).len()
}

/// Returns the digits of a place.
pub(super) fn prefix(place: u64, fanout: u64) -> String {
    let width = prefix_len(fanout);
    alloc::format!("{place:0width$X}")
}
