//! The head of a package in parts, read and checked as a whole.
//!
//! Specification: `docs/spec/dacti-parts.md`, "The region", "The head".

use super::head::HEAD_LEN;
use super::{PARTS_ID, PARTS_LEN, PARTS_VERSION, PartsError, PartsFault, PartsRegion, head_digest};
use crate::{Error, LAYOUT_ID, LAYOUT_LEN, LAYOUT_VERSION, Layout};
use daicon_core::{
    COMPONENTS_MAX, Component, ComponentMatch, Requirement, Span, TABLES_MAX, TableWalker, Window,
};

const PARTS: Requirement<'static> = Requirement::new(PARTS_ID, PARTS_VERSION);
const LAYOUT: Requirement<'static> = Requirement::new(LAYOUT_ID, LAYOUT_VERSION);

/// The fields of a package's head, in either of the two published forms. The package has the cdn
/// layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartsHead {
    /// Start of the region of the parts component, absolute.
    pub region_at: u64,
    /// The content of the parts region. In a package of one file, that region is all zeros.
    pub region: PartsRegion,
    /// The layout.
    pub layout: Layout,
    /// Start of the region of the layout component, absolute.
    pub layout_at: u64,
    /// Length of the package in bytes: the larger of the layout's `fresh_end` and the end of the
    /// last entry.
    pub len: u64,
}

impl PartsHead {
    /// Reads the head of a package in parts, and compares it with its digest.
    ///
    /// # Errors
    /// The head has a wrong length or digest, or has no parts component. Or its tables, its layout
    /// or the parts region is at fault.
    pub fn parse(head: &[u8]) -> Result<Self, Error> {
        let parsed = Self::of_either_form(head)?;
        if head_digest(head, parsed.region_at)? != parsed.region.digest {
            return Err(PartsError { at: 0, fault: PartsFault::HeadDigest }.into());
        }
        Ok(parsed)
    }

    /// Reads the head of a package in either form. It does not check the digest.
    ///
    /// # Errors
    /// The errors of [`parse`](Self::parse), except for a wrong digest.
    pub fn of_either_form(head: &[u8]) -> Result<Self, Error> {
        let len = u64::try_from(head.len()).unwrap_or(u64::MAX);
        if len != HEAD_LEN {
            return Err(PartsError { at: 0, fault: PartsFault::HeadLen(len) }.into());
        }
        let mut walker = TableWalker::<TABLES_MAX, COMPONENTS_MAX>::new(None);
        let window = Window::new(0, head);
        // The tables of a package in the cdn layout lie in the head.
        while let Some(bytes) = walker.want().and_then(|want| window.answer(want)) {
            walker.feed(bytes)?;
        }
        let components = walker.components();
        let region = region_of(&PARTS, components).ok_or(PartsFault::NoComponent);
        let region = region.map_err(|fault| PartsError { at: 28, fault })?;
        let at = region.start;
        if region.end > HEAD_LEN {
            return Err(PartsError { at, fault: PartsFault::PastHead(region.end) }.into());
        }
        let bytes = Span { start: at, end: region.end.min(at.saturating_add(PARTS_LEN)) };
        let bytes = bytes.slice_of(head, 0).unwrap_or_default();
        let parsed = PartsRegion::parse(bytes, at)?;
        let layout =
            region_of(&LAYOUT, components).ok_or(Error::NotUpdatable(crate::Missing::Layout))?;
        let layout_at = layout.start;
        let bytes = Span { end: layout_at.saturating_add(LAYOUT_LEN), ..layout };
        let bytes = bytes.slice_of(head, 0).unwrap_or_default();
        // The length of a package in parts is computed from the layout, so it cannot limit the
        // layout here.
        let layout = Layout::parse(bytes, layout_at, u64::MAX)?;
        let len = layout.fresh_end.max(parsed.list.end());
        Ok(Self { region_at: at, region: parsed, layout, layout_at, len })
    }

    /// Returns the position at which the block of the next update begins. Returns `None` if it
    /// would pass the last position of a file.
    ///
    /// The position may lie below [`len`](Self::len). The bytes from this position on are then
    /// second starts, which the update replaces.
    #[must_use]
    pub fn next_block_at(&self) -> Option<u64> {
        let end = self.region.end.max(self.layout.fresh_end);
        end.checked_next_multiple_of(super::BLOCK_ALIGN)
    }

    /// Writes a new file id into a head of this package. A copy of a package needs a new id before
    /// its first update. A package also needs a new id if it replaces another package without
    /// continuing its updates.
    ///
    /// The id is computed from the old id and `seed`. The seed is the hash of the copy's own name,
    /// or the digest of the replaced head. So if two publishers do the same work, they compute the
    /// same id.
    pub fn write_new_file_id(&self, head: &mut [u8], seed: &[u8]) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"dacti-parts copy v0").update(&self.layout.file_id).update(seed);
        let hash = *hasher.finalize().as_bytes();
        self.write_file_id(head, hash.first_chunk().unwrap_or(&self.layout.file_id));
    }

    /// Writes this file id into a head of this package.
    pub fn write_file_id(&self, head: &mut [u8], file_id: &[u8; 16]) {
        let start = usize::try_from(self.layout_at.saturating_add(8)).unwrap_or(usize::MAX);
        let place = head.get_mut(start..start.saturating_add(16)).unwrap_or_default();
        for (to, from) in place.iter_mut().zip(file_id) {
            *to = *from;
        }
    }
}

fn region_of(wanted: &Requirement<'_>, components: &[Component]) -> Option<Span> {
    match wanted.find(components) {
        ComponentMatch::Found(component) => component.span().ok(),
        ComponentMatch::Incompatible(_) | ComponentMatch::Missing => None,
    }
}
