//! Every limit of the look-up, by name.

/// The most runs that one index may have.
///
/// A search looks into every run in turn, so this bounds its reads. A fresh package has one run,
/// and a folded package a few.
pub const RUNS_MAX: usize = 64;

/// The most groups from one fence to the next.
///
/// This bounds one read to 1.5 MiB. The largest possible index needs a stride of 143 to fit its
/// fences into the 37,400 bytes that the cdn layout leaves for them.
pub const STRIDE_MAX: u32 = 256;
