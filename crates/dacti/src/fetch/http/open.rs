//! Opens packages under URLs, and looks whether they are still the same.
//!
//! Specification: `docs/spec/dacti-http.md`, "Heads".

use super::HttpOptions;
use super::remote::HttpRemote;
use crate::remote::{AsyncPackage, Remote, RemoteSource, Runner, identity_of_head};
use crate::{Error, Package};
use std::sync::Arc;

impl Package {
    /// Opens the package at an `http` or `https` URL.
    ///
    /// Everything that a [`Package`] can do works, by requests for just the ranges that it takes;
    /// many regions are fetched at once.
    ///
    /// # Errors
    /// `Remote`, or what is wrong with the package's head and tables.
    pub fn open_url(url: &str) -> Result<Self, Error> {
        Self::open_url_with(url, &HttpOptions::default()).map(|(package, _)| package)
    }

    /// As [`open_url`](Self::open_url), with a budget and other options; the source tells what was
    /// spent.
    ///
    /// # Errors
    /// As [`open_url`](Self::open_url).
    pub fn open_url_with(
        url: &str,
        options: &HttpOptions,
    ) -> Result<(Self, Arc<RemoteSource>), Error> {
        let runner = Runner::new()?;
        let remote = runner.wait(HttpRemote::open(url.to_owned(), options.clone()))?;
        RemoteSource::new(runner, Arc::new(remote)).into_package(options.limits)
    }
}

impl AsyncPackage {
    /// Opens the package at an `http` or `https` URL.
    ///
    /// # Errors
    /// As [`Package::open_url`].
    pub async fn open_url(url: &str) -> Result<Self, Error> {
        Self::open_url_with(url, &HttpOptions::default()).await
    }

    /// As [`open_url`](Self::open_url), with a budget and other options.
    ///
    /// # Errors
    /// As [`Package::open_url`].
    pub async fn open_url_with(url: &str, options: &HttpOptions) -> Result<Self, Error> {
        Self::driven(HttpRemote::open(url.to_owned(), options.clone()), options.limits).await
    }
}

/// Holds the head as it is now against the one that the session has.
pub(super) async fn check_replaced(remote: &HttpRemote) -> Result<(), Error> {
    if remote.client().session().identity().is_none() {
        // The package is being opened still, from a head that nobody has judged.
        remote.judge(identity_of_head(remote.file().head.clone()))?;
    }
    remote.judge(identity_of_head(remote.fresh_head().await?))
}
