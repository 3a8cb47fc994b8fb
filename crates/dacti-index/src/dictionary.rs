//! The dictionary to which the `brod` regions of a package refer: its component, its limits, and
//! the reach of a stream's window.
//!
//! Specification: `docs/spec/dacti-index.md`, "The dictionary".

use daicon_core::Version;
use uuid::Uuid;

/// The UUID of the dictionary component.
pub const DICTIONARY_ID: Uuid = Uuid::from_u128(0x58bc9b0a_a4fc_45f4_b4e5_efea35336faf);
/// The version of the dictionary component that this crate writes and reads.
pub const DICTIONARY_VERSION: Version = Version::new(0, 1);
/// The maximum length of a decoded dictionary.
pub const DICTIONARY_LEN_MAX: u64 = 1 << 20;

/// Returns how far back the window of a stream reaches, in bytes. `first` is the first byte of the
/// stream, which states the window. Returns `None` if RFC 7932 does not define the stated window.
///
/// A window of 2^n reaches back 2^n - 16 bytes.
#[must_use]
pub const fn window_len(first: u8) -> Option<u64> {
    // RFC 7932, section 9.1: the codes are read from the lowest bit upwards.
    let bits = match (first & 1, first >> 1 & 7, first >> 4 & 7) {
        (0, ..) => 16,
        (_, 0, 0) => 17,
        (_, 0, 1) => return None,
        (_, 0, code) => code.saturating_add(8),
        (_, code, _) => code.saturating_add(17),
    };
    Some((1_u64 << bits).saturating_sub(16))
}

#[cfg(test)]
mod tests {
    use super::window_len;

    #[test]
    fn windows_are_those_of_the_table_in_the_rfc() {
        // spec: R-ENC-07
        // RFC 7932, section 9.1: the bits of each code, most significant first.
        let codes = [
            (10, "0100001"),
            (11, "0110001"),
            (12, "1000001"),
            (13, "1010001"),
            (14, "1100001"),
            (15, "1110001"),
            (16, "0"),
            (17, "0000001"),
            (18, "0011"),
            (19, "0101"),
            (20, "0111"),
            (21, "1001"),
            (22, "1011"),
            (23, "1101"),
            (24, "1111"),
        ];
        for (bits, code) in codes {
            let low = u8::from_str_radix(code, 2).unwrap();
            // The bits after the code belong to the stream's next field, so they must not change
            // the result.
            let rest = 0xff_u8.checked_shl(code.len() as u32).unwrap();
            for first in [low, low | rest] {
                assert_eq!(window_len(first), Some((1 << bits) - 16), "{code}");
            }
        }
        assert_eq!(window_len(0b001_0001), None, "it is reserved");
    }
}
