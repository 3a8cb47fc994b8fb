//! Opens packages at URLs.
//!
//! Specification: `docs/spec/dacti-http.md`, "Heads".

use super::HttpOptions;
use super::exchange::HttpClient;
use super::remote::HttpRemote;
use crate::Error;
use crate::remote::{AsyncPackage, Remote};
use std::sync::Arc;
#[cfg(feature = "http")]
use {
    super::network::Network,
    crate::Package,
    crate::remote::{RemoteSource, Runner},
};

/// Opens the transport of a file at a URL. `client` fetches the file's bytes. The file may be a
/// package of one file, the head of a package in parts, or any other file.
///
/// # Errors
/// `Remote`.
pub async fn open_remote(
    client: Arc<dyn HttpClient>,
    url: &str,
    options: &HttpOptions,
) -> Result<Arc<dyn Remote>, Error> {
    HttpRemote::open(client, url.to_owned(), options.clone()).await
}

/// Opens the transport of a URL with the client of this crate.
#[cfg(feature = "http")]
async fn opened(url: String, options: HttpOptions) -> Result<Arc<dyn Remote>, Error> {
    let network = Arc::new(Network::new(&url, &options)?);
    HttpRemote::open(network, url, options).await
}

/// Opens the transport of an archive, whose length must be known, with the client of this crate.
#[cfg(all(feature = "dar", feature = "http"))]
async fn opened_sized(url: String, mut options: HttpOptions) -> Result<Arc<dyn Remote>, Error> {
    // An archive never changes, so no cache can be stale, and tags are not needed.
    options.session.tags = false;
    let network = Arc::new(Network::new(&url, &options)?);
    HttpRemote::open_sized(network, url, options).await
}

/// Opens the source at a URL, for any kind of file.
#[cfg(all(feature = "dar", feature = "http"))]
pub(crate) fn source(url: &str, options: &HttpOptions) -> Result<RemoteSource, Error> {
    let runner = Runner::new()?;
    let remote = runner.wait(opened_sized(url.to_owned(), options.clone()))?;
    Ok(RemoteSource::new(runner, remote))
}

/// Opens the transport of a URL, for any kind of file and on any executor.
#[cfg(all(feature = "dar", feature = "http"))]
pub(crate) async fn remote(url: &str, options: &HttpOptions) -> Result<Arc<dyn Remote>, Error> {
    crate::remote::driven(opened_sized(url.to_owned(), options.clone())).await
}

#[cfg(feature = "http")]
impl Package {
    /// Opens the package at an `http` or `https` URL.
    ///
    /// All functions of [`Package`] work, and request only the ranges that they need. If the caller
    /// wants many regions, several requests run at once.
    ///
    /// # Errors
    /// `Remote`, or a fault of the package's head and tables.
    pub fn open_url(url: &str) -> Result<Self, Error> {
        Self::open_url_with(url, &HttpOptions::default()).map(|(package, _)| package)
    }

    /// Does the same as [`open_url`](Self::open_url), with a budget and other options. The returned
    /// source counts requests and bytes.
    ///
    /// # Errors
    /// The errors of [`open_url`](Self::open_url).
    pub fn open_url_with(
        url: &str,
        options: &HttpOptions,
    ) -> Result<(Self, Arc<RemoteSource>), Error> {
        let runner = Runner::new()?;
        let remote = runner.wait(opened(url.to_owned(), options.clone()))?;
        RemoteSource::new(runner, remote).into_package(options.limits)
    }
}

impl AsyncPackage {
    /// Opens the package at a URL. `client` fetches the package's bytes, on the executor that polls
    /// the package's futures.
    ///
    /// # Errors
    /// `Remote`, or a fault of the package's head and tables.
    pub async fn open_with_client(
        client: Arc<dyn HttpClient>,
        url: &str,
        options: &HttpOptions,
    ) -> Result<Self, Error> {
        let remote = open_remote(client, url, options).await?;
        Self::from_remote(remote, options.limits).await
    }
}

#[cfg(feature = "http")]
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
        Self::driven(opened(url.to_owned(), options.clone()), options.limits).await
    }
}
