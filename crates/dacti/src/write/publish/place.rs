//! A place where a package in parts is published: a store, and the name of the head in it.

use super::{FolderStore, PartStore, PublishFault};
use crate::Error;
use crate::fetch::Location;
use std::path::Path;
use std::sync::Arc;

/// The place of a published package: the folder of its head, and the head's name.
#[derive(Debug, Clone)]
pub struct Place {
    store: Arc<dyn PartStore>,
    name: String,
}

impl Place {
    /// Returns the place of the head `name` in a store.
    ///
    /// # Errors
    /// [`PublishFault::Name`] if the name is not one plain path segment.
    pub fn new(store: Arc<dyn PartStore>, name: impl Into<String>) -> Result<Self, Error> {
        let name = name.into();
        if name.is_empty()
            || name.contains('/')
            || !dacti_cdn::parts::check_prefix(&(name.clone() + "/"))
        {
            // The name may be the end of a mistyped URL. A query may be a secret, so the message
            // leaves it out.
            let shown = Location::from(&*name).to_string();
            let name = match shown.split_once('?') {
                Some((before, _)) => format!("{before}?..."),
                None => shown,
            };
            return Err(PublishFault::Name { name }.into());
        }
        Ok(Self { store, name })
    }

    /// Returns the place of a head in a folder of this machine.
    ///
    /// # Errors
    /// [`PublishFault::Name`] if the path has no last segment, or if it is not text.
    pub fn in_folder(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let store = FolderStore::new(folder.unwrap_or(Path::new(".")));
        Self::new(Arc::new(store), name)
    }

    /// Returns the place of another head in the same folder.
    ///
    /// # Errors
    /// The errors of [`new`](Self::new).
    pub fn sibling(&self, name: &str) -> Result<Self, Error> {
        Self::new(Arc::clone(&self.store), name)
    }

    /// Returns the place of an archived head, which no publisher replaces.
    pub(super) fn sibling_object(&self, name: String) -> Self {
        Self { store: Arc::clone(&self.store), name }
    }

    /// Returns the store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn PartStore> {
        &self.store
    }

    /// Returns the head's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the place as messages show it.
    #[must_use]
    pub fn shown(&self) -> String {
        self.store.shown(&self.name)
    }

    /// Returns the default prefix of the parts, which the first publication uses.
    #[must_use]
    pub fn default_prefix(&self) -> String {
        format!("{}.parts/", self.name)
    }
}
