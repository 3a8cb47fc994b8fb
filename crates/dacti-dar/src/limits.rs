//! Every limit of this crate, with its reason.

/// The limits of a reader or writer. It refuses larger values with [`Error::LimitExceeded`], before
/// it takes memory for them.
///
/// [`Error::LimitExceeded`]: crate::Error::LimitExceeded
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest block in bytes. The index has room for 4 GiB. Networks exchange 2 MiB at most,
    /// so the default of 32 MiB is ample.
    pub block_len_max: u32,
    /// The longest header of a DAR or a CAR. A list of 250,000 roots takes about 10 MiB; the
    /// default is 64 MiB.
    pub header_len_max: u32,
    /// The most distinct blocks: 2^28, at about 100 bytes of memory each.
    pub blocks_max: u32,
    /// The most kinds of CID (version, codec, hash, digest length) in one archive. Real archives
    /// have two or three; the default is 4,096.
    pub prefixes_max: u16,
    /// The most bytes of waiting links. Each link takes its digest and two bytes. A link waits
    /// while the blocks before it in depth-first order are read. The default is 1 GiB.
    pub pending_len_max: u64,
    /// The most identity CIDs that one archive may have as roots: 65,536.
    pub identity_roots_max: u32,
    /// The most roots in a list of roots that is loaded whole: 2^24.
    pub roots_max: u32,
    /// The most records of equal digest heads that a look-up tries: 64.
    pub candidates_max: u32,
    /// The longest read of random access: 16 MiB.
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

/// The treatment of a CID whose hash function this crate does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownHash {
    /// Refuse each block that cannot be proved.
    #[default]
    Refuse,
    /// Accept the block without proof.
    Trust,
}
