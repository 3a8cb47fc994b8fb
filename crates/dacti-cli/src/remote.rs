//! Opens packages by path or URL, with the options that all reading verbs share.

use crate::outcome::Failure;
use crate::{Talk, output, place};
use core::time::Duration;
use dacti::dar::DarSource;
use dacti::fetch::{Counted, FileSource, ReadAt, open_file};
use dacti::fetch::{HttpOptions, SessionOptions};
use dacti::fetch::{Location, LocationKind, OnPause, RemoteSource, StoreOptions};
use dacti::publish;
use dacti::{Error, Limits, Package};
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;

/// Options of reading: limits on its cost, and how URLs are read.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Cost of reading, and packages under URLs")]
pub(crate) struct Remote {
    /// Print on standard error how many requests were sent and how many bytes were read.
    #[arg(long)]
    pub(crate) stats: bool,
    /// Fail before more than this many bytes are fetched, or read from a file.
    #[arg(long, value_name = "BYTES")]
    max_bytes: Option<u64>,
    /// Fail before more than this many requests are sent, or reads of a file are made.
    #[arg(long, value_name = "N")]
    max_requests: Option<u64>,
    /// Fetch two regions by one request if at most this many unused bytes lie between them.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().gap_len_max)]
    gap: u64,
    /// Seconds to wait for a connection, for the first byte of an answer, and for its next bytes.
    /// The default is 5 for a connection, 10 for bytes from a server, and 20 for bytes from an
    /// object store.
    #[arg(long, value_name = "SECONDS", value_parser = seconds())]
    timeout: Option<u64>,
    /// A header field for each request, as `Name: value`. May be given several times. The field may
    /// be a secret, so only the server of PKG gets it. If a redirect or --head names another
    /// server, that server gets the field only if --header-to names it. Object stores do not accept
    /// this option.
    #[arg(long = "header", value_name = "FIELD")]
    headers: Vec<String>,
    /// Send the fields of --header to this server, too, given as `https://HOST` or
    /// `https://HOST:PORT`. May be given several times.
    #[arg(long = "header-to", value_name = "URL", requires = "headers")]
    header_origins: Vec<String>,
    /// How many requests may be in progress at once.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = at_once())]
    concurrency: u16,
    /// Read the package's head from this URL, which has a copy of it. This helps with a cache that
    /// stores only whole objects: it can keep the small copy for a shorter time than the package.
    #[arg(long, value_name = "URL")]
    head: Option<String>,
    /// Read the archived version N of a package that is published in parts. `dacti log` lists the
    /// versions.
    #[arg(long, value_name = "N")]
    at: Option<u64>,
    /// If a server does not send ranges of a file, read the whole file, however long it is. Without
    /// this option, only files of at most 1 MiB are read whole.
    #[arg(long)]
    allow_whole: bool,
}

fn seconds() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=86_400)
}

fn at_once() -> clap::builder::RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(1..=256)
}

/// Reads the fields of `--header`.
pub(crate) fn headers(fields: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let field = |field: &String| {
        let (name, value) = field.split_once(':')?;
        Some((name.trim().into(), value.trim().into()))
    };
    let usage = || Failure::Usage("write each --header as `Name: value`".into());
    fields.iter().map(field).collect::<Option<_>>().ok_or_else(usage)
}

/// Returns a hook that names the reason for each wait, on a terminal only.
fn on_pause(talk: Talk) -> OnPause {
    if talk == Talk::Quiet || !std::io::stderr().is_terminal() {
        return OnPause::default();
    }
    OnPause::new(|pause| output::note(&pause))
}

#[derive(Debug, Clone)]
enum Count {
    File(Counted),
    Url(Arc<RemoteSource>),
    None,
}

/// The counts of reads, from which the cost of reading is reported.
#[derive(Debug)]
pub(crate) struct Costs(Count);

/// Returns the URL of a package on a server or in an object store; `None` for other packages.
pub(crate) fn url(package: &Path) -> Option<String> {
    kind_and_url(package).map(|(_, url)| url)
}

/// Returns the URL of a package, and the kind of place: a server or an object store. Returns `None`
/// for a path, and for a URL with any other scheme.
fn kind_and_url(package: &Path) -> Option<(LocationKind, String)> {
    let location = Location::from(package);
    let is_known = matches!(location.kind(), LocationKind::Server | LocationKind::Store);
    let url = location.secret_url().filter(|_| is_known)?;
    Some((location.kind(), url.to_owned()))
}

impl Remote {
    /// Opens a package in a file or under a URL. Reads of a file are counted if `counts` or an
    /// option asks for it.
    pub(crate) fn open(
        &self,
        package: &Path,
        limits: Limits,
        counts: bool,
        talk: Talk,
    ) -> Result<(Package, Costs), Failure> {
        self.check_headers(package)?;
        if let Some(version) = self.at {
            let failed = |error| Failure::with(package, &error);
            let source = publish::version(&place::with_history(package)?, version);
            let opened = self.counted(source.map_err(failed)?, limits);
            return opened.map_err(failed);
        }
        self.try_open(package, limits, counts, talk).map_err(|error| Failure::with(package, &error))
    }

    fn check_headers(&self, path: &Path) -> Result<(), Failure> {
        if matches!(kind_and_url(path), Some((LocationKind::Store, _))) && !self.headers.is_empty()
        {
            return Err(Failure::Usage(
                "--header is for http and https URLs: requests to an object store are signed, so \
                 fields cannot be added. Set what the store needs in the environment, such as \
                 AWS_REQUEST_PAYER=true"
                    .into(),
            ));
        }
        // The message does not repeat the field, which may be a secret.
        headers(&self.headers).map(drop)
    }

    /// Returns whether no option limits the cost of reading.
    pub(crate) fn is_unbounded(&self) -> bool {
        self.max_bytes.is_none() && self.max_requests.is_none()
    }

    fn try_open(
        &self,
        package: &Path,
        limits: Limits,
        counts: bool,
        talk: Talk,
    ) -> Result<(Package, Costs), Error> {
        if let Some((kind, url)) = kind_and_url(package) {
            let (package, source) = match kind {
                LocationKind::Server => Package::open_url_with(&url, &self.options(&limits, talk))?,
                _ => Package::open_store_with(&url, &self.store_options(&limits, talk))?,
            };
            return Ok((package, Costs(Count::Url(source))));
        }
        let limits = Limits { gap_len_max: self.gap, ..limits };
        let source = open_file(package)?;
        if counts || self.is_counted() {
            return self.counted(source, limits);
        }
        Ok((Package::from_source(source, limits)?, Costs(Count::None)))
    }

    /// Opens a package whose reads are counted. The options may limit these reads.
    fn counted(&self, source: Arc<dyn ReadAt>, limits: Limits) -> Result<(Package, Costs), Error> {
        let (reads, bytes) = (self.max_requests, self.max_bytes);
        let [reads, bytes] = [reads, bytes].map(|max| max.unwrap_or(u64::MAX));
        let counted = Counted::bounded(source, reads, bytes);
        let package = Package::from_source(Arc::new(counted.clone()), limits)?;
        Ok((package, Costs(Count::File(counted))))
    }

    /// Returns whether an option makes it necessary to count reads, to show or to limit their cost.
    pub(crate) fn is_counted(&self) -> bool {
        self.stats || self.max_bytes.is_some() || self.max_requests.is_some()
    }

    /// Opens a DAR archive or a CAR in a file or under a URL.
    pub(crate) fn open_dar(&self, path: &Path, talk: Talk) -> Result<(DarSource, Costs), Failure> {
        self.check_headers(path)?;
        if self.head.is_some() || self.at.is_some() {
            let why = "--head and --at are for packages: an archive has neither heads nor versions";
            return Err(Failure::Usage(why.into()));
        }
        let limits = Limits::default();
        let opened = || -> Result<(DarSource, Count), Error> {
            if let Some((kind, url)) = kind_and_url(path) {
                let (source, remote) = match kind {
                    LocationKind::Server => {
                        DarSource::open_url(&url, &self.options(&limits, talk))?
                    }
                    _ => DarSource::open_store(&url, &self.store_options(&limits, talk))?,
                };
                return Ok((source, Count::Url(remote)));
            }
            let file: Arc<dyn ReadAt> = Arc::new(FileSource::open(path)?);
            let [reads, bytes] =
                [self.max_requests, self.max_bytes].map(|max| max.unwrap_or(u64::MAX));
            let counted = Counted::bounded(file, reads, bytes);
            Ok((DarSource::new(Arc::new(counted.clone())), Count::File(counted)))
        };
        let (source, count) = opened().map_err(|error| Failure::with(path, &error))?;
        Ok((source, Costs(count)))
    }

    fn options(&self, limits: &Limits, talk: Talk) -> HttpOptions {
        let by_default = HttpOptions::default();
        let session = SessionOptions {
            bytes_max: self.max_bytes.unwrap_or(u64::MAX),
            requests_max: self.max_requests.unwrap_or(u64::MAX),
            allow_whole: self.allow_whole,
            ..by_default.session
        };
        let session = match self.timeout.map(|seconds| seconds.saturating_mul(1_000)) {
            Some(millis) => SessionOptions {
                first_byte_millis_max: millis,
                silence_millis_max: millis,
                ..session
            },
            None => session,
        };
        HttpOptions {
            session,
            headers: headers(&self.headers).unwrap_or_default(),
            header_origins: self.header_origins.clone(),
            head_url: self.head.clone(),
            connect_timeout: self.time(by_default.connect_timeout),
            concurrency: self.concurrency.into(),
            limits: self.limits(limits, &by_default.limits),
            on_pause: on_pause(talk),
            ..by_default
        }
    }

    /// Returns the time that --timeout sets.
    fn time(&self, by_default: Duration) -> Duration {
        self.timeout.map_or(by_default, Duration::from_secs)
    }

    fn store_options(&self, limits: &Limits, talk: Talk) -> StoreOptions {
        let by_default = StoreOptions::default();
        StoreOptions {
            bytes_max: self.max_bytes.unwrap_or(u64::MAX),
            requests_max: self.max_requests.unwrap_or(u64::MAX),
            timeout: self.time(by_default.timeout),
            first_byte_timeout: self.time(by_default.first_byte_timeout),
            connect_timeout: self.time(by_default.connect_timeout),
            on_pause: on_pause(talk),
            head_url: self.head.clone(),
            concurrency: self.concurrency.into(),
            limits: self.limits(limits, &by_default.limits),
            ..by_default
        }
    }

    /// Returns the limits of a verb for a source whose reads are requests.
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
    /// Returns the number of requests (or file reads) and of bytes so far; zeros if they are not
    /// counted.
    pub(crate) fn spent(&self) -> (u64, u64) {
        match &self.0 {
            Count::None => (0, 0),
            Count::File(counted) => (counted.stats().reads, counted.stats().bytes),
            Count::Url(source) => (source.stats().requests, source.stats().bytes),
        }
    }

    /// Prints the cost if --stats asks for it. If a server sent the whole file, always says so.
    pub(crate) fn tell(&self, remote: &Remote) {
        if let Count::Url(source) = &self.0
            && source.is_whole()
        {
            output::warning(
                &"the server does not send ranges of files, or does not state the length: the file \
                  was read whole",
            );
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
