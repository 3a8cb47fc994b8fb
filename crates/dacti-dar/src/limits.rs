//! Every limit of this crate, with its reason.

/// The limits of a reader or writer. A larger value is refused with [`Error::LimitExceeded`],
/// before memory is reserved for it.
///
/// [`Error::LimitExceeded`]: crate::Error::LimitExceeded
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The maximum length of a block in bytes. The format allows 4 GiB. Networks exchange blocks of
    /// at most 2 MiB. The default is 32 MiB.
    pub block_len_max: u32,
    /// The maximum length of the header of a DAR or a CAR. A list of 250,000 roots takes about 10
    /// MiB; the default is 64 MiB.
    pub header_len_max: u32,
    /// The maximum number of distinct blocks. Each takes about 100 bytes of memory. The default is
    /// 2^28.
    pub blocks_max: u32,
    /// The maximum number of CID prefixes (version, codec, hash, digest length) in one archive.
    /// Real archives have two or three; the default is 4,096.
    pub prefixes_max: u16,
    /// The maximum length of all waiting links together. Each link takes its digest and two bytes.
    /// A link waits while the blocks before it in depth-first order are read. The default is 1 GiB.
    pub pending_len_max: u64,
    /// The maximum number of identity CIDs that are roots of one archive: 65,536 by default.
    pub identity_roots_max: u32,
    /// The maximum length of a list of roots that is loaded whole: 2^24 roots by default.
    pub roots_max: u32,
    /// The maximum number of records that a look-up tries because their digests begin with the same
    /// 8 bytes: 64 by default.
    pub candidates_max: u32,
    /// The maximum length of one read of random access: 16 MiB by default.
    pub read_len_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            block_len_max: 32 << 20,
            header_len_max: 64 << 20,
            blocks_max: 1 << 28,
            prefixes_max: 4096,
            pending_len_max: 1 << 30,
            identity_roots_max: 1 << 16,
            roots_max: 1 << 24,
            candidates_max: 64,
            read_len_max: 16 << 20,
        }
    }
}

/// The treatment of a CID whose hash function this crate does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownHash {
    /// Refuse each block that cannot be proved.
    #[default]
    Refuse,
    /// Accept the block without proof.
    Trust,
}
