//! A component: a named, versioned piece of a file, as found in one, and as one is to be written.
//!
//! The first draft of the format says *interface*. Specification: `docs/spec/daicon.md`, "Component
//! tables".

use crate::{ComponentEntry, Error, Region, Span, Structure, Version};
use uuid::Uuid;

/// A component found in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Component {
    /// Where its entry stands, absolute.
    pub at: u64,
    /// Which component it is.
    pub id: Uuid,
    /// Its version.
    pub version: Version,
    /// The eight bytes that the component defines, as a rule a region.
    pub data: [u8; 8],
    /// The region offset of the table that it stands in, absolute.
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

    /// Its data, read as a region relative to [`base`](Self::base).
    #[must_use]
    pub const fn region(&self) -> Region {
        Region::from_data(self.data)
    }

    /// Where its region lies, for a file whose length is not known.
    ///
    /// # Errors
    /// `OutOfBounds` where the sums pass 2^64.
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

    /// Where its region lies in a file of `len` bytes. An empty region claims no byte, so it may
    /// point anywhere.
    ///
    /// # Errors
    /// `OutOfBounds` where the sums pass 2^64, `Truncated` where the region passes the file's end.
    pub fn span_within(&self, len: u64) -> Result<Span, Error> {
        let span = self.span()?;
        if span.end > len && !span.is_empty() {
            let what = Structure::ComponentRegion;
            return Err(Error::Truncated { what, at: span.start, needed: span.len(), end: len });
        }
        Ok(span)
    }
}

/// A component to be written into a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComponentSpec {
    /// Which component it is.
    pub id: Uuid,
    /// Its version.
    pub version: Version,
    /// The eight bytes that the component defines.
    pub data: [u8; 8],
}

impl ComponentSpec {
    /// A component with data of its own kind.
    #[must_use]
    pub const fn with_data(id: Uuid, version: Version, data: [u8; 8]) -> Self {
        Self { id, version, data }
    }

    /// A component whose data is a region, relative to the table's region base.
    #[must_use]
    pub const fn with_region(id: Uuid, version: Version, region: Region) -> Self {
        Self { id, version, data: region.to_data() }
    }

    /// The entry as it lies in a table, for who writes into a reserved slot.
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
