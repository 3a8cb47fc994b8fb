//! The head at a place. This module reads the head with its tag, makes a new head, and replaces it.
//!
//! Specification: `docs/spec/dacti-parts.md`, "The head", "Publishing".

use super::store::{Condition, ObjectTag};
use super::{Place, PublishFault, PublishOptions};
use crate::Error;
use crate::seal::SecretKey;
use bytes::Bytes;
use dacti_cdn::parts::{PartsHead, PartsRegion, head_digest, is_in_parts, parts_head};
use dacti_cdn::{Digest, HEAD_LEN, Layout};
use daicon_core::Hex;

/// The head that is published at a place.
#[derive(Debug, Clone)]
pub(super) struct PublishedHead {
    /// Its 65,536 bytes.
    pub(super) bytes: Bytes,
    /// The parsed head.
    pub(super) parsed: PartsHead,
    /// The store's tag for these bytes.
    pub(super) tag: ObjectTag,
}

impl PublishedHead {
    /// Reads the head at a place; `None` if the place has no such object.
    pub(super) fn read(place: &Place) -> Result<Option<Self>, Error> {
        let Some(found) = place.store().get(place.name(), None)? else { return Ok(None) };
        if found.len != HEAD_LEN || !is_in_parts(&found.bytes) {
            return Err(PublishFault::NotAHead { place: place.shown() }.into());
        }
        let parsed = PartsHead::parse(&found.bytes)?;
        Ok(Some(Self { bytes: found.bytes, parsed, tag: found.tag }))
    }

    /// Returns the condition that this head is still the published one.
    pub(super) fn unchanged(&self) -> Condition {
        Condition::Unchanged(self.tag.clone())
    }

    /// Returns whether the head is a copy of a head with another name.
    pub(super) fn is_copy(&self, place: &Place) -> bool {
        self.parsed.region.name_hash != dacti_cdn::parts::name_hash(place.name())
    }

    /// Stores a copy of this head under its archived name, which collectors and readers of history
    /// use.
    pub(super) fn archive(&self, place: &Place) -> Result<(), Error> {
        let digest =
            head_digest(&self.bytes, self.parsed.region_at).map_err(dacti_cdn::Error::from)?;
        let name = archive_name(&self.parsed.region.prefix, &digest);
        place.store().put(&name, self.bytes.clone())
    }
}

/// Returns an error if an unsigned head would replace a signed head, and the caller does not allow
/// this.
pub(super) fn check_key(
    place: &Place,
    there: Option<&PublishedHead>,
    options: &PublishOptions,
) -> Result<(), Error> {
    let is_signed = there.is_some_and(|there| there.parsed.region.is_signed());
    if is_signed && options.key.is_none() && !options.unsigned {
        return Err(PublishFault::NeedsKey { place: place.shown() }.into());
    }
    Ok(())
}

/// Returns the fault of a place that holds another package.
pub(super) fn other_package(place: &Place, ours: &Layout, theirs: &Layout) -> PublishFault {
    let (expected, found) = (Hex(&ours.file_id).to_string(), Hex(&theirs.file_id).to_string());
    PublishFault::OtherPackage { place: place.shown(), expected, found }
}

/// Returns the name of an archived head, relative to the head's folder.
pub(super) fn archive_name(prefix: &str, digest: &Digest) -> String {
    format!("{prefix}heads/{digest}")
}

/// Returns the bytes of a head in parts, signed if there is a key.
pub(super) fn emit(
    one_file: &[u8],
    region_at: u64,
    region: &PartsRegion,
    key: Option<&SecretKey>,
) -> Result<Bytes, Error> {
    let sign = |digest: &Digest| key.map(|key| key.sign_head(&digest.0));
    let head = parts_head(one_file, region_at, region, sign).map_err(dacti_cdn::Error::from)?;
    Ok(head.into())
}

/// Replaces the head at a place. If the answer is lost, reads the head to find out whether it was
/// replaced.
///
/// The new head was published if the current head has the same bytes. It was also published if a
/// later head has already followed. In that case, the current head lists the last part of the new
/// head, belongs to the same name, and has no lower sequence.
pub(super) fn replace(
    place: &Place,
    head: &Bytes,
    new: &PartsRegion,
    condition: &Condition,
) -> Result<(), Error> {
    let Err(error) = place.store().replace(place.name(), head.clone(), condition) else {
        return Ok(());
    };
    let is_open = matches!(
        error,
        Error::Remote { .. } | Error::Io { .. } | Error::Publish(PublishFault::Conflict { .. })
    );
    if !is_open {
        return Err(error);
    }
    let Ok(Some(found)) = PublishedHead::read(place) else { return Err(error) };
    let block = new.list.first_starts().last();
    let lists = block.is_some_and(|block| found.parsed.region.list.entries().contains(block));
    let is_ours = found.parsed.region.name_hash == new.name_hash;
    if found.bytes == *head || lists && is_ours && found.parsed.region.sequence >= new.sequence {
        return Ok(());
    }
    Err(error)
}
