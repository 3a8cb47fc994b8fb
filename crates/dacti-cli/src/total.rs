//! `--max-total`: the bytes that all regions together may take.

use crate::outcome::Failure;
use dacti::fetch::FileSource;
use dacti::{Limits, Package};
use std::path::Path;
use std::sync::Arc;

/// The option of verbs that decode, copy or compare many regions.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct MaxTotal {
    /// Fail before all regions together take more than this many bytes of content, of a written
    /// file or of a comparison. By default 64 MiB and 1,000 bytes of content for each stored byte,
    /// or 100 bytes of a written file or a comparison. Real packages stay below that.
    #[arg(long = "max-total", value_name = "BYTES")]
    bytes: Option<u64>,
}

impl MaxTotal {
    /// Returns limits with this one.
    pub(crate) fn applied(self, limits: Limits) -> Limits {
        Limits { total_len_max: self.bytes, ..limits }
    }

    /// Opens a package in a file.
    pub(crate) fn open(self, path: &Path) -> Result<Package, Failure> {
        let opened = FileSource::open(path)
            .and_then(|file| Package::from_source(Arc::new(file), self.applied(Limits::default())));
        opened.map_err(|error| Failure::with(path, &error))
    }
}
