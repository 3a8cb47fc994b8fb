//! Bytes to wire structs and back: the only file that calls `bytemuck`, and where positions become
//! indices.
//!
//! Wire structs have alignment 1 and no padding, so a borrowed view needs no copy and cannot fail
//! but by length.

use bytemuck::Pod;

/// The struct at the start of `bytes`, or `None` where they are too few.
#[must_use]
pub fn struct_at<T: Pod>(bytes: &[u8]) -> Option<&T> {
    let bytes = bytes.get(..size_of::<T>())?;
    bytemuck::try_from_bytes(bytes).ok()
}

/// The `count` structs at the start of `bytes`, or `None` where they are too few.
#[must_use]
pub fn slice_at<T: Pod>(bytes: &[u8], count: usize) -> Option<&[T]> {
    let bytes = bytes.get(..size_of::<T>().checked_mul(count)?)?;
    bytemuck::try_cast_slice(bytes).ok()
}

/// The bytes of a wire struct, as they stand in the file.
#[must_use]
pub fn bytes_of<T: Pod>(value: &T) -> &[u8] {
    bytemuck::bytes_of(value)
}

/// Converts a length or count in memory to one in a file.
#[must_use]
pub fn to_u64(len: usize) -> u64 {
    // No machine has addresses of more than 64 bits.
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// A length in a file as a length in memory; `None` where this machine's addresses are too short
/// for it.
pub(crate) fn to_usize(len: u64) -> Option<usize> {
    usize::try_from(len).ok()
}
