//! Compaction: the new file that compaction makes of a package, and the file that signing makes.
//!
//! It follows `docs/spec/dacti-package.md`, "Compaction" and "Signing a package". It supports only
//! packages of less than 4 GiB, and stores a new names list without encoding.

use super::dictionary::{self, BROD, DICTIONARY};
use super::seals::{Hash, Publisher, Seals, read_component, shared_component, signed_component};
use super::{
    BROT, Container, Entry, Fault, GROUP, Group, Id, Index, LAYOUT, LOOKUP, Layout, Link, NAMES,
    NONE, Name, Table, component, delta, fault, head, index, layout, names, names_list, place,
    read_index, read_layout, read_package, seal, seal_after, stored_span, table, unbrotli,
};
use crate::dump::CAP;
use std::collections::{BTreeMap, BTreeSet};

/// A region of the new file.
struct Region {
    id: Id,
    tag: [u8; 4],
    stored: Vec<u8>,
    seal: Vec<u8>,
    path: Option<String>,
    hot: bool,
}

/// The contents of the new file.
struct Parts {
    /// The regions, in the order of their data.
    regions: Vec<Region>,
    /// The encoding tag of the package, which is the tag of its names list.
    tag: [u8; 4],
    /// Whether at least one path has an explicit id.
    explicit: bool,
    seals: Option<Vec<u8>>,
    dictionary: Option<Dictionary>,
}

/// A stored dictionary, and its seal.
type Dictionary = (Vec<u8>, Vec<u8>);

/// Compacts a package, and keeps its layout. If `signer` is given, the new package is signed, and
/// has the cdn layout.
///
/// # Errors
/// The reason for a refusal. The position of the fault is the entry of an unknown component, or the
/// stored bytes of a names list that cannot be signed.
pub fn compact(file: &[u8], signer: Option<&Publisher>, hash: Hash<'_>) -> Result<Vec<u8>, Fault> {
    let container = read_package(file)?;
    let seen = read_index(file, &container)?;
    let seals = read_component(file, &container, hash).transpose()?;
    let ours = [super::INDEX, LAYOUT, LOOKUP, super::PARTS, super::SEAL, NAMES, DICTIONARY];
    let is_ours = |found: &&super::Found| {
        ours.contains(&found.id)
            && (found.major, found.minor) <= (0, 1)
            && (found.minor == 1 || found.id == super::INDEX)
    };
    if let Some(foreign) = container.components.iter().find(|found| !is_ours(found)) {
        return fault("misuse", "component", foreign.at);
    }
    if signer.is_none() && seals.as_ref().is_some_and(|seals| seals.keys.len() > 12) {
        let named = container.components.iter().find(|found| found.id == super::SEAL);
        let at = named.map(|found| super::region(found, file.len() as u64)).transpose()?;
        return fault("misuse", "seal component", at.map_or(0, |(at, _)| at));
    }
    let layout = read_layout(file, &container)?;
    let mut parts = parts(file, &container, &seen, seals.as_ref(), signer, hash)?;
    if layout.is_none() {
        parts.regions.iter_mut().for_each(|region| region.hot = false);
    }
    match layout {
        Some(layout) => Ok(cdn(parts, layout.slice, hash)),
        None if signer.is_some() || seals.is_some() => Ok(cdn(parts, 65_536, hash)),
        None => Ok(compact_layout(&parts)),
    }
}

/// Returns a package's stored dictionary and its seal, both of which a compactor keeps. A signer
/// makes a seal of its own.
fn kept_dictionary(
    file: &[u8],
    container: &Container,
    seals: Option<&Seals>,
    signer: Option<&Publisher>,
    hash: Hash<'_>,
) -> Result<Option<Dictionary>, Fault> {
    let Some(found) = dictionary::place_of(file, container) else { return Ok(None) };
    let (at, size) = found?;
    dictionary::read(file, container).transpose()?;
    let stored = if size == 0 { &[] } else { &file[at as usize..(at + size) as usize] };
    let digest = seal(DICTIONARY, BROT, stored, hash);
    let mut kept = Vec::new();
    if let Some(seals) = seals {
        dictionary::check_seal(file, container, seals, hash)?;
        let found = seals.find(file, at + size, &digest)?;
        kept = found.map(|(_, seal)| seal.to_vec()).unwrap_or_default();
    }
    if let Some(signer) = signer {
        kept = [&digest[..], &signer.sign(&digest)].concat();
    }
    Ok(Some((stored.to_vec(), kept)))
}

fn parts(
    file: &[u8],
    container: &Container,
    seen: &Index,
    seals: Option<&Seals>,
    signer: Option<&Publisher>,
    hash: Hash<'_>,
) -> Result<Parts, Fault> {
    for removal in seen.removals().values() {
        stored_span(removal, file.len() as u64)?;
    }
    let dictionary = kept_dictionary(file, container, seals, signer, hash)?;
    let decoded = dictionary::read(file, container).transpose()?;
    let decoded = decoded.as_deref();
    let listed = seen.regions();
    let mut regions = Vec::new();
    for (id, entry) in &listed {
        let (at, size) = stored_span(entry, file.len() as u64)?;
        let stored = if size == 0 { &[] } else { &file[at as usize..(at + size) as usize] };
        let mut kept = Vec::new();
        match seals {
            Some(seals) => {
                super::check_seal_after(file, entry, seals, decoded, hash)?;
                let digest = seal_after(entry.id, entry.encoding, stored, decoded, hash);
                let found = seals.find(file, at + size, &digest)?;
                kept = found.map(|(_, seal)| seal.to_vec()).unwrap_or_default();
            }
            None if entry.encoding == BROT => {
                let decoded = unbrotli(stored, CAP);
                decoded.map_err(|kind| Fault { kind, what: "brotli stream", at })?;
            }
            None if entry.encoding == BROD => {
                dictionary::content_in(file, container, entry, CAP)?;
            }
            None => {}
        }
        let seal_len = kept.len() as u64;
        let hot = at < 65_536 && at + size + seal_len <= 65_536;
        let (tag, stored) = (entry.encoding, stored.to_vec());
        regions.push(Region { id: *id, tag, stored, seal: kept, path: None, hot });
    }
    let mut alive = names_list(file, &listed, CAP)?;
    alive.retain(|_, name| listed.contains_key(&name.id) && name.id != NAMES && name.id != [0; 16]);
    for region in &mut regions {
        let first = alive.iter().find(|(_, name)| name.id == region.id);
        region.path = first.map(|(path, _)| path.clone());
    }
    let explicit = alive.values().any(|name| name.explicit);
    let tag = listed.get(&NAMES).map_or(NONE, |entry| entry.encoding);
    let list: Vec<_> = alive
        .iter()
        .map(|(path, name)| Name {
            id: if name.explicit { name.id } else { [0; 16] },
            length: name.length,
            path: path.clone().into_bytes(),
        })
        .collect();
    let fresh = names(Link::default(), &list);
    let old = regions.iter().position(|region| region.id == NAMES);
    let content = old.map(|at| &regions[at]).map(|old| match old.tag {
        BROT => unbrotli(&old.stored, CAP).unwrap_or_default(),
        _ => old.stored.clone(),
    });
    if list.is_empty() {
        regions.retain(|region| region.id != NAMES);
    } else if content.as_ref() != Some(&fresh) {
        if signer.is_none() && seals.is_some_and(|seals| seals.seal_len == 96) {
            let at = listed.get(&NAMES).map_or(0, |entry| entry.base + u64::from(entry.offset));
            return fault("misuse", "names list", at);
        }
        regions.retain(|region| region.id != NAMES);
        let seal = match seals {
            Some(_) => seal(NAMES, NONE, &fresh, hash).to_vec(),
            None => Vec::new(),
        };
        let own = Region { id: NAMES, tag: NONE, stored: fresh, seal, path: None, hot: false };
        regions.push(own);
    }
    // In the new file, the names list is the first region. The regions with paths follow in the
    // order of their paths, then the other regions in the order of their ids.
    regions.sort_by(|a, b| {
        let rank = |region: &Region| match (region.id == NAMES, &region.path) {
            (true, _) => (0, Vec::new()),
            (_, Some(path)) => (1, path.clone().into_bytes()),
            (_, None) => (2, region.id.to_vec()),
        };
        rank(a).cmp(&rank(b))
    });
    let tag = if list.is_empty() { NONE } else { tag };
    for region in &mut regions {
        region.hot &= region.id != NAMES && region.tag == tag;
        if let Some(signer) = signer {
            let digest = seal_after(region.id, region.tag, &region.stored, decoded, hash);
            region.seal = [&digest[..], &signer.sign(&digest)].concat();
        }
    }
    let seals = match signer {
        Some(signer) => Some(signed_component(signer.package, &[signer.key()], hash)),
        None => seals.map(|seals| unshared(seals.bytes.clone(), hash)),
    };
    Ok(Parts { regions, tag, explicit, seals, dictionary })
}

/// Changes the kind of seals in a seal component's region, so that regions may not share stored
/// bytes.
fn unshared(mut region: Vec<u8>, hash: Hash<'_>) -> Vec<u8> {
    if region[4] > 2 {
        let digested = region.len() - 32;
        region[4] -= 2;
        region[28..32].fill(0);
        let digest = hash(&[b"dacti-seal component v0", &region[..digested]].concat());
        region[digested..].copy_from_slice(&digest);
    }
    region
}

/// Returns the groups of these regions, one list for each run. The runs ascend by encoding tag.
fn groups(base: u64, places: &[(Id, [u8; 4], Entry)]) -> Vec<Vec<Group>> {
    let tags: BTreeSet<_> = places.iter().map(|(_, tag, _)| *tag).collect();
    tags.into_iter()
        .map(|tag| {
            let mut of_tag: Vec<_> =
                places.iter().filter(|place| place.1 == tag).map(|place| place.2).collect();
            of_tag.sort_by_key(|entry| entry.id);
            of_tag
                .chunks(255)
                .map(|chunk| Group {
                    base,
                    encoding: tag,
                    entries: chunk.to_vec(),
                    ..Group::default()
                })
                .collect()
        })
        .collect()
}

fn compact_layout(parts: &Parts) -> Vec<u8> {
    let dictionary = parts.dictionary.as_ref().map(|(stored, _)| stored);
    let mut data: Vec<u8> = Vec::new();
    let mut stands: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
    let mut places = Vec::new();
    for region in &parts.regions {
        let end = data.len() as u32;
        let offset = *stands.entry(region.stored.clone()).or_insert(end);
        if offset == end {
            data.extend(&region.stored);
        }
        let size = region.stored.len() as u32;
        places.push((region.id, region.tag, Entry { id: region.id, offset, size }));
    }
    let has_names = parts.regions.iter().any(|region| region.id == NAMES);
    let index_at = 52 + 28 * (1 + u64::from(has_names) + u64::from(dictionary.is_some()));
    let count: usize = groups(0, &places).iter().map(Vec::len).sum();
    let index_len = if count == 0 { 0 } else { 8 + GROUP * count as u64 };
    let mut components = vec![match index_len {
        0 => component(super::INDEX, 0, 0),
        len => component(super::INDEX, index_at as u32, len as u32),
    }];
    if has_names {
        components.push(component(NAMES, u32::from(parts.explicit), 0));
    }
    if let Some(stored) = dictionary {
        let at = (index_at + index_len) as u32;
        components.push(component(DICTIONARY, at, stored.len() as u32));
    }
    let mut out = head(super::PACKAGE, 0, 1);
    out.extend(table(&Table { components, ..Table::default() }));
    if index_len > 0 {
        let dictionary_len = dictionary.map_or(0, Vec::len) as u64;
        out.extend(index(&groups(index_at + index_len + dictionary_len, &places).concat()));
    }
    out.extend(dictionary.into_iter().flatten());
    out.extend(data);
    out
}

/// A region: its id, its encoding tag and its entry of the index.
type Place = (Id, [u8; 4], Entry);

/// Returns the stored bytes of regions, with a seal after each region. If regions have seals and
/// are not hot, up to 16 regions with the same encoding and the same stored bytes share these
/// bytes.
fn store(regions: &[&Region], from: u64) -> (Vec<u8>, Vec<Place>) {
    let mut data = Vec::new();
    let mut places = Vec::new();
    for group in shared(regions) {
        let offset = (from + data.len() as u64) as u32;
        data.extend(&group[0].stored);
        for region in group {
            let size = region.stored.len() as u32;
            places.push((region.id, region.tag, Entry { id: region.id, offset, size }));
            data.extend(&region.seal);
        }
    }
    (data, places)
}

/// Puts regions that share stored bytes into one group. A group has the position of its first
/// region.
fn shared<'r>(regions: &[&'r Region]) -> Vec<Vec<&'r Region>> {
    let mut groups: Vec<Vec<&Region>> = Vec::new();
    for region in regions {
        let may = |region: &Region| {
            !region.hot
                && !region.seal.is_empty()
                && region.id != NAMES
                && !region.stored.is_empty()
        };
        let alike = |group: &&mut Vec<&Region>| {
            may(group[0]) && group[0].tag == region.tag && group[0].stored == region.stored
        };
        // A group takes at most 16 regions. All groups with these stored bytes are full, except
        // possibly the last one.
        let last = groups.iter_mut().rev().find(alike).filter(|group| group.len() < 16);
        match last.filter(|_| may(region)) {
            Some(group) => group.push(region),
            None => groups.push(vec![region]),
        }
    }
    groups
}

/// Returns the lookup region of these runs. All runs have the same stride.
fn fences(index_at: u64, first_group: u64, runs: &[Vec<Group>], stride: usize) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(0_u32.to_le_bytes());
    out.extend((runs.len() as u32).to_le_bytes());
    out.extend(index_at.to_le_bytes());
    let mut first = first_group as u32;
    for run in runs {
        let count = run.len() as u32;
        for field in [first, count, stride as u32, count.div_ceil(stride as u32)] {
            out.extend(field.to_le_bytes());
        }
        first += count;
    }
    for run in runs {
        for group in run.iter().step_by(stride) {
            out.extend(&group.entries[0].id[..8]);
        }
    }
    out
}

fn cdn(parts: Parts, slice: u64, hash: Hash<'_>) -> Vec<u8> {
    let Parts { mut regions, tag, explicit, seals, dictionary } = parts;
    let hot_count = regions.iter().filter(|region| region.hot).count();
    let placed = (hot_count <= 255).then(|| place_index(&regions)).flatten();
    let (deltas, index_at) = placed.unwrap_or_else(|| {
        regions.iter_mut().for_each(|region| region.hot = false);
        place_index(&regions).expect("without hot regions there is room")
    });
    let (hot, cold): (Vec<_>, Vec<_>) = regions.iter().partition(|region| region.hot);
    let hot_len: usize = hot.iter().map(|region| region.stored.len() + region.seal.len()).sum();
    let hot_at = index_at - hot_len as u64;
    let (hot_data, hot_places) = store(&hot, hot_at);
    let before = dictionary.as_ref().map(|(stored, seal)| [&stored[..], seal].concat());
    let before = before.unwrap_or_default();
    let (mut data, places) = store(&cold, 0);
    let stored_once = shared(&cold);
    let seals_max = stored_once.iter().map(Vec::len).max().unwrap_or(1);
    if seals_max > 1 {
        data.resize(data.len() + 15 * cold[0].seal.len(), 0);
    }
    let filled: u64 = groups(0, &places).iter().map(|run| run.len() as u64).sum();
    let index_end = index_at + 8 + GROUP * (deltas + filled);
    let base = index_end + before.len() as u64;
    let runs = groups(base, &places);
    let mut all: Vec<_> = (0..deltas).map(|_| delta()).collect();
    if !hot.is_empty() {
        let group = groups(0, &hot_places).concat().remove(0);
        all[deltas as usize - 1] = Group { encoding: tag, ..group };
    }
    all.extend(runs.concat());
    let index_region = index(&all);
    let seals = seals.map(|region| match seals_max {
        0 | 1 => region,
        max => shared_component(region, max as u32, hash),
    });
    let once: Vec<&Region> = stored_once.iter().map(|group| group[0]).collect();
    let stored = |region: &&Region| region.stored.clone();
    let in_order: Vec<Vec<u8>> = hot
        .iter()
        .map(stored)
        .chain(dictionary.as_ref().map(|(stored, _)| stored.clone()))
        .chain(once.iter().map(stored))
        .collect();
    let mut digested = [&b"dacti-layout file id v0"[..], &index_region].concat();
    if seals.is_some() {
        in_order.iter().for_each(|stored| digested.extend(hash(stored)));
    } else {
        digested.extend(hash(&in_order.concat()));
    }
    let file_id = hash(&digested)[..16].try_into().expect("16 bytes");
    let end = (base + data.len() as u64).next_multiple_of(slice);
    let room = if index_end == 65_536 { 0 } else { hot_at - 3584 };
    let keys_at = if room == 0 { 0 } else { 3584 };
    let mut first = vec![component(LAYOUT, 1000, 80)];
    let mut second = vec![component(super::INDEX, index_at as u32, index_region.len() as u32)];
    second.push(component(NAMES, u32::from(explicit), 0));
    let mut out = head(super::PACKAGE, 0, 1);
    if let Some(region) = seals {
        first.push(component(super::SEAL, 1080, region.len() as u32));
        place(&mut out, 1080, &region);
    }
    if let Some((stored, _)) = &dictionary {
        first.push(component(DICTIONARY, index_end as u32, stored.len() as u32));
    }
    first.push(component(super::PARTS, 1536, 2048));
    if room > 0 {
        let region = (1..=256)
            .map(|stride| fences(index_at, deltas, &runs, stride))
            .find(|region| region.len() as u64 <= room)
            .expect("some stride fits");
        second.push(component(LOOKUP, 3584, region.len() as u32));
        place(&mut out, 3584, &region);
    }
    let of = |components, extension, slots| {
        table(&Table { extension, slots, components, ..Table::default() })
    };
    place(&mut out, 28, &of(first, 504, 16));
    place(&mut out, 504, &of(second, 0, 8));
    let keys_len = room as u32;
    let promise = Layout { file_id, slice, end, deltas: deltas as u32, keys_at, keys_len };
    place(&mut out, 1000, &layout(&promise));
    place(&mut out, index_at as usize, &index_region);
    place(&mut out, hot_at as usize, &hot_data);
    out.extend(before);
    out.extend(data);
    out.resize(end as usize, 0);
    out
}

/// Returns the number of delta groups and the start of the index, or `None` if the hot regions do
/// not fit into the head.
fn place_index(regions: &[Region]) -> Option<(u64, u64)> {
    let (hot, cold): (Vec<_>, Vec<_>) = regions.iter().partition(|region| region.hot);
    let runs = groups(0, &store(&cold, 0).1);
    let filled: u64 = runs.iter().map(|run| run.len() as u64).sum();
    let start = |groups: u64| 65_528 - GROUP * groups;
    let usual = if cold.len() <= 2_000_000 { 8 } else { 4 };
    if hot.is_empty() {
        return Some(if filled <= 10 { (10 - filled, 4168) } else { (usual, start(usual)) });
    }
    let hot_len: usize = hot.iter().map(|region| region.stored.len() + region.seal.len()).sum();
    let hot_len = hot_len as u64;
    let whole = (1..=10_u64.saturating_sub(filled)).rev();
    if let Some(deltas) = whole.into_iter().find(|d| start(d + filled) - 3584 >= hot_len) {
        return Some((deltas, start(deltas + filled)));
    }
    if filled == 0 {
        return None;
    }
    let fences_len = (1..=256)
        .map(|stride| fences(0, 0, &runs, stride).len() as u64)
        .find(|len| *len <= start(usual) - 3584)?;
    let deltas = (1..=usual).rev().find(|d| start(*d) - 3584 >= hot_len + fences_len)?;
    Some((deltas, start(deltas)))
}
