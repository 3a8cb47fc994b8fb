//! A segment of the names list: paths in order, with the ids and the lengths of their regions.
//!
//! A segment may link to an earlier segment, so an update writes only new names.
//! Specification: `docs/spec/dacti-names.md`, "Segments", "Earlier segments".

use crate::path::{fault, hashed_id};
use crate::wire::{
    ATTRIBUTES_LEN, HEADER_LEN, NamesAttributes, NamesHeader, NamesRecord, RECORD_LEN,
};
use crate::{Attributes, Error, NAMES_ID, PathFault, Structure, check_path};
use alloc::vec::Vec;
use daicon_core::{Span, bytes_of, slice_at, struct_at, to_u64};
use uuid::Uuid;

/// The maximum number of segments that a reader follows. Writers merge segments long before a chain
/// reaches this length.
pub const SEGMENTS_MAX: usize = 64;

/// A path with the id of its region.
#[derive(Debug, Clone, Copy)]
pub struct Name<'b> {
    /// The path.
    pub path: &'b str,
    /// The region's id, if the record stores one. If not, the region has the hashed id of the path.
    pub explicit_id: Option<Uuid>,
    /// Expected length of the region's content in bytes. It is only a hint; nothing may depend on
    /// it.
    pub decoded_len: Option<u64>,
    /// The attributes of the file.
    pub attributes: Attributes,
}

impl<'b> Name<'b> {
    /// Creates the name of a path with its hashed id.
    ///
    /// # Errors
    /// `Path`, if [`check_path`] refuses the path.
    pub fn hashed(path: &'b str) -> Result<Self, Error> {
        let (path, attributes) = (check_path(path)?, Attributes::default());
        Ok(Self { path, explicit_id: None, decoded_len: None, attributes })
    }

    /// Returns the region's id. Unless the id is explicit, this hashes the path.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.explicit_id.unwrap_or_else(|| hashed_id(self.path))
    }

    /// Returns whether the id differs from the hashed id of the path.
    #[must_use]
    pub fn is_explicit(&self) -> bool {
        self.explicit_id.is_some_and(|id| id != hashed_id(self.path))
    }
}

/// Names are equal if their paths, ids, lengths and attributes are equal. A stored id can be equal
/// to a hashed id.
impl PartialEq for Name<'_> {
    fn eq(&self, other: &Self) -> bool {
        let has_same_id = self.explicit_id == other.explicit_id || self.id() == other.id();
        self.path == other.path
            && self.decoded_len == other.decoded_len
            && self.attributes == other.attributes
            && has_same_id
    }
}

impl Eq for Name<'_> {}

/// The place of the earlier segment to which a segment links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Start of the earlier segment's stored bytes, absolute in the file; never 0.
    pub at: u64,
    /// Number of stored bytes.
    pub size: u32,
    /// The encoding tag of the earlier segment.
    pub encoding: [u8; 4],
    /// Length of the earlier segment's content in bytes.
    pub decoded_len: u64,
}

impl Link {
    /// Returns the span of the earlier segment. `start` is the start of the stored bytes of the
    /// segment that has this link.
    ///
    /// The earlier segment must end at or before `start`. So each link leads back in the file, and
    /// every chain ends.
    ///
    /// # Errors
    /// `LinkForward`.
    pub fn span_before(&self, start: u64) -> Result<Span, Error> {
        let span = Span::new(self.at, u64::from(self.size));
        let end = span.map_or(u64::MAX, |span| span.end);
        span.filter(|span| span.end <= start).ok_or(Error::LinkForward { end, start })
    }
}

/// A checked segment, borrowed from its content.
#[derive(Debug, Clone, Copy)]
pub struct Segment<'b> {
    link: Option<Link>,
    records: &'b [NamesRecord],
    /// The attributes: either one item for each record, or no items.
    attributes: &'b [NamesAttributes],
    heap: &'b [u8],
}

impl<'b> Segment<'b> {
    /// Views `content` as a segment, and checks all of it in one pass.
    ///
    /// # Errors
    /// Any fault, with its offset from the first byte of `content`.
    pub fn parse(content: &'b [u8]) -> Result<Self, Error> {
        let segment = Self::reopen(content)?;
        let heap_at = to_u64(content.len().saturating_sub(segment.heap.len()));
        check_records(&segment, heap_at)?;
        Ok(segment)
    }

    /// Views content that [`parse`](Self::parse) has accepted before, without checking its records
    /// again.
    ///
    /// If [`parse`](Self::parse) would refuse the content, the segment may return wrong names or
    /// miss names, but it cannot panic.
    ///
    /// # Errors
    /// Faults of the header, or records that do not fit into `content`.
    pub fn reopen(content: &'b [u8]) -> Result<Self, Error> {
        let end = to_u64(content.len());
        let truncated = |what, at, needed| Error::Truncated { what, at, needed, end };
        let header: &NamesHeader = struct_at(content)
            .ok_or_else(|| truncated(Structure::NamesHeader, 0, to_u64(HEADER_LEN)))?;
        let has_attributes = match header.version.get() {
            0 => false,
            1 => true,
            found => return Err(Error::UnsupportedVersion { found }),
        };
        let count = u64::from(header.count.get());
        let records_len = count.saturating_mul(to_u64(RECORD_LEN));
        let records_at = to_u64(HEADER_LEN);
        let records = content
            .get(HEADER_LEN..)
            .and_then(|rest| slice_at::<NamesRecord>(rest, usize::try_from(count).ok()?));
        let records =
            records.ok_or_else(|| truncated(Structure::NamesRecord, records_at, records_len))?;
        let attributes_at = records_at.saturating_add(records_len);
        let rest = usize::try_from(attributes_at).ok().and_then(|at| content.get(at..));
        let (mut heap, mut attributes): (_, &[NamesAttributes]) = (rest.unwrap_or_default(), &[]);
        if has_attributes {
            let needed = count.saturating_mul(to_u64(ATTRIBUTES_LEN));
            attributes = slice_at(heap, records.len())
                .ok_or_else(|| truncated(Structure::NamesAttributes, attributes_at, needed))?;
            let len = attributes.len().saturating_mul(ATTRIBUTES_LEN);
            heap = heap.get(len..).unwrap_or_default();
        }
        Ok(Self { link: link_of(header), records, attributes, heap })
    }

    /// Returns the number of names.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.records.len()
    }

    /// Returns whether the segment has no names.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Returns the link to the earlier segment.
    #[must_use]
    pub const fn link(&self) -> Option<Link> {
        self.link
    }

    /// Returns every name, ascending by path.
    #[must_use]
    pub fn names(&self) -> impl ExactSizeIterator<Item = Name<'b>> + use<'b> {
        let Self { attributes, heap, .. } = *self;
        let record = move |(i, record)| name_of(record, attributes.get(i), heap);
        self.records.iter().enumerate().map(record)
    }

    /// Returns a name by its number in the order of the paths, from 0.
    #[must_use]
    pub fn name(&self, i: usize) -> Option<Name<'b>> {
        self.records.get(i).map(|record| name_of(record, self.attributes.get(i), self.heap))
    }

    /// Finds the name of `path` by a binary search.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<Name<'b>> {
        let by_path = |record: &NamesRecord| path_of(record, self.heap).cmp(path);
        self.name(self.records.binary_search_by(by_path).ok()?)
    }
}

/// Writes a segment of `names`, which must ascend strictly by path.
///
/// # Errors
/// `Path`, `Unsorted`, `ReservedId`, `TooLarge`.
pub fn emit_segment(names: &[Name<'_>], link: Option<Link>) -> Result<Vec<u8>, Error> {
    let heap_len =
        names.iter().fold(0_u64, |sum, name| sum.saturating_add(to_u64(name.path.len())));
    let too_large = || Error::TooLarge { bytes: heap_len };
    let count = u32::try_from(names.len()).map_err(|_| too_large())?;
    u32::try_from(heap_len).map_err(|_| too_large())?;
    let has_attributes = names.iter().any(|name| !name.attributes.is_empty());
    let record_len = RECORD_LEN.saturating_add(if has_attributes { ATTRIBUTES_LEN } else { 0 });
    let all_records = names.len().saturating_mul(record_len);
    let capacity = usize::try_from(heap_len).map_err(|_| too_large())?;
    let capacity = capacity.saturating_add(all_records).saturating_add(HEADER_LEN);
    let mut out = Vec::with_capacity(capacity);
    out.extend_from_slice(bytes_of(&header_of(has_attributes.into(), count, link)));
    let mut path_offset = 0_u32;
    let mut last = "";
    for (name, i) in names.iter().zip(0_u64..) {
        check_path(name.path)?;
        if name.path <= last {
            let at = i.saturating_mul(to_u64(RECORD_LEN)).saturating_add(to_u64(HEADER_LEN));
            return Err(Error::Unsorted { at });
        }
        last = name.path;
        if let Some(id) = name.explicit_id.filter(|id| id.is_nil() || *id == NAMES_ID) {
            return Err(Error::ReservedId { id });
        }
        let path_len = u32::try_from(name.path.len()).map_err(|_| too_large())?;
        let id = name.explicit_id.filter(|_| name.is_explicit()).unwrap_or_default();
        out.extend_from_slice(bytes_of(&NamesRecord {
            id: id.into(),
            decoded_len: name.decoded_len.unwrap_or(u64::MAX).into(),
            path_offset: path_offset.into(),
            path_len: path_len.into(),
        }));
        path_offset = path_offset.saturating_add(path_len);
    }
    for name in names.iter().filter(|_| has_attributes) {
        out.extend_from_slice(bytes_of(&name.attributes.to_wire()));
    }
    for name in names {
        out.extend_from_slice(name.path.as_bytes());
    }
    Ok(out)
}

/// Checks each record: its path lies in the heap, is valid, and sorts after the path before it.
fn check_records(segment: &Segment<'_>, heap_at: u64) -> Result<(), Error> {
    let Segment { records, attributes, heap, .. } = *segment;
    let heap_len = to_u64(heap.len());
    let record_at =
        |i: u64| i.saturating_mul(to_u64(RECORD_LEN)).saturating_add(to_u64(HEADER_LEN));
    let mut offset = 0_u64;
    let mut last: &[u8] = &[];
    for (record, i) in records.iter().zip(0_u64..) {
        let at = record_at(i);
        let what = Structure::NamesRecord;
        let found = u64::from(record.path_offset.get());
        if found != offset {
            return Err(Error::Mismatch { what, at, expected: offset, found });
        }
        let needed = u64::from(record.path_len.get());
        let path_at = heap_at.saturating_add(offset);
        let end = offset.saturating_add(needed);
        if needed == 0 || needed > to_u64(crate::PATH_LEN_MAX) {
            let fault = if needed == 0 { PathFault::Empty } else { PathFault::TooLong };
            return Err(Error::Path { what, at, fault });
        }
        let what = Structure::NamesPath;
        let path = Span { start: offset, end }.slice_of(heap, 0).ok_or_else(|| {
            let end = heap_at.saturating_add(heap_len);
            Error::Truncated { what, at: path_at, needed, end }
        })?;
        let fault = core::str::from_utf8(path).map_or(Some(PathFault::NotUtf8), fault);
        if let Some(fault) = fault {
            return Err(Error::Path { what, at: path_at, fault });
        }
        if path <= last {
            return Err(Error::Unsorted { at });
        }
        last = path;
        offset = end;
    }
    check_attributes(attributes, records.len())?;
    if offset != heap_len {
        let (what, at) = (Structure::NamesHeader, 0);
        let (expected, found) = (heap_at.saturating_add(offset), heap_at.saturating_add(heap_len));
        return Err(Error::Mismatch { what, at, expected, found });
    }
    Ok(())
}

/// Checks the attributes. They follow the records of the segment; `records` is the number of
/// records.
fn check_attributes(attributes: &[NamesAttributes], records: usize) -> Result<(), Error> {
    let records_len = records.saturating_mul(RECORD_LEN);
    let attributes_at = to_u64(HEADER_LEN.saturating_add(records_len));
    for (stored, i) in attributes.iter().zip(0_u64..) {
        if let Err(nanos) = Attributes::from_wire(stored) {
            let what = Structure::NamesAttributes;
            let at = i.saturating_mul(to_u64(ATTRIBUTES_LEN)).saturating_add(attributes_at);
            return Err(Error::Mismatch { what, at, expected: 999_999_999, found: nanos.into() });
        }
    }
    Ok(())
}

fn header_of(version: u32, count: u32, link: Option<Link>) -> NamesHeader {
    let none = Link { at: 0, size: 0, encoding: [0; 4], decoded_len: 0 };
    let link = link.unwrap_or(none);
    NamesHeader {
        version: version.into(),
        count: count.into(),
        previous_at: link.at.into(),
        previous_size: link.size.into(),
        previous_encoding: link.encoding,
        previous_len: link.decoded_len.into(),
    }
}

fn link_of(header: &NamesHeader) -> Option<Link> {
    let at = header.previous_at.get();
    (at != 0).then(|| Link {
        at,
        size: header.previous_size.get(),
        encoding: header.previous_encoding,
        decoded_len: header.previous_len.get(),
    })
}

fn path_of<'b>(record: &NamesRecord, heap: &'b [u8]) -> &'b str {
    let start = u64::from(record.path_offset.get());
    let path = Span::new(start, record.path_len.get().into())
        .and_then(|span| span.slice_of(heap, 0))
        .unwrap_or_default();
    core::str::from_utf8(path).unwrap_or_default()
}

fn name_of<'b>(
    record: &NamesRecord,
    attributes: Option<&NamesAttributes>,
    heap: &'b [u8],
) -> Name<'b> {
    let path = path_of(record, heap);
    let explicit_id = Some(record.id.get()).filter(|id| !id.is_nil());
    let decoded_len = Some(record.decoded_len.get()).filter(|len| *len != u64::MAX);
    let attributes = attributes.and_then(|stored| Attributes::from_wire(stored).ok());
    Name { path, explicit_id, decoded_len, attributes: attributes.unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::{Link, Name, Segment, emit_segment};
    use crate::{Attributes, Error, NAMES_ID, PathFault, Structure, Time};
    use daicon_core::Span;
    use std::vec::Vec;
    use uuid::Uuid;

    fn two() -> Vec<u8> {
        let id = Uuid::from_u128(0x0102);
        let explicit = Name { explicit_id: Some(id), ..Name::hashed("b").unwrap() };
        let hashed = Name { decoded_len: Some(7), ..Name::hashed("a.txt").unwrap() };
        emit_segment(&[hashed, explicit], None).unwrap()
    }

    #[test]
    fn two_names_lie_as_the_tables_of_the_specification_say() {
        let mut expected = [0_u8; 32 + 2 * 32].to_vec();
        expected[4] = 2; // count
        expected[48] = 7; // first record: nil id, length 7, offset 0, path length 5
        expected[60] = 5;
        expected[79] = 2; // second record: explicit id, whose last field is stored as written
        expected[78] = 1;
        expected[80..88].fill(0xff);
        expected[88] = 5;
        expected[92] = 1;
        expected.extend(b"a.txtb");
        assert_eq!(two(), expected);
    }

    #[test]
    fn attributes_lie_between_records_and_paths() {
        // spec: R-NAME-17
        let plain = Name::hashed("a").unwrap();
        let kept = Attributes { modified: Time::new(-1, 5), executable: Some(true) };
        let kept = Name { attributes: kept, ..Name::hashed("b").unwrap() };
        let content = emit_segment(&[plain, kept], None).unwrap();
        let mut expected = emit_segment(&[plain, Name::hashed("b").unwrap()], None).unwrap();
        assert_eq!(expected[0], 0, "without attributes the version is 0");
        expected[0] = 1;
        let paths = expected.split_off(96);
        expected.extend([0; 16]);
        expected.extend([0xff; 8]); // second name: -1 seconds; next line: 5 nanoseconds, flags
        expected.extend([5, 0, 0, 0, 7, 0, 0, 0]);
        expected.extend(paths);
        assert_eq!(content, expected);
        let segment = Segment::parse(&content).unwrap();
        assert_eq!(segment.names().collect::<Vec<_>>(), [plain, kept]);
        assert_eq!((segment.find("a"), segment.find("b")), (Some(plain), Some(kept)));
        let what = Structure::NamesAttributes;
        let cut = Segment::parse(&content[..127]).err();
        assert_eq!(cut, Some(Error::Truncated { what, at: 96, needed: 32, end: 127 }));
        let mut late = content;
        late[120..124].copy_from_slice(&1_000_000_000_u32.to_le_bytes());
        let fault = Error::Mismatch { what, at: 112, expected: 999_999_999, found: 1_000_000_000 };
        assert_eq!(Segment::parse(&late).err(), Some(fault));
    }

    #[test]
    fn names_come_back_and_are_found() {
        // spec: R-NAME-07
        let content = two();
        let segment = Segment::parse(&content).unwrap();
        let names: Vec<_> = segment.names().map(|name| (name.path, name.decoded_len)).collect();
        assert_eq!(names, [("a.txt", Some(7)), ("b", None)]);
        assert_eq!(segment.find("a.txt").unwrap().id(), crate::region_id("a.txt").unwrap());
        assert_eq!(segment.find("b").unwrap().id(), Uuid::from_u128(0x0102));
        assert_eq!(segment.find("c"), None);
    }

    #[track_caller]
    fn check(change: impl Fn(&mut Vec<u8>), expected: Error) {
        let mut content = two();
        change(&mut content);
        assert_eq!(Segment::parse(&content).err(), Some(expected));
    }

    #[test]
    fn each_fault_is_named_with_its_place() {
        let record = Structure::NamesRecord;
        check(|c| c[0] = 2, Error::UnsupportedVersion { found: 2 });
        check(|c| c[4] = 3, Error::Truncated { what: record, at: 32, needed: 96, end: 102 });
        check(
            |c| c[7] = 1,
            Error::Truncated { what: record, at: 32, needed: 0x2000_0040, end: 102 },
        );
        check(|c| c[88] = 4, Error::Mismatch { what: record, at: 64, expected: 5, found: 4 });
        let fault = PathFault::Empty;
        check(|c| c[60] = 0, Error::Path { what: record, at: 32, fault });
        let what = Structure::NamesPath;
        check(|c| c[92] = 9, Error::Truncated { what, at: 101, needed: 9, end: 102 });
        check(|c| c[96] = 0xff, Error::Path { what, at: 96, fault: PathFault::NotUtf8 });
        check(|c| c[96] = b'/', Error::Path { what, at: 96, fault: PathFault::EmptyPart });
        check(|c| c[101] = b'a', Error::Unsorted { at: 64 });
        let what = Structure::NamesHeader;
        check(|c| c.push(b'x'), Error::Mismatch { what, at: 0, expected: 102, found: 103 });
        check(|c| c.truncate(31), Error::Truncated { what, at: 0, needed: 32, end: 31 });
    }

    #[test]
    fn links_lead_back_only() {
        let link = Link { at: 100, size: 20, encoding: *b"none", decoded_len: 20 };
        let content = emit_segment(&[], Some(link)).unwrap();
        assert_eq!(Segment::parse(&content).unwrap().link(), Some(link));
        assert_eq!(link.span_before(120), Ok(Span { start: 100, end: 120 }));
        let expected = Error::LinkForward { end: 120, start: 119 };
        assert_eq!(link.span_before(119), Err(expected));
        let expected = Error::LinkForward { end: u64::MAX, start: 119 };
        assert_eq!(Link { at: u64::MAX, ..link }.span_before(119), Err(expected));
    }

    #[test]
    fn a_writer_cannot_write_what_a_reader_refuses() {
        let [a, b] = ["a", "b"].map(|path| Name::hashed(path).unwrap());
        assert_eq!(emit_segment(&[b, a], None), Err(Error::Unsorted { at: 64 }));
        assert_eq!(emit_segment(&[a, a], None), Err(Error::Unsorted { at: 64 }));
        for id in [Uuid::nil(), NAMES_ID] {
            let expected = Error::ReservedId { id };
            assert_eq!(emit_segment(&[Name { explicit_id: Some(id), ..a }], None), Err(expected));
        }
    }
}
