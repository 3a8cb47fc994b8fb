//! How a package in an object store is read.

use crate::Limits;
use crate::fetch::{Location, OnPause};
use core::fmt;
use core::time::Duration;

/// How a package in an object store is read, and how much this may cost.
///
/// Credentials, regions and endpoints are read from environment variables, which the crate
/// `object_store` defines: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`,
/// `AWS_ENDPOINT`, `AWS_ALLOW_HTTP`, `AWS_SKIP_SIGNATURE`, `GOOGLE_SERVICE_ACCOUNT`,
/// `GOOGLE_BASE_URL`, `AZURE_STORAGE_ACCOUNT_NAME`, `AZURE_STORAGE_ENDPOINT` and so on. Profiles of
/// `~/.aws` are not read.
#[derive(Clone)]
pub struct StoreOptions {
    /// Settings that override environment variables of the same names. They may be secrets.
    pub settings: Vec<(String, String)>,
    /// The maximum number of bytes that are fetched.
    pub bytes_max: u64,
    /// The maximum number of requests. Retries of the store's client do not count.
    pub requests_max: u64,
    /// The maximum number of times that a request is repeated while the store cannot serve it.
    pub retries_max: usize,
    /// The maximum time until an answer begins. It includes the time for credentials and retries.
    pub first_byte_timeout: Duration,
    /// The maximum time for one request.
    pub timeout: Duration,
    /// The maximum time for making a connection.
    pub connect_timeout: Duration,
    /// The URL of a copy of the head in a store. All other bytes still come from the URL at which
    /// the package is opened.
    pub head_url: Option<String>,
    /// The maximum number of requests in progress at once, if the caller wants many regions.
    pub concurrency: usize,
    /// The length of one read of a region that is streamed: 4 MiB by default.
    pub read_len: usize,
    /// Other limits of reading. Two defaults differ from those for a file: a read that joins
    /// regions may be up to 4 MiB long, and the index is not read to explain a wrong digest.
    pub limits: Limits,
    /// A function that is called when a fetch waits for two seconds or longer.
    pub on_pause: OnPause,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            settings: Vec::new(),
            bytes_max: u64::MAX,
            requests_max: u64::MAX,
            retries_max: 3,
            first_byte_timeout: Duration::from_secs(20),
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            head_url: None,
            concurrency: 16,
            read_len: 4 << 20,
            limits: Limits { explained_entries_max: 0, read_len_max: 4 << 20, ..Limits::default() },
            on_pause: OnPause::default(),
        }
    }
}

impl fmt::Debug for StoreOptions {
    /// Prints the names of settings without their values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.settings.iter().map(|(name, _)| name).collect();
        f.debug_struct("StoreOptions")
            .field("settings", &names)
            .field("bytes_max", &self.bytes_max)
            .field("requests_max", &self.requests_max)
            .field("head_url", &self.head_url.as_deref().map(Location::from))
            .finish_non_exhaustive()
    }
}
