//! The dictionary of a new package. The caller gives it, or it is copied from another package, or
//! it is trained on a sample of the contents.
//!
//! Specification: `docs/spec/dacti-index.md`, "The dictionary".

mod sample;
mod train;

pub(super) use sample::choose;

pub(crate) use super::brotli::DICTIONARY_QUALITY_MIN;

use super::brotli;
use super::encode::Sealing;
use super::kept::Kept;
use crate::Error;
use crate::read::dictionary::Dictionary;
use dacti_index::{DICTIONARY_ID, DICTIONARY_LEN_MAX, Encoding};
use dacti_seal::{KeySearch, digest_of_hash};
use daicon_core::to_u64;

/// Whether a new package gets a dictionary that is trained on its contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DictionaryChoice {
    /// No dictionary is trained.
    #[default]
    None,
    /// A dictionary is trained if a sample of the contents shows that it makes the package at least
    /// 5 % smaller.
    Auto,
}

/// The maximum distance, in bytes, over which a stream that a packer writes can refer back.
const WINDOW_LEN_MAX: u64 = (1 << 22) - 16;

/// The dictionary of a package that is being written: its content and its stored bytes.
#[derive(Debug, Clone)]
pub(crate) struct NewDictionary {
    pub(crate) dictionary: Dictionary,
    /// The stored bytes, and their BLAKE3.
    stored: Vec<u8>,
    stored_hash: [u8; 32],
    /// The seal that is copied with the dictionary; `None` if it gets a new seal.
    seal: Option<Vec<u8>>,
    is_kept: bool,
    /// The number of bytes that the dictionary saves, minus its own length. It is estimated from a
    /// sample; 0 if there was no sample.
    pub(super) saves: u64,
}

impl NewDictionary {
    /// Compresses a dictionary.
    ///
    /// # Errors
    /// `Option` if it has no bytes, or more bytes than readers accept; `PrivateKey` if it contains
    /// a private key, because the dictionary is published with the package.
    pub(crate) fn new(bytes: Vec<u8>, quality: u8) -> Result<Self, Error> {
        let len = to_u64(bytes.len());
        if len == 0 || len > DICTIONARY_LEN_MAX {
            let (what, expected) = ("length of the dictionary", "1 to 1,048,576 bytes");
            return Err(Error::Option { what, found: len, expected });
        }
        if KeySearch::finds_in(&bytes) {
            return Err(Error::PrivateKey { name: "the dictionary".into(), file: None });
        }
        let mut stored = Vec::new();
        let failed = |error| Error::io("compress", "the dictionary".as_ref(), error);
        let mut compressor = brotli::Compressor::default();
        compressor.compress(&bytes, quality, None, &mut stored).map_err(failed)?;
        let stored_hash = blake3::hash(&stored).into();
        let dictionary = Dictionary::new(bytes);
        Ok(Self { dictionary, stored, stored_hash, seal: None, is_kept: false, saves: 0 })
    }

    /// Copies the dictionary of another package as it is stored there.
    ///
    /// # Errors
    /// Damaged bytes; errors of the source.
    pub(crate) fn kept(kept: &Kept, dictionary: Dictionary) -> Result<Self, Error> {
        let mut stored = Vec::new();
        let read = std::io::Read::read_to_end(&mut kept.open()?, &mut stored);
        read.map_err(|error| kept.failed(error))?;
        let stored_hash = blake3::hash(&stored).into();
        let seal = Some(kept.seal(&stored_hash)?).filter(|seal| !seal.is_empty());
        Ok(Self { dictionary, stored, stored_hash, seal, is_kept: true, saves: 0 })
    }

    /// Returns the dictionary of a package that is updated. The update does not store it again.
    pub(crate) fn of_package(dictionary: Dictionary) -> Self {
        let (stored, stored_hash) = (Vec::new(), [0; 32]);
        Self { dictionary, stored, stored_hash, seal: None, is_kept: true, saves: 0 }
    }

    /// Returns whether the dictionary belongs to an existing package. Regions that are copied from
    /// that package may need it.
    pub(crate) const fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Returns whether content of `len` bytes and the dictionary together fit into a packer's
    /// window.
    pub(crate) fn fits(&self, len: u64) -> bool {
        let used = len.saturating_add(to_u64(self.dictionary.bytes.len()));
        used <= WINDOW_LEN_MAX
    }

    /// Returns the stored bytes, without the seal.
    pub(crate) fn stored(&self) -> &[u8] {
        &self.stored
    }

    /// Returns the BLAKE3 of the stored bytes.
    pub(crate) const fn stored_hash(&self) -> &[u8; 32] {
        &self.stored_hash
    }

    /// Returns the stored bytes, followed by their seal.
    pub(super) fn sealed(&self, sealing: Option<Sealing<'_>>) -> Result<Vec<u8>, Error> {
        let mut out = self.stored.clone();
        let Some(sealing) = sealing else { return Ok(out) };
        if let Some(seal) = &self.seal {
            out.extend_from_slice(seal);
        } else {
            let (len, hash) = (to_u64(self.stored.len()), self.stored_hash);
            let digest = digest_of_hash(DICTIONARY_ID, Encoding::BROTLI, len, hash);
            out.extend(sealing.bytes(digest)?);
        }
        Ok(out)
    }
}
