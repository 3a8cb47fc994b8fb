//! How a package in an object store is read.

use crate::Limits;
use core::fmt;
use core::time::Duration;

/// How a package in an object store is read, and what it may cost.
///
/// Credentials, regions and endpoints are taken from the environment, under the names that the
/// crate `object_store` has for them: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`,
/// `AWS_ENDPOINT`, `AWS_SKIP_SIGNATURE`, `GOOGLE_SERVICE_ACCOUNT`, `AZURE_STORAGE_ACCOUNT_NAME` and
/// so on.
#[derive(Clone)]
pub struct StoreOptions {
    /// Settings that count before those of the environment, under the same names. They may be
    /// secrets.
    pub settings: Vec<(String, String)>,
    /// Bytes that may be fetched.
    pub bytes_max: u64,
    /// Requests that may be sent. Those that the store's client repeats are not counted.
    pub requests_max: u64,
    /// How often a request is repeated that the store could not serve just then.
    pub retries_max: usize,
    /// How long one request may take.
    pub timeout: Duration,
    /// How long making a connection may take.
    pub connect_timeout: Duration,
    /// A copy of the head in a store, where there is one; then all other bytes alone are fetched
    /// from the package itself.
    pub head_url: Option<String>,
    /// Requests under way at once, where many regions are asked for.
    pub concurrency: usize,
    /// Bytes that are read at once of a region that is streamed: 4 MiB by default.
    pub read_len: usize,
    /// What reading may cost otherwise. By default regions are joined more than in a file, and
    /// nothing is read to explain a digest that does not fit.
    pub limits: Limits,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            settings: Vec::new(),
            bytes_max: u64::MAX,
            requests_max: u64::MAX,
            retries_max: 3,
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            head_url: None,
            concurrency: 16,
            read_len: 4 << 20,
            limits: Limits { explained_entries_max: 0, read_len_max: 4 << 20, ..Limits::default() },
        }
    }
}

impl fmt::Debug for StoreOptions {
    /// Names of settings, and not what they are set to.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.settings.iter().map(|(name, _)| name).collect();
        f.debug_struct("StoreOptions")
            .field("settings", &names)
            .field("bytes_max", &self.bytes_max)
            .field("requests_max", &self.requests_max)
            .field("head_url", &self.head_url)
            .finish_non_exhaustive()
    }
}
