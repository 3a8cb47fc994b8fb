//! `--max-total`: the bytes that all regions together may take.

use dacti::Limits;

/// The option of verbs that decode, copy or compare many regions.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct MaxTotal {
    /// Fail before all regions together have more than this many bytes of content, or the command
    /// writes or compares more than this many bytes. The default is 64 MiB, plus 1,000 bytes of
    /// content (or 100 written or compared bytes) for each stored byte. Real packages stay below
    /// this default.
    #[arg(long = "max-total", value_name = "BYTES")]
    bytes: Option<u64>,
}

impl MaxTotal {
    /// Returns `limits` with this limit set.
    pub(crate) fn applied(self, limits: Limits) -> Limits {
        Limits { total_len_max: self.bytes, ..limits }
    }
}
