//! Publishes a package as a whole: for the first time, or as a later state of the published
//! package.
//!
//! Specification: `docs/spec/dacti-parts.md`, "Publishing".

use super::head::{PublishedHead, check_key, emit, other_package, replace};
use super::passing::Passing;
use super::update::PlaceObjects;
use super::upload::{confirm, digest_of, hashed, upload};
use super::{Condition, Place, PublishFault, UploadProgress};
use crate::fetch::Location;
use crate::fetch::parts::PartsSource;
use crate::fetch::source::{ReadAt, read_span};
use crate::read::view::{View, read_failed};
use crate::seal::SecretKey;
use crate::{Error, Package};
use core::num::NonZeroUsize;
use core::ops::ControlFlow;
use dacti_cdn::HEAD_LEN;
use dacti_cdn::parts::{
    PartEntry, PartList, PartsHead, PartsRegion, check_prefix, is_in_parts, name_hash,
    one_file_head,
};
use daicon_core::{Component, Span};
use std::sync::Arc;

/// How to publish a package.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct PublishOptions {
    /// The folder of the parts, relative to the head's folder; by default the head's name with
    /// `.parts/` added. A package that is already published keeps its prefix.
    pub prefix: Option<String>,
    /// Whether to replace the published package even if this package does not continue it.
    pub replace: bool,
    /// Whether to replace the head without a condition, for stores without conditional writes.
    pub unconditional: bool,
    /// Whether the replaced head is archived even if the new head still names all its parts. This
    /// costs one small object.
    pub archive: bool,
    /// When the head expires, in seconds since 1970; 0 for never.
    pub expiry: u64,
    /// The key that signs the head.
    pub key: Option<SecretKey>,
    /// Whether a signed head may be replaced by a head without a signature. Readers that require
    /// signatures refuse such a head.
    pub unsigned: bool,
    /// The number of objects that are uploaded at once.
    pub concurrency: NonZeroUsize,
}

impl Default for PublishOptions {
    fn default() -> Self {
        Self {
            prefix: None,
            replace: false,
            unconditional: false,
            archive: false,
            expiry: 0,
            key: None,
            unsigned: false,
            concurrency: NonZeroUsize::new(4).unwrap_or(NonZeroUsize::MIN),
        }
    }
}

/// The relation of a package to the head that was published before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// There was no head before.
    First,
    /// The head belonged to this package, and was replaced by a head of the same or a later state.
    Continued,
    /// The head belonged to this package in the same state, so it was not replaced.
    Same,
    /// The head belonged to another package or another history, and was replaced.
    Replaced,
}

/// The result of a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The relation of the package to the head that was published before.
    pub standing: Standing,
    /// The sequence of the head that is published now.
    pub sequence: u64,
    /// The number of entries in that head's list of parts.
    pub entries: usize,
    /// The number of bytes of parts that this publication added.
    pub bytes: u64,
}

/// Publishes a package in parts: see [`publish_with`].
///
/// # Errors
/// The errors of [`publish_with`].
pub fn publish(
    package: &Package,
    place: &Place,
    options: &PublishOptions,
) -> Result<Published, Error> {
    publish_with(package, place, options, &mut |_| ControlFlow::Continue(()))
}

/// Publishes a package in parts, and calls `progress` with the progress of the upload.
///
/// Cost: of the bytes after the head, those that the place lacks are hashed and uploaded. The
/// others are only hashed, to prove that the place has the same bytes. Bytes that an earlier
/// attempt uploaded within the last hour are not uploaded again.
///
/// The regions that the place lacks are checked against their seals, and searched for
/// private keys, while they are hashed.
///
/// # Errors
/// [`PublishFault`]; `Damaged` and `PrivateKey` for regions that the place lacks; a package without
/// room for a list of parts; errors of the store. If the error occurs before the head is replaced,
/// readers still see the previous package.
pub fn publish_with(
    package: &Package,
    place: &Place,
    options: &PublishOptions,
    progress: &mut dyn FnMut(UploadProgress) -> ControlFlow<()>,
) -> Result<Published, Error> {
    let source = &**package.source();
    if package.view().layout().is_none() && package.view().layout_fault().is_none() {
        return Err(PublishFault::NoLayout.into());
    }
    let own = Own::of(source)?;
    let there = PublishedHead::read(place)?;
    check_key(place, there.as_ref(), options)?;
    let plan = own.plan(package, place, there.as_ref(), options)?;
    if plan.standing == Standing::Same {
        let (sequence, entries) = (plan.region.sequence, plan.region.list.entries().len());
        return Ok(Published { standing: plan.standing, sequence, entries, bytes: 0 });
    }
    let PartsRegion { prefix, list, sequence, .. } = &plan.region;
    let new = &plan.new;
    upload(place, prefix, new, source, options.concurrency, progress)?;
    // spec: R-HTTP-65
    package.confirm()?;
    let one_file = own.under_id_of(&plan, there.as_ref());
    let head = emit(&one_file, own.parsed.region_at, &plan.region, options.key.as_ref())?;
    if let Some(there) = there.as_ref().filter(|_| plan.drops || options.archive) {
        there.archive(place)?;
    }
    let condition = match &there {
        _ if options.unconditional => Condition::Any,
        None => Condition::Absent,
        Some(there) => there.unchanged(),
    };
    replace(place, &head, &plan.region, &condition)?;
    confirm(place, prefix, new, source)?;
    let bytes = new.iter().fold(0, |sum: u64, entry| sum.saturating_add(entry.span.len()));
    let (sequence, entries) = (*sequence, list.entries().len());
    Ok(Published { standing: plan.standing, sequence, entries, bytes })
}

/// The package to publish: its head, and its length.
struct Own {
    one_file: Vec<u8>,
    parsed: PartsHead,
    /// Length of the package, in bytes.
    len: u64,
}

/// The plan of a publication.
struct Publication {
    standing: Standing,
    region: PartsRegion,
    /// The entries of the list whose parts are not published yet.
    new: Vec<PartEntry>,
    /// Whether the published head has entries that the new list lacks.
    drops: bool,
}

impl Own {
    fn of(source: &dyn ReadAt) -> Result<Self, Error> {
        let head = read_span(source, Span { start: 0, end: HEAD_LEN }).map_err(read_failed)?;
        let parsed = PartsHead::of_either_form(&head)?;
        let one_file = if is_in_parts(&head) {
            one_file_head(&head, parsed.region_at).map_err(dacti_cdn::Error::from)?
        } else {
            head
        };
        Ok(Self { one_file, parsed, len: source.len() })
    }

    fn plan(
        &self,
        package: &Package,
        place: &Place,
        there: Option<&PublishedHead>,
        options: &PublishOptions,
    ) -> Result<Publication, Error> {
        let source = &**package.source();
        let (standing, kept) = match there {
            None => (Standing::First, Vec::new()),
            Some(there) => self.held_against(package, place, there, options)?,
        };
        let prefix = match (there, &options.prefix) {
            (Some(there), _) => there.parsed.region.prefix.clone(),
            (None, Some(prefix)) => prefix.clone(),
            (None, None) => place.default_prefix(),
        };
        if !check_prefix(&prefix) {
            let prefix = Location::from(prefix).to_string();
            return Err(PublishFault::Prefix { prefix }.into());
        }
        let start = kept.last().map_or(HEAD_LEN, |last: &PartEntry| last.span.end);
        let rest = Span { start: start.min(self.len), end: self.len };
        let (index, region_at) = (package.view().index(), self.parsed.region_at);
        let kept = PartList::new(kept, region_at).map_err(dacti_cdn::Error::from)?;
        let next = kept.continued(rest, index, self.parsed.layout.fresh_end);
        let is_same = standing == Standing::Same;
        let mut passing = (!is_same).then(|| Passing::new(package)).transpose()?;
        if let Some(passing) = &mut passing {
            passing.take(0, &self.one_file)?;
        }
        let take = &mut |at, bytes: &[u8]| {
            passing.as_mut().map_or(Ok(()), |passing| passing.take(at, bytes))
        };
        let (list, new) = hashed(source, next, region_at, take)?;
        passing.map_or(Ok(()), Passing::end)?;
        let old = there.map(|there| &there.parsed.region);
        let sequence = old.map_or(0, |old| old.sequence).max(self.parsed.region.sequence);
        let end = old.filter(|_| standing == Standing::Continued).map_or(0, |old| old.end);
        let sequence =
            if standing == Standing::Same { sequence } else { sequence.saturating_add(1) };
        let drops =
            standing == Standing::Replaced || old.is_some_and(|old| old.list.loses_part_in(&list));
        let region = PartsRegion {
            name_hash: name_hash(place.name()),
            prefix,
            list,
            expiry: options.expiry,
            sequence,
            end: end.max(self.len),
            ..PartsRegion::default()
        };
        Ok(Publication { standing, region, new, drops })
    }

    /// Returns the head in the form of a package of one file, with the file id under which it is
    /// published. If the package continues the published one, this is the published file id. If the
    /// package replaces another history, or if the published head is a copy of a head with another
    /// name, this is a new file id.
    ///
    /// The reason: if the parts of a reader's view were collected, the reader follows a later head
    /// with the same file id. If two histories had the same file id, the reader would mix them.
    fn under_id_of(&self, plan: &Publication, there: Option<&PublishedHead>) -> Vec<u8> {
        // spec: R-PART-25, R-PART-33
        let mut one_file = self.one_file.clone();
        match (plan.standing, there) {
            (Standing::Replaced, Some(there)) => {
                self.parsed.write_new_file_id(&mut one_file, &there.parsed.region.digest.0);
            }
            (Standing::Continued, Some(there)) => {
                let (parsed, own_name) = (&there.parsed, &plan.region.name_hash);
                if parsed.region.name_hash == *own_name {
                    self.parsed.write_file_id(&mut one_file, &parsed.layout.file_id);
                } else {
                    parsed.write_new_file_id(&mut one_file, own_name);
                }
            }
            _ => {}
        }
        one_file
    }

    /// Compares the package with the published head. Returns their relation, and the entries that
    /// stay in the list.
    fn held_against(
        &self,
        package: &Package,
        place: &Place,
        there: &PublishedHead,
        options: &PublishOptions,
    ) -> Result<(Standing, Vec<PartEntry>), Error> {
        let source = &**package.source();
        let replaced = |fault: PublishFault| {
            if options.replace { Ok((Standing::Replaced, Vec::new())) } else { Err(fault.into()) }
        };
        let is_other_id = self.parsed.layout.file_id != there.parsed.layout.file_id;
        // The package may have replaced another history before. It was then published under a new
        // file id, but its parts show that it is the same package.
        if is_other_id && !self.has_parts_of(source, there)? {
            return replaced(other_package(place, &self.parsed.layout, &there.parsed.layout));
        }
        let diverged = |theirs: String| PublishFault::Diverged {
            place: place.shown(),
            package: "this package".into(),
            theirs,
        };
        let region = &there.parsed.region;
        if region.list.end() > self.len {
            let theirs = format!("{} bytes", region.list.end().saturating_sub(self.len));
            return replaced(diverged(theirs));
        }
        for entry in region.list.entries() {
            if digest_of(source, entry.span)? != entry.digest {
                return replaced(diverged(format!("other bytes at {}", entry.span)));
            }
        }
        let one_file = one_file_head(&there.bytes, there.parsed.region_at);
        let one_file = one_file.map_err(dacti_cdn::Error::from)?;
        let mut own = self.one_file.clone();
        self.parsed.write_file_id(&mut own, &there.parsed.layout.file_id);
        if one_file == own && region.list.end() == self.len && !there.is_copy(place) {
            return Ok((Standing::Same, region.list.entries().to_vec()));
        }
        let objects = Arc::new(PlaceObjects(place.clone()));
        let published = PartsSource::new(there.bytes.to_vec().into(), objects)?;
        let (theirs, ours) = (View::read(&published)?, package.view());
        if state_of(&theirs) > state_of(ours) {
            return replaced(diverged("a later state of the index".into()));
        }
        // An update that only adds components may change neither the parts nor the index. So the
        // components are compared, too.
        let is_ours = |found: &&Component| ours.components().iter().any(|own| own.id == found.id);
        if let Some(lost) = theirs.components().iter().find(|found| !is_ours(found)) {
            return replaced(diverged(format!("the component {}", lost.id)));
        }
        Ok((Standing::Continued, region.list.entries().to_vec()))
    }

    /// Returns whether the package has all bytes of the published parts.
    fn has_parts_of(&self, source: &dyn ReadAt, there: &PublishedHead) -> Result<bool, Error> {
        let list = &there.parsed.region.list;
        if list.entries().is_empty() || list.end() > self.len {
            return Ok(false);
        }
        for entry in list.entries() {
            if digest_of(source, entry.span)? != entry.digest {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Returns the start of the index, and the number of its entries in the head. Each update of
/// regions increases the first number, or keeps it and increases the second one.
fn state_of(view: &View) -> (u64, u64) {
    (view.index().start, view.delta_entries())
}
