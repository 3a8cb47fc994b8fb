//! The two varints of the format: unsigned LEB128 (inside CIDs and the index's directory), and its
//! zigzag form (lengths, back-references, marks).
//!
//! Both refuse encodings that are longer than necessary, so every number has exactly one encoding:
//! see `R-DARVAR-01` in `docs/spec/dar.md`.

use alloc::vec::Vec;

/// The maximum length of the encoding of a 64-bit number.
pub(crate) const LEN_MAX: usize = 10;

/// The fault of bytes that are not a varint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The bytes end inside the varint.
    Short,
    /// The number does not fit in 64 bits.
    Overflow,
    /// The same number has a shorter encoding.
    NotMinimal,
}

/// Reads an unsigned varint from the front of `bytes`. Returns the number, and its length in bytes.
pub(crate) fn read(bytes: &[u8]) -> Result<(u64, usize), Fault> {
    let mut value = 0_u64;
    for (i, &byte) in bytes.iter().take(LEN_MAX).enumerate() {
        let low = u64::from(byte & 0x7f);
        // The tenth byte holds only the 64th bit.
        if i == LEN_MAX - 1 && byte > 1 {
            return Err(Fault::Overflow);
        }
        let shift = u32::try_from(i).unwrap_or(0).wrapping_mul(7);
        value |= low.wrapping_shl(shift);
        if byte & 0x80 == 0 {
            if byte == 0 && i > 0 {
                return Err(Fault::NotMinimal);
            }
            return Ok((value, i.saturating_add(1)));
        }
    }
    if bytes.len() < LEN_MAX { Err(Fault::Short) } else { Err(Fault::Overflow) }
}

/// Reads a zigzag varint.
pub(crate) fn read_signed(bytes: &[u8]) -> Result<(i64, usize), Fault> {
    let (raw, len) = read(bytes)?;
    Ok((unzigzag(raw), len))
}

fn unzigzag(raw: u64) -> i64 {
    (raw >> 1).cast_signed() ^ (raw & 1).cast_signed().wrapping_neg()
}

fn zigzag(value: i64) -> u64 {
    (value.wrapping_shl(1) ^ (value >> 63)).cast_unsigned()
}

/// Appends an unsigned varint.
pub(crate) fn push(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Appends a zigzag varint.
pub(crate) fn push_signed(out: &mut Vec<u8>, value: i64) {
    push(out, zigzag(value));
}

/// Returns the length of an unsigned varint.
pub(crate) fn len(value: u64) -> u64 {
    let bits = u64::from(64_u32.saturating_sub(value.leading_zeros())).max(1);
    bits.div_ceil(7)
}

/// Returns the length of a zigzag varint.
pub(crate) fn len_signed(value: i64) -> u64 {
    len(zigzag(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: i64, bytes: &[u8]) {
        let mut out = Vec::new();
        push_signed(&mut out, value);
        assert_eq!(out, bytes);
        assert_eq!(read_signed(bytes), Ok((value, bytes.len())));
        assert_eq!(len_signed(value), bytes.len() as u64);
    }

    // spec: R-DARVAR-01
    #[test]
    fn numbers_have_the_bytes_that_go_gives_them() {
        check(0, &[0]);
        check(-1, &[1]);
        check(1, &[2]);
        check(-2, &[3]);
        check(-3, &[5]);
        check(63, &[0x7e]);
        check(64, &[0x80, 0x01]);
        check(-64, &[0x7f]);
        check(600, &[0xb0, 0x09]);
        check(i64::MAX, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
        check(i64::MIN, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
    }

    // spec: R-DARVAR-02
    #[test]
    fn longer_than_needed_or_too_long_is_refused() {
        assert_eq!(read(&[0x80, 0x00]), Err(Fault::NotMinimal));
        assert_eq!(read(&[0x80]), Err(Fault::Short));
        assert_eq!(read(&[]), Err(Fault::Short));
        assert_eq!(read(&[0xff; 10]), Err(Fault::Overflow));
        let mut eleven = [0x80; 11];
        eleven[10] = 1;
        assert_eq!(read(&eleven), Err(Fault::Overflow));
        assert_eq!(
            read(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]),
            Err(Fault::Overflow)
        );
    }
}
