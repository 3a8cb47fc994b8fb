//! Accepts connections, limits their number and their time, and ends them when the server stops.

use crate::Site;
use crate::answer::{self, Answer};
use crate::file::Origin;
use crate::options::Options;
use crate::target::ESCAPED;
use core::convert::Infallible;
use core::fmt;
use core::future::Future;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::pin::pin;
use core::time::Duration;
use hyper::body::Incoming;
use hyper::header::{HOST, RANGE};
use hyper::http::uri::PathAndQuery;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{StatusCode, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use percent_encoding::utf8_percent_encode;
use std::io;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;

/// The maximum length of a request's header fields, in bytes.
const FIELDS_MAX: usize = 16 * 1024;
/// The wait after the system could not accept another connection.
const PAUSE: Duration = Duration::from_millis(50);

/// A server that listens. It answers requests while [`run`](Self::run) is in progress.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    origin: Arc<Origin>,
    options: Options,
    log: Log,
}

/// Returns whether a request has the `Host` field that its version requires: RFC 9112, section 3.2.
fn names_its_host(request: &hyper::Request<Incoming>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), None) => true,
        (None, _) => request.version() < Version::HTTP_11,
        (Some(_), Some(_)) => false,
    }
}

type TakeLogged = dyn Fn(&Logged<'_>) + Send + Sync;

/// A function that is called for each answered request.
#[derive(Clone, Default)]
struct Log(Option<Arc<TakeLogged>>);

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Log(..)" } else { "Log(none)" })
    }
}

impl Log {
    fn tell(&self, request: &hyper::Request<Incoming>, answer: &Answer, started: Instant) {
        let Some(log) = &self.0 else { return };
        let target = request.uri().path_and_query().map_or("", PathAndQuery::as_str);
        let range = request.headers().get(RANGE).and_then(|range| range.to_str().ok());
        log(&Logged {
            method: request.method().as_str(),
            target,
            range,
            status: answer.status().as_u16(),
            len: http_body::Body::size_hint(answer.body()).exact(),
            time: started.elapsed(),
        });
    }
}

/// A request, and the status and length of its answer. `Display` writes one line without control
/// characters. It leaves out values of the query that may be secret.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Logged<'l> {
    /// The method.
    pub method: &'l str,
    /// The path with its query, escaped as the client sent it.
    pub target: &'l str,
    /// The `Range` field, if the request has one and it is text.
    pub range: Option<&'l str>,
    /// The status of the answer.
    pub status: u16,
    /// The length of the answer's body, if it is known.
    pub len: Option<u64>,
    /// The time from the arrival of the request's header fields until the answer's header fields
    /// are ready.
    pub time: Duration,
}

/// The fields of a query whose values are not secret: the tags of readers, and fields of the
/// gateway.
const PUBLIC_FIELDS: [&str; 4] = ["g", "format", "dag-scope", "entity-bytes"];

impl fmt::Display for Logged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, target, range, status, len, time } = self;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        write!(f, "{method} {path}")?;
        for (n, field) in query.split('&').filter(|field| !field.is_empty()).enumerate() {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            let value = if PUBLIC_FIELDS.contains(&name) { value } else { "..." };
            write!(f, "{}{name}={value}", if n == 0 { '?' } else { '&' })?;
        }
        if let Some(range) = range {
            write!(f, " {range}")?;
        }
        write!(f, " -> {status}")?;
        if let Some(len) = len {
            write!(f, ", {len} bytes")?;
        }
        write!(f, ", {} ms", time.as_millis())
    }
}

impl Server {
    /// Listens at `address`. With port 0, the system chooses a free port.
    ///
    /// # Errors
    /// The system's error.
    pub async fn bind(site: Site, address: SocketAddr, options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let origin = Arc::new(Origin::new(site, &options));
        Ok(Self { listener, address, origin, options, log: Log::default() })
    }

    /// Calls `log` for each request, when the status and the header fields of its answer are ready.
    #[must_use]
    pub fn log_to(self, log: impl Fn(&Logged<'_>) + Send + Sync + 'static) -> Self {
        Self { log: Log(Some(Arc::new(log))), ..self }
    }

    /// Returns the address at which it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL of the one file, or of the directory.
    #[must_use]
    pub fn url(&self) -> String {
        let name = utf8_percent_encode(self.origin.only().unwrap_or_default(), ESCAPED);
        // A server that listens at all addresses can be reached at the loopback address.
        let mut address = self.address;
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        format!("http://{address}/{}{name}", self.origin.start())
    }

    /// Returns the URL to open in a browser: the pages of the one package, or the directory.
    #[must_use]
    pub fn page_url(&self) -> String {
        let is_package = self.origin.only().is_some_and(|name| name.ends_with(".dacti-pack"));
        format!("{}{}", self.url(), if is_package { "/-/" } else { "" })
    }

    /// Answers requests until `stop` completes. Then it accepts no more connections, and requests
    /// in progress have [`Options::stop_max`] to finish.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let places = Arc::new(Semaphore::new(self.options.connections_max.max(1)));
        let graceful = GracefulShutdown::new();
        let mut stop = pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = accept(&self.listener, &places) => accepted,
            };
            if let Some((stream, place)) = accepted {
                self.connect(stream, place, &graceful);
            }
        }
        drop(self.listener);
        // Connections that take longer are cut when the program drops the runtime.
        let _ = tokio::time::timeout(self.options.stop_max, graceful.shutdown()).await;
    }

    fn connect(&self, stream: TcpStream, place: OwnedSemaphorePermit, graceful: &GracefulShutdown) {
        // A failure is ignored: without this option, answers only arrive a little later.
        let _ = stream.set_nodelay(true);
        // Only writes have a timeout here, because a client sends nothing while it waits for an
        // answer or receives one. The wait for a request is limited below.
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.options.idle_max));
        let (origin, log) = (Arc::clone(&self.origin), self.log.clone());
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let (origin, log) = (Arc::clone(&origin), log.clone());
            async move {
                let started = Instant::now();
                let answer = if names_its_host(&request) {
                    let (method, uri) = (request.method(), request.uri());
                    origin.answer(method, uri, request.headers()).await
                } else {
                    let why = "a request of HTTP/1.1 needs exactly one Host field";
                    answer::failed(StatusCode::BAD_REQUEST, why)
                };
                log.tell(&request, &answer, started);
                Ok::<_, Infallible>(answer)
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.options.idle_max)
            .max_buf_size(FIELDS_MAX)
            .serve_connection(TokioIo::new(Box::pin(stream)), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // Errors are ignored: most often a client has left, or has sent something that is not
            // HTTP.
            let _ = connection.await;
            drop(place);
        });
    }
}

/// Waits until there is room for a connection, and returns the next one. Returns `None` if the
/// system has no room.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    if let Ok((stream, _)) = listener.accept().await {
        return Some((stream, place));
    }
    // Most likely the system has no file descriptor left until other connections end.
    tokio::time::sleep(PAUSE).await;
    None
}
