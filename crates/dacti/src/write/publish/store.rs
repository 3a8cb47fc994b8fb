//! The few operations that publishing needs of a store of objects.
//!
//! A store is the folder that holds a head: names are relative to it, with `/` between segments.
//! Implement [`PartStore`] to publish to a kind of store that this crate does not know.
//! Specification: `docs/spec/dacti-parts.md`, "Publishing".

use crate::Error;
use bytes::Bytes;
use daicon_core::Span;
use std::time::SystemTime;

/// A store of objects, as seen from the folder of a head. Its calls block.
pub trait PartStore: core::fmt::Debug + Send + Sync {
    /// Returns the name of an object for messages, without credentials.
    fn shown(&self, name: &str) -> String;

    /// Reads the bytes of an object, or those of `range`, which is relative to the object's start.
    ///
    /// Returns `None` if there is no such object. A range is cut at the object's end.
    ///
    /// # Errors
    /// `Io` or `Remote`.
    fn get(&self, name: &str, range: Option<Span>) -> Result<Option<StoredBytes>, Error>;

    /// Stores a part, which never changes. An object of that name is replaced.
    ///
    /// # Errors
    /// `Io` or `Remote`. The object may have been stored nevertheless.
    fn put(&self, name: &str, bytes: Bytes) -> Result<(), Error>;

    /// Replaces a head as a whole if `condition` holds.
    ///
    /// # Errors
    /// [`PublishFault::Conflict`](super::PublishFault::Conflict) if the condition does not hold;
    /// [`PublishFault::Unconditional`](super::PublishFault::Unconditional) if the store cannot
    /// check it; `Io` or `Remote`, after which the head may have been replaced nevertheless.
    fn replace(&self, name: &str, bytes: Bytes, condition: &Condition) -> Result<(), Error>;

    /// Lists the objects that lie directly in `folder`, which is empty for the head's own folder,
    /// and otherwise ends with `/`.
    ///
    /// # Errors
    /// `Io` or `Remote`.
    fn list(&self, folder: &str) -> Result<Vec<StoredObject>, Error>;

    /// Deletes an object. An object that is not there is no error.
    ///
    /// # Errors
    /// `Io` or `Remote`.
    fn delete(&self, name: &str) -> Result<(), Error>;
}

/// The bytes of an object, or some of them.
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
    /// The version, in stores that have versions.
    pub version: Option<String>,
}

/// The condition on which a head is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// There is no object of that name.
    Absent,
    /// The object has the content with this tag.
    Unchanged(ObjectTag),
    /// No condition, because the caller is the only publisher.
    Any,
}

/// The kinds of objects, for which a store sets different headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoredKind {
    /// A head: short lifetime in caches.
    Head,
    /// A part or an archived head: never changes.
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
