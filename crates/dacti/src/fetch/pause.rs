//! Tells the program about pauses: why a fetch waits, and for how long.

use super::Location;
use core::fmt;
use core::time::Duration;
use futures_util::future::{Either, select};
use std::sync::Arc;

/// A wait of a fetch.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Pause<'p> {
    /// The location to which requests are sent.
    pub place: &'p Location,
    /// The reason for the wait.
    pub why: &'static str,
    /// The maximum time that the wait may still take.
    pub at_most: Duration,
}

impl fmt::Display for Pause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, why, at_most } = self;
        let seconds = at_most.as_millis().div_ceil(1_000);
        write!(f, "{place}: {why}; waiting for up to {seconds} s")
    }
}

type Tell = dyn Fn(Pause<'_>) + Send + Sync;

/// A function that is called when a fetch waits for two seconds or longer. With it, a program can
/// tell its user about the wait.
#[derive(Clone, Default)]
pub struct OnPause(Option<Arc<Tell>>);

impl OnPause {
    /// Calls `tell` on each pause, on the thread that fetches.
    pub fn new(tell: impl Fn(Pause<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }

    pub(crate) fn tell(&self, place: &Location, why: &'static str, at_most: Duration) {
        if let Some(tell) = &self.0 {
            tell(Pause { place, why, at_most });
        }
    }
}

impl fmt::Debug for OnPause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "OnPause(..)" } else { "OnPause(none)" })
    }
}

/// The time after which a server's silence counts as a pause.
pub(crate) const PAUSE: Duration = Duration::from_secs(2);

/// Waits for `work`, and reports a pause if `timer` ends before `work`. `timer` must end after the
/// time [`PAUSE`].
pub(crate) async fn telling<T>(
    on_pause: &OnPause,
    place: &Location,
    why: &'static str,
    at_most: Duration,
    timer: impl Future<Output = ()>,
    work: impl Future<Output = T>,
) -> T {
    if on_pause.0.is_none() {
        return work.await;
    }
    let (timer, work) = (core::pin::pin!(timer), core::pin::pin!(work));
    match select(work, timer).await {
        Either::Left((done, _)) => done,
        Either::Right(((), work)) => {
            on_pause.tell(place, why, at_most.saturating_sub(PAUSE));
            work.await
        }
    }
}
