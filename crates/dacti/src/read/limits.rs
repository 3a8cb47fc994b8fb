//! The limits of reading a package, by name.

/// The limits on the memory and time that a package can cost its reader. Passing one is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes that one region decodes to in [`Package::get`](crate::Package::get). 1 GiB by
    /// default: a larger region is better read as a stream.
    pub region_len_max: u64,
    /// The most bytes that one region decodes to as a stream. 64 GiB by default, so that a
    /// decompression bomb ends.
    pub stream_len_max: u64,
    /// The most stored bytes of a sealed region that are kept to verify it before its stream
    /// begins, if the source is not local: up to 8 MiB in memory, more in a temporary file. 1 GiB
    /// by default. From a local file, a region of any length is read twice instead.
    pub spool_len_max: u64,
    /// The most bytes for all regions of one call together: those to which they decode in
    /// [`Package::verify`](crate::Package::verify) and as streams of
    /// [`Package::readers_at`](crate::Package::readers_at), those that they take in a file that
    /// `Package::compact` or `sign` writes, and those of one package that a
    /// [`Difference`](crate::report::Difference) compares. `None`, the default, allows 64 MiB and
    /// 1,000 bytes for each stored byte, or 100 for a written file or a comparison. Bytes that
    /// regions share count once.
    pub total_len_max: Option<u64>,
    /// The most bytes that all segments of the names list decode to together. 1 GiB by default,
    /// which is about 12 million paths.
    pub names_len_max: u64,
    /// The most entries of the index that are tried in all, after a digest did not match, to tell
    /// swapped bytes from altered ones. 4,000,000 by default, which is 96 MB of index and half a
    /// second. With 0, no index is read, and all such bytes are reported as altered.
    pub explained_entries_max: u64,
    /// The most bytes of index blocks that look-ups read and keep. 4 MiB by default; 0 keeps none.
    /// From the third block on, look-ups in a remote package whose blocks all fit read several
    /// blocks at once, at most four times as many as were read before.
    pub blocks_len_max: u64,
    /// The most bytes of the guide, a table to the entries of an index that the source lends. It is
    /// built after one look-up for every 16 entries, and takes two to four bytes for each entry. 16
    /// MiB by default; with 0 there is no guide.
    pub guide_len_max: u64,
    /// The most unused bytes between two regions that are read together, to save a read. 16 KiB by
    /// default; a larger gap pays if each read is a request.
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
            blocks_len_max: 4 << 20,
            guide_len_max: 16 << 20,
            gap_len_max: 16 << 10,
            read_len_max: 1 << 20,
        }
    }
}
