//! The few operations of an object store that publishing needs.
//!
//! A store is the folder of a head. Names are relative to this folder, with `/` between segments.
//! To publish to a kind of store that this crate does not support, implement [`PartStore`].
//! Specification: `docs/spec/dacti-parts.md`, "Publishing".

use crate::Error;
use bytes::Bytes;
use daicon_core::Span;
use std::time::SystemTime;

/// The objects in and below the folder of a head. The calls block.
pub trait PartStore: core::fmt::Debug + Send + Sync {
    /// Returns the name of an object as messages show it, without credentials.
    fn shown(&self, name: &str) -> String;

    /// Reads an object, or the bytes of `range`, which is relative to the object's start.
    ///
    /// Returns `None` if there is no such object. If the range extends past the object's end, fewer
    /// bytes are returned.
    ///
    /// # Errors
    /// `Io` or `Remote`.
    fn get(&self, name: &str, range: Option<Span>) -> Result<Option<StoredBytes>, Error>;

    /// Stores a part, which never changes. If an object of this name exists, it is replaced.
    ///
    /// # Errors
    /// `Io` or `Remote`. After an error, the object may have been stored nevertheless.
    fn put(&self, name: &str, bytes: Bytes) -> Result<(), Error>;

    /// Replaces a head as a whole if `condition` holds.
    ///
    /// # Errors
    /// [`PublishFault::Conflict`](super::PublishFault::Conflict) if the condition does not hold;
    /// [`PublishFault::Unconditional`](super::PublishFault::Unconditional) if the store cannot
    /// check the condition; `Io` or `Remote`. After `Io` or `Remote`, the head may have been
    /// replaced nevertheless.
    fn replace(&self, name: &str, bytes: Bytes, condition: &Condition) -> Result<(), Error>;

    /// Lists the objects that lie directly in `folder`. An empty `folder` is the head's own folder.
    /// Any other `folder` ends with `/`.
    ///
    /// # Errors
    /// `Io` or `Remote`.
    fn list(&self, folder: &str) -> Result<Vec<StoredObject>, Error>;

    /// Deletes an object. It is no error if the object does not exist.
    ///
    /// # Errors
    /// `Io` or `Remote`.
    fn delete(&self, name: &str) -> Result<(), Error>;
}

/// The bytes of an object or of a range of it.
#[derive(Debug, Clone)]
pub struct StoredBytes {
    /// The bytes that were asked for.
    pub bytes: Bytes,
    /// Length of the whole object, in bytes.
    pub len: u64,
    /// The tag of the object's content.
    pub tag: ObjectTag,
}

/// A store's tag for one content of an object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObjectTag {
    /// The tag, as the store writes it.
    pub tag: Option<String>,
    /// The version, if the store has versions.
    pub version: Option<String>,
}

/// The condition on which a head is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// No object has this name.
    Absent,
    /// The object has the content with this tag.
    Unchanged(ObjectTag),
    /// No condition, because the caller is the only publisher.
    Any,
}

/// The kinds of objects. A store sets different headers for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoredKind {
    /// A head. Caches may keep it for a short time.
    Head,
    /// A part or an archived head. It never changes.
    Part,
}

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    /// Its name, relative to the head's folder.
    pub name: String,
    /// Its length in bytes.
    pub len: u64,
    /// When it was stored last.
    pub modified: SystemTime,
}
