//! `--max-total`: the bytes that all regions together may take.

use dacti::Limits;

/// The option of verbs that decode, copy or compare many regions.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct MaxTotal {
    /// Fail before more than this many bytes are decoded, written or compared in all. The default
    /// is 64 MiB, plus 1,000 decoded bytes (or 100 written or compared bytes) for each stored byte.
    /// Real packages stay below this default.
    #[arg(long = "max-total", value_name = "BYTES")]
    bytes: Option<u64>,
}

impl MaxTotal {
    /// Returns `limits` with this limit set.
    pub(crate) fn applied(self, limits: Limits) -> Limits {
        Limits { total_len_max: self.bytes, ..limits }
    }
}
