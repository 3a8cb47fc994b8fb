//! Writes the part of a package that lies before the data: head, tables, layout and index. This is
//! done after the data are written.
//!
//! Specification: `docs/spec/dacti-package.md`, "The cdn layout", "The compact layout".

use super::output::Output;
use super::plan::{Plan, runs};
use super::write::Written;
use super::{BuildOptions, LayoutChoice, digest_list};
use crate::Error;
use crate::read::view::PACKAGE_FORMAT;
use dacti_cdn::parts::{PARTS_AT, PARTS_ID, PARTS_LEN, PARTS_VERSION};
use dacti_cdn::{
    IndexPlace, LAYOUT_AT, LAYOUT_ID, LAYOUT_LEN, LAYOUT_VERSION, Layout, SEAL_AT, T1_SLOTS,
    T2_PLACES, T2_SLOTS,
};
use dacti_index::{
    DICTIONARY_ID, DICTIONARY_VERSION, Encoding, Entry, GROUP_ENTRIES, GROUP_LEN, GroupHeader,
    INDEX_ID, INDEX_VERSION, IndexHeader, Misuse, emit_group, emit_header,
};
use dacti_lookup::{LOOKUP_ID, LOOKUP_VERSION, RUNS_MAX, emit_lookup, lookup_len, stride_for};
use dacti_names::{Flags, NAMES_ID, NAMES_VERSION};
use dacti_seal::{SEAL_ID, SEAL_VERSION, Seals};
use daicon_core::{ComponentSpec, Region, Span, TableSpec, emit_container};
use uuid::Uuid;

/// The first bytes that are hashed for the file id. They separate this hash from hashes for other
/// purposes.
const FILE_ID_DOMAIN: &[u8] = b"dacti-layout file id v0";
/// The number of groups that are written at once.
const GROUPS_AT_ONCE: usize = 64;

/// Writes the part before the data. Returns the file's final length.
pub(super) fn write(
    plan: &Plan,
    written: &Written,
    ids: &[Uuid],
    explicit_ids: bool,
    options: &BuildOptions,
    seals: Option<&Seals>,
    output: &mut Output,
) -> Result<u64, Error> {
    let (index_digest, firsts) = write_index(plan, written, ids, output)?;
    let index = region(plan.index.span)?;
    let index = ComponentSpec::with_region(INDEX_ID, INDEX_VERSION, index);
    let flags = Flags { explicit_ids }.to_data();
    let names = ComponentSpec::with_data(NAMES_ID, NAMES_VERSION, flags);
    let mut components = vec![index];
    if plan.names_component {
        components.push(names);
    }
    components.extend(write_fences(plan, &firsts, output)?);
    let dictionary =
        written.dictionary.map(|(len, _)| dictionary(plan.data_at, len)).transpose()?;
    output.write_at(plan.index.hot.start, &plan.hot.bytes)?;
    match options.layout {
        LayoutChoice::Compact => {
            components.extend(dictionary);
            write_tables(output, &[TableSpec { components: &components, ..TableSpec::default() }])?;
            let len = output.end();
            output.finish(len)?;
            Ok(len)
        }
        LayoutChoice::Cdn => {
            let room_len = seals.map_or(0, Seals::room_len);
            let end = output.end().saturating_add(room_len);
            let fresh_end = end.next_multiple_of(options.slice_len);
            let layout = Layout {
                file_id: file_id(index_digest, written, plan.hot.order.len()),
                slice_len: options.slice_len,
                fresh_end,
                delta_groups: plan.index.delta_groups,
                t1_slots: T1_SLOTS,
                t2_places: T2_PLACES.map(|at| u32::try_from(at).unwrap_or(u32::MAX)),
                t2_slots: T2_SLOTS,
                fences: plan.index.fences,
            };
            let list = digest_list::write(plan, written, ids, output)?;
            let others = dictionary.into_iter().chain(list);
            write_cdn_head(output, &layout, seals, others, &components)?;
            output.finish(fresh_end)?;
            Ok(fresh_end)
        }
    }
}

/// Writes the layout region and two tables. T1 has the components that never move. T2, in its first
/// place, has the components that a fold replaces.
fn write_cdn_head(
    output: &mut Output,
    layout: &Layout,
    seals: Option<&Seals>,
    others: impl Iterator<Item = ComponentSpec>,
    components: &[ComponentSpec],
) -> Result<(), Error> {
    let [place, _] = T2_PLACES;
    let at = region(Span { start: LAYOUT_AT, end: LAYOUT_AT.saturating_add(LAYOUT_LEN) })?;
    let mut own = vec![ComponentSpec::with_region(LAYOUT_ID, LAYOUT_VERSION, at)];
    if let Some(seals) = seals {
        let bytes = seals.emit()?;
        let at = Span { start: SEAL_AT, end: SEAL_AT.saturating_add(seals.emitted_len()) };
        own.push(ComponentSpec::with_region(SEAL_ID, SEAL_VERSION, region(at)?));
        output.write_at(SEAL_AT, &bytes)?;
    }
    own.extend(others);
    // The parts region has only zeros until the package is published in parts.
    let at = Span { start: PARTS_AT, end: PARTS_AT.saturating_add(PARTS_LEN) };
    own.push(ComponentSpec::with_region(PARTS_ID, PARTS_VERSION, region(at)?));
    let t1 = TableSpec { slots: T1_SLOTS, components: &own, ..TableSpec::default() };
    let t2 = TableSpec { at: place, slots: T2_SLOTS, components, ..TableSpec::default() };
    write_tables(output, &[t1, t2])?;
    output.write_at(LAYOUT_AT, &layout.emit()?)
}

/// Writes the preamble and all tables in one write, from the file's start to the last table's end.
fn write_tables(output: &mut Output, tables: &[TableSpec<'_>]) -> Result<(), Error> {
    let last = tables.last().copied().unwrap_or_default();
    let end = last.at.saturating_add(last.emitted_len()?);
    let mut start = vec![0; usize::try_from(end).unwrap_or_default()];
    emit_container(&PACKAGE_FORMAT.preamble(), tables, &mut start)?;
    output.write_at(0, &start)
}

/// Writes the index region: its header, empty groups for updates, and the groups that list all
/// regions by id.
///
/// Returns two values. The first is a hasher that has received the file id's domain and the bytes
/// of the region. The second has the first id of each filled group.
fn write_index(
    plan: &Plan,
    written: &Written,
    ids: &[Uuid],
    output: &mut Output,
) -> Result<(blake3::Hasher, Vec<Uuid>), Error> {
    let mut firsts = Vec::new();
    let mut hasher = blake3::Hasher::new();
    hasher.update(FILE_ID_DOMAIN);
    let mut at = plan.index.span.start;
    let mut write = |bytes: &[u8]| {
        hasher.update(bytes);
        output.write_at(at, bytes)?;
        at = at.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok::<(), Error>(())
    };
    if !plan.index.span.is_empty() {
        let mut header = [0; size_of::<IndexHeader>()];
        emit_header(plan.index.groups, &mut header)?;
        write(&header)?;
    }
    let mut buffer = GroupBuffer::default();
    let is_hot = !plan.hot.order.is_empty();
    for _ in 0..plan.index.delta_groups.saturating_sub(u32::from(is_hot)) {
        buffer.next();
    }
    if is_hot {
        // The entries are sorted by id, as in every group. Their offsets count from 0, because this
        // delta group also gets entries of updates, whose regions can lie anywhere in the file.
        let mut hot = plan.hot.order.clone();
        hot.sort_unstable_by_key(|i| ids.get(*i));
        let entries = entries(&hot, 0, written, ids)?;
        let length = u8::try_from(entries.len()).unwrap_or(u8::MAX);
        // Hot regions are encoded without the dictionary, because the first request of a reader
        // does not fetch the dictionary.
        let encoding = match plan.encoding {
            Encoding::BROTLI_DICTIONARY => Encoding::BROTLI,
            encoding => encoding,
        };
        let header = GroupHeader::new(0, encoding, length);
        emit_group(&header, &entries, buffer.next())?;
    }
    for part in &plan.parts {
        let end = part.first.saturating_add(part.count);
        let in_part = plan.id_order.get(part.first..end).unwrap_or_default();
        let base = written.bases.get(part.range).copied().unwrap_or_default();
        for group in in_part.chunks(GROUP_ENTRIES) {
            if buffer.is_full() {
                write(buffer.bytes())?;
                buffer.clear();
            }
            let entries = entries(group, base, written, ids)?;
            firsts.extend(entries.first().map(|entry| entry.id.get()));
            let length = u8::try_from(entries.len()).unwrap_or(u8::MAX);
            let header = GroupHeader::new(base, part.encoding, length);
            emit_group(&header, &entries, buffer.next())?;
        }
    }
    write(buffer.bytes())?;
    Ok((hasher, firsts))
}

/// Writes the fences if there is room for them. Returns their component.
fn write_fences(
    plan: &Plan,
    firsts: &[Uuid],
    output: &mut Output,
) -> Result<Option<ComponentSpec>, Error> {
    let IndexPlace { span, delta_groups, fences, .. } = plan.index;
    let runs = runs(&plan.parts, delta_groups);
    // A look-up must search every run, so readers accept only a limited number of runs.
    let has_room = !fences.is_empty() && runs.len() <= RUNS_MAX;
    let stride = stride_for(&runs, fences.len()).filter(|_| has_room);
    let Some(stride) = stride else { return Ok(None) };
    let len = lookup_len(&runs, stride);
    let mut out = vec![0; usize::try_from(len).unwrap_or_default()];
    let first = |group: u32| {
        let i = usize::try_from(group.saturating_sub(delta_groups)).unwrap_or(usize::MAX);
        firsts.get(i).copied().unwrap_or_default()
    };
    emit_lookup(span.start, &runs, stride, first, &mut out)?;
    output.write_at(fences.start, &out)?;
    let region = region(Span { start: fences.start, end: fences.start.saturating_add(len) })?;
    Ok(Some(ComponentSpec::with_region(LOOKUP_ID, LOOKUP_VERSION, region)))
}

/// Returns the length of the index block that a look-up reads; 0 if the head has the whole index,
/// or if there are no fences.
pub(super) fn block_len(plan: &Plan) -> u64 {
    let runs = runs(&plan.parts, plan.index.delta_groups);
    let stride = stride_for(&runs, plan.index.fences.len());
    let stride = stride.filter(|_| !plan.index.fences.is_empty()).unwrap_or_default();
    GROUP_LEN.saturating_mul(stride.into())
}

fn entries(
    inputs: &[usize],
    base: u64,
    written: &Written,
    ids: &[Uuid],
) -> Result<Vec<Entry>, Error> {
    let entry = |i: &usize| {
        let (id, span) = ids.get(*i).zip(written.spans.get(*i))?;
        let offset = u32::try_from(span.start.checked_sub(base)?).ok()?;
        Some(Entry::new(*id, offset, u32::try_from(span.len()).ok()?))
    };
    // The plan limits the length of each region, so that an id range stays below 4 GiB. Only a
    // faulty encoder makes a longer region.
    let too_long = |i: &usize| {
        let len = written.spans.get(*i).map_or(0, Span::len);
        dacti_index::Error::from(Misuse::RegionTooLong { len })
    };
    inputs.iter().map(|i| entry(i).ok_or_else(|| too_long(i).into())).collect()
}

/// Returns the file id. It is a hash of the index and then of the digests of all stored regions:
/// the hot ones, the dictionary, and the others in data order. In a package without seals, one
/// digest of all their stored bytes replaces these digests.
fn file_id(mut hasher: blake3::Hasher, written: &Written, hot: usize) -> [u8; 16] {
    let (hot, others) = written.digests.split_at_checked(hot).unwrap_or((&written.digests, &[]));
    let dictionary = written.dictionary.as_ref().map(|(_, digest)| digest);
    let each = hot.iter().chain(dictionary).chain(others);
    match &written.whole {
        Some(whole) => _ = hasher.update(whole),
        None => each.for_each(|digest| _ = hasher.update(digest)),
    }
    let mut id = [0; 16];
    hasher.finalize_xof().fill(&mut id);
    id
}

/// Returns the component of the dictionary, whose stored bytes are at `at`.
fn dictionary(at: u64, len: u64) -> Result<ComponentSpec, Error> {
    let region = region(Span { start: at, end: at.saturating_add(len) })?;
    Ok(ComponentSpec::with_region(DICTIONARY_ID, DICTIONARY_VERSION, region))
}

pub(super) fn region(span: Span) -> Result<Region, Error> {
    let groups = span.len().div_ceil(GROUP_LEN);
    let too_many = dacti_index::Error::from(Misuse::TooManyGroups { groups });
    Ok(Region::of(span, 0).map_err(|_| too_many)?)
}

/// A buffer for groups that are written together.
#[derive(Debug, Default)]
struct GroupBuffer {
    bytes: Vec<u8>,
}

impl GroupBuffer {
    const GROUP: usize = size_of::<GroupHeader>() + GROUP_ENTRIES * size_of::<Entry>();

    /// Returns room for one more group, all zeros.
    fn next(&mut self) -> &mut [u8] {
        let start = self.bytes.len();
        self.bytes.resize(start.saturating_add(Self::GROUP), 0);
        self.bytes.get_mut(start..).unwrap_or_default()
    }

    fn is_full(&self) -> bool {
        self.bytes.len() >= Self::GROUP.saturating_mul(GROUPS_AT_ONCE)
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn clear(&mut self) {
        self.bytes.clear();
    }
}
