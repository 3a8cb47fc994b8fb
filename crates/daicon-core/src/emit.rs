//! Writes heads and tables into a caller's buffer.
//!
//! Everything that the format reserves is written as zero here, whatever stood in the buffer.
//! Specification: `docs/spec/daicon.md`, "The writer's duties".

use crate::{
    COMPONENT_ENTRY_LEN, ComponentSpec, Error, FormatHeader, Misuse, PREAMBLE_LEN, SIGNATURE,
    TABLE_HEADER_LEN, TableHeader, U32Le, Version, bytes_of, cast, to_u64,
};
use uuid::Uuid;

/// What the first 28 bytes of a file say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreambleSpec {
    /// The format's UUID.
    pub format: Uuid,
    /// The format's version.
    pub version: Version,
}

/// A component table to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableSpec<'a> {
    /// What region offsets in this table are counted from, absolute.
    pub region_base: u64,
    /// Where the next table is, absolute; 0 for none.
    pub extension_at: u64,
    /// Room for components, used ones included; 0 means just as many as there are.
    pub slots: u32,
    /// The components, in order.
    pub components: &'a [ComponentSpec],
}

impl TableSpec<'_> {
    /// Bytes that the table takes, reserved slots included.
    ///
    /// # Errors
    /// `Misuse` where the components do not fit the slots.
    pub fn emitted_len(&self) -> Result<u64, Error> {
        let slots = u64::from(self.slots_or_count()?);
        Ok(slots.saturating_mul(COMPONENT_ENTRY_LEN).saturating_add(TABLE_HEADER_LEN))
    }

    /// Writes the table at the start of `out`, and zeros in its reserved slots. Returns the bytes
    /// written.
    ///
    /// # Errors
    /// `Misuse` where the components do not fit the slots, the table does not fit `out`, or two
    /// components have one UUID and major version. `out` is untouched then.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, Error> {
        let len = self.emitted_len()?;
        self.refuse_duplicates()?;
        let out = prefix_mut(out, len)?;
        let written = out.len();
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
        Ok(written)
    }

    fn count(&self) -> Result<u32, Error> {
        let components = self.components.len();
        u32::try_from(components).map_err(|_| {
            let components = to_u64(components);
            Misuse::TooFewSlots { components, slots: u32::MAX }.into()
        })
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

    fn refuse_duplicates(&self) -> Result<(), Error> {
        let mut rest = self.components;
        while let Some((first, later)) = rest.split_first() {
            let major = first.version.major;
            if later.iter().any(|other| other.id == first.id && other.version.major == major) {
                return Err(Misuse::DuplicateComponent { id: first.id, major }.into());
            }
            rest = later;
        }
        Ok(())
    }
}

/// Writes signature, format header and first table. Returns the bytes written.
///
/// # Errors
/// `Misuse`, as [`TableSpec::emit`].
pub fn emit_container(
    head: &PreambleSpec,
    table: &TableSpec<'_>,
    out: &mut [u8],
) -> Result<usize, Error> {
    let len = table.emitted_len()?.saturating_add(PREAMBLE_LEN);
    let out = prefix_mut(out, len)?;
    let written = out.len();
    let (start, rest) = out.split_at_mut(size_of::<FormatHeader>().saturating_add(SIGNATURE.len()));
    table.emit(rest)?;
    emit_preamble(head, start)?;
    Ok(written)
}

/// Writes signature and format header alone, for writers that lay out their first table later.
/// Returns 28.
///
/// # Errors
/// `Misuse` where `out` is too short.
pub fn emit_preamble(head: &PreambleSpec, out: &mut [u8]) -> Result<usize, Error> {
    let out = prefix_mut(out, PREAMBLE_LEN)?;
    let written = out.len();
    let header = FormatHeader {
        id: head.format.into(),
        major: head.version.major.into(),
        minor: head.version.minor.into(),
    };
    let rest = put(out, &SIGNATURE);
    put(rest, bytes_of(&header));
    Ok(written)
}

/// Points an emitted table, at the start of `table`, at an extension: eight bytes, the format's own
/// switch.
///
/// # Errors
/// `Misuse` where `table` is shorter than a table header.
pub fn emit_extension(table: &mut [u8], extension_at: u64) -> Result<(), Error> {
    let header = prefix_mut(table, TABLE_HEADER_LEN)?;
    if let Some(field) = header.get_mut(8..16) {
        field.copy_from_slice(&extension_at.to_le_bytes());
    }
    Ok(())
}

fn prefix_mut(out: &mut [u8], needed: u64) -> Result<&mut [u8], Error> {
    let len = to_u64(out.len());
    cast::to_usize(needed)
        .and_then(|needed| out.get_mut(..needed))
        .ok_or_else(|| Misuse::BufferTooShort { needed, len }.into())
}

/// Copies `bytes` to the front of `out`, which has room for them, and returns what is behind.
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
    use crate::{ComponentSpec, Error, Misuse, Region, Version};
    use uuid::Uuid;

    const HEAD: PreambleSpec = PreambleSpec {
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
        // The file that the format's first program wrote.
        let published: [u8; 80] = *b"\xffdaicon0\
            \x29\x79\x0f\x5f\x77\x75\xe5\x4b\x8b\xb5\x4a\x63\x19\x9b\x67\x22\0\0\0\0\
            \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\
            \x17\x47\x5e\x2c\x15\xb7\x9b\x42\x85\xcd\xd3\x20\xd2\x42\x54\x7a\0\0\0\0\
            \0\0\0\0\0\0\0\0";
        let mut out = [0xaa; 80];
        let table = TableSpec { components: &[INDEX], ..TableSpec::default() };
        assert_eq!(emit_container(&HEAD, &table, &mut out), Ok(80));
        assert_eq!(out, published);
    }

    #[test]
    fn reserved_bytes_are_zero_whatever_the_buffer_held() {
        let mut out = [0xaa; 28 + 24 + 3 * 28 + 1];
        let table = TableSpec { slots: 3, components: &[INDEX], ..TableSpec::default() };
        assert_eq!(emit_container(&HEAD, &table, &mut out), Ok(136));
        assert_eq!(out[44..48], [0; 4], "reserved field");
        assert_eq!(out[80..136], [0; 56], "reserved slots");
        assert_eq!(out[136], 0xaa, "the byte behind is the caller's");
    }

    #[test]
    fn extension_is_eight_bytes_of_the_header() {
        let mut table = [0xaa; 24];
        emit_extension(&mut table, 0x0102_0304).unwrap();
        assert_eq!(table[8..16], [4, 3, 2, 1, 0, 0, 0, 0]);
        assert_eq!((table[7], table[16]), (0xaa, 0xaa));
    }

    #[test]
    fn mistakes_leave_the_buffer_untouched() {
        let twice = TableSpec { components: &[INDEX, INDEX], ..TableSpec::default() };
        let mut out = [0xaa; 108];
        let (id, major) = (INDEX.id, 0);
        let expected = Error::Misuse(Misuse::DuplicateComponent { id, major });
        assert_eq!(emit_container(&HEAD, &twice, &mut out), Err(expected));
        let narrow = TableSpec { slots: 1, ..twice };
        let expected = Error::Misuse(Misuse::TooFewSlots { components: 2, slots: 1 });
        assert_eq!(emit_container(&HEAD, &narrow, &mut out), Err(expected));
        let one = TableSpec { components: &[INDEX], ..TableSpec::default() };
        let expected = Error::Misuse(Misuse::BufferTooShort { needed: 80, len: 79 });
        assert_eq!(emit_container(&HEAD, &one, &mut out[..79]), Err(expected));
        assert_eq!(out, [0xaa; 108]);
    }
}
