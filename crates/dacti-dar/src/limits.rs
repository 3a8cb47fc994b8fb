//! Every cap of this crate, named, with its reason. Knows no bytes.

/// What a reader or writer accepts before it gives up with [`Error::LimitExceeded`].
///
/// All of it is checked before memory is taken for it.
///
/// [`Error::LimitExceeded`]: crate::Error::LimitExceeded
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest block, in bytes. The format's index has room for 4 GiB; networks exchange 2 MiB at
    /// most, so the default of 32 MiB is ample.
    pub block_len_max: u32,
    /// Longest header of a DAR or of a CAR. A list of 250,000 roots takes about 10 MiB; the default
    /// is 64 MiB.
    pub header_len_max: u32,
    /// Most distinct blocks: 2^28, at about 100 bytes of memory each.
    pub blocks_max: u32,
    /// Most kinds of CID (version, codec, hash, digest length) in one archive: real archives have
    /// two or three; the default is 4,096.
    pub prefixes_max: u16,
    /// Most bytes of links that wait for their block: each takes its digest and two bytes. A link
    /// waits while the blocks before it in depth-first order are read. The default is 1 GiB.
    pub pending_len_max: u64,
    /// Most identity CIDs that one archive may name as roots: 65,536.
    pub identity_roots_max: u32,
    /// Most roots that a list of roots may hold when it is loaded whole: 2^24.
    pub roots_max: u32,
    /// Most records of equal prefix that a look-up will try before it gives up: 64.
    pub candidates_max: u32,
    /// Most bytes that random access asks for in one read: 16 MiB.
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

/// What to do with a CID whose hash function this crate does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownHash {
    /// An error as soon as a block would have to be believed.
    #[default]
    Refuse,
    /// Take the block for what it is said to be. Nothing then proves it.
    Trust,
}
