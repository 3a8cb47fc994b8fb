//! Opens packages in object stores.

use super::StoreOptions;
use super::remote::StoreRemote;
use crate::remote::{AsyncPackage, RemoteSource, Runner};
#[cfg(feature = "dar")]
use crate::remote::{Remote, driven};
use crate::{Error, Package};
use std::sync::Arc;

/// Opens the source at a URL, for any kind of file.
#[cfg(feature = "dar")]
pub(crate) fn source(url: &str, options: &StoreOptions) -> Result<RemoteSource, Error> {
    let runner = Runner::new()?;
    let remote = runner.wait(StoreRemote::open(url.to_owned(), options.clone()))?;
    Ok(RemoteSource::new(runner, remote))
}

/// Opens the transport of a URL, for any kind of file and on any executor.
#[cfg(feature = "dar")]
pub(crate) async fn remote(url: &str, options: &StoreOptions) -> Result<Arc<dyn Remote>, Error> {
    driven(StoreRemote::open(url.to_owned(), options.clone())).await
}

impl Package {
    /// Opens the package at a URL of an object store: `s3://BUCKET/KEY`, `gs://BUCKET/KEY`,
    /// `az://CONTAINER/KEY` or `file:///PATH`. [`StoreOptions`] documents the credentials.
    ///
    /// # Errors
    /// `Remote`, or a fault of the package's head and tables.
    pub fn open_store(url: &str) -> Result<Self, Error> {
        Self::open_store_with(url, &StoreOptions::default()).map(|(package, _)| package)
    }

    /// Does the same as [`open_store`](Self::open_store), with a budget and other options. The
    /// returned source counts requests and bytes.
    ///
    /// # Errors
    /// The errors of [`open_store`](Self::open_store).
    pub fn open_store_with(
        url: &str,
        options: &StoreOptions,
    ) -> Result<(Self, Arc<RemoteSource>), Error> {
        let runner = Runner::new()?;
        let remote = runner.wait(StoreRemote::open(url.to_owned(), options.clone()))?;
        RemoteSource::new(runner, remote).into_package(options.limits)
    }
}

impl AsyncPackage {
    /// Opens the package at a URL of an object store.
    ///
    /// # Errors
    /// The errors of [`Package::open_store`].
    pub async fn open_store(url: &str) -> Result<Self, Error> {
        Self::open_store_with(url, &StoreOptions::default()).await
    }

    /// Does the same as [`open_store`](Self::open_store), with a budget and other options.
    ///
    /// # Errors
    /// The errors of [`Package::open_store`].
    pub async fn open_store_with(url: &str, options: &StoreOptions) -> Result<Self, Error> {
        Self::driven(StoreRemote::open(url.to_owned(), options.clone()), options.limits).await
    }
}
