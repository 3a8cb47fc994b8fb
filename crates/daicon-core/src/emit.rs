//! Writes preambles and tables into a caller's buffer.
//!
//! Readers accept every file that this module writes. Reserved fields and free slots become zero,
//! even if the buffer had other bytes. Specification: `docs/spec/daicon.md`, "The writer's duties".

use crate::{
    COMPONENT_ENTRY_LEN, COMPONENTS_MAX, ComponentSpec, Error, FormatHeader, Misuse, PREAMBLE_LEN,
    PreambleSpec, SIGNATURE, Span, TABLE_HEADER_LEN, TABLES_MAX, Table, TableHeader, U32Le,
    bytes_of, cast, to_u64,
};

/// A component table to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableSpec<'a> {
    /// Position of the table, absolute. The default is 28, the position of the first table.
    pub at: u64,
    /// The region base: the offsets of this table's regions are added to it.
    pub region_base: u64,
    /// Position of the next table, absolute; 0 for none.
    pub extension_at: u64,
    /// Number of slots, used slots included. 0 means that there are no free slots.
    pub slots: u32,
    /// The components, in order.
    pub components: &'a [ComponentSpec],
}

impl Default for TableSpec<'_> {
    fn default() -> Self {
        Self { at: PREAMBLE_LEN, region_base: 0, extension_at: 0, slots: 0, components: &[] }
    }
}

impl TableSpec<'_> {
    /// Returns the length of the table, free slots included.
    ///
    /// # Errors
    /// `Misuse` if there are more components than slots.
    pub fn emitted_len(&self) -> Result<u64, Error> {
        let slots = u64::from(self.slots_or_count()?);
        Ok(slots.saturating_mul(COMPONENT_ENTRY_LEN).saturating_add(TABLE_HEADER_LEN))
    }

    /// Writes the table at the start of `out`, and zeros into its free slots. Returns the number of
    /// bytes written.
    ///
    /// This checks one table only. [`emit_container`] checks a whole chain.
    ///
    /// # Errors
    /// `Misuse` if readers would reject the table, or if `out` is too short. `out` is then
    /// unchanged.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, Error> {
        let len = to_u64(out.len());
        let span = self.check()?;
        let needed = span.len();
        let end = cast::to_usize(needed).filter(|end| *end <= out.len());
        let end = end.ok_or(Misuse::BufferTooShort { needed, len })?;
        let (out, _) = out.split_at_mut_checked(end).unwrap_or_default();
        out.fill(0);
        let header = TableHeader {
            region_base: self.region_base.into(),
            extension_offset: self.extension_at.into(),
            reserved: U32Le::new(0),
            count: self.count()?.into(),
        };
        let rest = put(out, bytes_of(&header));
        self.components
            .iter()
            .fold(rest, |rest, component| put(rest, bytes_of(&component.to_entry())));
        Ok(end)
    }

    /// Checks one table by itself. Returns its span, free slots included.
    fn check(&self) -> Result<Span, Error> {
        let span = Span::new(self.at, self.emitted_len()?);
        let span = span.ok_or(Misuse::PastLastPosition { at: self.at })?;
        check_place(span)?;
        check_extension(span, self.extension_at)?;
        self.refuse_duplicates(&[])?;
        Ok(span)
    }

    fn count(&self) -> Result<u32, Error> {
        let (found, limit) = (to_u64(self.components.len()), to_u64(COMPONENTS_MAX));
        let count = u32::try_from(found).ok().filter(|_| found <= limit);
        count.ok_or_else(|| Misuse::TooManyComponents { found, limit }.into())
    }

    fn slots_or_count(&self) -> Result<u32, Error> {
        let count = self.count()?;
        match self.slots {
            0 => Ok(count),
            slots if slots < count => {
                Err(Misuse::TooFewSlots { components: u64::from(count), slots }.into())
            }
            slots => Ok(slots),
        }
    }

    /// Refuses components that this table or one of `earlier` already lists.
    fn refuse_duplicates(&self, earlier: &[TableSpec<'_>]) -> Result<(), Error> {
        for (i, spec) in self.components.iter().enumerate() {
            let major = spec.version.major;
            let same = |other: &&ComponentSpec| other.id == spec.id && other.version.major == major;
            let before = self.components.get(..i).unwrap_or_default();
            let earlier = earlier.iter().flat_map(|table| table.components);
            if before.iter().chain(earlier).any(|other| same(&other)) {
                return Err(Misuse::DuplicateComponent { id: spec.id, major }.into());
            }
        }
        Ok(())
    }
}

/// Writes the preamble and a whole chain of tables into `out`, which starts at file position 0.
/// Returns the end of the last table that was written.
///
/// The first table is at 28, and each further table at its own `at`. The extension offset of each
/// table becomes the position of the next table; the last table keeps its `extension_at`. Bytes
/// between the tables are not changed.
///
/// # Errors
/// `Misuse` if readers would reject the chain, or if `out` is too short. `out` is then unchanged.
pub fn emit_container(
    preamble: &PreambleSpec,
    tables: &[TableSpec<'_>],
    out: &mut [u8],
) -> Result<usize, Error> {
    let end = check_chain(tables)?;
    let len = to_u64(out.len());
    if end > len {
        return Err(Misuse::BufferTooShort { needed: end, len }.into());
    }
    let next = tables.iter().skip(1).map(|next| next.at);
    let last = tables.last().map(|last| last.extension_at);
    for (table, extension_at) in tables.iter().zip(next.chain(last)) {
        let linked = TableSpec { extension_at, ..*table };
        let start = cast::to_usize(table.at).unwrap_or(usize::MAX);
        linked.emit(out.get_mut(start..).unwrap_or_default())?;
    }
    emit_preamble(preamble, out)?;
    Ok(cast::to_usize(end).unwrap_or(usize::MAX))
}

/// Writes only the preamble, for writers that place their first table later. Returns 28.
///
/// # Errors
/// `Misuse` if `out` is too short.
pub fn emit_preamble(preamble: &PreambleSpec, out: &mut [u8]) -> Result<usize, Error> {
    let out = prefix_mut(out, PREAMBLE_LEN)?;
    let written = out.len();
    let header = FormatHeader {
        id: preamble.format.into(),
        major: preamble.version.major.into(),
        minor: preamble.version.minor.into(),
    };
    let rest = put(out, &SIGNATURE);
    put(rest, bytes_of(&header));
    Ok(written)
}

/// Sets the extension offset of a table. `table` holds the table's bytes, which start at file
/// position `at`. This changes eight bytes in one write. The write publishes the tables to which
/// the new offset leads.
///
/// # Errors
/// `Misuse` if readers would reject the offset; `Truncated` if `table` does not hold the whole
/// table.
pub fn emit_extension(table: &mut [u8], at: u64, extension_at: u64) -> Result<(), Error> {
    check_extension(Table::parse(table, at)?.span(), extension_at)?;
    if let Some(field) = table.get_mut(8..16) {
        field.copy_from_slice(&extension_at.to_le_bytes());
    }
    Ok(())
}

/// Checks a whole chain. Returns the highest position at which one of its tables ends.
fn check_chain(tables: &[TableSpec<'_>]) -> Result<u64, Error> {
    let (found, limit) = (to_u64(tables.len()), to_u64(TABLES_MAX));
    if found > limit {
        return Err(Misuse::TooManyTables { found, limit }.into());
    }
    let at = tables.first().map_or(0, |first| first.at);
    if at != PREAMBLE_LEN {
        return Err(Misuse::FirstTable { at }.into());
    }
    let components = tables.iter().flat_map(|table| table.components).count();
    let (found, limit) = (to_u64(components), to_u64(COMPONENTS_MAX));
    if found > limit {
        return Err(Misuse::TooManyComponents { found, limit }.into());
    }
    let mut end = 0_u64;
    for (i, table) in tables.iter().enumerate() {
        let earlier = tables.get(..i).unwrap_or_default();
        let span = table.check()?;
        for other in earlier {
            let other = other.check()?;
            if other.overlaps(&span) {
                return Err(Misuse::Overlap { at: span.start, other }.into());
            }
            check_extension(other, table.extension_at)?;
        }
        table.refuse_duplicates(earlier)?;
        let next = tables.get(i.saturating_add(1)).map_or(table.extension_at, |next| next.at);
        if table.extension_at != 0 && table.extension_at != next {
            let (at, extension_at) = (table.at, table.extension_at);
            return Err(Misuse::Link { at, extension_at, next }.into());
        }
        end = end.max(span.end);
    }
    Ok(end)
}

/// Refuses a table that overlaps the preamble or the header of the first table. The first table is
/// compared with the preamble only.
fn check_place(span: Span) -> Result<(), Misuse> {
    let first = FIRST_HEADER;
    let other = if span.start == first.start { PREAMBLE } else { FIRST_USED };
    if span.overlaps(&other) {
        return Err(Misuse::Overlap { at: span.start, other });
    }
    Ok(())
}

/// Refuses an extension offset if the table header at this offset would overlap bytes in use: the
/// preamble, the header of the first table, or `other`, the span of an earlier table. This also
/// refuses an offset that leads back to a table, because readers would see a loop.
fn check_extension(other: Span, extension_at: u64) -> Result<(), Misuse> {
    if extension_at == 0 {
        return Ok(());
    }
    let past = Misuse::PastLastPosition { at: extension_at };
    let next = Span::new(extension_at, TABLE_HEADER_LEN).ok_or(past)?;
    match [FIRST_USED, other].into_iter().find(|used| used.overlaps(&next)) {
        Some(other) => Err(Misuse::Extension { extension_at, other }),
        None => Ok(()),
    }
}

const PREAMBLE: Span = Span { start: 0, end: PREAMBLE_LEN };
const FIRST_HEADER: Span = Span { start: PREAMBLE_LEN, end: PREAMBLE_LEN + TABLE_HEADER_LEN };
/// The bytes that are in use in every file: the preamble and the header of the first table.
const FIRST_USED: Span = Span { start: 0, end: FIRST_HEADER.end };

fn prefix_mut(out: &mut [u8], needed: u64) -> Result<&mut [u8], Error> {
    let len = to_u64(out.len());
    cast::to_usize(needed)
        .and_then(|needed| out.get_mut(..needed))
        .ok_or_else(|| Misuse::BufferTooShort { needed, len }.into())
}

/// Copies `bytes` to the front of `out`, which has room for them, and returns the rest of `out`.
fn put<'o>(out: &'o mut [u8], bytes: &[u8]) -> &'o mut [u8] {
    debug_assert!(bytes.len() <= out.len(), "lengths are checked before the first byte is written");
    let (front, rest) = out.split_at_mut(bytes.len().min(out.len()));
    for (to, from) in front.iter_mut().zip(bytes) {
        *to = *from;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::{PreambleSpec, TableSpec, emit_container, emit_extension};
    use crate::{ComponentSpec, Error, Misuse, Region, Span, Version};
    use std::vec::Vec;
    use uuid::Uuid;

    const PREAMBLE: PreambleSpec = PreambleSpec {
        format: Uuid::from_u128(0x5f0f7929_7577_4be5_8bb5_4a63199b6722),
        version: Version::new(0, 0),
    };
    const INDEX: ComponentSpec = ComponentSpec::with_region(
        Uuid::from_u128(0x2c5e4717_b715_429b_85cd_d320d242547a),
        Version::new(0, 0),
        Region::new(0, 0),
    );

    #[test]
    fn one_empty_component_is_the_published_80_byte_file() {
        // The format's first program wrote these bytes.
        let published: [u8; 80] = *b"\xffdaicon0\
            \x29\x79\x0f\x5f\x77\x75\xe5\x4b\x8b\xb5\x4a\x63\x19\x9b\x67\x22\0\0\0\0\
            \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\
            \x17\x47\x5e\x2c\x15\xb7\x9b\x42\x85\xcd\xd3\x20\xd2\x42\x54\x7a\0\0\0\0\
            \0\0\0\0\0\0\0\0";
        let mut out = [0xaa; 80];
        let table = TableSpec { components: &[INDEX], ..TableSpec::default() };
        assert_eq!(emit_container(&PREAMBLE, &[table], &mut out), Ok(80));
        assert_eq!(out, published);
    }

    #[test]
    fn reserved_bytes_are_zero_whatever_the_buffer_held() {
        let mut out = [0xaa; 28 + 24 + 3 * 28 + 1];
        let table = TableSpec { slots: 3, components: &[INDEX], ..TableSpec::default() };
        assert_eq!(emit_container(&PREAMBLE, &[table], &mut out), Ok(136));
        assert_eq!(out[44..48], [0; 4], "reserved field");
        assert_eq!(out[80..136], [0; 56], "reserved slots");
        assert_eq!(out[136], 0xaa, "the next byte is the caller's");
    }

    #[test]
    fn tables_of_a_chain_are_linked() {
        // spec: R-EXT-01
        let mut out = [0xaa; 130];
        let first = TableSpec { components: &[INDEX], ..TableSpec::default() };
        let second = TableSpec { at: 100, extension_at: 1 << 40, ..TableSpec::default() };
        assert_eq!(emit_container(&PREAMBLE, &[first, second], &mut out), Ok(124));
        assert_eq!(out[36..44], [100, 0, 0, 0, 0, 0, 0, 0], "the first leads to the second");
        assert_eq!(out[108..116], [0, 0, 0, 0, 0, 1, 0, 0], "the second leads on");
        assert_eq!((&out[80..100], &out[124..]), (&[0xaa; 20][..], &[0xaa; 6][..]));
    }

    #[test]
    fn extension_is_eight_bytes_of_the_header() {
        let mut table = [0; 24];
        emit_extension(&mut table, 28, 0x0102_0304).unwrap();
        assert_eq!(table[8..16], [4, 3, 2, 1, 0, 0, 0, 0]);
        assert_eq!((&table[..8], &table[16..]), (&[0; 8][..], &[0; 8][..]));
    }

    #[test]
    fn an_extension_into_used_bytes_is_refused() {
        // spec: R-EMIT-04
        let mut table = [0; 24 + 28];
        TableSpec { components: &[INDEX], ..TableSpec::default() }.emit(&mut table).unwrap();
        let before = table;
        let used = Span { start: 0, end: 52 };
        for extension_at in [1, 5, 27, 28, 51] {
            let expected = Misuse::Extension { extension_at, other: used }.into();
            assert_eq!(emit_extension(&mut table, 28, extension_at), Err(expected));
            let table = TableSpec { extension_at, ..TableSpec::default() };
            assert_eq!(emit_container(&PREAMBLE, &[table], &mut [0; 80]), Err(expected));
        }
        let refused = |at, extension_at, other| {
            let components = [INDEX];
            let table = TableSpec { at, extension_at, components: &components, ..<_>::default() };
            let expected = Misuse::Extension { extension_at, other }.into();
            assert_eq!(table.emit(&mut [0; 60]), Err(expected));
        };
        refused(28, 60, Span { start: 28, end: 80 });
        refused(100, 100, Span { start: 100, end: 152 });
        refused(100, 77, Span { start: 100, end: 152 });
        refused(100, 28, used);
        let past = u64::MAX - 23;
        assert_eq!(
            emit_extension(&mut table, 28, past),
            Err(Misuse::PastLastPosition { at: past }.into())
        );
        assert_eq!(table, before);
        emit_extension(&mut table, 28, past - 1).unwrap();
        emit_extension(&mut table, 28, 80).unwrap();
    }

    #[test]
    fn a_chain_that_readers_reject_is_refused() {
        // spec: R-EMIT-03, R-EMIT-04
        #[track_caller]
        fn refused(tables: &[TableSpec<'_>], expected: Misuse) {
            let mut out = [0xaa; 400];
            assert_eq!(emit_container(&PREAMBLE, tables, &mut out), Err(expected.into()));
            assert_eq!(out, [0xaa; 400]);
        }
        let first = TableSpec { components: &[INDEX], ..TableSpec::default() };
        let second = TableSpec { at: 80, ..TableSpec::default() };
        refused(&[], Misuse::FirstTable { at: 0 });
        refused(&[second], Misuse::FirstTable { at: 80 });
        let (id, major) = (INDEX.id, 0);
        let twice = TableSpec { components: &[INDEX], ..second };
        refused(&[first, twice], Misuse::DuplicateComponent { id, major });
        let other = Span { start: 28, end: 80 };
        let overlapping = TableSpec { at: 79, ..second };
        refused(&[first, overlapping], Misuse::Overlap { at: 79, other });
        let other = Span { start: 0, end: 52 };
        refused(&[first, first], Misuse::Overlap { at: 28, other: Span { start: 28, end: 80 } });
        let early = TableSpec { at: 4, ..second };
        refused(&[first, early], Misuse::Overlap { at: 4, other });
        let back = TableSpec { extension_at: 55, ..second };
        let extension_at = 55;
        refused(
            &[first, back],
            Misuse::Extension { extension_at, other: Span { start: 28, end: 80 } },
        );
        let elsewhere = TableSpec { extension_at: 300, ..first };
        refused(&[elsewhere, second], Misuse::Link { at: 28, extension_at: 300, next: 80 });
        let at = u64::MAX - 23;
        refused(&[first, TableSpec { at, ..second }], Misuse::PastLastPosition { at });
        let many: Vec<_> =
            (0..300).map(|n| ComponentSpec { id: Uuid::from_u128(n), ..INDEX }).collect();
        let (found, limit) = (300, 256);
        let large = TableSpec { components: &many, ..first };
        refused(&[large], Misuse::TooManyComponents { found, limit });
        let half = TableSpec { components: &many[..150], ..first };
        let rest = TableSpec { at: 1 << 20, components: &many[150..], ..first };
        refused(&[half, rest], Misuse::TooManyComponents { found, limit });
        let chain: Vec<_> =
            (0..65).map(|n| TableSpec { at: 28 + 24 * n, ..TableSpec::default() }).collect();
        refused(&chain, Misuse::TooManyTables { found: 65, limit: 64 });
    }

    #[test]
    fn mistakes_leave_the_buffer_untouched() {
        let twice = TableSpec { components: &[INDEX, INDEX], ..TableSpec::default() };
        let mut out = [0xaa; 108];
        let (id, major) = (INDEX.id, 0);
        let expected = Error::Misuse(Misuse::DuplicateComponent { id, major });
        assert_eq!(emit_container(&PREAMBLE, &[twice], &mut out), Err(expected));
        let narrow = TableSpec { slots: 1, ..twice };
        let expected = Error::Misuse(Misuse::TooFewSlots { components: 2, slots: 1 });
        assert_eq!(emit_container(&PREAMBLE, &[narrow], &mut out), Err(expected));
        let one = TableSpec { components: &[INDEX], ..TableSpec::default() };
        let expected = Error::Misuse(Misuse::BufferTooShort { needed: 80, len: 79 });
        assert_eq!(emit_container(&PREAMBLE, &[one], &mut out[..79]), Err(expected));
        assert_eq!(out, [0xaa; 108]);
    }
}
