//! The limits of reading a package, by name.

/// The most that a package can make its reader spend. Past a limit there is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes that one region decodes to in [`Package::get`](crate::Package::get). 1 GiB by
    /// default: a larger region is better read as a stream.
    pub region_len_max: u64,
    /// The most bytes that one region decodes to as a stream. 64 GiB by default, so that a bomb
    /// ends by itself.
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
    /// The most bytes that all segments of the names list decode to together. 1 GiB by default,
    /// some
    /// 12 million paths.
    pub names_len_max: u64,
    /// The most entries of the index that are tried in all, after a digest did not fit, to tell
    /// swapped bytes from altered ones. 4,000,000 by default, which are 96 MB of index and half a
    /// second. With 0 nothing is read for it, and the bytes are called altered.
    pub explained_entries_max: u64,
    /// The most bytes of index blocks that look-ups read and keep. 512 KiB by default; 0 keeps
    /// none.
    pub blocks_len_max: u64,
    /// The most bytes of the guide, a table to the entries of an index that the source lends. It is
    /// built after one look-up for every 16 entries, and takes two to four bytes an entry. 16 MiB
    /// by default; 0 builds none.
    pub guide_len_max: u64,
    /// The most bytes between two regions that are read for nothing, to save a read, if many
    /// regions are asked for. 16 KiB by default; more pays off if each read is a request.
    pub gap_len_max: u64,
    /// The most bytes of a read that joins regions. 1 MiB by default.
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
