//! Bytes as text.

use core::fmt;

/// Bytes that `Display` writes as pairs of lower-case hexadecimal digits.
///
/// ```
/// use daicon_core::Hex;
///
/// assert_eq!(Hex(&[0x0a, 0xff]).to_string(), "0aff");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hex<'b>(pub &'b [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
