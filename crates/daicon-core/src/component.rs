//! A component: a named, versioned piece of a file, as a reader finds it and a writer writes it.
//!
//! The founding document calls a component *interface*. Specification: `docs/spec/daicon.md`,
//! "Tables".

use crate::{ComponentEntry, Error, Region, Span, Structure, Version, to_u64};
use uuid::Uuid;

/// A component found in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Component {
    /// Position of the component's entry, absolute.
    pub at: u64,
    /// UUID of the component.
    pub id: Uuid,
    /// Version of the component.
    pub version: Version,
    /// The eight bytes that the component defines, most often a region.
    pub data: [u8; 8],
    /// The region base of the component's table, absolute.
    pub base: u64,
}

impl Component {
    pub(crate) fn from_entry(entry: &ComponentEntry, at: u64, base: u64) -> Self {
        Self {
            at,
            id: entry.id.get(),
            version: Version::new(entry.major.get(), entry.minor.get()),
            data: entry.data,
            base,
        }
    }

    /// Returns the component's data as a region relative to [`base`](Self::base).
    #[must_use]
    pub const fn region(&self) -> Region {
        Region::from_data(self.data)
    }

    /// Returns the span of the component's region. Use this if the length of the file is unknown.
    ///
    /// # Errors
    /// `OutOfBounds` if the span passes 2^64.
    pub fn span(&self) -> Result<Span, Error> {
        let region = self.region();
        region.resolve(self.base).ok_or(Error::OutOfBounds {
            what: Structure::ComponentRegion,
            at: self.at,
            base: self.base,
            offset: region.offset,
            size: region.size,
        })
    }

    /// Returns the span of the component's region in a file of `len` bytes. An empty region has no
    /// bytes, so it may point anywhere.
    ///
    /// # Errors
    /// `OutOfBounds` if the span passes 2^64, `Truncated` if it passes the end of the file.
    pub fn span_within(&self, len: u64) -> Result<Span, Error> {
        let span = self.span()?;
        if span.end > len && !span.is_empty() {
            let what = Structure::ComponentRegion;
            return Err(Error::Truncated { what, at: span.start, needed: span.len(), end: len });
        }
        Ok(span)
    }

    /// Returns the bytes of the component's region. `file` is a whole file in memory.
    ///
    /// # Errors
    /// The errors of [`span_within`](Self::span_within).
    pub fn bytes_in<'b>(&self, file: &'b [u8]) -> Result<&'b [u8], Error> {
        let span = self.span_within(to_u64(file.len()))?;
        // An empty region may lie outside of the file.
        Ok(span.slice_of(file, 0).unwrap_or_default())
    }
}

/// A component to be written into a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComponentSpec {
    /// UUID of the component.
    pub id: Uuid,
    /// Version of the component.
    pub version: Version,
    /// The eight bytes that the component defines.
    pub data: [u8; 8],
}

impl ComponentSpec {
    /// Creates a component whose eight bytes of data are not a region.
    #[must_use]
    pub const fn with_data(id: Uuid, version: Version, data: [u8; 8]) -> Self {
        Self { id, version, data }
    }

    /// Creates a component whose data is a region, relative to the table's region base.
    #[must_use]
    pub const fn with_region(id: Uuid, version: Version, region: Region) -> Self {
        Self { id, version, data: region.to_data() }
    }

    /// Returns the entry as it lies in a table, for writing into a free slot.
    #[must_use]
    pub fn to_entry(self) -> ComponentEntry {
        ComponentEntry {
            id: self.id.into(),
            major: self.version.major.into(),
            minor: self.version.minor.into(),
            data: self.data,
        }
    }
}
