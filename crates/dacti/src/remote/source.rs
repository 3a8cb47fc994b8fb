//! A remote file as a source: blocking reads over what is async.
//!
//! The fetches run on a runtime of the source's own, so that it can be read from any thread, a
//! runtime's among them.

use super::Remote;
use super::ahead::Ahead;
use crate::fetch::source::{Doubt, ReadAt};
use crate::read::view::read_failed;
use crate::{Error, ErrorKind, Limits, Package, View};
use core::future::Future;
use dacti_http::Stats;
use daicon_core::Span;
use std::io;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::{Builder, Runtime};
use tokio::task::AbortHandle;

/// A package under a URL, of a server or an object store.
///
/// The head was fetched when it was opened; all else is when it is read, each range by itself, and
/// ahead where it is told what will be.
#[derive(Debug)]
pub struct RemoteSource {
    remote: Arc<dyn Remote>,
    runner: Runner,
    ahead: Mutex<Ahead<Begun>>,
}

/// A read that was begun ahead. It is given up where it is dropped.
#[derive(Debug)]
struct Begun {
    bytes: Receiver<Result<Vec<u8>, Error>>,
    task: AbortHandle,
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A runtime, for threads that wait.
#[derive(Debug)]
pub(crate) struct Runner(Option<Runtime>);

impl Runner {
    pub(crate) fn new() -> Result<Self, Error> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let failed = |error| Error::io("start threads for", "".as_ref(), error);
        Ok(Self(Some(runtime.map_err(failed)?)))
    }

    /// Starts `work`, and says where what comes of it will be.
    fn start<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<(Receiver<T>, AbortHandle)> {
        let (sender, receiver) = sync_channel(1);
        let task = self.0.as_ref()?.spawn(async move {
            // Nobody waits for what was given up.
            let _ = sender.send(work.await);
        });
        Some((receiver, task.abort_handle()))
    }

    /// Waits for `work`, without keeping a runtime from its work.
    pub(crate) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let started = self.start(work).and_then(|(receiver, _)| receiver.recv().ok());
        started.unwrap_or_else(|| Err(read_failed(io::ErrorKind::NotConnected.into())))
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // A runtime may not wait for its threads where it is dropped by another runtime's.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl RemoteSource {
    pub(crate) fn new(runner: Runner, remote: Arc<dyn Remote>) -> Self {
        let ahead = Mutex::new(Ahead::new(remote.file().concurrency.max(1)));
        Self { remote, runner, ahead }
    }

    /// Opens the package that is there.
    pub(crate) fn into_package(mut self, limits: Limits) -> Result<(Package, Arc<Self>), Error> {
        // A head that makes no sense may be a stale edge's: asked for once more, past it.
        if let Err(fault) = View::read(&self)
            && is_odd(&fault)
            && let Some(fresh) = self.runner.wait(Arc::clone(&self.remote).reloaded())?
        {
            self.remote = fresh;
        }
        let source = Arc::new(self);
        let package = Package::from_source(Arc::clone(&source) as Arc<dyn ReadAt>, limits)?;
        source.remote.opened(package.view());
        Ok((package, source))
    }

    /// What was spent so far, and what was met.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.remote.stats()
    }

    /// Whether the file was read whole, as the server has no ranges.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.remote.is_whole()
    }

    /// The bytes of `span`, read ahead or fetched now.
    fn fetch(&self, span: Span) -> Result<Vec<u8>, Error> {
        match self.take_ahead(span) {
            Some(bytes) => Ok(bytes),
            None => self.runner.wait(Arc::clone(&self.remote).fetch(span)),
        }
    }

    fn ahead(&self) -> MutexGuard<'_, Ahead<Begun>> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was read ahead of `span`, where it was, and begins the next reads.
    fn take_ahead(&self, span: Span) -> Option<Vec<u8>> {
        let begun = self.ahead().take(span)?;
        let bytes = begun.bytes.recv().ok();
        self.begin_ahead();
        // A failure is met again by the read that follows, which may know more ways.
        bytes.and_then(Result::ok)
    }

    /// Keeps as many reads under way as there may be.
    fn begin_ahead(&self) {
        let mut ahead = self.ahead();
        while ahead.begin_next(|span| self.begin(span)) {}
    }

    fn begin(&self, span: Span) -> Option<Begun> {
        let (bytes, task) = self.runner.start(Arc::clone(&self.remote).fetch(span))?;
        Some(Begun { bytes, task })
    }
}

/// Whether a head makes no sense.
pub(super) fn is_odd(fault: &Error) -> bool {
    matches!(fault.kind(), ErrorKind::Corrupt | ErrorKind::Truncated)
}

impl ReadAt for RemoteSource {
    fn len(&self) -> u64 {
        self.remote.file().len
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        super::read_into(self, at, buf)
    }

    fn slice(&self, span: Span) -> Option<&[u8]> {
        self.remote.in_head(span)
    }

    fn read(&self, span: Span) -> io::Result<Vec<u8>> {
        match self.remote.near(span) {
            Ok(bytes) => bytes,
            Err(span) => self.fetch(span).map_err(io::Error::other),
        }
    }

    fn read_len(&self) -> usize {
        self.remote.file().read_len
    }

    fn will_read(&self, spans: &[Span]) {
        if spans.len() < 2 {
            return;
        }
        let mut ahead = self.ahead();
        // As they are asked for when they are read.
        let far = spans.iter().filter_map(|span| self.remote.far(*span));
        far.for_each(|span| ahead.tell(span));
        drop(ahead);
        self.begin_ahead();
    }

    fn will_not_read(&self, spans: &[Span]) {
        let mut ahead = self.ahead();
        for span in spans {
            drop(ahead.take(*span));
        }
        drop(ahead);
        self.begin_ahead();
    }

    fn doubt(&self, span: Span, why: Doubt) -> io::Result<bool> {
        if self.remote.is_final(span) {
            return Ok(false);
        }
        self.remote.doubt(span, why).map_err(|error| {
            let explained = Arc::clone(&self.remote).explained(error);
            // Where nobody can look, that is why.
            let waited = self.runner.wait(async { Ok(explained.await) });
            io::Error::other(waited.unwrap_or_else(|error| error))
        })
    }
}
