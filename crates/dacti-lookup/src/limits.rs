//! Every limit of the look-up, by name.

/// The maximum number of runs in one index.
///
/// A search reads from every run in turn, so this limits its reads. A new package has one run, and
/// a folded package has a few.
pub const RUNS_MAX: usize = 64;

/// The maximum number of groups from one fence to the next.
///
/// This limits one read to 1.5 MiB. The largest possible index needs a stride of 150, because its
/// fences must fit into the 37,400 bytes that the cdn layout leaves for them.
pub const STRIDE_MAX: u32 = 256;
