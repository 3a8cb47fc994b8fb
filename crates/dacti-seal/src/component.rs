//! The seal component: the kind of a package's seals, the publisher's package, and public keys.
//!
//! Readers trust no claim of the component: a policy names the trusted keys. Specification:
//! `docs/spec/dacti-seal.md`, "The component".

use crate::{Error, KEYS_MAX, Misuse, SEALS_MAX, Structure};
use alloc::vec::Vec;
use bytemuck::{Pod, Zeroable};
use daicon_core::{U32Le, UuidLe, bytes_of, slice_at, struct_at, to_u64};
use uuid::Uuid;

/// Length of the component's region without keys.
pub const COMPONENT_LEN_MIN: u64 = 64;
/// The prefix of the bytes that the component's own digest covers.
pub const COMPONENT_DOMAIN: &[u8; 23] = b"dacti-seal component v0";

/// The kind of a package's seals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A digest: 32 bytes.
    Digest,
    /// A digest and a signature: 96 bytes.
    Signature,
}

impl Kind {
    /// Returns the length of a seal.
    #[must_use]
    pub const fn seal_len(self) -> u64 {
        match self {
            Self::Digest => 32,
            Self::Signature => 96,
        }
    }

    /// Returns the number that stands for this kind in the component. `is_shared` tells whether
    /// regions of the package may share stored bytes.
    const fn number(self, is_shared: bool) -> u32 {
        match (self, is_shared) {
            (Self::Digest, false) => 1,
            (Self::Signature, false) => 2,
            (Self::Digest, true) => 3,
            (Self::Signature, true) => 4,
        }
    }
}

/// The start of the component's region as it lies in the file.
///
/// | at | bytes | field |
/// |---|---|---|
/// | 0 | 4 | version: 0 before 1.0 |
/// | 4 | 4 | kind: 1 digest, 2 digest and signature; 3 and 4 the same, with shared stored bytes |
/// | 8 | 16 | UUID of the publisher's package; nil if nothing is signed |
/// | 24 | 4 | count of public keys that follow, 32 bytes each |
/// | 28 | 4 | kinds 3 and 4: the maximum number of seals after stored bytes; others: reserved |
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Header {
    version: U32Le,
    kind: U32Le,
    package: UuidLe,
    keys: U32Le,
    seals_max: U32Le,
}

const _: () = assert!(size_of::<Header>() == 32);

/// The content of the seal component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seals {
    /// The kind of a package's seals.
    pub kind: Kind,
    /// The publisher's package that the signatures are for; nil if there are no signatures.
    pub package: Uuid,
    /// The public keys of the signatures, as the publisher claims.
    pub keys: Vec<[u8; 32]>,
    /// The maximum number of seals after the stored bytes of a region, at most [`SEALS_MAX`]. It is
    /// 1 if no regions share stored bytes.
    pub seals_max: u32,
}

impl Seals {
    /// Seals without signatures.
    pub const DIGESTS: Self =
        Self { kind: Kind::Digest, package: Uuid::nil(), keys: Vec::new(), seals_max: 1 };

    /// Returns whether regions of the package may share their stored bytes.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        self.seals_max > 1
    }

    /// Returns the number of zero bytes that follow the last region of a package, and the last
    /// region of each block that an update appends. Because of these zeros, a reader can read
    /// [`seals_max`](Self::seals_max) seals after any region without passing the end of the file.
    #[must_use]
    pub const fn room_len(&self) -> u64 {
        if !self.is_shared() {
            return 0;
        }
        // The numbers are constants of the format, so nothing saturates.
        let more = SEALS_MAX.saturating_sub(1) as u64;
        self.kind.seal_len().saturating_mul(more)
    }

    /// Reads the component's region, which starts at file position `at`. Ignores bytes after the
    /// component's digest.
    ///
    /// # Errors
    /// Any fault of the component; `Altered` if its own digest does not match.
    pub fn parse(bytes: &[u8], at: u64) -> Result<Self, Error> {
        let what = Structure::SealComponent;
        let cut = |needed| {
            let end = at.saturating_add(to_u64(bytes.len()));
            Error::Truncated { what, at, needed, end }
        };
        let header: &Header = struct_at(bytes).ok_or_else(|| cut(COMPONENT_LEN_MIN))?;
        if header.version.get() != 0 {
            return Err(Error::UnsupportedVersion { at, found: header.version.get() });
        }
        let count = usize::try_from(header.keys.get()).unwrap_or(usize::MAX);
        if count > KEYS_MAX {
            let (found, limit) = (u64::from(header.keys.get()), to_u64(KEYS_MAX));
            return Err(Error::LimitExceeded { at, found, limit });
        }
        let len = region_len(count);
        let digested = len.saturating_sub(32);
        let (digested, rest) = bytes.split_at_checked(digested).ok_or_else(|| cut(to_u64(len)))?;
        let digest = rest.get(..32).ok_or_else(|| cut(to_u64(len)))?;
        if digest != component_digest(digested) {
            return Err(Error::Altered { what, at });
        }
        let (kind, is_shared) = match header.kind.get() {
            1 => (Kind::Digest, false),
            2 => (Kind::Signature, false),
            3 => (Kind::Digest, true),
            4 => (Kind::Signature, true),
            found => return Err(Error::UnsupportedKind { at, found }),
        };
        // spec: R-SEAL-21
        let seals_max = if is_shared { header.seals_max.get().max(1) } else { 1 };
        if seals_max > SEALS_MAX {
            let (found, limit) = (seals_max.into(), SEALS_MAX.into());
            return Err(Error::TooManySeals { at, found, limit });
        }
        let keys = digested.get(size_of::<Header>()..).unwrap_or_default();
        let keys: &[[u8; 32]] = slice_at(keys, count).ok_or_else(|| cut(to_u64(len)))?;
        Ok(Self { kind, package: header.package.get(), keys: keys.into(), seals_max })
    }

    /// Returns the length of the component's region.
    #[must_use]
    pub fn emitted_len(&self) -> u64 {
        to_u64(region_len(self.keys.len()))
    }

    /// Returns the bytes of the component's region.
    ///
    /// # Errors
    /// `Misuse` if there are more keys or more seals than readers accept.
    pub fn emit(&self) -> Result<Vec<u8>, Error> {
        let count = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        if self.keys.len() > KEYS_MAX {
            return Err(Misuse::TooManyKeys(u64::from(count)).into());
        }
        if self.seals_max > SEALS_MAX {
            return Err(Misuse::TooManySeals(self.seals_max).into());
        }
        let is_shared = self.is_shared();
        let header = Header {
            version: 0.into(),
            kind: self.kind.number(is_shared).into(),
            package: self.package.into(),
            keys: count.into(),
            seals_max: if is_shared { self.seals_max } else { 0 }.into(),
        };
        let mut out = Vec::with_capacity(region_len(self.keys.len()));
        out.extend_from_slice(bytes_of(&header));
        out.extend(self.keys.iter().flatten());
        let digest = component_digest(&out);
        out.extend_from_slice(&digest);
        Ok(out)
    }
}

fn region_len(keys: usize) -> usize {
    size_of::<Header>().saturating_add(32).saturating_add(keys.saturating_mul(32))
}

fn component_digest(bytes: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(COMPONENT_DOMAIN).update(bytes);
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::{Kind, Seals};
    use crate::test_data::{COMPONENT, DIGESTS_COMPONENT, PACKAGE, PUBLIC};
    use crate::{Error, Misuse, Structure};
    use std::vec::Vec;

    #[test]
    fn components_are_those_of_an_independent_implementation() {
        // spec: R-SEAL-03, R-SEAL-04
        let keys = std::vec![PUBLIC];
        let signed = Seals { kind: Kind::Signature, package: PACKAGE, keys, seals_max: 1 };
        assert_eq!(signed.emit().unwrap(), COMPONENT);
        assert_eq!(Seals::parse(&COMPONENT, 1080), Ok(signed.clone()));
        assert_eq!(signed.emitted_len(), 96);
        assert_eq!(Seals::DIGESTS.emit().unwrap(), DIGESTS_COMPONENT);
        let mut longer = DIGESTS_COMPONENT.to_vec();
        longer.extend([0xff; 5]);
        assert_eq!(Seals::parse(&longer, 1080), Ok(Seals::DIGESTS));
    }

    #[test]
    fn every_bit_of_the_component_counts() {
        // spec: R-SEAL-04
        for bit in 0..COMPONENT.len() * 8 {
            let mut region = COMPONENT;
            region[bit / 8] ^= 1 << (bit % 8);
            assert!(Seals::parse(&region, 1080).is_err(), "bit {bit}");
        }
        let mut region = COMPONENT;
        region[40] ^= 1;
        let expected = Error::Altered { what: Structure::SealComponent, at: 1080 };
        assert_eq!(Seals::parse(&region, 1080), Err(expected));
    }

    #[track_caller]
    fn check(change: impl Fn(&mut Vec<u8>), expected: Error) {
        let mut region = COMPONENT.to_vec();
        change(&mut region);
        assert_eq!(Seals::parse(&region, 1080), Err(expected));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        // spec: R-SEAL-03
        let what = Structure::SealComponent;
        let cut = |needed, end| Error::Truncated { what, at: 1080, needed, end };
        check(|r| r.truncate(31), cut(64, 1111));
        check(|r| r.truncate(95), cut(96, 1175));
        check(|r| r.truncate(63), cut(96, 1143));
        check(|r| r[24] = 64, cut(32 + 64 * 32 + 32, 1176));
        check(|r| r[24] = 65, Error::LimitExceeded { at: 1080, found: 65, limit: 64 });
        check(|r| r[1] = 1, Error::UnsupportedVersion { at: 1080, found: 256 });
        let kind = |r: &mut Vec<u8>| {
            r[4] = 5;
            let digest = super::component_digest(&r[..64]);
            r[64..].copy_from_slice(&digest);
        };
        check(kind, Error::UnsupportedKind { at: 1080, found: 5 });
        let many = Seals { keys: std::vec![[0; 32]; 65], ..Seals::DIGESTS };
        assert_eq!(many.emit(), Err(Error::Misuse(Misuse::TooManyKeys(65))));
    }

    /// Returns the bytes of a component without keys, with this kind and this number of seals.
    fn shared(kind: u8, seals_max: u32) -> Vec<u8> {
        let mut region = std::vec![0; 32];
        region[4] = kind;
        region[28..].copy_from_slice(&seals_max.to_le_bytes());
        let digest = super::component_digest(&region);
        region.extend(digest);
        region
    }

    #[test]
    fn kinds_3_and_4_say_how_many_seals_follow_a_region() {
        // spec: R-SEAL-03, R-SEAL-21
        for (number, kind, len) in [(3, Kind::Digest, 32), (4, Kind::Signature, 96)] {
            for (stored, expected) in [(0, 1), (1, 1), (2, 2), (16, 16)] {
                let seals = Seals::parse(&shared(number, stored), 1080).unwrap();
                assert_eq!(seals, Seals { kind, seals_max: expected, ..Seals::DIGESTS });
                let room = if expected > 1 { 15 * len } else { 0 };
                assert_eq!(seals.room_len(), room);
            }
            for seals_max in [2, 16] {
                let seals = Seals { kind, seals_max, ..Seals::DIGESTS };
                assert_eq!(seals.emit().unwrap(), shared(number, seals_max));
            }
            for found in [17, u32::MAX] {
                let expected = Error::TooManySeals { at: 1080, found: found.into(), limit: 16 };
                assert_eq!(Seals::parse(&shared(number, found), 1080), Err(expected));
            }
        }
        // Readers ignore the stated number of seals if the kind is 1 or 2.
        assert_eq!(Seals::parse(&shared(1, 17), 1080), Ok(Seals::DIGESTS));
        let many = Seals { seals_max: 17, ..Seals::DIGESTS };
        assert_eq!(many.emit(), Err(Error::Misuse(Misuse::TooManySeals(17))));
    }
}
