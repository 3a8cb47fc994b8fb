//! What is to be changed in a package: an edit names it, and never holds its bytes.
//!
//! Regions and components are encoded, sealed and hashed before anything is planned; the planner
//! knows their sizes and digests. Specification: `docs/spec/dacti-cdn.md`, "Edits".

use crate::Digest;
use dacti_index::Encoding;
use daicon_core::Version;
use uuid::Uuid;

/// One change. All edits of a plan are published by one switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, rename_all = "snake_case"))]
pub enum Edit {
    /// Adds a region, or replaces the one that has its id.
    Put(Put),
    /// Takes a region away.
    Remove {
        /// Its id.
        #[cfg_attr(feature = "serde", serde(with = "crate::json::uuid_text"))]
        id: Uuid,
    },
    /// Adds a component.
    Component(NewComponent),
    /// Says in the `dacti-names` component that the names list gives explicit ids. Where that is
    /// said already, it changes nothing.
    ExplicitIds,
}

/// A region to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Put {
    /// Its id.
    #[cfg_attr(feature = "serde", serde(with = "crate::json::uuid_text"))]
    pub id: Uuid,
    /// How its bytes are stored.
    #[cfg_attr(feature = "serde", serde(with = "crate::json::encoding_text"))]
    pub encoding: Encoding,
    /// Count of its stored bytes.
    pub size: u64,
    /// Count of the bytes of its seal, which stands right behind them: what the package says, 0
    /// where it has no seals.
    pub seal_len: u64,
    /// Of the stored bytes and, behind them, the seal.
    pub digest: Digest,
    /// Stored bytes, seal included, of the region that it replaces, as far as the caller knows:
    /// only for the count of bytes that die. A fold knows by itself.
    pub replaced_len: u64,
}

/// A component to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct NewComponent {
    /// Its id.
    #[cfg_attr(feature = "serde", serde(with = "crate::json::uuid_text"))]
    pub id: Uuid,
    /// Its version.
    #[cfg_attr(feature = "serde", serde(with = "crate::json::version_text"))]
    pub version: Version,
    /// What it says.
    pub content: ComponentContent,
}

/// What a component says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, rename_all = "snake_case"))]
pub enum ComponentContent {
    /// A region of its own, which is appended.
    Region {
        /// Its length in bytes.
        size: u64,
        /// Of its bytes.
        digest: Digest,
    },
    /// Eight bytes in the table itself.
    Data(#[cfg_attr(feature = "serde", serde(with = "crate::json::data"))] [u8; 8]),
}

impl Edit {
    /// Length and digest of the bytes that it brings.
    pub(crate) fn bytes(&self) -> Option<(u64, Digest)> {
        match self {
            Self::Put(put) => Some((put.size.saturating_add(put.seal_len), put.digest)),
            Self::Component(NewComponent {
                content: ComponentContent::Region { size, digest },
                ..
            }) => Some((*size, *digest)),
            Self::Component(_) | Self::Remove { .. } | Self::ExplicitIds => None,
        }
    }
}

impl NewComponent {
    /// What readers tell components apart by.
    pub(crate) fn key(&self) -> (Uuid, u16) {
        (self.id, self.version.major)
    }
}
