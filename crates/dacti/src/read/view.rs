//! The view that a reader has of a package: its head, its tables, and the components that this
//! project defines.
//!
//! Specification: `docs/spec/dacti-package.md`.

use crate::Error;
use crate::error::PublishFault;
use crate::fetch::source::{ReadAt, read_span};
use crate::read::index_region::IndexRegion;
use core::fmt;
use dacti_cdn::parts::{PARTS_FORMAT_VERSION, PartsHead, is_in_parts};
use dacti_cdn::{HEAD_LEN, LAYOUT_ID, LAYOUT_LEN, LAYOUT_VERSION, Layout};
use dacti_index::{DICTIONARY_ID, DICTIONARY_VERSION, INDEX_ID, INDEX_MINORS, INDEX_VERSION};
use dacti_lookup::{LOOKUP_ID, LOOKUP_VERSION};
use dacti_names::{Flags, NAMES_ID, NAMES_VERSION};
use dacti_seal::{Kind, SEAL_ID, SEAL_VERSION, Seals};
use daicon_core::{
    Component, ComponentMatch, Diagnostic, Format, FormatHeader, Requirement, Span, TableWalker,
    Version, Window,
};
use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

/// The package format: its UUID, its versions, and the components that every package must have.
pub const PACKAGE_FORMAT: Format<'static> = Format {
    id: dacti_cdn::parts::PACKAGE_ID,
    version: Version::new(0, 1),
    minors: &[0],
    requires: &[INDEX],
};

const INDEX: Requirement<'static> = Requirement::with_minors(INDEX_ID, INDEX_VERSION, INDEX_MINORS);
const LAYOUT: Requirement<'static> = Requirement::new(LAYOUT_ID, LAYOUT_VERSION);
const LOOKUP: Requirement<'static> = Requirement::new(LOOKUP_ID, LOOKUP_VERSION);
const SEALS: Requirement<'static> = Requirement::new(SEAL_ID, SEAL_VERSION);
const NAMES: Requirement<'static> = Requirement::new(NAMES_ID, NAMES_VERSION);
const DICTIONARY: Requirement<'static> = Requirement::new(DICTIONARY_ID, DICTIONARY_VERSION);

/// The format of a package in parts: see [`publish`](crate::publish).
const PARTS_FORMAT: Format<'static> =
    Format { version: PARTS_FORMAT_VERSION, minors: &[], ..PACKAGE_FORMAT };

/// The head and the tables of a package, as they were when the package was opened.
#[derive(Clone)]
pub struct View {
    header: FormatHeader,
    len: u64,
    /// The upper bound of positions in the file.
    bound: u64,
    head: Vec<u8>,
    tables: Vec<Span>,
    components: Vec<Component>,
    diagnostics: Vec<Diagnostic>,
    diagnostics_left_out: u64,
    index: IndexRegion,
    layout: Option<Layout>,
    layout_fault: Option<Arc<Error>>,
    name_flags: Option<Flags>,
    seals: Option<Result<Seals, dacti_seal::Error>>,
    /// The region of the dictionary component.
    dictionary: Option<Result<Span, daicon_core::Error>>,
    parts: Option<Arc<PartsHead>>,
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View")
            .field("header", &self.header)
            .field("len", &self.len)
            .field("components", &self.components)
            .finish_non_exhaustive()
    }
}

impl View {
    /// Reads head and tables from `source`, in one read, or in several reads if tables lie outside
    /// the head.
    pub(crate) fn read(source: &dyn ReadAt) -> Result<Self, Error> {
        // The head is read before the length. So if the file grows between these reads, all bytes
        // that the head names lie within the length.
        let head_len = usize::try_from(HEAD_LEN).unwrap_or_default();
        let mut head = source.read_up_to(0, head_len).map_err(read_failed)?;
        let (told_len, len) = (source.len(), bound(source));
        head.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        // Nearly all packages have few tables and components, so a small walker is tried first. The
        // walker for the maximum numbers takes 14 KiB. Clearing these bytes would take a twentieth
        // of the time of opening a file.
        match Self::walked::<8, 32>(source, &head, len) {
            Err(Error::Container(error)) if error.kind() == daicon_core::ErrorKind::Limit => {
                Self::walked::<{ daicon_core::TABLES_MAX }, { daicon_core::COMPONENTS_MAX }>(
                    source, &head, len,
                )
            }
            view => view,
        }
        .and_then(|view| Self { len: told_len, ..view }.with_head(source, head))
    }

    /// Returns the view with this head, and with the head's list of parts.
    fn with_head(self, source: &dyn ReadAt, head: Vec<u8>) -> Result<Self, Error> {
        let is_in_parts = source.is_in_parts() && is_in_parts(&head);
        let parts = is_in_parts.then(|| PartsHead::parse(&head).map(Arc::new)).transpose()?;
        Ok(Self { head, parts, ..self })
    }

    /// Walks the tables, and returns the view with an empty head. [`with_head`](Self::with_head)
    /// sets the head.
    fn walked<const TABLES: usize, const COMPONENTS: usize>(
        source: &dyn ReadAt,
        head: &[u8],
        len: u64,
    ) -> Result<Self, Error> {
        let limits = daicon_core::Limits { tables_max: TABLES, components_max: COMPONENTS };
        let mut walker = TableWalker::<TABLES, COMPONENTS>::with_limits(Some(len), limits);
        walk(&mut walker, source, head)?;
        let components = walker.components();
        PACKAGE_FORMAT.check(components)?;
        let index = match INDEX.find(components) {
            ComponentMatch::Found(component) => component.span_within(len)?,
            // `check` refuses a package without an index, so this case cannot occur.
            ComponentMatch::Incompatible(_) | ComponentMatch::Missing => Span::default(),
        };
        let (layout, layout_fault) = match read_layout(source, head, components, len) {
            Ok(layout) => (layout, None),
            // Regions can be read without a layout, so a faulty layout does not make the opening
            // fail.
            Err(error) => (None, Some(error.into())),
        };
        let has_layout = matches!(LAYOUT.find(components), ComponentMatch::Found(_));
        let lookup = match LOOKUP.find(components) {
            ComponentMatch::Found(component) => component.span_within(len).map(Some),
            ComponentMatch::Incompatible(_) | ComponentMatch::Missing => Ok(None),
        };
        let window = window(head, len);
        let index = IndexRegion::new(index, has_layout, &window)?.kept_of(source);
        let index = index.with_fences(source, &window, lookup.map_err(Error::from))?;
        let name_flags = match NAMES.find(components) {
            ComponentMatch::Found(component) => Some(Flags::from_data(component.data)),
            ComponentMatch::Incompatible(_) | ComponentMatch::Missing => None,
        };
        let seals = read_seals(source, head, components, len)?;
        let dictionary = match DICTIONARY.find(components) {
            ComponentMatch::Found(component) => Some(component.span_within(len)),
            ComponentMatch::Incompatible(_) | ComponentMatch::Missing => None,
        };
        let header = walker.format_header().copied().ok_or(daicon_core::Misuse::FedAfterEnd);
        Ok(Self {
            header: header.map_err(daicon_core::Error::from)?,
            len,
            bound: len,
            tables: walker.tables().into(),
            components: components.into(),
            diagnostics_left_out: left_out(&walker),
            diagnostics: walker.diagnostics().copied().collect(),
            head: Vec::new(),
            index,
            layout,
            layout_fault,
            name_flags,
            seals,
            dictionary,
            parts: None,
        })
    }

    /// Returns the format's UUID.
    #[must_use]
    pub const fn format(&self) -> Uuid {
        self.header.id.get()
    }

    /// Returns the version of the format by which the file was written.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.header.version()
    }

    /// Returns the end of the head or part that holds the byte at `position`. If the package is not
    /// in parts, or no part holds the byte, returns [`bound`](Self::bound).
    pub(crate) fn object_end(&self, position: u64) -> u64 {
        let Some(parts) = self.parts() else { return self.bound };
        if position < HEAD_LEN {
            return HEAD_LEN;
        }
        let entry = parts.region.list.entry_of(position);
        entry.map_or(self.bound, |entry| entry.span.end)
    }

    /// Returns the upper bound of positions in the file: its length, or a far larger number if the
    /// length is only a hint of a server.
    pub(crate) const fn bound(&self) -> u64 {
        self.bound
    }

    /// Returns the file's length in bytes at the time of opening.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Returns whether the file has no bytes. A package always has some.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the spans of the tables, in chain order.
    #[must_use]
    pub fn tables(&self) -> &[Span] {
        &self.tables
    }

    /// Returns the components in chain order. Of duplicate components, only the first is included.
    #[must_use]
    pub fn components(&self) -> &[Component] {
        &self.components
    }

    /// Returns the harmless oddities of the container.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Returns the number of oddities that were counted but not kept.
    #[must_use]
    pub const fn diagnostics_left_out(&self) -> u64 {
        self.diagnostics_left_out
    }

    /// Returns the head with its list of parts; `None` for a package of one file.
    #[must_use]
    pub fn parts(&self) -> Option<&PartsHead> {
        self.parts.as_deref()
    }

    /// Returns a fault if the head has expired at `now`, in seconds since 1970; `None` if it has
    /// not.
    pub(crate) fn expired_by(&self, now: u64) -> Option<PublishFault> {
        let expiry = self.parts()?.region.expiry;
        (expiry != 0 && expiry < now).then_some(PublishFault::ExpiredHead { expiry })
    }

    /// Returns the span of the index component's region, absolute. The span is empty if the index
    /// is empty.
    #[must_use]
    pub const fn index(&self) -> Span {
        self.index.span()
    }

    /// Returns the index region, with the rules that it obeys.
    pub(crate) const fn index_region(&self) -> &IndexRegion {
        &self.index
    }

    /// Returns the number of entries in the groups of the index that lie in the head. This number
    /// and the start of the index show which of two states of a package is later.
    pub(crate) fn delta_entries(&self) -> u64 {
        let (head, index) = (self.head(), self.index.span());
        let mut at = index.start.saturating_add(dacti_index::INDEX_HEADER_LEN);
        let mut entries = 0_u64;
        while let Some(want) = Span::new(at, dacti_index::GROUP_LEN)
            && index.contains(&want)
            && let Some(header) =
                head.answer(want).and_then(daicon_core::struct_at::<dacti_index::GroupHeader>)
        {
            entries = entries.saturating_add(u64::from(header.length));
            at = want.end;
        }
        entries
    }

    /// Returns the layout, which updates need; `None` if the package has none, or a faulty one.
    #[must_use]
    pub const fn layout(&self) -> Option<&Layout> {
        self.layout.as_ref()
    }

    /// Returns the fault of the layout component. Reading regions does not need the layout.
    #[must_use]
    pub const fn layout_fault(&self) -> Option<&Arc<Error>> {
        self.layout_fault.as_ref()
    }

    /// Returns whether look-ups use fences instead of a scan of the index.
    #[must_use]
    pub const fn has_fences(&self) -> bool {
        self.index.has_fences()
    }

    /// Returns the fault of the fences, or the first contradiction that a search found. With such a
    /// fault, look-ups scan the index.
    #[must_use]
    pub fn fences_fault(&self) -> Option<&Arc<Error>> {
        self.index.fences_fault()
    }

    /// Returns the content of the seal component, or its fault; `None` if the package has no seal
    /// component.
    pub(crate) const fn seals_read(&self) -> Option<&Result<Seals, dacti_seal::Error>> {
        self.seals.as_ref()
    }

    /// Returns the content of the seal component: the kind of the seals, the publisher's package
    /// and the keys. It is not trusted: a [policy](crate::seal::SealPolicy) names the trusted keys.
    #[must_use]
    pub fn seals(&self) -> Option<&Seals> {
        self.seals.as_ref()?.as_ref().ok()
    }

    /// Returns the kind of the seal after each region; `None` without seals.
    #[must_use]
    pub fn seal_kind(&self) -> Option<Kind> {
        self.seals().map(|seals| seals.kind)
    }

    /// Returns the fault of the seal component. With such a fault, no region is handed out, unless
    /// the [policy](crate::Package::require) is `Nothing`.
    #[must_use]
    pub fn seals_fault(&self) -> Option<dacti_seal::Error> {
        self.seals.as_ref()?.as_ref().err().copied()
    }

    /// Returns the region of the dictionary component, without its seal; `None` if the package has
    /// no dictionary.
    ///
    /// # Errors
    /// A component region outside the file. Regions that do not need the dictionary can still be
    /// read.
    #[must_use]
    pub fn dictionary(&self) -> Option<Result<Span, daicon_core::Error>> {
        self.dictionary
    }

    /// Returns the flags of the names list; `None` without a names component.
    #[must_use]
    pub const fn name_flags(&self) -> Option<Flags> {
        self.name_flags
    }

    /// Returns the first bytes of the file, up to 64 KiB, as they were when it was opened.
    #[must_use]
    pub fn head(&self) -> Window<'_> {
        window(&self.head, self.bound)
    }
}

#[cfg(feature = "write")]
/// Returns whether this crate reads a component of this id and version.
pub(crate) fn is_own(component: &Component) -> bool {
    use dacti_cdn::parts::{PARTS_ID, PARTS_VERSION};
    use dacti_seal::{DIGEST_LIST_ID, DIGEST_LIST_VERSION};
    let parts = Requirement::new(PARTS_ID, PARTS_VERSION);
    let list = Requirement::new(DIGEST_LIST_ID, DIGEST_LIST_VERSION);
    let known = [INDEX, LAYOUT, LOOKUP, SEALS, NAMES, DICTIONARY, parts, list];
    let component = core::slice::from_ref(component);
    known.iter().any(|own| matches!(own.find(component), ComponentMatch::Found(_)))
}

/// Returns how many oddities the walker counted but did not keep.
fn left_out<const TABLES: usize, const COMPONENTS: usize>(
    walker: &TableWalker<TABLES, COMPONENTS>,
) -> u64 {
    let kept = u64::try_from(walker.diagnostics().count()).unwrap_or(u64::MAX);
    walker.diagnostics_count().saturating_sub(kept)
}

fn window(head: &[u8], len: u64) -> Window<'_> {
    if len <= HEAD_LEN { Window::ending_file(0, head) } else { Window::new(0, head) }
}

/// Returns the upper bound of positions in a file.
fn bound(source: &dyn ReadAt) -> u64 {
    // Half of the largest position, so that sums of positions do not wrap.
    if source.len_is_hint() { u64::MAX >> 1 } else { source.len() }
}

/// Walks the whole chain of tables, to the last component.
fn walk<const TABLES: usize, const COMPONENTS: usize>(
    walker: &mut TableWalker<TABLES, COMPONENTS>,
    source: &dyn ReadAt,
    head: &[u8],
) -> Result<(), Error> {
    let window = window(head, bound(source));
    while let Some(want) = walker.want() {
        // A read past the end returns no bytes, and the walker reports the fault.
        let bytes = in_head_or_read(source, &window, want)?;
        if let Some(daicon_core::Event::Preamble(header)) = walker.feed(&bytes)? {
            let is_in_parts = source.is_in_parts() && is_in_parts(head);
            let format = if is_in_parts { PARTS_FORMAT } else { PACKAGE_FORMAT };
            format.check_header(&header)?;
        }
    }
    Ok(())
}

fn read_layout(
    source: &dyn ReadAt,
    head: &[u8],
    components: &[Component],
    len: u64,
) -> Result<Option<Layout>, Error> {
    let ComponentMatch::Found(component) = LAYOUT.find(components) else { return Ok(None) };
    let span = component.span_within(len)?;
    let want = Span { start: span.start, end: span.end.min(span.start.saturating_add(LAYOUT_LEN)) };
    let region = in_head_or_read(source, &window(head, len), want)?;
    Ok(Some(Layout::parse(&region, span.start, len)?))
}

fn read_seals(
    source: &dyn ReadAt,
    head: &[u8],
    components: &[Component],
    len: u64,
) -> Result<Option<Result<Seals, dacti_seal::Error>>, Error> {
    let ComponentMatch::Found(component) = SEALS.find(components) else { return Ok(None) };
    // R-REG-01, R-REG-02: a component outside the file counts as faulty, not as missing.
    let span = match component.span_within(len) {
        Ok(span) => span,
        Err(fault) => return Ok(Some(Err(fault.into()))),
    };
    // 4,096 bytes are enough for the maximum number of keys, even if the region is longer.
    let want = Span { start: span.start, end: span.end.min(span.start.saturating_add(4096)) };
    let bytes = in_head_or_read(source, &window(head, len), want)?;
    Ok(Some(Seals::parse(&bytes, span.start)))
}

/// Returns the bytes of `span`, from the head if it has them.
pub(crate) fn in_head_or_read<'h>(
    source: &dyn ReadAt,
    head: &Window<'h>,
    span: Span,
) -> Result<Cow<'h, [u8]>, Error> {
    match head.answer(span) {
        Some(bytes) => Ok(Cow::Borrowed(bytes)),
        None => read_span(source, span).map(Cow::Owned).map_err(read_failed),
    }
}

/// Returns the error of a failed read.
pub(crate) fn read_failed(source: std::io::Error) -> Error {
    // A source of this crate returns IO errors that wrap an error of this crate.
    let source = match source.downcast::<Error>() {
        Ok(error) => return error,
        Err(source) => source,
    };
    Error::io("read", Path::new(""), source)
}
