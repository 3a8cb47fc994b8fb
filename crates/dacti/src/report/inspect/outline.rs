//! The structures that every daicon file has: format, tables and components.
//!
//! For an open package, this module copies these structures from the view. For any other file, it
//! reads them. Specification: `docs/spec/daicon.md`.

use super::names::name_of;
use crate::fetch::ReadAt;
use crate::read::view::read_failed;
use crate::report::{Claim, Claimant};
use crate::{Error, Package};
use daicon_core::{Component, Event, PREAMBLE_LEN, Span, TABLE_HEADER_LEN, TableWalker, Version};
use std::io;
use uuid::Uuid;

/// The maximum number of unclaimed bytes that are read to distinguish zeros from other bytes.
const GAPS_LEN_MAX: u64 = 64 << 20;
/// The number of bytes of a gap that are read at once.
const READ_LEN: usize = 64 * 1024;

/// Format, tables and components of a daicon file.
#[derive(Debug)]
pub struct Outline {
    /// The format's UUID.
    pub format: Uuid,
    /// The format's version.
    pub version: Version,
    /// Length of the file.
    pub len: u64,
    /// The spans of the tables, each with its header and its entries, in chain order.
    pub tables: Vec<Span>,
    /// The components in use, in the order of the tables.
    pub components: Vec<Component>,
}

/// A daicon file of any format.
#[derive(Debug)]
pub struct ContainerMap {
    /// Format, tables and components.
    pub outline: Outline,
    /// The use of every byte of the file, in ascending order.
    pub claims: Vec<Claim>,
    /// Harmless oddities, as one line of text for each.
    pub odd: Vec<String>,
}

impl Outline {
    /// Returns the outline of an open package.
    #[must_use]
    pub fn of(package: &Package) -> Self {
        let view = package.view();
        Self {
            format: view.format(),
            version: view.version(),
            len: view.len(),
            tables: view.tables().into(),
            components: view.components().into(),
        }
    }
}

impl ContainerMap {
    /// Reads the tables of a file. Also reads unclaimed bytes, up to a limit, to distinguish zeros
    /// from other bytes.
    ///
    /// # Errors
    /// `Container`, or an error of the source.
    pub fn read(source: &dyn ReadAt) -> Result<Self, Error> {
        let len = source.len();
        let mut walker: TableWalker = TableWalker::new(Some(len));
        let mut header = None;
        while let Some(want) = walker.want() {
            let want_len = usize::try_from(want.len()).unwrap_or(0);
            let bytes = source.read_up_to(want.start, want_len).map_err(read_failed)?;
            if let Some(Event::Preamble(found)) = walker.feed(&bytes)? {
                header = Some(found);
            }
        }
        let header = header.ok_or(daicon_core::Error::from(daicon_core::Misuse::FedAfterEnd))?;
        let outline = Outline {
            format: header.id.get(),
            version: header.version(),
            len,
            tables: walker.tables().into(),
            components: walker.components().into(),
        };
        let mut odd: Vec<String> = walker.diagnostics().map(ToString::to_string).collect();
        let kept = u64::try_from(odd.len()).unwrap_or(u64::MAX);
        match walker.diagnostics_count().saturating_sub(kept) {
            0 => {}
            more => odd.push(format!("{more} more oddities of the tables")),
        }
        let claims = map(source, &outline, &mut odd).map_err(read_failed)?;
        Ok(Self { outline, claims, odd })
    }
}

/// Returns whether a file begins like a daicon file that is not a package.
#[must_use]
pub fn is_other_format(head: &[u8]) -> bool {
    let mut walker: TableWalker = TableWalker::new(None);
    // A file with a faulty preamble counts as a package, so that the reader of packages reports the
    // fault.
    let Ok(Some(Event::Preamble(header))) = walker.feed(head) else { return false };
    header.id.get() != crate::PACKAGE_FORMAT.id
}

/// Returns the region that a component's data names; `None` if the data does not name a region.
///
/// Only a component's own specification says whether its data names a region. The data of an
/// unknown component is taken to name a region if the named bytes lie within the file.
#[must_use]
pub fn named_region(component: &Component, len: u64) -> Option<Span> {
    match name_of(component.id) {
        _ if component.id == dacti_names::NAMES_ID => None,
        Some(_) => component.span().ok(),
        None => component.span_within(len).ok().filter(|span| !span.is_empty()),
    }
}

/// Maps every byte of a file.
fn map(source: &dyn ReadAt, outline: &Outline, odd: &mut Vec<String>) -> io::Result<Vec<Claim>> {
    let preamble = Span { start: 0, end: PREAMBLE_LEN.min(outline.len) };
    let mut found = vec![Claim { span: preamble, claimant: Claimant::Start, count: 1 }];
    let table = |span: &Span| Claim { span: *span, claimant: Claimant::Table, count: 1 };
    found.extend(outline.tables.iter().map(table));
    found.extend(outline.components.iter().filter_map(|component| {
        let span = named_region(component, outline.len)?;
        Some(Claim { span, claimant: Claimant::Component(component.id), count: 1 })
    }));
    found.retain(|claim| !claim.span.is_empty() && claim.span.end <= outline.len);
    found.sort_by_key(|claim| (claim.span.start, core::cmp::Reverse(claim.span.end)));
    let mut map = Map { source, claims: Vec::new(), left: GAPS_LEN_MAX };
    let mut end = 0;
    for claim in found {
        if claim.span.start < end {
            let what = shown(claim.claimant);
            let Span { start, end: to } = claim.span;
            odd.push(format!("{what} at {start:#x} to {to:#x} overlaps bytes that are in use"));
        } else {
            map.fill(Span { start: end, end: claim.span.start })?;
        }
        let start = claim.span.start.max(end);
        if start < claim.span.end {
            map.claims.push(Claim { span: Span { start, end: claim.span.end }, ..claim });
            end = claim.span.end;
        }
    }
    map.fill(Span { start: end, end: outline.len })?;
    Ok(map.claims)
}

fn shown(claimant: Claimant) -> String {
    match claimant {
        Claimant::Component(id) => {
            let name = name_of(id).map_or_else(|| id.to_string(), Into::into);
            format!("the region of component {name}")
        }
        other => other.to_string(),
    }
}

/// A map of a file. Claims are added in ascending order.
struct Map<'s> {
    source: &'s dyn ReadAt,
    claims: Vec<Claim>,
    /// The number of bytes in gaps that may still be read.
    left: u64,
}

impl Map<'_> {
    /// Adds the bytes between two claims, piece by piece. A piece counts as zeros if all its bytes
    /// are zero, otherwise as unclaimed.
    fn fill(&mut self, gap: Span) -> io::Result<()> {
        let mut at = gap.start;
        while at < gap.end {
            let len = gap.end.saturating_sub(at).min(self.left);
            let len = usize::try_from(len).unwrap_or(READ_LEN).min(READ_LEN);
            let bytes = if len == 0 { Vec::new() } else { self.source.read_up_to(at, len)? };
            let read = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            if read == 0 {
                self.push(Span { start: at, end: gap.end }, Claimant::NotLookedAt);
                return Ok(());
            }
            let zero = bytes.iter().all(|byte| *byte == 0);
            let end = at.saturating_add(read);
            self.push(
                Span { start: at, end },
                if zero { Claimant::Zeros } else { Claimant::Unclaimed },
            );
            self.left = self.left.saturating_sub(read);
            at = end;
        }
        Ok(())
    }

    fn push(&mut self, span: Span, claimant: Claimant) {
        match self.claims.last_mut() {
            Some(last) if last.claimant == claimant && last.span.end == span.start => {
                last.span.end = span.end;
            }
            _ => self.claims.push(Claim { span, claimant, count: 1 }),
        }
    }
}

/// Returns the number of entries of a table.
#[must_use]
pub fn table_entries(table: Span) -> u64 {
    table.len().saturating_sub(TABLE_HEADER_LEN) / daicon_core::COMPONENT_ENTRY_LEN
}
