//! How a package is read over HTTP.

use super::exchange::PartCache;
use crate::Limits;
use crate::fetch::OnPause;
use core::fmt;
use core::time::Duration;
use dacti_http::Options;
use std::sync::Arc;

/// How a package is read over HTTP, and how much this may cost.
#[derive(Clone)]
pub struct HttpOptions {
    /// The limits of the session: the budget, retries, waits, and the length of files that are read
    /// whole.
    pub session: Options,
    /// The header fields of each request, as names and values. They may be secrets. So they are
    /// sent only to the origin of the package's URL and to
    /// [`header_origins`](Self::header_origins).
    pub headers: Vec<(String, String)>,
    /// Further origins to which the header fields are sent, such as `https://cdn.example.com`.
    /// Examples are the targets of redirects and the origin of [`head_url`](Self::head_url).
    ///
    /// Header fields, their origins and [`connect_timeout`](Self::connect_timeout) are used only by
    /// the client of the feature `http`. A client of the caller has settings of its own.
    pub header_origins: Vec<String>,
    /// The maximum time for making a connection.
    pub connect_timeout: Duration,
    /// The URL of a copy of the head. All other bytes are still fetched from the package's URL. A
    /// cache that holds only whole objects can keep such a small copy for a shorter time than the
    /// package. An object store can replace the copy at once, but it cannot overwrite only the head
    /// of the package.
    pub head_url: Option<String>,
    /// Whether the query of the package's URL is also added to the URLs of parts. By default, the
    /// URLs of parts have no query.
    pub query_for_parts: bool,
    /// A cache of ranges of parts, for packages in parts. By default there is none.
    pub part_cache: Option<Arc<dyn PartCache>>,
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

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            session: Options::default(),
            headers: Vec::new(),
            header_origins: Vec::new(),
            head_url: None,
            query_for_parts: false,
            part_cache: None,
            connect_timeout: Duration::from_secs(5),
            concurrency: 16,
            read_len: 4 << 20,
            limits: Limits { explained_entries_max: 0, read_len_max: 4 << 20, ..Limits::default() },
            on_pause: OnPause::default(),
        }
    }
}

impl fmt::Debug for HttpOptions {
    /// Prints the names of header fields without their values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("HttpOptions")
            .field("session", &self.session)
            .field("headers", &names)
            .field("head_url", &self.head_url.as_deref().map(crate::fetch::Location::from))
            .finish_non_exhaustive()
    }
}
