//! Photo cards, an example of a format. A card has a picture, and a caption in an extension table.

#![cfg_attr(not(feature = "std"), no_std)]

use daicon_core::{
    Error, Format, RegionLayout, Requirement, TableSpec, Uuid, Version, container_len,
    emit_container, table_len, to_u64,
};

/// The component whose region is the picture.
pub const PICTURE: Requirement<'static> =
    Requirement::new(Uuid::from_u128(0xe0a2b6c4_6a0d_4b7e_8f7d_0b7f3a1c9d10), Version::new(1, 0));
/// The component whose region is the caption, in UTF-8.
pub const CAPTION: Requirement<'static> =
    Requirement::new(Uuid::from_u128(0x3b9a4c62_0f3e_4d0b_a1de_6a5f2f9c8e43), Version::new(1, 0));
/// The declaration of the format.
pub const FORMAT: Format<'static> = Format {
    requires: &[PICTURE, CAPTION],
    ..Format::new(Uuid::from_u128(0x8c1f9f0e_5a56_4c3b_9d55_3f2f6f0f7b21), Version::new(1, 0))
};
/// The number of bytes before the picture. They are the preamble and two tables of one component
/// each.
pub const START_LEN: usize = container_len(1) + table_len(1);

/// Returns the start of a card. Write the picture and the caption after it.
///
/// # Errors
/// `Misuse` if a region would have 4 GiB or more.
pub fn start(picture: &[u8], caption: &str) -> Result<[u8; START_LEN], Error> {
    let mut regions = RegionLayout::new(START_LEN, 0);
    let first = [PICTURE.with_region(regions.place(picture.len())?)];
    let second = [CAPTION.with_region(regions.place(caption.len())?)];
    let first = TableSpec { components: &first, ..TableSpec::default() };
    let second = TableSpec { at: to_u64(container_len(1)), components: &second, ..first };
    let mut start = [0; START_LEN];
    emit_container(&FORMAT.preamble(), &[first, second], &mut start)?;
    Ok(start)
}

/// Returns the picture and the caption of a card that is in memory.
///
/// # Errors
/// The bytes are not a card, or a region passes their end.
pub fn read(card: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    let walker = FORMAT.read(card)?;
    let bytes = |part: Requirement<'_>| part.require(walker.components())?.bytes_in(card);
    Ok((bytes(PICTURE)?, bytes(CAPTION)?))
}

/// Reads the caption of a card from a file. Does not read the picture.
///
/// # Errors
/// The file is not a card, or cannot be read.
#[cfg(feature = "std")]
pub fn caption(file: std::fs::File) -> Result<Vec<u8>, daicon_core::io::ReadError> {
    let mut card = daicon_core::io::Container::open(file, &FORMAT)?;
    let caption = card.require(&CAPTION)?;
    card.read_region(&caption, 1000)
}
