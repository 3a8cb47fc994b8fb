//! A package that is published as one object. Each publication replaces the whole object.
//!
//! No reader sees half of a package, because stores and folders replace an object as a whole. Each
//! publication uploads all bytes.

use super::head::other_package;
use super::passing::Passing;
use super::{Condition, Place, PublishFault, PublishOptions, Published, Standing};
use crate::fetch::source::ReadAt;
use crate::read::whole::read_whole;
use crate::{Error, Package};
use bytes::{Bytes, BytesMut};
use dacti_cdn::parts::{PartsHead, is_in_parts, one_file_head};
use dacti_cdn::{HEAD_LEN, Layout};
use daicon_core::Span;

/// The maximum length of a package that is published as one object. The whole package must be in
/// memory, and stores do not accept a longer object in one request.
const WHOLE_LEN_MAX: u64 = 4 << 30;

/// Publishes a package as one object, if the object has not changed since it was read.
///
/// Cost: each publication uploads all bytes of the package. Meanwhile they are all in memory. All
/// regions are checked against their seals, and searched for private keys.
///
/// # Errors
/// [`PublishFault`]; `Damaged`; `PrivateKey`; errors of the store. After an error, readers still
/// see the previous object, unless the store has replaced it and only the answer was lost.
pub fn publish_whole(
    package: &Package,
    place: &Place,
    options: &PublishOptions,
) -> Result<Published, Error> {
    let source = &**package.source();
    let len = source.len();
    if len > WHOLE_LEN_MAX {
        return Err(PublishFault::WholeTooLong { len, limit: WHOLE_LEN_MAX }.into());
    }
    let head = Span { start: 0, end: HEAD_LEN };
    let there = place.store().get(place.name(), Some(head))?;
    let (condition, standing) = match &there {
        None => (Condition::Absent, Standing::First),
        Some(there) => {
            check_there(package, place, &there.bytes, options)?;
            (Condition::Unchanged(there.tag.clone()), Standing::Continued)
        }
    };
    let condition = if options.unconditional { Condition::Any } else { condition };
    let bytes = one_file(source)?;
    let mut passing = Passing::new(package)?;
    passing.take(0, &bytes)?;
    passing.end()?;
    // spec: R-HTTP-65
    package.confirm()?;
    place.store().replace(place.name(), bytes, &condition)?;
    Ok(Published { standing, sequence: 0, entries: 0, bytes: len })
}

/// Returns an error if the object is another package, the head of a package in parts, or no
/// package, because readers of that object would lose it. The caller can allow the replacement.
fn check_there(
    package: &Package,
    place: &Place,
    head: &[u8],
    options: &PublishOptions,
) -> Result<(), Error> {
    if options.replace {
        return Ok(());
    }
    if is_in_parts(head) {
        return Err(PublishFault::InParts { place: place.shown() }.into());
    }
    let theirs = PartsHead::of_either_form(head).map(|parsed| parsed.layout);
    let Some(ours) = package.view().layout() else { return Ok(()) };
    match theirs {
        Ok(Layout { file_id, .. }) if file_id == ours.file_id => Ok(()),
        Ok(theirs) => Err(other_package(place, ours, &theirs).into()),
        Err(_) => Err(PublishFault::NotAHead { place: place.shown() }.into()),
    }
}

/// Returns the bytes of a package as one file. Positions that no part has are zeros.
fn one_file(source: &dyn ReadAt) -> Result<Bytes, Error> {
    let head = read_whole(source, Span { start: 0, end: HEAD_LEN.min(source.len()) })?;
    if !is_in_parts(&head) {
        return Ok(read_whole(source, Span { start: 0, end: source.len() })?.into());
    }
    let parts = PartsHead::parse(&head)?;
    let head = one_file_head(&head, parts.region_at).map_err(dacti_cdn::Error::from)?;
    let mut bytes = BytesMut::from(&*head);
    for entry in parts.region.list.entries() {
        bytes.resize(usize::try_from(entry.span.start).unwrap_or(usize::MAX), 0);
        bytes.extend_from_slice(&read_whole(source, entry.span)?);
    }
    Ok(bytes.freeze())
}
