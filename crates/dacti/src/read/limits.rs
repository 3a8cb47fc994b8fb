//! The limits on reading a package.

/// The limits on the memory and time that a package can cost its reader. Exceeding one is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The maximum number of bytes that one region decodes to in
    /// [`Package::get`](crate::Package::get). 1 GiB by default; read a larger region as a stream.
    pub region_len_max: u64,
    /// The maximum number of bytes that one region decodes to as a stream. 64 GiB by default, so
    /// that a decompression bomb ends.
    pub stream_len_max: u64,
    /// If the source is not local, the stored bytes of a sealed region are kept until they are
    /// verified, and only then does the region's stream begin. This is the maximum length of such a
    /// region: 1 GiB by default. Up to 8 MiB are kept in memory, longer regions in a temporary
    /// file. In a local file, a region of any length is read twice instead.
    pub spool_len_max: u64,
    /// The maximum number of bytes for all regions of one call together. The bytes that count are:
    ///
    /// - the decoded bytes in [`Package::verify`](crate::Package::verify) and in the streams of
    ///   [`Package::readers_at`](crate::Package::readers_at);
    /// - the stored bytes in a file that `Package::compact` or `sign` writes;
    /// - the stored bytes of one package that a [`Difference`](crate::report::Difference) compares.
    ///
    /// With `None`, the default, the limit grows with the package. For decoded bytes, it is 64 MiB,
    /// and 1,000 bytes more for each stored byte. For written or compared bytes, it is 64 MiB, and
    /// 100 bytes more for each stored byte. Stored bytes that several regions share count once
    /// here. If each of these regions has a seal after the bytes, they count once for each region.
    pub total_len_max: Option<u64>,
    /// The maximum number of bytes that all segments of the names list decode to together. 1 GiB by
    /// default, which is about 12 million paths.
    pub names_len_max: u64,
    /// The maximum number of index entries that an open package tries in total to tell swapped
    /// bytes from altered ones. It tries them after a digest did not match. 4,000,000 by default,
    /// which is 96 MB of index and half a second. With 0, no entry is tried, and all wrong bytes
    /// are reported as altered.
    pub explained_entries_max: u64,
    /// The maximum number of bytes of index blocks that look-ups keep in memory. 4 MiB by default;
    /// 0 keeps none. If all blocks of a remote package together are within this limit, look-ups
    /// read several blocks at once from the third read on. Such a read has at most four times as
    /// many blocks as were read before.
    pub blocks_len_max: u64,
    /// The maximum number of bytes of the guide, a table that leads to the entries of an index in
    /// memory. The guide is built when the number of look-ups reaches a sixteenth of the number of
    /// entries. It takes two to four bytes for each entry. 16 MiB by default; with 0 there is no
    /// guide.
    pub guide_len_max: u64,
    /// If the gap between two regions is at most this many bytes, one read fetches both regions and
    /// the gap. 16 KiB by default; use a larger value if each read is a request.
    pub gap_len_max: u64,
    /// The maximum number of bytes of a read that joins regions. 1 MiB by default.
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
