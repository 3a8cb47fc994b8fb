//! `inspect --json`: one object, stable and documented in the program's README.

use super::names::{label, name_of};
use super::odd;
use crate::output::hex;
use dacti::index::GroupSummary;
use dacti::report::{Claim, FileMap};
use dacti::seal::{SealKind, Seals};
use dacti::{Package, Span};
use serde::Serialize;
use uuid::Uuid;

#[derive(Debug, Serialize)]
pub(super) struct Inspection {
    format: Format,
    length: u64,
    tables: Vec<Table>,
    components: Vec<Component>,
    index: Index,
    diagnostics: Vec<String>,
    layout: Option<Layout>,
    seals: Option<Sealed>,
    map: Vec<Stretch>,
}

#[derive(Debug, Serialize)]
struct Format {
    id: Uuid,
    name: Option<&'static str>,
    version: String,
}

#[derive(Debug, Serialize)]
struct Table {
    at: u64,
    len: u64,
    components: u64,
}

#[derive(Debug, Serialize)]
struct Component {
    id: Uuid,
    name: Option<&'static str>,
    version: String,
    at: u64,
    /// The eight bytes of data, in hexadecimal.
    data: String,
    region: Option<Stored>,
}

#[derive(Debug, Serialize)]
struct Stored {
    at: u64,
    len: u64,
}

#[derive(Debug, Serialize)]
struct Index {
    at: u64,
    len: u64,
    entries: u64,
    groups: Vec<Group>,
}

#[derive(Debug, Serialize)]
struct Group {
    at: u64,
    length: u8,
    base: u64,
    encoding: String,
}

#[derive(Debug, Serialize)]
struct Layout {
    file_id: String,
    slice_len: u64,
    fresh_end: u64,
    delta_groups: u32,
    t1_slots: u32,
    t2_places: [u32; 2],
    t2_slots: u32,
    keys: Stored,
}

#[derive(Debug, Serialize)]
struct Sealed {
    kind: &'static str,
    /// Null where nothing is signed.
    package_id: Option<Uuid>,
    keys: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Stretch {
    at: u64,
    len: u64,
    what: String,
    count: u64,
}

impl Inspection {
    pub(super) fn new(package: &Package, groups: &[GroupSummary], map: &FileMap) -> Self {
        let view = package.view();
        let (id, version) = (view.format(), view.version().to_string());
        let index = view.index();
        Self {
            format: Format { id, name: name_of(id), version },
            length: view.len(),
            tables: view.tables().iter().copied().map(table).collect(),
            components: view.components().iter().map(component).collect(),
            index: Index {
                at: index.start,
                len: index.len(),
                entries: groups
                    .iter()
                    .fold(0, |sum, group| sum.saturating_add(group.length.into())),
                groups: groups.iter().map(group).collect(),
            },
            diagnostics: odd::lines(package, map),
            layout: view.layout().map(layout),
            seals: view.seals().map(sealed),
            map: map.claims.iter().map(stretch).collect(),
        }
    }
}

fn table(span: Span) -> Table {
    let entries_len = span.len().saturating_sub(24);
    Table { at: span.start, len: span.len(), components: entries_len / 28 }
}

fn component(component: &dacti::container::Component) -> Component {
    let has_region = component.id != dacti_names::NAMES_ID;
    let region = component.span().ok().filter(|_| has_region);
    Component {
        id: component.id,
        name: name_of(component.id),
        version: component.version.to_string(),
        at: component.at,
        data: hex(&component.data),
        region: region.map(|span| Stored { at: span.start, len: span.len() }),
    }
}

fn group(group: &GroupSummary) -> Group {
    let GroupSummary { at, length, base, encoding } = *group;
    let encoding = if length == 0 { String::new() } else { encoding.to_string() };
    Group { at, length, base, encoding }
}

fn layout(layout: &dacti::layout::Layout) -> Layout {
    Layout {
        file_id: hex(&layout.file_id),
        slice_len: layout.slice_len,
        fresh_end: layout.fresh_end,
        delta_groups: layout.delta_groups,
        t1_slots: layout.t1_slots,
        t2_places: layout.t2_places,
        t2_slots: layout.t2_slots,
        keys: Stored { at: layout.fences.start, len: layout.fences.len() },
    }
}

fn sealed(seals: &Seals) -> Sealed {
    let kind = match seals.kind {
        SealKind::Digest => "digest",
        SealKind::Signature => "signature",
    };
    let package_id = Some(seals.package).filter(|id| !id.is_nil());
    Sealed { kind, package_id, keys: seals.keys.iter().map(|key| hex(key)).collect() }
}

fn stretch(claim: &Claim) -> Stretch {
    let Claim { span, claimant, count } = *claim;
    Stretch { at: span.start, len: span.len(), what: label(claimant), count }
}
