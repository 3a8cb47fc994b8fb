//! How a package is read over HTTP.

use crate::Limits;
use core::time::Duration;
use dacti_http::Options;

/// How a package is read over HTTP, and what it may cost.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// The bounds that a session keeps: budget, retries, patience, files read whole.
    pub session: Options,
    /// Header fields that each request carries, name and value. They do not follow a redirect to
    /// another origin.
    pub headers: Vec<(String, String)>,
    /// How long making a connection may take.
    pub connect_timeout: Duration,
    /// The URL of a copy of the head, where there is one; then all other bytes alone are fetched
    /// from the package's own. Caches that hold whole objects keep such a copy for a shorter time,
    /// and object stores replace it at once, which no part of an object can be.
    pub head_url: Option<String>,
    /// Requests under way at once, where many regions are asked for.
    pub concurrency: usize,
    /// Bytes that are read at once of a region that is streamed: 4 MiB by default.
    pub read_len: usize,
    /// What reading may cost otherwise. By default regions are joined more than in a file, and
    /// nothing is read to explain a digest that does not fit.
    pub limits: Limits,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            session: Options::default(),
            headers: Vec::new(),
            head_url: None,
            connect_timeout: Duration::from_secs(10),
            concurrency: 16,
            read_len: 4 << 20,
            limits: Limits { explained_entries_max: 0, read_len_max: 4 << 20, ..Limits::default() },
        }
    }
}
