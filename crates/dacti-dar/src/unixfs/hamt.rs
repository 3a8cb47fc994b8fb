//! Positions of names in a sharded folder. Bits of a name's hash choose the position in each block.

use alloc::string::String;

use super::murmur3;

/// The number of positions in a block that this crate writes. IPFS nodes write the same number.
pub(super) const FANOUT: u64 = 256;
/// The hash function of sharded folders: the first 64 bits of murmur3.
pub(super) const HASH_TYPE: u64 = 0x22;

/// The positions of a name in the blocks of a sharded folder, starting at the top block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    hash: u64,
    left: u32,
    bits: u32,
}

impl Places {
    /// Returns the positions of a name; `None` if no folder can have that fan-out.
    pub(super) fn of(name: &[u8], fanout: u64) -> Option<Self> {
        let valid = fanout.is_power_of_two() && (8..=1024).contains(&fanout);
        let bits = fanout.trailing_zeros();
        valid.then(|| Self { hash: murmur3::hash(name), left: 64, bits })
    }

    /// Returns the position in the next block; `None` if all bits of the hash are used.
    pub(super) fn next(&mut self) -> Option<u64> {
        self.left = self.left.checked_sub(self.bits)?;
        let mask = 1_u64.wrapping_shl(self.bits).wrapping_sub(1);
        Some(self.hash.wrapping_shr(self.left) & mask)
    }
}

/// Returns the number of hexadecimal digits before a name: in a sharded folder, the name of each
/// link begins with its position.
pub(super) fn prefix_len(fanout: u64) -> usize {
    alloc::format!("{:X}", fanout.saturating_sub(1)).len()
}

/// Returns the hexadecimal digits of a position.
pub(super) fn prefix(place: u64, fanout: u64) -> String {
    let width = prefix_len(fanout);
    alloc::format!("{place:0width$X}")
}
