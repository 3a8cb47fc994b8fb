//! Walks a container's preamble and chain of tables, one wanted span at a time.
//!
//! The walker owns no bytes and does no IO. It stores all components and the spans of all tables,
//! so it detects duplicates and loops in the whole chain. A caller may stop as soon as it has found
//! the components that it needs: later tables never change earlier components.
//! Specification: `docs/spec/daicon.md`, "Tables", "Duplicates", "Extension tables".

use crate::table::entries_len;
use crate::{
    COMPONENTS_MAX, Component, DIAGNOSTICS_MAX, Error, FORMAT_HEADER_LEN, FormatHeader, Limits,
    Misuse, PREAMBLE_LEN, SIGNATURE, SIGNATURE_LEN, Span, Structure, TABLE_HEADER_LEN, TABLES_MAX,
    Table, TableHeader, Version, struct_at, to_u64,
};
use uuid::Uuid;

/// The result of one feed.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'b> {
    /// The format header. It is always the first event.
    Preamble(FormatHeader),
    /// A table, in chain order. [`TableWalker::components`] also returns its components, but
    /// without duplicates.
    Table(Table<'b>),
}

/// A harmless oddity in a file. The file is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Diagnostic {
    /// A table's extension offset leads back to an earlier table, or to the table itself. The chain
    /// ends at this table.
    Loop {
        /// Start of the table that leads back, absolute.
        at: u64,
        /// Start of the table to which it leads back, absolute.
        extension_at: u64,
    },
    /// An entry with the UUID and major version of an earlier entry.
    Duplicate {
        /// Position of the ignored entry, absolute.
        at: u64,
        /// Position of the earlier entry, absolute. Readers use this entry.
        first_at: u64,
    },
    /// A reserved field is not zero.
    ReservedNotZero {
        /// Position of the field, absolute.
        at: u64,
        /// Value of the field.
        found: u32,
    },
}

impl core::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Loop { at, extension_at } => write!(
                f,
                "table at {at:#x}: extension offset leads back to the table at {extension_at:#x}"
            ),
            Self::Duplicate { at, first_at } => write!(
                f,
                "component at {at:#x}: ignored, because the component at {first_at:#x} has the \
                 same UUID and major version"
            ),
            Self::ReservedNotZero { at, found } => {
                write!(f, "reserved field at {at:#x}: expected 0, found {found:#x}")
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum State {
    Preamble,
    TableHeader { at: u64 },
    Entries { at: u64, header: TableHeader },
    Ended,
}

/// The walk over a container's tables: a machine that says which span it wants next, and is fed
/// the bytes of this span.
///
/// `TABLES` and `COMPONENTS` limit how many tables and components the walker can store, and so they
/// set its size. A walk over `n` tables takes at most `2 * n + 1` feeds.
#[derive(Debug, Clone)]
pub struct TableWalker<const TABLES: usize = TABLES_MAX, const COMPONENTS: usize = COMPONENTS_MAX> {
    state: State,
    len: Option<u64>,
    limits: Limits,
    format_header: Option<FormatHeader>,
    tables: [Span; TABLES],
    tables_count: usize,
    entries_count: u64,
    components: [Component; COMPONENTS],
    components_count: usize,
    diagnostics: [Option<Diagnostic>; DIAGNOSTICS_MAX],
    diagnostics_count: u64,
}

impl TableWalker {
    /// Starts a walk over a file of `len` bytes, or of unknown length, with the default limits.
    ///
    /// ```
    /// use daicon_core::TableWalker;
    ///
    /// let walker = TableWalker::new(None);
    /// assert_eq!(walker.want().unwrap().len(), 28);
    /// ```
    #[must_use]
    pub fn new(len: Option<u64>) -> Self {
        Self::with_limits(len, Limits::default())
    }
}

impl<const TABLES: usize, const COMPONENTS: usize> TableWalker<TABLES, COMPONENTS> {
    /// Starts a walk over a file of `len` bytes, or of unknown length, within `limits`. Limits
    /// above the type parameters have no effect.
    ///
    /// ```
    /// use daicon_core::{Limits, TableWalker};
    ///
    /// let walker = TableWalker::<4, 16>::with_limits(None, Limits::default());
    /// assert!(size_of_val(&walker) < 1500);
    /// ```
    #[must_use]
    pub fn with_limits(len: Option<u64>, limits: Limits) -> Self {
        let limits = Limits {
            tables_max: limits.tables_max.min(TABLES),
            components_max: limits.components_max.min(COMPONENTS),
        };
        Self {
            state: State::Preamble,
            len,
            limits,
            format_header: None,
            tables: [Span::default(); TABLES],
            tables_count: 0,
            entries_count: 0,
            components: [Component::default(); COMPONENTS],
            components_count: 0,
            diagnostics: [None; DIAGNOSTICS_MAX],
            diagnostics_count: 0,
        }
    }

    /// Returns the span to feed next, absolute; `None` at the end of the walk and after an error.
    #[must_use]
    pub fn want(&self) -> Option<Span> {
        match &self.state {
            State::Preamble => Some(Span { start: 0, end: PREAMBLE_LEN }),
            // An extension offset may point anywhere. Only `feed` checks it. So a caller that has
            // found enough components can stop before an invalid offset is an error.
            State::TableHeader { at } => {
                Some(Span { start: *at, end: at.saturating_add(TABLE_HEADER_LEN) })
            }
            State::Entries { at, header } => {
                Span::new(at.checked_add(TABLE_HEADER_LEN)?, entries_len(header))
            }
            State::Ended => None,
        }
    }

    /// Takes the wanted bytes, and returns the structure in them.
    ///
    /// Ignores bytes past the wanted span. A shorter slice means that the file ends there.
    ///
    /// # Errors
    /// Any fault of the container. The walk has then ended, but the components found before are
    /// kept.
    pub fn feed<'b>(&mut self, bytes: &'b [u8]) -> Result<Option<Event<'b>>, Error> {
        // Only the functions that continue the walk set the state again, so an error ends the walk.
        match core::mem::replace(&mut self.state, State::Ended) {
            State::Preamble => self.feed_preamble(bytes).map(Some),
            State::TableHeader { at } => self.feed_table_header(bytes, at),
            State::Entries { at, header } => self.feed_entries(header, bytes, at).map(Some),
            State::Ended => Err(Misuse::FedAfterEnd.into()),
        }
    }

    /// Returns the format header; `None` if the walk has not read it yet.
    #[must_use]
    pub const fn format_header(&self) -> Option<&FormatHeader> {
        self.format_header.as_ref()
    }

    /// Returns the components found so far, in chain order. Of duplicates, only the first is
    /// included.
    #[must_use]
    pub fn components(&self) -> &[Component] {
        self.components.get(..self.components_count).unwrap_or_default()
    }

    /// Finds the first component of that UUID that a reader of version `required` can use.
    #[must_use]
    pub fn find(&self, id: Uuid, required: Version) -> Option<&Component> {
        self.components().iter().find(|found| found.id == id && required.accepts(found.version))
    }

    /// Returns the spans of the tables read so far, headers and entries, in chain order.
    #[must_use]
    pub fn tables(&self) -> &[Span] {
        self.tables.get(..self.tables_count).unwrap_or_default()
    }

    /// Returns the first [`DIAGNOSTICS_MAX`] diagnostics so far.
    pub fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter().flatten()
    }

    /// Returns the number of all diagnostics so far.
    #[must_use]
    pub const fn diagnostics_count(&self) -> u64 {
        self.diagnostics_count
    }

    fn feed_preamble<'b>(&mut self, bytes: &[u8]) -> Result<Event<'b>, Error> {
        let Some(signature) = bytes.first_chunk::<8>() else {
            return Err(self.truncated(Structure::Signature, 0, SIGNATURE_LEN, 0, bytes));
        };
        check_signature(*signature)?;
        let rest = bytes.get(SIGNATURE.len()..).unwrap_or_default();
        let Some(header) = struct_at::<FormatHeader>(rest) else {
            let what = Structure::FormatHeader;
            return Err(self.truncated(what, SIGNATURE_LEN, FORMAT_HEADER_LEN, 0, bytes));
        };
        self.format_header = Some(*header);
        self.state = State::TableHeader { at: PREAMBLE_LEN };
        Ok(Event::Preamble(*header))
    }

    /// Continues at the table at `next`, unless that table was read before.
    fn follow(&mut self, at: u64, next: u64) {
        if self.tables().iter().any(|table| table.start == next) {
            self.note(Diagnostic::Loop { at, extension_at: next });
        } else {
            self.state = State::TableHeader { at: next };
        }
    }

    /// Refuses a table that exceeds the limit on tables, does not fit in the file, or overlaps
    /// bytes in use.
    fn check_table_place(&self, at: u64) -> Result<(), Error> {
        let what = Structure::TableHeader;
        if self.tables_count >= self.limits.tables_max {
            let limit = to_u64(self.limits.tables_max);
            let found = limit.saturating_add(1);
            return Err(Error::LimitExceeded { what, at, found, limit });
        }
        let span = self.fits(what, at, TABLE_HEADER_LEN)?;
        self.refuse_overlap(at, span)
    }

    fn feed_table_header<'b>(
        &mut self,
        bytes: &'b [u8],
        at: u64,
    ) -> Result<Option<Event<'b>>, Error> {
        self.check_table_place(at)?;
        let Some(header) = struct_at::<TableHeader>(bytes) else {
            let what = Structure::TableHeader;
            return Err(self.truncated(what, at, TABLE_HEADER_LEN, at, bytes));
        };
        let what = Structure::TableEntries;
        let entries_at = at.saturating_add(TABLE_HEADER_LEN);
        let found = self.entries_count.saturating_add(u64::from(header.count.get()));
        let limit = to_u64(self.limits.components_max);
        if found > limit {
            return Err(Error::LimitExceeded { what, at: entries_at, found, limit });
        }
        let entries = self.fits(what, entries_at, entries_len(header))?;
        let span = Span { start: at, end: entries.end };
        self.refuse_overlap(at, span)?;
        if let Some(slot) = self.tables.get_mut(self.tables_count) {
            *slot = span;
            self.tables_count = self.tables_count.saturating_add(1);
        }
        self.entries_count = found;
        if header.reserved.get() != 0 {
            let at = at.saturating_add(16);
            self.note(Diagnostic::ReservedNotZero { at, found: header.reserved.get() });
        }
        if header.count.get() == 0 {
            // The table has no entries to read.
            return self.feed_entries(*header, &[], at).map(Some);
        }
        self.state = State::Entries { at, header: *header };
        Ok(None)
    }

    fn feed_entries<'b>(
        &mut self,
        header: TableHeader,
        bytes: &'b [u8],
        at: u64,
    ) -> Result<Event<'b>, Error> {
        let Some(table) = Table::from_parts(header, bytes, at) else {
            let entries_at = at.saturating_add(TABLE_HEADER_LEN);
            let what = Structure::TableEntries;
            return Err(self.truncated(what, entries_at, entries_len(&header), entries_at, bytes));
        };
        for component in table.components() {
            self.remember(component);
        }
        if let Some(next) = table.extension_at() {
            self.follow(at, next);
        }
        Ok(Event::Table(table))
    }

    /// Keeps a component unless an earlier one has its UUID and major version.
    fn remember(&mut self, component: Component) {
        let same = |other: &&Component| {
            other.id == component.id && other.version.major == component.version.major
        };
        if let Some(&Component { at: first_at, .. }) = self.components().iter().find(same) {
            self.note(Diagnostic::Duplicate { at: component.at, first_at });
        } else if let Some(slot) = self.components.get_mut(self.components_count) {
            *slot = component;
            self.components_count = self.components_count.saturating_add(1);
        }
    }

    fn note(&mut self, diagnostic: Diagnostic) {
        let kept = usize::try_from(self.diagnostics_count).unwrap_or(usize::MAX);
        if let Some(slot) = self.diagnostics.get_mut(kept) {
            *slot = Some(diagnostic);
        }
        self.diagnostics_count = self.diagnostics_count.saturating_add(1);
    }

    /// Returns the span of `needed` bytes at `at`. If the length of the file is known, refuses a
    /// span that passes the end.
    fn fits(&self, what: Structure, at: u64, needed: u64) -> Result<Span, Error> {
        let end = self.len.unwrap_or(u64::MAX);
        Span::new(at, needed).filter(|span| span.end <= end).ok_or(Error::Truncated {
            what,
            at,
            needed,
            end,
        })
    }

    fn refuse_overlap(&self, at: u64, span: Span) -> Result<(), Error> {
        let preamble = Span { start: 0, end: PREAMBLE_LEN };
        let mut claimed = core::iter::once(&preamble).chain(self.tables());
        match claimed.find(|other| other.overlaps(&span)) {
            Some(&other) => {
                Err(Error::Overlap { what: Structure::TableHeader, at, end: span.end, other })
            }
            None => Ok(()),
        }
    }

    /// Returns the error for a structure at `at` that the fed bytes do not hold completely. `bytes`
    /// are these bytes, and start at file position `fed_at`.
    fn truncated(&self, what: Structure, at: u64, needed: u64, fed_at: u64, bytes: &[u8]) -> Error {
        let seen = fed_at.saturating_add(to_u64(bytes.len()));
        Error::Truncated { what, at, needed, end: self.len.unwrap_or(seen) }
    }
}

fn check_signature(found: [u8; 8]) -> Result<(), Error> {
    let [start @ .., generation] = found;
    let [expected @ .., supported] = SIGNATURE;
    if start != expected {
        return Err(Error::NotDaicon { found });
    }
    if generation != supported {
        return Err(Error::UnsupportedContainer { found: generation });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Diagnostic, Event, TableWalker};
    use crate::{
        Component, ComponentSpec, Error, ErrorKind, Limits, PreambleSpec, Region, Span, Structure,
        TableSpec, Version, emit_container,
    };
    use std::vec::Vec;
    use uuid::Uuid;

    fn component(id: u128, minor: u16) -> ComponentSpec {
        let region = Region::new(0, 0);
        ComponentSpec::with_region(Uuid::from_u128(id), Version::new(0, minor), region)
    }

    /// Returns a file of two tables with one component each: the first at 28, the second at 80.
    fn two_tables(first: ComponentSpec, second: ComponentSpec) -> [u8; 132] {
        let mut file = [0; 132];
        let preamble = PreambleSpec { format: Uuid::nil(), version: Version::new(0, 1) };
        let table = TableSpec { components: &[first], ..TableSpec::default() };
        emit_container(&preamble, &[table], &mut file).unwrap();
        // The test sets the extension offset itself, because some tests need chains that the
        // emitter refuses.
        file[36] = 80;
        let table = TableSpec { at: 80, components: &[second], ..TableSpec::default() };
        table.emit(&mut file[80..]).unwrap();
        file
    }

    fn set_extension(table: &mut [u8], extension_at: u64) {
        table[8..16].copy_from_slice(&extension_at.to_le_bytes());
    }

    fn walk(file: &[u8]) -> (TableWalker<4, 4>, usize, Result<(), Error>) {
        let mut walker = TableWalker::with_limits(Some(file.len() as u64), Limits::default());
        let mut feeds = 0;
        while let Some(want) = walker.want() {
            feeds += 1;
            let end = want.end.min(file.len() as u64) as usize;
            let bytes = file.get(want.start as usize..end).unwrap_or_default();
            if let Err(error) = walker.feed(bytes) {
                return (walker, feeds, Err(error));
            }
        }
        (walker, feeds, Ok(()))
    }

    #[test]
    fn finds_components_over_the_chain_in_five_feeds() {
        let (walker, feeds, ended) = walk(&two_tables(component(1, 0), component(2, 0)));
        assert_eq!((feeds, ended), (5, Ok(())));
        let ids: Vec<_> = walker.components().iter().map(|found| found.id.as_u128()).collect();
        assert_eq!(ids, [1, 2]);
        let spans = [Span { start: 28, end: 80 }, Span { start: 80, end: 132 }];
        assert_eq!(walker.tables(), spans);
    }

    #[test]
    fn first_of_a_uuid_and_major_wins_over_the_chain() {
        let (walker, _, ended) = walk(&two_tables(component(1, 3), component(1, 4)));
        assert_eq!(ended, Ok(()));
        let [Component { at: 52, version: Version { major: 0, minor: 3 }, .. }] =
            walker.components()
        else {
            panic!("{:?}", walker.components())
        };
        let noted: Vec<_> = walker.diagnostics().copied().collect();
        assert_eq!(noted, [Diagnostic::Duplicate { at: 104, first_at: 52 }]);
    }

    #[test]
    fn a_loop_ends_the_walk_with_a_diagnostic() {
        for target in [28, 80] {
            let mut file = two_tables(component(1, 0), component(2, 0));
            set_extension(&mut file[80..], target);
            let (walker, feeds, ended) = walk(&file);
            assert_eq!((feeds, ended), (5, Ok(())));
            let noted: Vec<_> = walker.diagnostics().copied().collect();
            assert_eq!(noted, [Diagnostic::Loop { at: 80, extension_at: target }]);
        }
    }

    #[test]
    fn a_caller_may_stop_before_a_broken_extension() {
        let mut file = two_tables(component(1, 0), component(2, 0));
        set_extension(&mut file[28..], u64::MAX - 3);
        let mut walker: TableWalker<4, 4> = TableWalker::with_limits(None, Limits::default());
        walker.feed(&file).unwrap();
        assert!(walker.feed(&file[28..]).unwrap().is_none());
        let event = walker.feed(&file[52..]).unwrap();
        assert!(matches!(event, Some(Event::Table(table)) if table.at() == 28));
        assert!(walker.find(Uuid::from_u128(1), Version::new(0, 0)).is_some());
        // The walk has not failed yet. If the caller continues, `feed` returns the error.
        let at = u64::MAX - 3;
        assert_eq!(walker.want(), Some(Span { start: at, end: u64::MAX }));
        let error = walker.feed(&[]).unwrap_err();
        let what = Structure::TableHeader;
        assert_eq!(error, Error::Truncated { what, at, needed: 24, end: u64::MAX });
        assert_eq!(walker.want(), None);
    }

    #[test]
    fn a_count_past_the_limit_wants_nothing() {
        let mut file = two_tables(component(1, 0), component(2, 0));
        file[48..52].fill(0xff);
        let (walker, _, ended) = walk(&file);
        let (what, at) = (Structure::TableEntries, 52);
        let found = u64::from(u32::MAX);
        assert_eq!(ended, Err(Error::LimitExceeded { what, at, found, limit: 4 }));
        assert_eq!(walker.want(), None);
    }

    #[test]
    fn limits_below_the_type_parameters_hold() {
        let file = two_tables(component(1, 0), component(2, 0));
        let limits = Limits { tables_max: 1, ..Limits::default() };
        let mut walker: TableWalker<4, 4> = TableWalker::with_limits(None, limits);
        for start in [0, 28, 52] {
            walker.feed(&file[start..]).unwrap();
        }
        let error = walker.feed(&file[80..]).unwrap_err();
        assert_eq!((error.kind(), error.at()), (ErrorKind::Limit, Some(80)));
    }

    #[test]
    fn tables_that_share_bytes_are_refused() {
        // Each extension offset leads into bytes in use: 4 and 27 into the preamble, 29 and 79 into
        // the first table, which ends at 80.
        for (target, expected) in [(4, 4), (27, 27), (29, 29), (79, 79)] {
            let mut file = two_tables(component(1, 0), component(2, 0));
            set_extension(&mut file[28..], target);
            let (_, _, ended) = walk(&file);
            let error = ended.unwrap_err();
            assert_eq!((error.kind(), error.at()), (ErrorKind::Corrupt, Some(expected)));
            assert!(matches!(error, Error::Overlap { .. }), "{error}");
        }
    }
}
