//! The description of a file in JSON, for `dacti inspect --json` and the inspector in a browser.
//! `docs/json.md` describes the fields.

use super::names::{label, name_of};
use super::oddities;
use super::outline::{ContainerMap, Outline, named_region, table_entries};
use crate::index::GroupSummary;
use crate::layout::PartEntry;
use crate::report::{Claim, Claimant, FileMap};
use crate::seal::{SealKind, Seals};
use crate::{Error, Package, Span};
use daicon_core::Hex;
use serde::Serialize;
use uuid::Uuid;

/// The description of a daicon file, which can be serialized.
#[derive(Debug, Serialize)]
pub struct Inspection {
    format: Format,
    length: u64,
    tables: Vec<Table>,
    components: Vec<Component>,
    /// Null if the file is not a package.
    index: Option<Index>,
    diagnostics: Vec<String>,
    layout: Option<Layout>,
    seals: Option<Sealed>,
    parts: Option<Parts>,
    map: Vec<Stretch>,
}

/// A range of bytes in a file, in the form of the JSON description.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Place {
    at: u64,
    len: u64,
}

impl From<Span> for Place {
    fn from(span: Span) -> Self {
        Self { at: span.start, len: span.len() }
    }
}

#[derive(Debug, Serialize)]
struct Format {
    id: Uuid,
    name: Option<&'static str>,
    version: String,
}

#[derive(Debug, Serialize)]
struct Table {
    place: Place,
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
    place: Option<Place>,
}

#[derive(Debug, Serialize)]
struct Index {
    place: Place,
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
    fences: Place,
}

#[derive(Debug, Serialize)]
struct Sealed {
    kind: &'static str,
    /// Null if nothing is signed.
    package_id: Option<Uuid>,
    keys: Vec<String>,
    /// The maximum number of seals that follow stored bytes. It is above 1 if regions share stored
    /// bytes.
    seals_max: u32,
}

#[derive(Debug, Serialize)]
struct Parts {
    version: u64,
    prefix: String,
    end: u64,
    expiry: u64,
    signed: bool,
    list: Vec<Part>,
}

#[derive(Debug, Serialize)]
struct Part {
    place: Place,
    pieces: u64,
    /// The position at which the part starts first, if this is a second start.
    first: Option<u64>,
    digest: String,
}

#[derive(Debug, Serialize)]
struct Stretch {
    kind: String,
    /// The id, if the bytes belong to a component.
    id: Option<Uuid>,
    place: Place,
    count: u64,
}

impl Inspection {
    /// Describes a daicon file that is not a package.
    #[must_use]
    pub fn of_container(container: &ContainerMap) -> Self {
        let ContainerMap { outline, claims, odd } = container;
        let Outline { format, version, len, tables, components } = outline;
        Self {
            format: Format { id: *format, name: name_of(*format), version: version.to_string() },
            length: *len,
            tables: tables.iter().copied().map(table).collect(),
            components: components.iter().map(|found| component(found, *len)).collect(),
            index: None,
            diagnostics: odd.clone(),
            layout: None,
            seals: None,
            parts: None,
            map: claims.iter().map(stretch).collect(),
        }
    }

    /// Reads the index and the unclaimed bytes of a package, and describes the package.
    ///
    /// # Errors
    /// A wrong index; an error of the source.
    pub fn read(package: &Package) -> Result<Self, Error> {
        let scan = package.scan_index()?;
        let map = FileMap::of(package, &scan)?;
        Ok(Self::of_package(package, &Outline::of(package), scan.groups(), &map))
    }

    /// Describes a package.
    #[must_use]
    pub fn of_package(
        package: &Package,
        outline: &Outline,
        groups: &[GroupSummary],
        map: &FileMap,
    ) -> Self {
        let view = package.view();
        let Outline { format, version, len, tables, components } = outline;
        let (index, entries) = (view.index(), groups.iter().map(|group| u64::from(group.length)));
        Self {
            format: Format { id: *format, name: name_of(*format), version: version.to_string() },
            length: *len,
            tables: tables.iter().copied().map(table).collect(),
            components: components.iter().map(|found| component(found, *len)).collect(),
            index: Some(Index {
                place: index.into(),
                entries: entries.sum(),
                groups: groups.iter().map(group).collect(),
            }),
            diagnostics: oddities(package, map),
            layout: view.layout().map(layout),
            seals: view.seals().map(sealed),
            parts: parts(package),
            map: map.claims.iter().map(stretch).collect(),
        }
    }
}

fn table(span: Span) -> Table {
    Table { place: span.into(), components: table_entries(span) }
}

fn component(component: &crate::container::Component, len: u64) -> Component {
    Component {
        id: component.id,
        name: name_of(component.id),
        version: component.version.to_string(),
        at: component.at,
        data: Hex(&component.data).to_string(),
        place: named_region(component, len).map(Place::from),
    }
}

fn group(group: &GroupSummary) -> Group {
    let GroupSummary { at, length, base, encoding } = *group;
    let encoding = if length == 0 { String::new() } else { encoding.to_string() };
    Group { at, length, base, encoding }
}

fn layout(layout: &crate::layout::Layout) -> Layout {
    Layout {
        file_id: Hex(&layout.file_id).to_string(),
        slice_len: layout.slice_len,
        fresh_end: layout.fresh_end,
        delta_groups: layout.delta_groups,
        t1_slots: layout.t1_slots,
        t2_places: layout.t2_places,
        t2_slots: layout.t2_slots,
        fences: layout.fences.into(),
    }
}

fn sealed(seals: &Seals) -> Sealed {
    let kind = match seals.kind {
        SealKind::Digest => "digest",
        SealKind::Signature => "signature",
    };
    let package_id = Some(seals.package).filter(|id| !id.is_nil());
    let keys = seals.keys.iter().map(|key| Hex(key).to_string()).collect();
    Sealed { kind, package_id, keys, seals_max: seals.seals_max }
}

fn stretch(claim: &Claim) -> Stretch {
    let Claim { span, claimant, count } = *claim;
    let id = match claimant {
        Claimant::Component(id) => Some(id),
        _ => None,
    };
    Stretch { kind: label(claimant), id, place: span.into(), count }
}

fn parts(package: &Package) -> Option<Parts> {
    let region = &package.view().parts()?.region;
    let first = |entry: &PartEntry| region.list.first_start(entry).span;
    let part = |entry: &PartEntry| Part {
        first: Some(first(entry)).filter(|first| *first != entry.span).map(|first| first.start),
        place: entry.span.into(),
        pieces: entry.object_count(),
        digest: entry.digest.to_string(),
    };
    Some(Parts {
        version: region.sequence,
        prefix: region.prefix.clone(),
        end: region.end,
        expiry: region.expiry,
        signed: region.is_signed(),
        list: region.list.entries().iter().map(part).collect(),
    })
}
