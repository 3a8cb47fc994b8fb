//! Opens packages at URLs.
//!
//! Specification: `docs/spec/dacti-http.md`, "Heads".

use super::HttpOptions;
use super::remote::HttpRemote;
use crate::remote::{AsyncPackage, RemoteSource, Runner};
#[cfg(feature = "dar")]
use crate::remote::{Remote, driven};
use crate::{Error, Package};
use std::sync::Arc;

/// Opens the source at a URL, for any kind of file.
#[cfg(feature = "dar")]
pub(crate) fn source(url: &str, options: &HttpOptions) -> Result<RemoteSource, Error> {
    let runner = Runner::new()?;
    let remote = runner.wait(HttpRemote::open(url.to_owned(), options.clone()))?;
    Ok(RemoteSource::new(runner, remote))
}

/// Opens the transport of a URL, for any kind of file and on any executor.
#[cfg(feature = "dar")]
pub(crate) async fn remote(url: &str, options: &HttpOptions) -> Result<Arc<dyn Remote>, Error> {
    driven(HttpRemote::open(url.to_owned(), options.clone())).await
}

impl Package {
    /// Opens the package at an `http` or `https` URL.
    ///
    /// It has all functions of a [`Package`], and requests only the ranges that it needs. Many
    /// regions are fetched at once.
    ///
    /// # Errors
    /// `Remote`, or a fault of the package's head and tables.
    pub fn open_url(url: &str) -> Result<Self, Error> {
        Self::open_url_with(url, &HttpOptions::default()).map(|(package, _)| package)
    }

    /// Does the same as [`open_url`](Self::open_url), with a budget and other options. The returned
    /// source counts the costs.
    ///
    /// # Errors
    /// The errors of [`open_url`](Self::open_url).
    pub fn open_url_with(
        url: &str,
        options: &HttpOptions,
    ) -> Result<(Self, Arc<RemoteSource>), Error> {
        let runner = Runner::new()?;
        let remote = runner.wait(HttpRemote::open(url.to_owned(), options.clone()))?;
        RemoteSource::new(runner, remote).into_package(options.limits)
    }
}

impl AsyncPackage {
    /// Opens the package at an `http` or `https` URL.
    ///
    /// # Errors
    /// The errors of [`Package::open_url`].
    pub async fn open_url(url: &str) -> Result<Self, Error> {
        Self::open_url_with(url, &HttpOptions::default()).await
    }

    /// Does the same as [`open_url`](Self::open_url), with a budget and other options.
    ///
    /// # Errors
    /// The errors of [`Package::open_url`].
    pub async fn open_url_with(url: &str, options: &HttpOptions) -> Result<Self, Error> {
        Self::driven(HttpRemote::open(url.to_owned(), options.clone()), options.limits).await
    }
}
