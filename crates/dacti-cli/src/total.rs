//! `--max-total`: the bytes that all regions together may take.

use dacti::Limits;

/// The option of verbs that decode, copy or compare many regions.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct MaxTotal {
    /// Fail before all regions together take more than this many bytes of content, of a written
    /// file or of a comparison. The default is 64 MiB, plus 1,000 bytes of content (or 100 bytes of
    /// a written file or a comparison) for each stored byte. Real packages stay below that.
    #[arg(long = "max-total", value_name = "BYTES")]
    bytes: Option<u64>,
}

impl MaxTotal {
    /// Returns limits with this one.
    pub(crate) fn applied(self, limits: Limits) -> Limits {
        Limits { total_len_max: self.bytes, ..limits }
    }
}
