//! Publishes packages in parts to a folder or an object store: as a whole, by an update, or as a
//! copy of a head. Deletes parts that no head names any more.
//!
//! An upload first stores immutable parts. It replaces the head last, and only if no other
//! publisher has replaced it meanwhile. No step waits for caches. Specification:
//! `docs/spec/dacti-parts.md`.

mod archive;
#[cfg(any(feature = "http", feature = "store"))]
mod background;
mod folder;
mod head;
mod kept_objects;
#[cfg(feature = "store")]
mod objects;
mod package;
mod partial;
mod passing;
mod place;
mod pull;
mod read_ahead;
mod reuse;
mod store;
mod update;
mod upload;
mod whole;

pub use dacti_cdn::parts::is_in_parts;

pub use crate::error::PublishFault;
pub use archive::{ArchivedHead, Collected, collect, history, open_version, tag, version};
#[cfg(any(feature = "http", feature = "store"))]
pub use background::{
    Abandoned, collect_async, in_background, publish_async, pull_async, tag_async, update_async,
};
pub use folder::FolderStore;
#[cfg(feature = "store")]
pub use objects::HEAD_MAX_AGE;
pub use package::{PublishOptions, Published, Standing, publish, publish_with};
pub use partial::unfinished_copy;
pub use place::Place;
pub use pull::{CopyState, Pulled, pull};
pub use store::{Condition, ObjectTag, PartStore, StoredBytes, StoredKind, StoredObject};
pub use upload::UploadProgress;
pub use whole::publish_whole;
