//! Runs transports that need a runtime of `tokio`, for callers that may have no such runtime.

use super::source::Runner;
use super::{Fetching, Remote, RemoteFile};
use crate::fetch::Doubt;
use crate::read::view::read_failed;
use crate::{Error, ErrorKind, View};
use core::any::Any;
use core::future::Future;
use core::pin::Pin;
use dacti_http::Stats;
use daicon_core::Span;
use std::io;
use std::sync::{Arc, OnceLock};
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};

/// Runs futures on the runtime of `tokio` that polls them. On any other executor, it runs them on a
/// thread of its own, which it starts at the first use.
#[derive(Debug, Default)]
pub(crate) struct Driver(OnceLock<Runner>);

/// A task that ends when this value is dropped.
struct Task<T>(JoinHandle<T>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Driver {
    /// Runs `work` to its end.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let handle = match Handle::try_current() {
            Ok(handle) => handle,
            Err(_) => self.own()?,
        };
        let mut task = Task(handle.spawn(work));
        (&mut task.0).await.unwrap_or_else(|error| Err(failed(error)))
    }

    fn own(&self) -> Result<Handle, Error> {
        if self.0.get().is_none() {
            // If two threads make a runner at once, one of the runners is kept.
            let _ = self.0.set(Runner::new()?);
        }
        let handle = self.0.get().and_then(Runner::handle);
        handle.ok_or_else(|| read_failed(io::ErrorKind::NotConnected.into()))
    }
}

/// Returns the error of a task that gave no result. Either its runtime ended, or the task panicked
/// because its runtime was built without IO or without time. Any other panic is raised again.
fn failed(error: JoinError) -> Error {
    let Ok(panic) = error.try_into_panic() else {
        // The runtime was shut down while the package was read.
        return read_failed(io::Error::new(io::ErrorKind::NotConnected, "the runtime has ended"));
    };
    if lacks_driver(&*panic) {
        let source = io::Error::new(
            io::ErrorKind::Unsupported,
            "the tokio runtime that reads the package has no IO or no timer: build it with \
             enable_all",
        );
        let (place, kind) = ("tokio".into(), ErrorKind::Misuse);
        return Error::Remote { place, kind, source: source.into() };
    }
    std::panic::resume_unwind(panic)
}

/// Returns whether `tokio` panicked because its runtime was built without IO or without time.
fn lacks_driver(panic: &(dyn Any + Send)) -> bool {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.is_some_and(|text| text.contains("`enable_io`") || text.contains("`enable_time`"))
}

/// A transport that needs a runtime of `tokio`, made usable on any async runtime.
#[derive(Debug)]
struct Driven {
    driver: Arc<Driver>,
    remote: Arc<dyn Remote>,
}

/// Opens a transport that needs a runtime of `tokio`, and makes it usable on any
/// async runtime.
pub(crate) async fn driven(
    opening: impl Future<Output = Result<Arc<dyn Remote>, Error>> + Send + 'static,
) -> Result<Arc<dyn Remote>, Error> {
    let driver = Arc::new(Driver::default());
    let remote = driver.run(opening).await?;
    Ok(Arc::new(Driven { driver, remote }))
}

impl Remote for Driven {
    fn file(&self) -> &RemoteFile {
        self.remote.file()
    }

    fn is_in_parts(&self) -> bool {
        self.remote.is_in_parts()
    }

    fn fetch(self: Arc<Self>, span: Span) -> Fetching<Vec<u8>> {
        Box::pin(async move { self.driver.run(Arc::clone(&self.remote).fetch(span)).await })
    }

    fn stats(&self) -> Stats {
        self.remote.stats()
    }

    fn is_whole(&self) -> bool {
        self.remote.is_whole()
    }

    fn at_hand(&self, span: Span) -> Option<io::Result<Vec<u8>>> {
        self.remote.at_hand(span)
    }

    fn is_final(&self, span: Span) -> bool {
        self.remote.is_final(span)
    }

    fn doubt(&self, span: Span, why: Doubt) -> Result<bool, Error> {
        self.remote.doubt(span, why)
    }

    fn explained(self: Arc<Self>, error: Error) -> Pin<Box<dyn Future<Output = Error> + Send>> {
        Box::pin(async move {
            let explained = Arc::clone(&self.remote).explained(error);
            let explained = self.driver.run(async { Ok(explained.await) }).await;
            explained.unwrap_or_else(|error| error)
        })
    }

    fn ended(&self) -> Option<Error> {
        self.remote.ended()
    }

    fn confirmed(self: Arc<Self>) -> Fetching<()> {
        Box::pin(async move { self.driver.run(Arc::clone(&self.remote).confirmed()).await })
    }

    fn look(&self, fetches: bool) -> Option<Span> {
        self.remote.look(fetches)
    }

    fn note_region(&self, region: Span) {
        self.remote.note_region(region);
    }

    fn may_be_upload(&self) -> bool {
        self.remote.may_be_upload()
    }

    fn reloaded(self: Arc<Self>, n: u32) -> Fetching<Option<Arc<dyn Remote>>> {
        Box::pin(async move {
            let fresh = self.driver.run(Arc::clone(&self.remote).reloaded(n)).await?;
            let driver = Arc::clone(&self.driver);
            Ok(fresh.map(|remote| Arc::new(Self { driver, remote }) as Arc<dyn Remote>))
        })
    }

    fn opened(&self, view: &View) {
        self.remote.opened(view);
    }
}
