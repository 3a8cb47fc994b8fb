//! Every cap of the look-up, by name.

/// Runs that one index may be divided into, its delta groups aside.
///
/// A search asks every run in turn, so this bounds its reads. A fresh package has one run, a folded
/// one a few.
pub const RUNS_MAX: usize = 64;

/// Groups between two fences.
///
/// This bounds one read, to 1.5 MiB. The largest index that there can be needs a stride of 143 to
/// fit its fences into the 39,448 bytes that a package of ours leaves for them.
pub const STRIDE_MAX: u32 = 256;
