//! What reading a package may cost, by name.

/// What a package may make its reader spend. Past a limit there is an error, not a bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes that one region may decode to in [`Package::get`](crate::Package::get). 1
    /// GiB by default: what is larger is better read as a stream.
    pub region_len_max: u64,
    /// The most bytes that one region may decode to as a stream. 64 GiB by default, so that a bomb
    /// ends on its own.
    pub stream_len_max: u64,
    /// The most stored bytes of a sealed region that are kept to verify it before a stream of it
    /// begins, if the source is not local: 8 MiB of them in memory, more in a temporary file. 1 GiB
    /// by default. A local file is read twice instead, at any length.
    pub spool_len_max: u64,
    /// The most bytes that all regions of one call together may decode to in
    /// [`Package::verify`](crate::Package::verify) and as streams of
    /// [`Package::readers_at`](crate::Package::readers_at), and that they may take in the file that
    /// `Package::compact` or `sign` writes. `None`, the default: 64 MiB and 1,000 bytes for each
    /// stored byte, 100 for a written file; bytes that regions share count once.
    pub total_len_max: Option<u64>,
    /// The most bytes that the names list may decode to, all its segments together. 1 GiB by
    /// default, some 12 million paths.
    pub names_len_max: u64,
    /// The most entries of the index that are tried, in all, to tell bytes that were swapped from
    /// bytes that were altered, once a digest does not fit. 4,000,000 by default, which are 96 MB
    /// of index and half a second. With 0 nothing is read for it, and all are told as altered.
    pub explained_entries_max: u64,
    /// The most bytes of index blocks that look-ups keep, where they are read. 512 KiB by default;
    /// 0 keeps none.
    pub blocks_len_max: u64,
    /// The most bytes of the guide to the index's entries that look-ups make, where the source
    /// lends the index. It grows, by 16 KiB, with the parts of the index that are asked for again;
    /// some 5 bytes an entry make it as fast as can be. 16 MiB by default; 0 makes none.
    pub guide_len_max: u64,
    /// The most bytes between two regions that are read for nothing, where many are asked for, to
    /// save a read. 16 KiB by default; more pays off where a read is a request.
    pub gap_len_max: u64,
    /// The most bytes of a read that joins several regions. 1 MiB by default.
    pub read_len_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            region_len_max: 1 << 30,
            stream_len_max: 1 << 36,
            spool_len_max: 1 << 30,
            total_len_max: None,
            names_len_max: 1 << 30,
            explained_entries_max: 4_000_000,
            blocks_len_max: 512 << 10,
            guide_len_max: 16 << 20,
            gap_len_max: 16 << 10,
            read_len_max: 1 << 20,
        }
    }
}
