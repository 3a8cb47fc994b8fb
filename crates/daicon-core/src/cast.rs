//! Conversions between bytes and wire structs, and between lengths in files and in memory.
//!
//! This is the only file that calls `bytemuck`. Wire structs have alignment 1 and no padding. So a
//! view needs no copy, and it fails only if the bytes are too short.

use bytemuck::Pod;

/// Views the start of `bytes` as a struct; `None` if `bytes` is too short.
#[must_use]
pub fn struct_at<T: Pod>(bytes: &[u8]) -> Option<&T> {
    let bytes = bytes.get(..size_of::<T>())?;
    bytemuck::try_from_bytes(bytes).ok()
}

/// Views the start of `bytes` as `count` structs; `None` if `bytes` is too short.
#[must_use]
pub fn slice_at<T: Pod>(bytes: &[u8], count: usize) -> Option<&[T]> {
    let bytes = bytes.get(..size_of::<T>().checked_mul(count)?)?;
    bytemuck::try_cast_slice(bytes).ok()
}

/// Returns the bytes of a wire struct as they are stored in a file.
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

/// Converts a length in a file to one in memory; `None` if this machine cannot address it.
pub(crate) fn to_usize(len: u64) -> Option<usize> {
    usize::try_from(len).ok()
}
