//! A seal: the bytes that follow a region's stored bytes.
//!
//! Specification: `docs/spec/dacti-seal.md`, "The seal".

use crate::{DIGEST_LEN, Error, Kind, Misuse, SIGNATURE_LEN, Seals, SecretKey, Structure};
use dacti_index::Located;
use daicon_core::{Span, to_u64};

/// A digest, and optionally a signature over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seal {
    /// The region's digest.
    pub digest: [u8; DIGEST_LEN],
    /// The signature over the digest, if there is one.
    pub signature: Option<[u8; SIGNATURE_LEN]>,
}

impl Seal {
    /// Creates the seal of a region with this digest. Signs it if there is a key.
    #[must_use]
    pub fn new(digest: [u8; DIGEST_LEN], key: Option<&SecretKey>) -> Self {
        Self { digest, signature: key.map(|key| key.sign(&digest)) }
    }

    /// Returns the span of the first seal after a region, in a package with seals of `kind`.
    ///
    /// # Errors
    /// `OutOfBounds` if the seal passes the last position of a file.
    pub fn span(located: &Located, kind: Kind) -> Result<Span, Error> {
        let at = located.span.end;
        Span::new(at, kind.seal_len()).ok_or(Error::OutOfBounds { at })
    }

    /// Reads each seal that `bytes` hold completely, up to the maximum number of seals in the
    /// package. Returns each with its file position. `bytes` start at file position `at`, which is
    /// the end of the region.
    ///
    /// # Errors
    /// `Truncated` if `bytes` are shorter than one seal.
    pub fn parse_all(
        bytes: &[u8],
        seals: &Seals,
        at: u64,
    ) -> Result<impl Iterator<Item = (u64, Self)>, Error> {
        let kind = seals.kind;
        let first = Self::parse(bytes, kind, at)?;
        let len = usize::try_from(kind.seal_len()).unwrap_or(usize::MAX);
        let more = usize::try_from(seals.seals_max.saturating_sub(1)).unwrap_or(usize::MAX);
        let others = bytes.chunks_exact(len).zip(0_u64..).skip(1).take(more);
        let others = others.filter_map(move |(bytes, n)| {
            let at = at.saturating_add(kind.seal_len().saturating_mul(n));
            Some((at, Self::parse(bytes, kind, at).ok()?))
        });
        Ok(core::iter::once((at, first)).chain(others))
    }

    /// Finds the seal with this digest among those that [`parse_all`](Self::parse_all) reads.
    /// Returns the first such seal with its file position.
    ///
    /// # Errors
    /// `Truncated` if `bytes` are shorter than one seal.
    pub fn find(
        bytes: &[u8],
        seals: &Seals,
        at: u64,
        digest: &[u8; DIGEST_LEN],
    ) -> Result<Option<(u64, Self)>, Error> {
        Ok(Self::parse_all(bytes, seals, at)?.find(|(_, seal)| seal.digest == *digest))
    }

    /// Reads a seal of `kind` from `bytes`, which start at file position `at`. Ignores bytes after
    /// the seal.
    ///
    /// # Errors
    /// `Truncated`.
    pub fn parse(bytes: &[u8], kind: Kind, at: u64) -> Result<Self, Error> {
        let cut = || {
            let end = at.saturating_add(to_u64(bytes.len()));
            Error::Truncated { what: Structure::Seal, at, needed: kind.seal_len(), end }
        };
        let (digest, rest) = bytes.split_first_chunk().ok_or_else(cut)?;
        let signature = match kind {
            Kind::Digest => None,
            Kind::Signature => {
                let signature: &[u8; SIGNATURE_LEN] = rest.first_chunk().ok_or_else(cut)?;
                Some(*signature).filter(|signature| *signature != [0; SIGNATURE_LEN])
            }
        };
        Ok(Self { digest: *digest, signature })
    }

    /// Writes a seal of `kind` at the start of `out`. Returns the number of bytes written.
    ///
    /// # Errors
    /// `Misuse` if `out` is too short, or if `kind` has no room for the signature.
    pub fn emit(&self, kind: Kind, out: &mut [u8]) -> Result<usize, Error> {
        let (needed, len) = (kind.seal_len(), to_u64(out.len()));
        let short = Misuse::BufferTooShort { needed, len };
        let needed = usize::try_from(needed).unwrap_or(usize::MAX);
        let out = out.get_mut(..needed).ok_or(short)?;
        let (digest, signature) = out.split_first_chunk_mut().ok_or(short)?;
        *digest = self.digest;
        match (kind, self.signature) {
            (Kind::Digest, Some(_)) => return Err(Misuse::NoRoomForSignature.into()),
            (Kind::Digest, None) => {}
            (Kind::Signature, found) => {
                signature.copy_from_slice(&found.unwrap_or([0; SIGNATURE_LEN]));
            }
        }
        Ok(needed)
    }
}

#[cfg(test)]
mod tests {
    use super::Seal;
    use crate::test_data::{HELLO_SEALED, hello, key};
    use crate::{Kind, Misuse};
    use daicon_core::Span;

    #[test]
    fn seals_lie_behind_the_stored_bytes() {
        // spec: R-SEAL-01, R-SEAL-02, R-SEAL-09
        let span = |kind| Seal::span(&hello(), kind).unwrap();
        assert_eq!(span(Kind::Digest), Span { start: 1006, end: 1038 });
        assert_eq!(span(Kind::Signature), Span { start: 1006, end: 1102 });
        let digest = HELLO_SEALED[6..38].try_into().unwrap();
        let signed = Seal::new(digest, Some(&key()));
        let mut out = [0xaa; 97];
        assert_eq!(signed.emit(Kind::Signature, &mut out), Ok(96));
        assert_eq!((&out[..96], out[96]), (&HELLO_SEALED[6..], 0xaa));
        assert_eq!(Seal::parse(&out, Kind::Signature, 0), Ok(signed));
        let unsigned = Seal::new(digest, None);
        assert_eq!(Seal::parse(&out, Kind::Digest, 0), Ok(unsigned));
        assert_eq!(unsigned.emit(Kind::Signature, &mut out), Ok(96));
        assert_eq!(out[32..96], [0; 64]);
        assert_eq!(Seal::parse(&out, Kind::Signature, 0), Ok(unsigned));
    }

    #[test]
    fn what_has_no_room_is_not_written() {
        let signed = Seal::new([1; 32], Some(&key()));
        let mut out = [0; 96];
        let none = Misuse::NoRoomForSignature;
        assert_eq!(signed.emit(Kind::Digest, &mut out), Err(none.into()));
        let short = Misuse::BufferTooShort { needed: 96, len: 95 };
        assert_eq!(signed.emit(Kind::Signature, &mut out[1..]), Err(short.into()));
    }
}
