//! Containers in files and in other sources that implement `Read` and `Seek`. Needs the feature
//! `std`.

use crate::{
    Component, ComponentMatch, Error, Format, Requirement, Span, Structure, TableWalker, to_u64,
};
use alloc::vec::Vec;
use std::io::{self, Read, Seek, SeekFrom};

/// The reason why a container cannot be read from a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The container is at fault.
    #[error(transparent)]
    Container(#[from] Error),
    /// The file could not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// An open container of one format.
///
/// ```no_run
/// use daicon_core::io::Container;
/// use daicon_core::{Format, Requirement, Version};
/// use uuid::Uuid;
///
/// const TEXT: Requirement<'static> = Requirement::new(Uuid::from_u128(7), Version::new(0, 1));
/// const FORMAT: Format<'static> =
///     Format { requires: &[TEXT], ..Format::new(Uuid::from_u128(8), Version::new(1, 0)) };
///
/// let mut note = Container::open(std::fs::File::open("a.note")?, &FORMAT)?;
/// let text = note.require(&TEXT)?;
/// let text = note.read_region(&text, 1 << 20)?;
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Container<S> {
    source: S,
    len: u64,
    walker: TableWalker,
}

impl<S: Read + Seek> Container<S> {
    /// Reads the preamble, and then tables until all required components are found. If the format
    /// requires no components, this reads the whole chain.
    ///
    /// # Errors
    /// `Container` if the file is not a container, has another format or version, or lacks a
    /// required component; `Io`.
    pub fn open(mut source: S, format: &Format<'_>) -> Result<Self, ReadError> {
        let len = source.seek(SeekFrom::End(0))?;
        let mut walker = TableWalker::new(Some(len));
        while let Some(want) = format.want(&walker) {
            format.feed(&mut walker, &read_at(&mut source, want)?)?;
        }
        format.check(walker.components())?;
        Ok(Self { source, len, walker })
    }

    /// Finds a component. Reads further tables if needed. Returns `None` if the file lacks the
    /// component.
    ///
    /// # Errors
    /// `Container` for faults of a further table; `Io`.
    pub fn find(&mut self, requirement: &Requirement<'_>) -> Result<Option<Component>, ReadError> {
        loop {
            if let ComponentMatch::Found(found) = requirement.find(self.walker.components()) {
                return Ok(Some(*found));
            }
            let Some(want) = self.walker.want() else { return Ok(None) };
            self.walker.feed(&read_at(&mut self.source, want)?)?;
        }
    }

    /// Returns a component. Reads further tables if needed.
    ///
    /// # Errors
    /// `Container` if the file lacks the component, or for faults of a further table; `Io`.
    pub fn require(&mut self, requirement: &Requirement<'_>) -> Result<Component, ReadError> {
        self.find(requirement)?;
        Ok(*requirement.require(self.walker.components())?)
    }

    /// Reads the region of a component, which may have at most `len_max` bytes.
    ///
    /// # Errors
    /// `Container` if the region is longer than `len_max` or passes the end of the file; `Io`.
    pub fn read_region(
        &mut self,
        component: &Component,
        len_max: u64,
    ) -> Result<Vec<u8>, ReadError> {
        let span = component.span_within(self.len)?;
        let (what, at, needed) = (Structure::ComponentRegion, span.start, span.len());
        if needed > len_max {
            return Err(Error::LimitExceeded { what, at, found: needed, limit: len_max }.into());
        }
        let bytes = read_at(&mut self.source, span)?;
        let found = to_u64(bytes.len());
        if found < needed {
            // The file was cut after it was opened.
            let end = at.saturating_add(found);
            return Err(Error::Truncated { what, at, needed, end }.into());
        }
        Ok(bytes)
    }

    /// Returns the components found so far.
    #[must_use]
    pub fn components(&self) -> &[Component] {
        self.walker.components()
    }

    /// Returns the source.
    #[must_use]
    pub fn into_source(self) -> S {
        self.source
    }
}

/// Reads a span of a source. Returns fewer bytes if the source ends before the span does.
///
/// This allocates only for bytes that the file has, even if the span is longer.
///
/// # Errors
/// Errors of the source.
pub fn read_at(source: &mut (impl Read + Seek), span: Span) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // A seek past the end has different effects on different operating systems, so this function
    // never makes such a seek.
    if !span.is_empty() && span.start < source.seek(SeekFrom::End(0))? {
        source.seek(SeekFrom::Start(span.start))?;
        source.take(span.len()).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}
