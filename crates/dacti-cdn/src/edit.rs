//! The changes of an update. An edit never holds the bytes of a region.
//!
//! Regions and components are encoded, sealed and hashed before planning, so an edit has their
//! sizes and digests. Specification: `docs/spec/dacti-cdn.md`, "Edits".

use crate::Digest;
use dacti_index::Encoding;
use daicon_core::Version;
use uuid::Uuid;

/// One change. One switch publishes all edits of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, rename_all = "snake_case"))]
pub enum Edit {
    /// Adds a region, or replaces the region of the same id.
    Put(Put),
    /// Removes a region.
    Remove(Remove),
    /// Adds a component.
    Component(NewComponent),
    /// Sets the flag of the names component for explicit ids. If the flag is set already, this edit
    /// changes nothing.
    ExplicitIds,
}

/// A region to add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Put {
    /// Id of the region.
    #[cfg_attr(feature = "serde", serde(with = "crate::json::uuid_text"))]
    pub id: Uuid,
    /// Encoding of the region's stored bytes.
    #[cfg_attr(feature = "serde", serde(with = "crate::json::encoding_text"))]
    pub encoding: Encoding,
    /// Number of the region's stored bytes.
    pub size: u64,
    /// Length of the seal that follows the stored bytes. It is the length of the package's seals,
    /// or 0 if the package has none.
    pub seal_len: u64,
    /// Digest of the stored bytes and the seal.
    pub digest: Digest,
    /// Length of the replaced region with its seal, or 0 if no region is replaced. A planner sets
    /// it if the snapshot knows the length; see
    /// [`Snapshot::set_found`](crate::Snapshot::set_found).
    pub replaced_len: u64,
}

/// A region to remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Remove {
    /// Id of the region.
    #[cfg_attr(feature = "serde", serde(with = "crate::json::uuid_text"))]
    pub id: Uuid,
    /// Length of the seal of the removal. This is the length of the package's seals, or 0 if the
    /// package has none. In a plan that folds, the length is 0, because a new index lists no
    /// removals.
    pub seal_len: u64,
    /// Digest of the seal's bytes; all zeros in a plan that writes no seal.
    pub digest: Digest,
    /// Length of the removed region with its seal. A planner sets it in the same way as
    /// [`Put::replaced_len`].
    pub replaced_len: u64,
}

/// A component to add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct NewComponent {
    /// Id of the component.
    #[cfg_attr(feature = "serde", serde(with = "crate::json::uuid_text"))]
    pub id: Uuid,
    /// Version of the component.
    #[cfg_attr(feature = "serde", serde(with = "crate::json::version_text"))]
    pub version: Version,
    /// Data of the component.
    pub content: ComponentContent,
}

/// The data of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, rename_all = "snake_case"))]
pub enum ComponentContent {
    /// A region, which the plan appends.
    Region {
        /// Length of the region in bytes.
        size: u64,
        /// Digest of the region's bytes.
        digest: Digest,
    },
    /// Eight bytes in the table.
    Data(#[cfg_attr(feature = "serde", serde(with = "crate::json::data"))] [u8; 8]),
}

impl Edit {
    /// Returns the id of the region that this edit puts or removes; `None` for other edits.
    #[must_use]
    pub fn region_id(&self) -> Option<Uuid> {
        match self {
            Self::Put(put) => Some(put.id),
            Self::Remove(remove) => Some(remove.id),
            Self::Component(_) | Self::ExplicitIds => None,
        }
    }

    /// Returns the length that this edit states for the region that it replaces or removes; 0 for
    /// edits of components.
    pub(crate) fn replaced_len(&self) -> u64 {
        match self {
            Self::Put(put) => put.replaced_len,
            Self::Remove(remove) => remove.replaced_len,
            Self::Component(_) | Self::ExplicitIds => 0,
        }
    }

    /// Returns the length and the digest of the edit's bytes in the block; `None` if the block has
    /// no bytes for this edit.
    pub(crate) fn bytes(&self) -> Option<(u64, Digest)> {
        match self {
            Self::Remove(remove) => Some((remove.seal_len, remove.digest)),
            Self::Put(put) => Some((put.size.saturating_add(put.seal_len), put.digest)),
            Self::Component(NewComponent {
                content: ComponentContent::Region { size, digest },
                ..
            }) => Some((*size, *digest)),
            Self::Component(_) | Self::ExplicitIds => None,
        }
    }
}

impl NewComponent {
    /// Returns the UUID and the major version, which identify a component for readers.
    pub(crate) fn key(&self) -> (Uuid, u16) {
        (self.id, self.version.major)
    }
}
