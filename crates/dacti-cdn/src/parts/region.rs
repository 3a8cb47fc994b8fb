//! The region of the parts component, read and written.
//!
//! Specification: `docs/spec/dacti-parts.md`, "The region".

use super::entry::EntryBytes;
use super::list::entry_at;
use super::{
    PART_ENTRIES_MAX, PARTS_LEN, PREFIX_LEN_MAX, PartList, PartsError, PartsFault, check_prefix,
};
use crate::Digest;
use alloc::string::String;
use alloc::vec::Vec;
use bytemuck::{Pod, Zeroable};
use daicon_core::{U16Le, U32Le, U64Le, bytes_of, struct_at};

/// Position of the prefix in the region, relative to its start.
const PREFIX_OFFSET: u64 = 16;

/// The region of the parts component in the head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartsRegion {
    /// The first 6 bytes of the hash of the head's own name.
    pub name_hash: [u8; 6],
    /// The folder of the parts, relative to the head's folder: empty, or ends with `/`.
    pub prefix: String,
    /// The list of parts.
    pub list: PartList,
    /// The time at which the head expires, in seconds since 1970; 0 if it never expires.
    pub expiry: u64,
    /// A number that grows with every publication.
    pub sequence: u64,
    /// The lowest position of the next block, absolute.
    pub end: u64,
    /// The digest of the head.
    pub digest: Digest,
    /// The signature of that digest, or zeros.
    pub signature: [u8; 64],
}

impl Default for PartsRegion {
    fn default() -> Self {
        Self {
            name_hash: [0; 6],
            prefix: String::new(),
            list: PartList::default(),
            expiry: 0,
            sequence: 0,
            end: 0,
            digest: Digest::default(),
            signature: [0; 64],
        }
    }
}

/// The bytes of the region in the head.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct RegionBytes {
    version: U32Le,
    count: U32Le,
    prefix_len: U16Le,
    name_hash: [u8; 6],
    prefix: [u8; PREFIX_LEN_MAX],
    entries: [EntryBytes; PART_ENTRIES_MAX],
    unused: [u8; 40],
    expiry: U64Le,
    sequence: U64Le,
    end: U64Le,
    digest: [u8; 32],
    signature: [u8; 64],
}

/// Length of the region.
const PARTS_USIZE: usize = size_of::<RegionBytes>();

const _: () = assert!(PARTS_USIZE as u64 == PARTS_LEN);

impl PartsRegion {
    /// Reads the region, which starts at `at` in the head.
    ///
    /// # Errors
    /// The region is too short, has another version, or breaks a rule of its list or prefix.
    pub fn parse(region: &[u8], at: u64) -> Result<Self, PartsError> {
        let fault = |fault| PartsError { at, fault };
        let found = u64::try_from(region.len()).unwrap_or(u64::MAX);
        let bytes: &RegionBytes =
            struct_at(region).ok_or_else(|| fault(PartsFault::TooShort(found)))?;
        if bytes.version.get() != 0 {
            return Err(fault(PartsFault::Version(bytes.version.get())));
        }
        let count = bytes.count.get();
        let entries = usize::try_from(count).ok().and_then(|count| bytes.entries.get(..count));
        let entries = entries.ok_or_else(|| fault(PartsFault::EntryCount(count)))?;
        let prefix = bytes.prefix().map_err(|fault| {
            let at = match fault {
                PartsFault::PrefixLen(_) => at,
                _ => at.saturating_add(PREFIX_OFFSET),
            };
            PartsError { at, fault }
        })?;
        let mut checked = Vec::with_capacity(entries.len());
        for (i, entry) in (0..).zip(entries) {
            let at = entry_at(at, i);
            checked.push(entry.parse().map_err(|fault| PartsError { at, fault })?);
        }
        let list = PartList::new(checked, at)?;
        let end = bytes.end.get();
        list.check_end(end, at)?;
        Ok(Self {
            name_hash: bytes.name_hash,
            prefix,
            list,
            expiry: bytes.expiry.get(),
            sequence: bytes.sequence.get(),
            end,
            digest: Digest(bytes.digest),
            signature: bytes.signature,
        })
    }

    /// Returns whether the head has a signature. It does not check the signature.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.signature != [0; 64]
    }

    /// Returns the region's 2,048 bytes.
    ///
    /// If [`check_prefix`] refuses the prefix, an empty prefix is written. So publishers must check
    /// the prefix first.
    #[must_use]
    pub fn emit(&self) -> [u8; PARTS_USIZE] {
        let prefix = if check_prefix(&self.prefix) { self.prefix.as_bytes() } else { &[] };
        let mut bytes = RegionBytes::zeroed();
        let count = u32::try_from(self.list.entries().len()).unwrap_or(u32::MAX);
        bytes.count = count.into();
        bytes.prefix_len = U16Le::new(u16::try_from(prefix.len()).unwrap_or(u16::MAX));
        bytes.name_hash = self.name_hash;
        for (to, from) in bytes.prefix.iter_mut().zip(prefix) {
            *to = *from;
        }
        for (to, from) in bytes.entries.iter_mut().zip(self.list.entries()) {
            *to = from.emit();
        }
        bytes.expiry = self.expiry.into();
        bytes.sequence = self.sequence.into();
        bytes.end = self.end.into();
        bytes.digest = self.digest.0;
        bytes.signature = self.signature;
        let mut out = [0; PARTS_USIZE];
        out.copy_from_slice(bytes_of(&bytes));
        out
    }
}

impl RegionBytes {
    /// Returns the prefix after checking it.
    fn prefix(&self) -> Result<String, PartsFault> {
        let len = self.prefix_len.get();
        let bytes = self.prefix.get(..usize::from(len));
        let bytes = bytes.filter(|bytes| bytes.len() <= PREFIX_LEN_MAX);
        let bytes = bytes.ok_or(PartsFault::PrefixLen(len))?;
        let prefix = core::str::from_utf8(bytes).ok().filter(|prefix| check_prefix(prefix));
        prefix.map(Into::into).ok_or(PartsFault::Prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::{PartsError, PartsFault, PartsRegion};
    use crate::Digest;
    use crate::parts::{PartEntry, PartList};
    use daicon_core::Span;
    use std::vec::Vec;

    fn region() -> PartsRegion {
        let entry = |start, end, n| PartEntry {
            span: Span { start, end },
            piece_exponent: 0,
            digest: Digest([n; 32]),
        };
        let entries = [entry(65_536, 100_000, 1), entry(100_000, 100_010, 2)].into();
        PartsRegion {
            name_hash: [1, 2, 3, 4, 5, 6],
            prefix: "a.parts/".into(),
            list: PartList::new(entries, 1536).expect("it is in order"),
            expiry: 0x1122,
            sequence: 7,
            end: 100_016,
            digest: Digest([3; 32]),
            signature: [4; 64],
        }
    }

    #[test]
    fn the_fields_stand_where_the_specification_says() {
        // spec: R-PART-04
        let bytes = region().emit();
        assert_eq!(bytes[..10], [0, 0, 0, 0, 2, 0, 0, 0, 8, 0]);
        assert_eq!(bytes[10..16], [1, 2, 3, 4, 5, 6]);
        assert_eq!(bytes[16..25], *b"a.parts/\0");
        assert_eq!(bytes[256..264], 65_536_u64.to_le_bytes());
        assert_eq!(bytes[304..312], 100_000_u64.to_le_bytes());
        assert_eq!(bytes[312..320], 10_u64.to_le_bytes());
        assert_eq!(bytes[320..352], [2; 32]);
        assert!(bytes[352..1928].iter().all(|byte| *byte == 0));
        assert_eq!(bytes[1928..1936], 0x1122_u64.to_le_bytes());
        assert_eq!(bytes[1936..1944], 7_u64.to_le_bytes());
        assert_eq!(bytes[1944..1952], 100_016_u64.to_le_bytes());
        assert_eq!((&bytes[1952..1984], &bytes[1984..]), (&[3; 32][..], &[4; 64][..]));
        assert_eq!(PartsRegion::parse(&bytes, 1536), Ok(region()));
    }

    #[track_caller]
    fn refused(at: usize, bytes: &[u8], expected: (u64, PartsFault)) {
        let mut region: Vec<u8> = region().emit().into();
        region[at..at + bytes.len()].copy_from_slice(bytes);
        let (at, fault) = expected;
        assert_eq!(PartsRegion::parse(&region, 1536), Err(PartsError { at, fault }));
    }

    #[test]
    fn a_region_that_breaks_a_rule_is_refused_at_its_place() {
        // spec: R-PART-04, R-PART-05, R-PART-10
        refused(0, &[1], (1536, PartsFault::Version(1)));
        refused(4, &[35], (1536, PartsFault::EntryCount(35)));
        refused(4, &[0xff; 4], (1536, PartsFault::EntryCount(u32::MAX)));
        refused(8, &[241, 0], (1536, PartsFault::PrefixLen(241)));
        refused(8, &[7, 0], (1552, PartsFault::Prefix));
        refused(16, b"../", (1552, PartsFault::Prefix));
        refused(16, &[0xff], (1552, PartsFault::Prefix));
        let order = PartsFault::EntryOrder { start: 99_999, end: 100_000 };
        refused(304, &99_999_u64.to_le_bytes(), (1840, order));
        let place = PartsFault::EntryPlace { start: 100_000, len: 0 };
        refused(312, &[0], (1840, place));
        let end = PartsFault::End { last: 100_010, end: 100_009 };
        refused(1944, &100_009_u64.to_le_bytes(), (1840, end));
        let short = &region().emit()[..2047];
        let fault = PartsFault::TooShort(2047);
        assert_eq!(PartsRegion::parse(short, 9), Err(PartsError { at: 9, fault }));
    }
}
