//! Connections: how many, for how long, and how they end.

use crate::Site;
use crate::answer::Answer;
use crate::file::Origin;
use core::convert::Infallible;
use core::future::Future;
use core::net::SocketAddr;
use core::pin::pin;
use core::time::Duration;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::io;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;

/// Bytes that the fields of a request may take.
const FIELDS_MAX: usize = 16 * 1024;
/// How long to wait where the system has no room for another connection.
const PAUSE: Duration = Duration::from_millis(50);

/// What stands in a URL as it is, is not escaped there: RFC 3986, section 2.3.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What the server may spend, and what it tells caches.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Connections at once; further ones wait to be accepted.
    pub connections_max: usize,
    /// Regions under way at once. Each takes a thread while it is made, and at most 8 MiB until the
    /// client has it.
    pub regions_max: usize,
    /// Files of which it is remembered whether they are packages. A package takes 64 KiB, and its
    /// lookup keys and names once they were asked for.
    pub packages_max: usize,
    /// How long a connection may make no progress.
    pub idle_max: Duration,
    /// How long requests under way may take when the server is stopped.
    pub stop_max: Duration,
    /// Seconds for which caches may keep a package's head, and any other file.
    pub head_max_age: u32,
    /// Seconds for which caches may keep what never changes: a package's bytes behind its head.
    pub data_max_age: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connections_max: 1024,
            regions_max: 32,
            packages_max: 256,
            idle_max: Duration::from_secs(30),
            stop_max: Duration::from_secs(10),
            head_max_age: 5,
            data_max_age: 31_536_000,
        }
    }
}

/// A server that listens, and answers once it [runs](Self::run).
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    origin: Arc<Origin>,
    options: Options,
}

impl Server {
    /// Listens at `address`; port 0 takes any that is free.
    ///
    /// # Errors
    /// What the system says.
    pub async fn bind(site: Site, address: SocketAddr, options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let origin = Arc::new(Origin::new(site, &options));
        Ok(Self { listener, address, origin, options })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of what is served: of the one file, or of the directory's root.
    #[must_use]
    pub fn url(&self) -> String {
        let name = utf8_percent_encode(self.origin.only().unwrap_or_default(), ESCAPED);
        format!("http://{}/{name}", self.address)
    }

    /// Answers requests until `stop` is done. Then no connection is accepted any more, and those
    /// under way have [`Options::stop_max`] to finish.
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
        // Those that take longer end with the runtime.
        let _ = tokio::time::timeout(self.options.stop_max, graceful.shutdown()).await;
    }

    fn connect(&self, stream: TcpStream, place: OwnedSemaphorePermit, graceful: &GracefulShutdown) {
        // Where the system refuses, answers come a little later.
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        stream.set_read_timeout(Some(self.options.idle_max));
        stream.set_write_timeout(Some(self.options.idle_max));
        let origin = Arc::clone(&self.origin);
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let origin = Arc::clone(&origin);
            async move {
                let (method, path) = (request.method(), request.uri().path());
                let answer: Answer = origin.answer(method, path, request.headers()).await;
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
            // A client that goes away, or talks no HTTP, is nobody's fault here.
            let _ = connection.await;
            drop(place);
        });
    }
}

/// The next connection, once there is room for it; `None` where the system had none for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    if let Ok((stream, _)) = listener.accept().await {
        return Some((stream, place));
    }
    // Out of file descriptors, most likely: others end meanwhile.
    tokio::time::sleep(PAUSE).await;
    None
}
