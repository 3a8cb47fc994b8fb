//! Uploads parts from any source of bytes. Parts are cut into objects, and several objects are
//! stored at once.
//!
//! Specification: `docs/spec/dacti-parts.md`, "Names", "Publishing".

use super::{Place, PublishFault};
use crate::Error;
use crate::fetch::source::ReadAt;
use crate::hash::HashPool;
use crate::read::whole::{TakePiece, hash_whole, hash_whole_with, read_whole};
use core::num::NonZeroUsize;
use core::ops::ControlFlow;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::time::Duration;
use dacti_cdn::Digest;
use dacti_cdn::parts::{NextEntry, PIECE_EXPONENT_DEFAULT, PartEntry, PartList};
use daicon_core::Span;
use std::collections::HashMap;
use std::sync::mpsc::channel;
use std::time::SystemTime;

/// If an object was stored more recently than this, it is not stored again, because no collector
/// may delete it yet.
const FRESH: Duration = Duration::from_hours(1);
/// An upload of at least this many objects first looks for objects that an interrupted upload has
/// stored.
const RESUMED_MIN: u64 = 4;

/// The progress of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UploadProgress {
    /// The number of objects that are stored.
    pub objects: u64,
    /// The number of all objects.
    pub objects_total: u64,
    /// The number of bytes of the stored objects.
    pub bytes: u64,
    /// The number of bytes of all objects.
    pub bytes_total: u64,
}

/// Returns the entry of a part that holds `span` of `source`, with its digest. Each piece of the
/// span is given to `take`, with its position.
fn entry_of(source: &dyn ReadAt, span: Span, take: &mut TakePiece<'_>) -> Result<PartEntry, Error> {
    let digest = hash_whole_with(source, span, &HashPool::new(None), take).map(Digest)?;
    let is_long = span.len() > 1 << PIECE_EXPONENT_DEFAULT;
    let piece_exponent = if is_long { PIECE_EXPONENT_DEFAULT } else { 0 };
    Ok(PartEntry { span, piece_exponent, digest })
}

/// Returns the list of parts with the entries `next`, and those of its entries whose parts are new.
/// `source` has the bytes of the new parts. `at` is the start of the parts region. The bytes of the
/// new parts are given to `take`, in ascending pieces with their positions.
pub(super) fn hashed(
    source: &dyn ReadAt,
    next: Vec<NextEntry>,
    at: u64,
    take: &mut TakePiece<'_>,
) -> Result<(PartList, Vec<PartEntry>), Error> {
    let (mut entries, mut new) = (Vec::new(), Vec::new());
    for entry in next {
        entries.push(match entry {
            NextEntry::There(entry) => entry,
            NextEntry::New(span) => {
                let entry = entry_of(source, span, take)?;
                new.push(entry);
                entry
            }
        });
    }
    let list = PartList::new(entries, at).map_err(dacti_cdn::Error::from)?;
    Ok((list, new))
}

/// Hashes the bytes of `span`. It is an error if the source lacks some of them.
pub(super) fn digest_of(source: &dyn ReadAt, span: Span) -> Result<Digest, Error> {
    hash_whole(source, span, &HashPool::new(None)).map(Digest)
}

/// One object of an upload.
#[derive(Debug)]
struct Object {
    name: String,
    span: Span,
}

/// Stores all objects of `entries`, at most `concurrency` at once. `source` has their bytes.
///
/// Memory: `concurrency` objects of at most 64 MiB.
pub(super) fn upload(
    place: &Place,
    prefix: &str,
    entries: &[PartEntry],
    source: &dyn ReadAt,
    concurrency: NonZeroUsize,
    progress: &mut dyn FnMut(UploadProgress) -> ControlFlow<()>,
) -> Result<(), Error> {
    let count = entries.iter().fold(0, |sum: u64, entry| sum.saturating_add(entry.object_count()));
    // For a few objects, listing the stored objects costs more than uploading all of them again.
    let fresh = if count < RESUMED_MIN { HashMap::new() } else { fresh_objects(place, prefix)? };
    let mut objects = Vec::new();
    let mut told = UploadProgress::default();
    for object in entries.iter().flat_map(|entry| objects_of(entry, prefix)) {
        told.objects_total = told.objects_total.saturating_add(1);
        told.bytes_total = told.bytes_total.saturating_add(object.span.len());
        if fresh.get(&object.name) == Some(&object.span.len()) {
            told.objects = told.objects.saturating_add(1);
            told.bytes = told.bytes.saturating_add(object.span.len());
        } else {
            objects.push(object);
        }
    }
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let (sender, receiver) = channel();
        for _ in 0..concurrency.get().min(objects.len()) {
            let (sender, objects, next, stop) = (sender.clone(), &objects, &next, &stop);
            scope.spawn(move || {
                while let Some(object) = objects.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let stored = read_whole(source, object.span)
                        .and_then(|bytes| place.store().put(&object.name, bytes.into()));
                    let is_over = stored.is_err();
                    if sender.send(stored.map(|()| object.span.len())).is_err() || is_over {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut report = |told| match progress(told) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Stopped),
        };
        let mut result = report(told);
        for stored in receiver {
            let outcome = stored.and_then(|len| {
                told.objects = told.objects.saturating_add(1);
                told.bytes = told.bytes.saturating_add(len);
                report(told)
            });
            result = result.and(outcome);
            stop.store(result.is_err(), Ordering::Relaxed);
        }
        result
    })
}

/// Checks that the store has all objects of `entries`. Stores missing objects again.
pub(super) fn confirm(
    place: &Place,
    prefix: &str,
    entries: &[PartEntry],
    source: &dyn ReadAt,
) -> Result<(), Error> {
    let missing = missing_objects(place, prefix, entries)?;
    for object in &missing {
        place.store().put(&object.name, read_whole(source, object.span)?.into())?;
    }
    if missing.is_empty() {
        return Ok(());
    }
    match missing_objects(place, prefix, entries)?.into_iter().next() {
        Some(Object { name: object, .. }) => {
            Err(PublishFault::PartLost { place: place.shown(), object }.into())
        }
        None => Ok(()),
    }
}

/// Returns the objects of `entries` that are missing or have another length. This reads one byte of
/// each object, because a listing may be out of date.
fn missing_objects(
    place: &Place,
    prefix: &str,
    entries: &[PartEntry],
) -> Result<Vec<Object>, Error> {
    let mut missing = Vec::new();
    for object in entries.iter().flat_map(|entry| objects_of(entry, prefix)) {
        let found = place.store().get(&object.name, Some(Span { start: 0, end: 1 }))?;
        if found.is_none_or(|found| found.len != object.span.len()) {
            missing.push(object);
        }
    }
    Ok(missing)
}

fn objects_of(entry: &PartEntry, prefix: &str) -> impl Iterator<Item = Object> {
    (0..entry.object_count()).map(move |object| Object {
        name: format!("{prefix}{}", entry.object_name(object)),
        span: entry.object_span(object),
    })
}

/// Returns the lengths of the objects below a prefix that were stored less than `FRESH` ago.
fn fresh_objects(place: &Place, prefix: &str) -> Result<HashMap<String, u64>, Error> {
    let now = SystemTime::now();
    let is_fresh = |time: SystemTime| now.duration_since(time).is_ok_and(|age| age < FRESH);
    let listed = place.store().list(prefix)?;
    let fresh = listed.into_iter().filter(|object| is_fresh(object.modified));
    Ok(fresh.map(|object| (object.name, object.len)).collect())
}
