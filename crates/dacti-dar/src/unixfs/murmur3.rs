//! The first half of murmur3 (x64, 128 bits, seed 0). Sharded folders place names by this hash.

/// Returns the first 64 bits of the hash.
pub(super) fn hash(data: &[u8]) -> u64 {
    const C1: u64 = 0x87c3_7b91_1142_53d5;
    const C2: u64 = 0x4cf5_ad43_2745_937f;
    let mix1 = |k: u64| k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2);
    let mix2 = |k: u64| k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1);
    let (mut h1, mut h2) = (0_u64, 0_u64);
    let blocks = data.chunks_exact(16);
    let rest = blocks.remainder();
    let half = |bytes: &[u8]| -> u64 {
        bytes.iter().rev().fold(0, |sum, &byte| (sum << 8) | u64::from(byte))
    };
    for block in blocks {
        let (low, high) = block.split_at(8);
        h1 ^= mix1(half(low));
        h1 = h1.rotate_left(27).wrapping_add(h2).wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 ^= mix2(half(high));
        h2 = h2.rotate_left(31).wrapping_add(h1).wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let (low, high) = rest.split_at(rest.len().min(8));
    h2 ^= mix2(half(high));
    h1 ^= mix1(half(low));
    h1 ^= data.len() as u64;
    h2 ^= data.len() as u64;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    finish(h1).wrapping_add(finish(h2))
}

fn finish(mut k: u64) -> u64 {
    k ^= k >> 33;
    k = k.wrapping_mul(0xff51_afd7_ed55_8ccd);
    k ^= k >> 33;
    k = k.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    k ^ (k >> 33)
}

#[cfg(test)]
mod tests {
    use super::hash;

    // The expected hashes are from the documentation of the reference implementation and from
    // @multiformats/murmur3.
    #[test]
    fn hashes_are_those_of_the_reference() {
        assert_eq!(hash(b""), 0);
        assert_eq!(hash(b"hello"), 0xcbd8_a7b3_41bd_9b02);
        assert_eq!(hash(b"hello, world"), 0x342f_ac62_3a5e_bc8e);
        assert_eq!(hash(b"The quick brown fox jumps over the lazy dog."), 0xcd99_481f_9ee9_02c9);
    }
}
