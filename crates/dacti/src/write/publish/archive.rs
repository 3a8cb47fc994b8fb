//! Copies of heads, the history of a package, and the collection of parts that no head names.
//!
//! Specification: `docs/spec/dacti-parts.md`, "Publishing".

use super::head::{PublishedHead, check_key, emit, other_package};
use super::update::PlaceObjects;
use super::{Condition, Place, PublishFault, PublishOptions, StoredObject};
use crate::fetch::parts::PartsSource;
use crate::fetch::source::ReadAt;
use crate::{Error, Limits, Package};
use core::time::Duration;
use dacti_cdn::HEAD_LEN;
use dacti_cdn::parts::{PartsHead, PartsRegion, is_in_parts, one_file_head};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

/// The minimum grace of a collection. With a shorter one, an upload in progress could lose its
/// parts.
const GRACE_MIN: Duration = Duration::from_hours(1);

/// A version of a package in its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedHead {
    /// The name of the object with the head, relative to the folder of the published head.
    pub name: String,
    /// The sequence of the head.
    pub sequence: u64,
    /// When the object was stored.
    pub modified: SystemTime,
    /// Whether the head has a signature.
    pub is_signed: bool,
    /// Length of the package, in bytes.
    pub len: u64,
}

/// The objects that a collection removed, or would remove.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Collected {
    /// Archived heads older than the grace.
    pub heads: Vec<StoredObject>,
    /// Parts that no head names and that were stored before the grace began.
    pub parts: Vec<StoredObject>,
    /// The number of objects that stay, because a head names them or the grace has not passed.
    pub kept: usize,
}

/// Copies a head to the name `to` in the same folder: the head at `place` or, if `at` is given, the
/// archived head with this sequence. The copy can serve as a version, a channel or a preview. A
/// copy of an archived head to the package's own name is a rollback. Returns the sequence of the
/// copy.
///
/// Cost: one small object is written, and no part. If a head of the same package already has the
/// name `to`, that head is archived first. The copy then gets a higher sequence, so that readers
/// accept it as the later head.
///
/// # Errors
/// [`PublishFault`]; errors of the store. If the head is signed and an object `to` exists, the copy
/// needs a new signature, so the key must be in `options`.
pub fn tag(
    place: &Place,
    at: Option<u64>,
    to: &str,
    options: &PublishOptions,
) -> Result<u64, Error> {
    let from = read_version(place, at)?;
    let to = place.sibling(to)?;
    let Some(there) = PublishedHead::read(&to)? else {
        to.store().replace(to.name(), from.bytes, &Condition::Absent)?;
        return Ok(from.parsed.region.sequence);
    };
    let (new, old) = (&from.parsed, &there.parsed);
    if new.layout.file_id != old.layout.file_id && !options.replace {
        return Err(other_package(&to, &new.layout, &old.layout).into());
    }
    if from.bytes == there.bytes {
        return Ok(new.region.sequence);
    }
    check_key(place, Some(&from), options)?;
    there.archive(&to)?;
    let region = PartsRegion {
        sequence: new.region.sequence.max(old.region.sequence).saturating_add(1),
        end: new.region.end.max(old.region.end),
        ..new.region.clone()
    };
    let one_file = one_file_head(&from.bytes, new.region_at).map_err(dacti_cdn::Error::from)?;
    let head = emit(&one_file, new.region_at, &region, options.key.as_ref())?;
    let condition = if options.unconditional { Condition::Any } else { there.unchanged() };
    super::head::replace(&to, &head, &region, &condition)?;
    Ok(region.sequence)
}

/// Returns the archived heads of the package at `place`, the latest first.
///
/// Cost: one listing, and one small read for each head.
///
/// # Errors
/// [`PublishFault::NoHead`]; errors of the store.
pub fn history(place: &Place) -> Result<Vec<ArchivedHead>, Error> {
    let (_, archived) = heads(place)?;
    let mut history: Vec<_> = archived
        .into_iter()
        .map(|(object, parsed)| ArchivedHead {
            name: object.name,
            sequence: parsed.region.sequence,
            modified: object.modified,
            is_signed: parsed.region.is_signed(),
            len: parsed.len,
        })
        .collect();
    history.sort_by_key(|head| core::cmp::Reverse(head.sequence));
    Ok(history)
}

/// Opens the version of the package at `place` that has this sequence: the published head or an
/// archived one.
///
/// # Errors
/// [`PublishFault::NoVersion`]; faults of the package; errors of the store.
pub fn open_version(place: &Place, sequence: u64, limits: Limits) -> Result<Package, Error> {
    Package::from_source(version(place, sequence)?, limits)
}

/// Returns the source of the version that [`open_version`] opens. Callers can count its reads.
///
/// # Errors
/// The errors of [`open_version`].
pub fn version(place: &Place, sequence: u64) -> Result<Arc<dyn ReadAt>, Error> {
    let head = read_version(place, Some(sequence))?;
    let objects = Arc::new(PlaceObjects(place.clone()));
    Ok(Arc::new(PartsSource::new(head.bytes.to_vec().into(), objects)?))
}

/// Reads the published head, or, if `at` is given, the head with this sequence.
fn read_version(place: &Place, at: Option<u64>) -> Result<PublishedHead, Error> {
    let no_head = || PublishFault::NoHead { place: place.shown() };
    let published = PublishedHead::read(place)?.ok_or_else(no_head)?;
    let Some(sequence) = at.filter(|at| *at != published.parsed.region.sequence) else {
        return Ok(published);
    };
    let no_version = || PublishFault::NoVersion { place: place.shown(), sequence };
    let found = history(place)?.into_iter().find(|head| head.sequence == sequence);
    let archived = place.sibling_object(found.ok_or_else(no_version)?.name);
    PublishedHead::read(&archived)?.ok_or_else(|| no_version().into())
}

/// Deletes the objects that no reader within the grace needs. These are archived heads older than
/// `grace`, and parts that are named neither by a head in the folder nor by a younger archived
/// head. A dry run deletes nothing.
///
/// Parts that were stored within the grace stay, because a publisher may be about to name them.
///
/// # Errors
/// [`PublishFault::Grace`]; a head in the package's folder that cannot be read, because the parts
/// that it names are unknown; errors of the store.
pub fn collect(place: &Place, grace: Duration, dry_run: bool) -> Result<Collected, Error> {
    if grace < GRACE_MIN {
        return Err(PublishFault::Grace { seconds: grace.as_secs() }.into());
    }
    let now = SystemTime::now();
    let is_old =
        |object: &StoredObject| now.duration_since(object.modified).is_ok_and(|age| age >= grace);
    let (published, archived) = heads(place)?;
    let prefix = published.region.prefix.clone();
    let mut collected = Collected::default();
    let mut in_use: BTreeSet<String> = BTreeSet::new();
    for (object, parsed) in beside(place)?.into_iter().chain(archived) {
        if object.name.starts_with(&archive_prefix(&prefix)) && is_old(&object) {
            collected.heads.push(object);
            continue;
        }
        in_use.insert(object.name);
        for entry in parsed.region.list.entries() {
            let names = (0..entry.object_count()).map(|object| entry.object_name(object));
            in_use.extend(names.map(|name| format!("{}{name}", parsed.region.prefix)));
        }
    }
    for object in place.store().list(&prefix)? {
        if is_part_name(&object.name, &prefix) && !in_use.contains(&object.name) && is_old(&object)
        {
            collected.parts.push(object);
        } else {
            collected.kept = collected.kept.saturating_add(1);
        }
    }
    if !dry_run {
        for object in collected.heads.iter().chain(&collected.parts) {
            place.store().delete(&object.name)?;
        }
    }
    Ok(collected)
}

fn archive_prefix(prefix: &str) -> String {
    format!("{prefix}heads/")
}

/// Returns whether an object below the prefix has a name like a part. Only such objects are
/// deleted.
fn is_part_name(name: &str, prefix: &str) -> bool {
    let Some(own) = name.strip_prefix(prefix) else { return false };
    let (digest, piece) = own.split_once('-').unwrap_or((own, "0"));
    digest.len() == 64
        && digest.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c))
        && !piece.is_empty()
        && piece.bytes().all(|c| c.is_ascii_digit())
}

type Heads = Vec<(StoredObject, PartsHead)>;

/// Returns the published head, and the archived heads with their objects. Archived objects that are
/// not heads are ignored.
fn heads(place: &Place) -> Result<(PartsHead, Heads), Error> {
    let no_head = || PublishFault::NoHead { place: place.shown() };
    let published = PublishedHead::read(place)?.ok_or_else(no_head)?.parsed;
    let mut archived = Vec::new();
    for object in place.store().list(&archive_prefix(&published.region.prefix))? {
        if object.len != HEAD_LEN {
            continue;
        }
        let Some(found) = place.store().get(&object.name, None)? else { continue };
        if let Ok(parsed) = PartsHead::parse(&found.bytes) {
            archived.push((object, parsed));
        }
    }
    Ok((published, archived))
}

/// Returns all heads in the folder, including the published one.
fn beside(place: &Place) -> Result<Heads, Error> {
    let mut heads = Vec::new();
    for object in place.store().list("")? {
        if object.len != HEAD_LEN {
            continue;
        }
        let Some(found) = place.store().get(&object.name, None)? else { continue };
        if is_in_parts(&found.bytes) {
            heads.push((object, PartsHead::parse(&found.bytes)?));
        }
    }
    Ok(heads)
}
