//! An object store as a store of parts. It may be S3 or a store with its protocol, Google Cloud
//! Storage, Azure, or a folder under a `file:` URL.
//!
//! Conditional writes are those of the `object_store` crate. Specification:
//! `docs/spec/dacti-parts.md`, "Publishing".

use super::store::{Condition, ObjectTag, PartStore, StoredBytes, StoredKind, StoredObject};
use super::{Place, PublishFault};
use crate::Error;
use crate::fetch::StoreOptions;
use crate::fetch::store::Client;
use crate::remote::Runner;
use bytes::Bytes;
use daicon_core::Span;
use object_store::path::{Path, PathPart};
use object_store::{
    Attribute, Attributes, Error as StoreError, GetOptions, GetRange, ObjectStoreExt, PutMode,
    PutOptions, PutResult, UpdateVersion,
};
use std::sync::Arc;

/// The default time in seconds for which caches may keep a head.
pub const HEAD_MAX_AGE: u32 = 60;

/// The folder of a head in an object store.
#[derive(Debug)]
struct ObjectFolder {
    head: Client,
    runner: Runner,
    head_max_age: u32,
}

impl Place {
    /// Returns the place of a head in an object store, such as `s3://BUCKET/docs.dacti-pack`.
    /// [`StoreOptions`] describes the source of credentials. Caches may keep the head for
    /// `head_max_age` seconds. No request is sent.
    ///
    /// # Errors
    /// `Remote` if the URL names no object, or the environment lacks a setting;
    /// [`PublishFault::Name`].
    pub fn in_store(url: &str, options: &StoreOptions, head_max_age: u32) -> Result<Self, Error> {
        let head = Client::alone(url, options)?;
        let name = head.path().filename().unwrap_or_default().to_owned();
        let folder = ObjectFolder { head, runner: Runner::new()?, head_max_age };
        Self::new(Arc::new(folder), name)
    }
}

impl ObjectFolder {
    fn attributes(&self, kind: StoredKind) -> Attributes {
        if self.head.is_local() {
            // A local file has no headers, so it needs no attributes.
            return Attributes::new();
        }
        let (control, media_type) = match kind {
            StoredKind::Head => {
                (format!("public, max-age={}", self.head_max_age), "application/prs.dacti-pack")
            }
            StoredKind::Part => {
                ("public, max-age=31536000, immutable".into(), "application/octet-stream")
            }
        };
        Attributes::from_iter([
            (Attribute::CacheControl, control),
            (Attribute::ContentType, media_type.into()),
        ])
    }

    fn put_with(&self, object: &Client, bytes: Bytes, mode: PutMode, kind: StoredKind) -> Put {
        let attributes = self.attributes(kind);
        let options = PutOptions { mode, attributes, ..PutOptions::default() };
        let (store, path) = (object.store(), object.path().clone());
        self.runner.wait(async move { Ok(store.put_opts(&path, bytes.into(), options).await) })
    }
}

type Put = Result<Result<PutResult, StoreError>, Error>;

impl PartStore for ObjectFolder {
    fn shown(&self, name: &str) -> String {
        self.head.object(name).shown().to_string()
    }

    fn get(&self, name: &str, range: Option<Span>) -> Result<Option<StoredBytes>, Error> {
        let object = self.head.object(name);
        let (store, path) = (object.store(), object.path().clone());
        let range = range.map(|range| GetRange::Bounded(range.start..range.end));
        let options = GetOptions { range, ..GetOptions::default() };
        let got = self.runner.wait(async move {
            let result = match store.get_opts(&path, options).await {
                Ok(result) => result,
                Err(error) => return Ok(Err(error)),
            };
            let meta = result.meta.clone();
            Ok(result.bytes().await.map(|bytes| (bytes, meta)))
        })?;
        match got {
            Ok((bytes, meta)) => {
                let tag = ObjectTag { tag: meta.e_tag, version: meta.version };
                Ok(Some(StoredBytes { bytes, len: meta.size, tag }))
            }
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(object.failed(&error)),
        }
    }

    fn put(&self, name: &str, bytes: Bytes) -> Result<(), Error> {
        let object = self.head.object(name);
        let put = self.put_with(&object, bytes, PutMode::Overwrite, StoredKind::Part)?;
        put.map(drop).map_err(|error| object.failed(&error))
    }

    fn replace(&self, name: &str, bytes: Bytes, condition: &Condition) -> Result<(), Error> {
        let mode = match condition {
            Condition::Any => PutMode::Overwrite,
            Condition::Absent => PutMode::Create,
            Condition::Unchanged(ObjectTag { tag, version }) => {
                let (e_tag, version) = (tag.clone(), version.clone());
                PutMode::Update(UpdateVersion { e_tag, version })
            }
        };
        let (place, object) = (|| self.shown(name), self.head.object(name));
        match self.put_with(&object, bytes, mode, StoredKind::Head)? {
            Ok(_) => Ok(()),
            Err(StoreError::Precondition { .. } | StoreError::AlreadyExists { .. }) => {
                Err(PublishFault::Conflict { place: place() }.into())
            }
            Err(StoreError::NotImplemented { .. } | StoreError::NotSupported { .. }) => {
                Err(PublishFault::Unconditional { place: place() }.into())
            }
            Err(error) => Err(object.failed(&error)),
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<StoredObject>, Error> {
        let object = self.head.object(folder);
        let store = object.store();
        let below: Path = match folder {
            "" => folder_of(self.head.path()),
            _ => object.path().clone(),
        };
        let listed = self.runner.wait(async move {
            let below = Some(&below).filter(|path| !path.as_ref().is_empty());
            Ok(store.list_with_delimiter(below).await)
        })?;
        let listed = listed.map_err(|error| object.failed(&error))?;
        let objects = listed.objects.into_iter().filter_map(|meta| {
            let name = format!("{folder}{}", meta.location.filename()?);
            Some(StoredObject { name, len: meta.size, modified: meta.last_modified.into() })
        });
        Ok(objects.collect())
    }

    fn delete(&self, name: &str) -> Result<(), Error> {
        let object = self.head.object(name);
        let (store, path) = (object.store(), object.path().clone());
        match self.runner.wait(async move { Ok(store.delete(&path).await) })? {
            Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(object.failed(&error)),
        }
    }
}

fn folder_of(path: &Path) -> Path {
    let mut parts: Vec<PathPart<'_>> = path.parts().collect();
    parts.pop();
    parts.into_iter().collect()
}
