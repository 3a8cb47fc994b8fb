//! Opens packages under URLs, and looks whether they are still the same.
//!
//! Specification: `docs/spec/dacti-http.md`, "Heads".

use super::HttpOptions;
use super::remote::HttpRemote;
use crate::remote::{AsyncPackage, RemoteSource, Runner};
use crate::source::ReadAt;
use crate::{Error, Package, View};
use dacti_http::Identity;
use std::io;
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
        let remote = HttpRemote::open(url.to_owned(), options.clone()).await?;
        Self::of_remote(Arc::new(remote), options.limits).await
    }
}

/// Holds the head as it is now against the one that the session has.
pub(super) async fn check_replaced(remote: &HttpRemote) -> Result<(), Error> {
    let head = HeadAlone(remote.fresh_head().await?);
    // A head that cannot be read by itself says nothing.
    let Ok(view) = View::read(&head) else { return Ok(()) };
    let judged = remote.client().session().judge(identity(&view));
    judged.map(drop).map_err(|error| remote.client().failed(error, None))
}

/// A head, and nothing of the file behind it.
#[derive(Debug)]
struct HeadAlone(Vec<u8>);

impl ReadAt for HeadAlone {
    fn len(&self) -> u64 {
        u64::MAX >> 1
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(at).ok().and_then(|at| self.0.get(at..)).unwrap_or_default();
        if rest.is_empty() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let len = rest.len().min(buf.len());
        for (to, from) in buf.iter_mut().zip(rest) {
            *to = *from;
        }
        Ok(len)
    }
}

/// Which file a head is of, and in which state.
pub(super) fn identity(view: &View) -> Identity {
    let file_id = view.layout().map_or_else(
        || {
            let head = view.head();
            let bytes = head.answer(head.span()).unwrap_or_default();
            let [hash @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] =
                *blake3::hash(bytes).as_bytes();
            hash
        },
        |layout| layout.file_id,
    );
    Identity { file_id, generation: [view.index().start, view.delta_entries(), 0] }
}
