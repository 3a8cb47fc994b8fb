//! Packages by path or URL: what every verb that reads them takes.

use crate::outcome::Failure;
use crate::output;
use core::time::Duration;
use dacti::fetch::RemoteSource;
use dacti::fetch::StoreOptions;
use dacti::fetch::{Counted, FileSource, ReadAt};
use dacti::fetch::{HttpOptions, SessionOptions};
use dacti::{Error, Limits, Package};
use std::path::Path;
use std::sync::Arc;

/// How packages under URLs are read, and what that may cost.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "What reading may cost, and packages under URLs")]
pub(crate) struct Remote {
    /// Say on standard error what was read, and by how many requests.
    #[arg(long)]
    pub(crate) stats: bool,
    /// End with an error before more bytes are fetched, or read from a file.
    #[arg(long, value_name = "BYTES")]
    max_bytes: Option<u64>,
    /// End with an error before more requests are sent, or reads of a file are made.
    #[arg(long, value_name = "N")]
    max_requests: Option<u64>,
    /// Bytes between two regions that are fetched for nothing, to save a request.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().gap_len_max)]
    gap: u64,
    /// Seconds that a server may say nothing.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = seconds())]
    timeout: u64,
    /// A header field that each request carries, as `Name: value`. May be given several times. It
    /// does not follow a redirect to another server, and is refused for object stores.
    #[arg(long = "header", value_name = "FIELD", value_parser = header)]
    headers: Vec<(String, String)>,
    /// Requests under way at once.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = at_once())]
    concurrency: u16,
    /// The URL of a copy of the package's head, which is read from there alone: caches that hold
    /// whole objects can keep it for a shorter time than the package.
    #[arg(long, value_name = "URL")]
    head: Option<String>,
    /// Read the file whole, however long, where its server has no ranges. Without it, files of at
    /// most 1 MiB are.
    #[arg(long)]
    allow_whole: bool,
    /// Whether to count what is read, though it is not to be told.
    #[arg(skip)]
    pub(crate) counts: bool,
}

fn seconds() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=86_400)
}

fn at_once() -> clap::builder::RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(1..=256)
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("a field is `Name: value`")?;
    Ok((name.trim().into(), value.trim().into()))
}

/// An open package, and what counts its cost.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) package: Package,
    count: Count,
}

#[derive(Debug, Clone)]
enum Count {
    File(Counted),
    Url(Arc<RemoteSource>),
    None,
}

/// Tells what was read.
#[derive(Debug)]
pub(crate) struct Costs(Count);

impl Opened {
    /// The package, and what tells its cost later.
    pub(crate) fn into_parts(self) -> (Package, Costs) {
        (self.package, Costs(self.count))
    }
}

/// Schemes of URLs, and whether a server answers there or an object store.
const SCHEMES: [(&str, Kind); 10] = [
    ("http", Kind::Server),
    ("https", Kind::Server),
    ("s3", Kind::Store),
    ("s3a", Kind::Store),
    ("gs", Kind::Store),
    ("az", Kind::Store),
    ("azure", Kind::Store),
    ("abfs", Kind::Store),
    ("abfss", Kind::Store),
    ("file", Kind::Store),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Server,
    Store,
}

/// The URL that a package is given by, where it is one.
pub(crate) fn url(package: &Path) -> Option<&str> {
    kind_and_url(package).map(|(_, url)| url)
}

fn kind_and_url(package: &Path) -> Option<(Kind, &str)> {
    let text = package.to_str()?;
    let (scheme, _) = text.split_once("://")?;
    let known = SCHEMES.iter().find(|(known, _)| scheme.eq_ignore_ascii_case(known));
    known.map(|(_, kind)| (*kind, text))
}

impl Remote {
    /// Opens a package in a file or under a URL.
    pub(crate) fn open(&self, package: &Path, limits: Limits) -> Result<Opened, Failure> {
        if matches!(kind_and_url(package), Some((Kind::Store, _))) && !self.headers.is_empty() {
            return Err(Failure::Usage(
                "--header is for http and https URLs: a request to an object store is signed as it \
                 is, and what the store needs besides is set in the environment, such as \
                 AWS_REQUEST_PAYER=true"
                    .into(),
            ));
        }
        self.try_open(package, limits).map_err(|error| Failure::with(package, &error))
    }

    fn try_open(&self, package: &Path, limits: Limits) -> Result<Opened, Error> {
        if let Some((kind, url)) = kind_and_url(package) {
            let (package, source) = match kind {
                Kind::Server => Package::open_url_with(url, &self.options(&limits))?,
                Kind::Store => Package::open_store_with(url, &self.store_options(&limits))?,
            };
            return Ok(Opened { package, count: Count::Url(source) });
        }
        let limits = Limits { gap_len_max: self.gap, ..limits };
        let source: Arc<dyn ReadAt> = Arc::new(FileSource::open(package)?);
        let is_bounded = self.max_bytes.is_some() || self.max_requests.is_some();
        if is_bounded || self.stats || self.counts {
            let (reads, bytes) = (self.max_requests, self.max_bytes);
            let [reads, bytes] = [reads, bytes].map(|max| max.unwrap_or(u64::MAX));
            let counted = Counted::bounded(source, reads, bytes);
            let package = Package::from_source(Arc::new(counted.clone()), limits)?;
            return Ok(Opened { package, count: Count::File(counted) });
        }
        Ok(Opened { package: Package::from_source(source, limits)?, count: Count::None })
    }

    fn options(&self, limits: &Limits) -> HttpOptions {
        let by_default = HttpOptions::default();
        let session = SessionOptions {
            bytes_max: self.max_bytes.unwrap_or(u64::MAX),
            requests_max: self.max_requests.unwrap_or(u64::MAX),
            silence_millis_max: self.timeout.saturating_mul(1_000),
            allow_whole: self.allow_whole,
            ..by_default.session
        };
        HttpOptions {
            session,
            headers: self.headers.clone(),
            head_url: self.head.clone(),
            connect_timeout: Duration::from_secs(self.timeout.min(10)),
            concurrency: self.concurrency.into(),
            limits: self.limits(limits, &by_default.limits),
            ..by_default
        }
    }

    fn store_options(&self, limits: &Limits) -> StoreOptions {
        let by_default = StoreOptions::default();
        StoreOptions {
            bytes_max: self.max_bytes.unwrap_or(u64::MAX),
            requests_max: self.max_requests.unwrap_or(u64::MAX),
            timeout: Duration::from_secs(self.timeout),
            connect_timeout: Duration::from_secs(self.timeout.min(10)),
            head_url: self.head.clone(),
            concurrency: self.concurrency.into(),
            limits: self.limits(limits, &by_default.limits),
            ..by_default
        }
    }

    /// The limits of a verb, where each read is a request.
    fn limits(&self, limits: &Limits, remote: &Limits) -> Limits {
        Limits {
            gap_len_max: self.gap,
            read_len_max: remote.read_len_max,
            explained_entries_max: remote.explained_entries_max,
            ..*limits
        }
    }
}

impl Costs {
    /// Requests, or reads of a file, and bytes so far, where they are counted.
    pub(crate) fn spent(&self) -> (u64, u64) {
        match &self.0 {
            Count::None => (0, 0),
            Count::File(counted) => (counted.stats().reads, counted.stats().bytes),
            Count::Url(source) => (source.stats().requests, source.stats().bytes),
        }
    }

    /// Says what was read, where that was asked for, and that a file was read whole, always.
    pub(crate) fn tell(&self, remote: &Remote) {
        if let Count::Url(source) = &self.0
            && source.is_whole()
        {
            output::warning(&"the server has no ranges: the file was read whole");
        }
        if !remote.stats {
            return;
        }
        match &self.0 {
            Count::None => {}
            Count::File(counted) => {
                let stats = counted.stats();
                output::note(&format!("{} reads, {} bytes", stats.reads, stats.bytes));
            }
            Count::Url(source) => {
                let stats = source.stats();
                output::note(&format!(
                    "{} requests, {} bytes, {} retries, {} resumes, {} escalations, {} stale \
                     answers ({} of them 416), {} whole-file answers, {} redirects",
                    stats.requests,
                    stats.bytes,
                    stats.retries,
                    stats.resumes,
                    stats.escalations,
                    stats.stale,
                    stats.not_satisfiable,
                    stats.whole,
                    stats.redirects,
                ));
            }
        }
    }
}
