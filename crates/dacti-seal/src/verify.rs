//! Seal policies, and the verification of a region against a policy.
//!
//! A verifier returns no bytes. A caller must wait for the verdict before it hands out a region.
//! Specification: `docs/spec/dacti-seal.md`, "Verification".

use crate::{
    DIGEST_LEN, Digester, Error, Hashes, Misuse, PublicKey, SIGNATURE_LEN, Seal, Seals, Structure,
    digest_of_hash,
};
use alloc::vec::Vec;
use dacti_index::Located;
use daicon_core::{Span, to_u64};
use uuid::Uuid;

/// The requirement of a reader on a region. The reader hands out only regions that fulfil it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SealPolicy {
    /// Nothing. Seals are not read.
    Nothing,
    /// A matching digest. It shows that the bytes are unchanged since they were packed, but not who
    /// packed them.
    Digest,
    /// A matching digest, signed with one of these keys for the key's package.
    Signature(Vec<PublicKey>),
}

/// The result for a region that a policy accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The policy required nothing, so nothing was checked.
    Unchecked,
    /// The digest matches.
    Digest,
    /// The digest matches, and the trusted key with these bytes has signed it.
    Signature([u8; 32]),
}

/// The verification of one region whose stored bytes are given in pieces.
///
/// A policy may refuse a region before its stored bytes are known. Then [`new`](Self::new) returns
/// the error.
#[derive(Debug, Clone)]
pub struct Verifier<'p> {
    located: Located,
    /// The BLAKE3 hash of the package's dictionary.
    dictionary: Option<[u8; DIGEST_LEN]>,
    /// The requirement and the digest so far. `None` if the policy requires nothing.
    required: Option<(Required<'p>, Digester)>,
}

#[derive(Debug, Clone, Copy)]
struct Required<'p> {
    seals: &'p Seals,
    /// The trusted keys. `None` if a digest is enough.
    trusted: Option<&'p [PublicKey]>,
    /// The span of the first seal after the stored bytes.
    seal: Span,
}

impl<'p> Verifier<'p> {
    /// Starts the verification of the region `located`. `seals` is the seal component of the
    /// package, if there is one.
    ///
    /// # Errors
    /// `Unsealed` or `Unsigned` if the package lacks what the policy requires; `OutOfBounds`;
    /// `Misuse` if the policy requires a signature and trusts no key.
    pub fn new(
        located: Located,
        seals: Option<&'p Seals>,
        policy: &'p SealPolicy,
    ) -> Result<Self, Error> {
        let required = Required::new(&located, seals, policy)?;
        let required = required.map(|required| (required, Digester::new()));
        Ok(Self { located, dictionary: None, required })
    }

    /// Sets the BLAKE3 hash of the package's decoded dictionary. The digest of a region with the
    /// encoding `brod` covers it.
    #[must_use]
    pub fn with_dictionary(self, dictionary: Option<[u8; DIGEST_LEN]>) -> Self {
        Self { dictionary, ..self }
    }

    /// Returns the span of the seals, right after the stored bytes; `None` if the policy does not
    /// need seals. `end` is the end of the file, or of the part that holds the region. The span
    /// stops at `end`, unless the first seal ends later: it always covers that seal.
    #[must_use]
    pub fn seals_span(&self, end: u64) -> Option<Span> {
        self.required.as_ref().map(|(required, _)| required.seals_span(end))
    }

    /// Takes the next stored bytes.
    pub fn update(&mut self, stored: &[u8]) {
        if let Some((_, digester)) = &mut self.required {
            digester.update(stored);
        }
    }

    /// Returns the verdict. Call this after all stored bytes were given. `seals` holds the bytes of
    /// [`seals_span`](Self::seals_span).
    ///
    /// # Errors
    /// The reason why the policy refuses the region; `NoDictionary`; `Misuse` if the number
    /// of stored bytes is wrong.
    pub fn finish(&self, seals: &[u8]) -> Result<Verdict, Error> {
        let Some((required, digester)) = &self.required else { return Ok(Verdict::Unchecked) };
        let (len, given) = (self.located.span.len(), digester.given());
        if given != len {
            return Err(Misuse::Length { len, given }.into());
        }
        let hashes = Hashes { stored: digester.stored_hash(), dictionary: self.dictionary };
        required.judge(&self.located, &hashes, seals)
    }

    /// Does the same as [`finish`](Self::finish), with the BLAKE3 hash of all stored bytes, which
    /// the caller has computed.
    ///
    /// # Errors
    /// The reason why the policy refuses the region; `NoDictionary`.
    pub fn finish_with(&self, hashes: impl Into<Hashes>, seals: &[u8]) -> Result<Verdict, Error> {
        let Some((required, _)) = &self.required else { return Ok(Verdict::Unchecked) };
        let Hashes { stored, dictionary } = hashes.into();
        let hashes = Hashes { stored, dictionary: dictionary.or(self.dictionary) };
        required.judge(&self.located, &hashes, seals)
    }
}

impl<'p> Required<'p> {
    /// Returns what `policy` requires of a region; `None` if it requires nothing.
    fn new(
        located: &Located,
        seals: Option<&'p Seals>,
        policy: &'p SealPolicy,
    ) -> Result<Option<Self>, Error> {
        let at = located.span.start;
        let (seals, trusted) = match (policy, seals) {
            (SealPolicy::Nothing, _) => return Ok(None),
            (SealPolicy::Signature(keys), _) if keys.is_empty() => {
                return Err(Misuse::NoKeys.into());
            }
            (SealPolicy::Digest, None) => return Err(Error::Unsealed { at }),
            (SealPolicy::Signature(_), None) => return Err(Error::Unsigned { at }),
            (SealPolicy::Digest, Some(seals)) => (seals, None),
            (SealPolicy::Signature(keys), Some(seals)) => (seals, Some(&keys[..])),
        };
        if trusted.is_some() && seals.kind == crate::Kind::Digest {
            return Err(Error::Unsigned { at });
        }
        Ok(Some(Self { seals, trusted, seal: Seal::span(located, seals.kind)? }))
    }

    /// Returns the span of all seals that may belong to the region, up to `end`.
    fn seals_span(&self, end: u64) -> Span {
        // spec: R-SEAL-22
        let len = self.seals.kind.seal_len().saturating_mul(self.seals.seals_max.into());
        let all = self.seal.start.saturating_add(len);
        Span { start: self.seal.start, end: all.min(end).max(self.seal.end) }
    }

    /// Judges a region by the bytes of its seals. The first seal with a matching digest decides.
    fn judge(&self, located: &Located, hashes: &Hashes, seals: &[u8]) -> Result<Verdict, Error> {
        let at = located.span.start;
        let (id, encoding, len) = (located.id, located.encoding, located.span.len());
        if encoding.needs_dictionary() && hashes.dictionary.is_none() {
            return Err(Error::NoDictionary { at });
        }
        let digest = &digest_of_hash(id, encoding, len, *hashes);
        let found = Seal::find(seals, self.seals, self.seal.start, digest)?;
        // spec: R-SEAL-23
        let altered = Error::Altered { what: Structure::StoredRegion, at };
        let (seal_at, seal) = found.ok_or(altered)?;
        let Some(trusted) = self.trusted else { return Ok(Verdict::Digest) };
        let signature = seal.signature.ok_or(Error::Unsigned { at })?;
        let package = self.seals.package;
        let own = |key: &&PublicKey| key.package() == package;
        if let Some(key) =
            { trusted.iter() }.filter(own).find(|key| key.signed(package, digest, &signature))
        {
            return Ok(Verdict::Signature(*key.key()));
        }
        let signature_at = seal_at.saturating_add(32);
        Err(self.refusal((at, signature_at), trusted, digest, &signature))
    }

    /// Returns the error for a signature that no trusted key has made. The position in the error is
    /// `at`, the start of the stored bytes, or `signature_at`.
    fn refusal(
        &self,
        (at, signature_at): (u64, u64),
        trusted: &[PublicKey],
        digest: &[u8; DIGEST_LEN],
        signature: &[u8; SIGNATURE_LEN],
    ) -> Error {
        let found = self.seals.package;
        let (own, other): (Vec<_>, Vec<_>) = trusted.iter().partition(|k| k.package() == found);
        let wrong_package = |key: &PublicKey| {
            let expected = key.package();
            Error::WrongPackage { at, expected, found }
        };
        // A trusted key has signed, but for a different package.
        if let Some(key) = other.iter().find(|key| key.signed(found, digest, signature)) {
            return wrong_package(key);
        }
        // The component names the key that has signed, but this key is not trusted.
        let is_trusted = |key: &[u8; 32]| trusted.iter().any(|trusted| trusted.key() == key);
        let mut strangers = { self.seals.keys.iter() }
            .filter(|key| !is_trusted(key))
            .filter_map(|key| trusted.first()?.other(key, found));
        if strangers.any(|key| key.signed(found, digest, signature)) {
            return Error::WrongKey { at };
        }
        // No known key has signed. The error names the most likely reason, which follows from the
        // key and the package that the component states.
        match (own.is_empty(), other.first()) {
            (true, Some(key)) => wrong_package(key),
            _ if own.iter().any(|key| self.seals.keys.contains(key.key())) => {
                Error::Altered { what: Structure::Signature, at: signature_at }
            }
            _ => Error::WrongKey { at },
        }
    }
}

/// Returns the span of the seals after a region, up to `end`, as
/// [`Verifier::seals_span`] does; `None` if `policy` does not need them.
///
/// # Errors
/// The errors of [`Verifier::new`].
pub fn seals_span(
    located: &Located,
    seals: Option<&Seals>,
    policy: &SealPolicy,
    end: u64,
) -> Result<Option<Span>, Error> {
    Ok(Required::new(located, seals, policy)?.map(|required| required.seals_span(end)))
}

/// Verifies a region whose bytes are in memory: all stored bytes, and also the seals if `policy`
/// needs them.
///
/// `bytes` start at the region's first stored byte. This is faster than a [`Verifier`] for short
/// regions.
///
/// # Errors
/// The reason why the policy refuses the region; `NoDictionary` for the encoding `brod`: see
/// [`verify_hash`].
pub fn verify(
    located: Located,
    bytes: &[u8],
    seals: Option<&Seals>,
    policy: &SealPolicy,
) -> Result<Verdict, Error> {
    let Some(required) = Required::new(&located, seals, policy)? else {
        return Ok(Verdict::Unchecked);
    };
    let (at, needed) = (located.span.start, located.span.len());
    let split = usize::try_from(needed).ok().and_then(|len| bytes.split_at_checked(len));
    let Some((stored, seal)) = split else {
        let end = at.saturating_add(to_u64(bytes.len()));
        return Err(Error::Truncated { what: Structure::StoredRegion, at, needed, end });
    };
    required.judge(&located, &blake3::hash(stored).as_bytes().into(), seal)
}

/// Does the same as [`verify`], given the BLAKE3 hash of the stored bytes and the bytes of
/// [`seals_span`]. A region with the encoding `brod` also needs the hash of the dictionary.
///
/// # Errors
/// The reason why the policy refuses the region; `NoDictionary`.
pub fn verify_hash(
    located: &Located,
    hashes: impl Into<Hashes>,
    seal_bytes: &[u8],
    seals: Option<&Seals>,
    policy: &SealPolicy,
) -> Result<Verdict, Error> {
    let required = Required::new(located, seals, policy)?;
    let judge = |required: Required<'_>| required.judge(located, &hashes.into(), seal_bytes);
    required.map_or(Ok(Verdict::Unchecked), judge)
}

/// Returns `Swapped` in place of [`Altered`](Error::Altered), if the seals show that the bytes were
/// sealed as one of the regions `others`. Returns other errors unchanged.
///
/// `seal_bytes` are the bytes of [`seals_span`]. Cost: this hashes the stored bytes once, and 80
/// bytes for each of `others`.
#[must_use]
pub fn explain(
    error: Error,
    located: &Located,
    stored: &[u8],
    seal_bytes: &[u8],
    seals: &Seals,
    others: impl IntoIterator<Item = Uuid>,
) -> Error {
    explain_with(error, located, *blake3::hash(stored).as_bytes(), seal_bytes, seals, others)
}

/// Does the same as [`explain`], given the hashes from which the region's digest is made.
#[must_use]
pub fn explain_with(
    error: Error,
    located: &Located,
    hashes: impl Into<Hashes>,
    seal_bytes: &[u8],
    seals: &Seals,
    others: impl IntoIterator<Item = Uuid>,
) -> Error {
    let hashes = hashes.into();
    let Error::Altered { what: Structure::StoredRegion, at } = error else { return error };
    let Ok(sealed) = Seal::parse_all(seal_bytes, seals, at) else { return error };
    let sealed: Vec<_> = sealed.map(|(_, seal)| seal.digest).collect();
    let (asked, len) = (located.id, located.span.len());
    let fits = |id: &Uuid| sealed.contains(&digest_of_hash(*id, located.encoding, len, hashes));
    match others.into_iter().filter(|id| *id != asked).find(fits) {
        Some(sealed) => Error::Swapped { at, asked, sealed },
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::{SealPolicy, Verdict, Verifier, explain, verify, verify_hash};
    use crate::test_data::{HELLO_SEALED, PACKAGE, hello, key, other_key};
    use crate::{
        Error, ErrorKind, Kind, Misuse, PublicKey, Seal, Seals, SecretKey, Structure, digest,
    };
    use daicon_core::Span;
    use proptest::prelude::*;
    use std::vec::Vec;
    use uuid::Uuid;

    const AT: u64 = 1000;

    fn signed() -> Seals {
        let keys = std::vec![*key().public().key()];
        Seals { kind: Kind::Signature, package: PACKAGE, keys, seals_max: 1 }
    }

    fn trust(key: &SecretKey) -> SealPolicy {
        SealPolicy::Signature(std::vec![key.public()])
    }

    #[track_caller]
    fn check(
        bytes: &[u8],
        seals: Option<&Seals>,
        policy: &SealPolicy,
        expected: Result<Verdict, Error>,
    ) {
        assert_eq!(verify(hello(), bytes, seals, policy), expected);
        // A verifier that is fed pieces gives the same result.
        let piecewise = Verifier::new(hello(), seals, policy).and_then(|mut verifier| {
            bytes[..6].chunks(4).for_each(|piece| verifier.update(piece));
            verifier.finish(&bytes[6..])
        });
        assert_eq!(piecewise, expected);
        let (hash, seal) = (blake3::hash(&bytes[..6]), &bytes[6..]);
        assert_eq!(verify_hash(&hello(), hash.as_bytes(), seal, seals, policy), expected);
    }

    #[test]
    fn the_vector_of_an_independent_implementation_is_taken() {
        // spec: R-SEAL-12
        let good = Ok(Verdict::Signature(*key().public().key()));
        check(&HELLO_SEALED, Some(&signed()), &trust(&key()), good);
        check(&HELLO_SEALED, Some(&signed()), &SealPolicy::Digest, Ok(Verdict::Digest));
        check(&HELLO_SEALED[..38], Some(&Seals::DIGESTS), &SealPolicy::Digest, Ok(Verdict::Digest));
        let both = SealPolicy::Signature(std::vec![other_key().public(), key().public()]);
        check(&HELLO_SEALED, Some(&signed()), &both, good);
    }

    #[test]
    fn a_policy_of_nothing_looks_at_nothing() {
        // spec: R-SEAL-11
        check(b"jello!", None, &SealPolicy::Nothing, Ok(Verdict::Unchecked));
        check(b"jello!", Some(&signed()), &SealPolicy::Nothing, Ok(Verdict::Unchecked));
    }

    #[test]
    fn altered_bytes_are_refused_by_whatever_bit() {
        // spec: R-SEAL-13, R-SEAL-15
        for policy in [SealPolicy::Digest, trust(&key())] {
            let signature_counts = policy != SealPolicy::Digest;
            for bit in 0..HELLO_SEALED.len() * 8 {
                let mut bytes = HELLO_SEALED;
                bytes[bit / 8] ^= 1 << (bit % 8);
                let stored = Error::Altered { what: Structure::StoredRegion, at: AT };
                let signature = Error::Altered { what: Structure::Signature, at: AT + 6 + 32 };
                let expected = match bit / 8 {
                    0..38 => Err(stored),
                    _ if signature_counts => Err(signature),
                    _ => Ok(Verdict::Digest),
                };
                check(&bytes, Some(&signed()), &policy, expected);
            }
        }
    }

    #[test]
    fn swapped_ids_are_told_from_altered_bytes() {
        // spec: R-SEAL-16
        let ids = [3_u128, 4, 5].map(Uuid::from_u128);
        let located = dacti_index::Located { id: ids[0], ..hello() };
        let altered = verify(located, &HELLO_SEALED, Some(&signed()), &trust(&key())).unwrap_err();
        assert_eq!(altered, Error::Altered { what: Structure::StoredRegion, at: AT });
        let (stored, seal) = HELLO_SEALED.split_at(6);
        let explained = |seal, others: &[Uuid]| {
            explain(altered, &located, stored, seal, &signed(), others.iter().copied())
        };
        assert_eq!(explained(seal, &ids), altered, "none of these");
        let sealed = hello().id;
        let swapped = Error::Swapped { at: AT, asked: ids[0], sealed };
        assert_eq!(explained(seal, &[ids[1], sealed, ids[2]]), swapped);
        assert_eq!(explained(&seal[1..], &[sealed]), altered, "another digest");
        let unsigned = Error::Unsigned { at: AT };
        assert_eq!(explain(unsigned, &located, stored, seal, &signed(), [sealed]), unsigned);
    }

    #[test]
    fn the_unsigned_is_told_from_the_unsealed() {
        // spec: R-SEAL-11, R-SEAL-14
        let (unsealed, unsigned) = (Error::Unsealed { at: AT }, Error::Unsigned { at: AT });
        check(&HELLO_SEALED, None, &SealPolicy::Digest, Err(unsealed));
        check(&HELLO_SEALED, None, &trust(&key()), Err(unsigned));
        check(&HELLO_SEALED, Some(&Seals::DIGESTS), &trust(&key()), Err(unsigned));
        let mut zeroed = HELLO_SEALED;
        zeroed[38..].fill(0);
        check(&zeroed, Some(&signed()), &trust(&key()), Err(unsigned));
        check(&zeroed, Some(&signed()), &SealPolicy::Digest, Ok(Verdict::Digest));
        for error in [unsealed, unsigned] {
            assert_eq!(error.kind(), ErrorKind::Denied);
        }
        let nobody = SealPolicy::Signature(std::vec![]);
        check(&HELLO_SEALED, Some(&signed()), &nobody, Err(Misuse::NoKeys.into()));
    }

    #[test]
    fn a_wrong_key_is_told_from_a_wrong_package() {
        // spec: R-SEAL-14, R-SEAL-17
        let wrong_key = Err(Error::WrongKey { at: AT });
        check(&HELLO_SEALED, Some(&signed()), &trust(&other_key()), wrong_key);
        // The result is the same if the component does not name the key.
        let unnamed = Seals { keys: std::vec![], ..signed() };
        check(&HELLO_SEALED, Some(&unnamed), &trust(&other_key()), wrong_key);

        // The trusted key has signed, but the policy requires a signature for a different package.
        let expected = Uuid::from_u128(9);
        let wanted = PublicKey::new(key().public().key(), expected).unwrap();
        let policy = SealPolicy::Signature(std::vec![wanted]);
        let wrong = |found| Err(Error::WrongPackage { at: AT, expected, found });
        check(&HELLO_SEALED, Some(&signed()), &policy, wrong(PACKAGE));
        // In two cases, the component states a package other than the one that was signed. So the
        // signature is not valid for the stated package.
        let liar = Seals { package: expected, ..signed() };
        let altered = Error::Altered { what: Structure::Signature, at: AT + 38 };
        check(&HELLO_SEALED, Some(&liar), &policy, Err(altered));
        let found = Uuid::from_u128(10);
        let liar = Seals { package: found, ..signed() };
        check(&HELLO_SEALED, Some(&liar), &policy, wrong(found));
        // An unknown key signs for the required package.
        let stranger = SecretKey::from_seed(&[9; 32], PACKAGE);
        let mut bytes = HELLO_SEALED;
        let sealed = Seal::new(bytes[6..38].try_into().unwrap(), Some(&stranger));
        sealed.emit(Kind::Signature, &mut bytes[6..]).unwrap();
        let keys = std::vec![*stranger.public().key(), *key().public().key()];
        let seals = Seals { keys, ..signed() };
        check(&bytes, Some(&seals), &trust(&key()), wrong_key);
    }

    #[test]
    fn a_digest_does_not_cover_another_encoding_or_size() {
        // spec: R-SEAL-05
        let altered = Err(Error::Altered { what: Structure::StoredRegion, at: AT });
        let encoding = dacti_index::Encoding::BROTLI;
        let located = dacti_index::Located { encoding, ..hello() };
        assert_eq!(verify(located, &HELLO_SEALED, Some(&signed()), &SealPolicy::Digest), altered);
        // The entry states one byte less than was sealed, so the reader expects the seal one byte
        // too early.
        let span = Span { start: AT, end: AT + 5 };
        let located = dacti_index::Located { span, ..hello() };
        assert_eq!(verify(located, &HELLO_SEALED, Some(&signed()), &SealPolicy::Digest), altered);
    }

    #[test]
    fn what_is_cut_is_told() {
        // spec: R-SEAL-10
        let policy = SealPolicy::Digest;
        let seals = signed();
        for len in 0..HELLO_SEALED.len() {
            let error = verify(hello(), &HELLO_SEALED[..len], Some(&seals), &policy).unwrap_err();
            let end = AT + len as u64;
            let expected = if len < 6 {
                Error::Truncated { what: Structure::StoredRegion, at: AT, needed: 6, end }
            } else {
                Error::Truncated { what: Structure::Seal, at: AT + 6, needed: 96, end }
            };
            assert_eq!(error, expected);
        }
        let mut verifier = Verifier::new(hello(), Some(&seals), &policy).unwrap();
        assert_eq!(verifier.seals_span(u64::MAX), Some(Span { start: AT + 6, end: AT + 102 }));
        verifier.update(b"hello");
        let expected = Error::Misuse(Misuse::Length { len: 6, given: 5 });
        assert_eq!(verifier.finish(&HELLO_SEALED[6..]), Err(expected));
        let span = Span { start: u64::MAX - 10, end: u64::MAX - 4 };
        let located = dacti_index::Located { span, ..hello() };
        let error = Verifier::new(located, Some(&seals), &policy).unwrap_err();
        assert_eq!(error, Error::OutOfBounds { at: u64::MAX - 4 });
    }

    /// Returns the seals of the hello bytes under these ids, signed by `signer` if there is one.
    fn seals_of(ids: &[Uuid], seals: &Seals, signer: Option<&SecretKey>) -> Vec<u8> {
        let seal_len = seals.kind.seal_len() as usize;
        let seal = |id: &Uuid| {
            let mut bytes = std::vec![0; seal_len];
            let digest = digest(*id, hello().encoding, &HELLO_SEALED[..6]);
            Seal::new(digest, signer).emit(seals.kind, &mut bytes).unwrap();
            bytes
        };
        ids.iter().flat_map(seal).collect()
    }

    #[test]
    fn one_of_the_seals_must_fit_the_id_that_was_asked_for() {
        // spec: R-SEAL-22, R-SEAL-23
        let ids: Vec<Uuid> = (1..=17_u128).map(Uuid::from_u128).collect();
        for base in [Seals::DIGESTS, signed()] {
            let seals = Seals { seals_max: 16, ..base };
            let key = (seals.kind == Kind::Signature).then(key);
            let policy = key.as_ref().map_or(SealPolicy::Digest, trust);
            let bytes = [&HELLO_SEALED[..6], &seals_of(&ids, &seals, key.as_ref())].concat();
            let altered = Error::Altered { what: Structure::StoredRegion, at: AT };
            for (n, id) in ids.iter().enumerate() {
                let located = dacti_index::Located { id: *id, ..hello() };
                let verdict = verify(located, &bytes, Some(&seals), &policy);
                // A verifier reads at most 16 seals, so it does not find the digest in the
                // seventeenth seal.
                assert_eq!(verdict.is_ok(), n < 16, "{n}");
                assert!(!verdict.is_err_and(|error| error != altered));
                // The verifier reads fewer seals if the component states a lower maximum, or if the
                // bytes end earlier.
                for max in 1..=16_u32 {
                    let few = Seals { seals_max: max, ..seals.clone() };
                    let verdict = verify(located, &bytes, Some(&few), &policy);
                    assert_eq!(verdict.is_ok(), n < max as usize);
                    let end = 6 + max as usize * seals.kind.seal_len() as usize;
                    for end in [end, end + 1, end + 31] {
                        let verdict = verify(located, &bytes[..end], Some(&seals), &policy);
                        assert_eq!(verdict.is_ok(), n < max as usize);
                    }
                }
            }
            let stranger = dacti_index::Located { id: Uuid::from_u128(99), ..hello() };
            let error = verify(stranger, &bytes, Some(&seals), &policy).unwrap_err();
            assert_eq!(error, altered);
            let (stored, behind) = bytes.split_at(6);
            let explained = explain(error, &stranger, stored, behind, &seals, [ids[15]]);
            let swapped = Error::Swapped { at: AT, asked: stranger.id, sealed: ids[15] };
            assert_eq!(explained, swapped);
            let explained = explain(error, &stranger, stored, behind, &seals, [ids[16]]);
            assert_eq!(explained, altered, "the seventeenth seal does not count");
        }
    }

    #[test]
    fn the_span_of_the_seals_ends_with_the_file_and_has_one_seal() {
        // spec: R-SEAL-10, R-SEAL-22
        let seals = Seals { seals_max: 16, ..Seals::DIGESTS };
        let policy = SealPolicy::Digest;
        let verifier = Verifier::new(hello(), Some(&seals), &policy).unwrap();
        let start = AT + 6;
        let long = AT + 6 + 16 * 32;
        let cases = [(u64::MAX, long), (long, long), (long - 1, long - 1), (start, start + 32)];
        for (bound, end) in cases.into_iter().chain([(0, start + 32), (start + 33, start + 33)]) {
            let expected = Some(Span { start, end });
            assert_eq!(verifier.seals_span(bound), expected);
            assert_eq!(super::seals_span(&hello(), Some(&seals), &policy, bound), Ok(expected));
        }
        // The second seal would pass the last position of a file, so the span ends at that
        // position.
        let span = Span { start: u64::MAX - 50, end: u64::MAX - 40 };
        let located = dacti_index::Located { span, ..hello() };
        let verifier = Verifier::new(located, Some(&seals), &policy).unwrap();
        let expected = Some(Span { start: span.end, end: u64::MAX });
        assert_eq!(verifier.seals_span(u64::MAX), expected);
    }

    #[test]
    fn the_signature_of_the_seal_that_fits_counts() {
        // spec: R-SEAL-23
        let seals = Seals { seals_max: 3, ..signed() };
        let ids = [Uuid::from_u128(1), hello().id];
        let forged = seals_of(&ids, &seals, Some(&other_key()));
        let good = seals_of(&ids[1..], &seals, Some(&key()));
        let policy = trust(&key());
        let check = |behind: &[u8], expected| {
            let bytes = [&HELLO_SEALED[..6], behind].concat();
            assert_eq!(verify(hello(), &bytes, Some(&seals), &policy), expected);
        };
        let at = AT + 6 + 96 + 32;
        check(&forged, Err(Error::Altered { what: Structure::Signature, at }));
        let unsigned = seals_of(&ids, &seals, None);
        check(&unsigned, Err(Error::Unsigned { at: AT }));
        // The first seal with a matching digest decides, even if a later seal has the same digest.
        let verdict = Ok(Verdict::Signature(*key().public().key()));
        check(
            &[&forged[..], &good].concat(),
            Err(Error::Altered { what: Structure::Signature, at }),
        );
        check(&[&forged[..96], &good, &forged[96..]].concat(), verdict);
    }

    #[test]
    fn an_empty_region_is_sealed_where_its_bytes_would_end() {
        // spec: R-SEAL-02
        let located = dacti_index::Located { span: Span { start: AT, end: AT }, ..hello() };
        let seal = Seal::new(digest(located.id, located.encoding, b""), None);
        let mut bytes = [0xaa; 33];
        assert_eq!(seal.emit(Kind::Digest, &mut bytes), Ok(32));
        assert_eq!(bytes[32], 0xaa);
        let verdict = verify(located, &bytes, Some(&Seals::DIGESTS), &SealPolicy::Digest);
        assert_eq!(verdict, Ok(Verdict::Digest));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..<_>::default() })]

        /// A hash that the caller has computed gives the same verdict as the hash of the verifier.
        #[test]
        fn a_callers_own_hasher_is_as_good(stored: Vec<u8>, id: u128, right: bool) {
            let end = AT + stored.len() as u64;
            let span = Span { start: AT, end };
            let located = dacti_index::Located { id: Uuid::from_u128(id), span, ..hello() };
            let seal_digest = digest(located.id, located.encoding, &stored);
            let mut seal = [0; 96];
            Seal::new(seal_digest, Some(&key())).emit(Kind::Signature, &mut seal).unwrap();
            let policy = trust(&key());
            let seals = signed();
            let verifier = Verifier::new(located, Some(&seals), &policy).unwrap();
            let digest = if right { *blake3::hash(&stored).as_bytes() } else { [0; 32] };
            let verdict = verifier.finish_with(digest, &seal);
            prop_assert_eq!(verdict.is_ok(), right);
        }
    }
}
