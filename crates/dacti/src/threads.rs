//! Threads: their number, their start, and values that they share.

use crate::Error;
use core::num::NonZeroUsize;
use std::path::Path;
use std::sync::OnceLock;
use std::thread::{Builder, Scope};

/// The maximum number of threads. More threads do not help, and a system may refuse to start them.
const THREADS_MAX: NonZeroUsize = NonZeroUsize::new(256).expect("it is not 0");

/// Returns `asked`, or the number of cores if `asked` is `None`, but at most [`THREADS_MAX`].
pub(crate) fn count(asked: Option<NonZeroUsize>) -> NonZeroUsize {
    asked
        .or_else(|| std::thread::available_parallelism().ok())
        .unwrap_or(NonZeroUsize::MIN)
        .min(THREADS_MAX)
}

/// Starts `wanted` threads, or fewer if the system refuses more.
///
/// # Errors
/// `Io` if the system starts none.
pub(crate) fn start<'scope, W: FnOnce() + Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    wanted: usize,
    mut work: impl FnMut() -> W,
) -> Result<(), Error> {
    for started in 0..wanted {
        if let Err(error) = Builder::new().spawn_scoped(scope, work()) {
            return match started {
                0 => Err(Error::io("start", Path::new("a thread"), error)),
                _ => Ok(()),
            };
        }
    }
    Ok(())
}

/// Returns the value in `cell`, or makes it. If several threads call this at once, each of them
/// makes a value, and `cell` keeps one of these values. So no thread waits for another.
pub(crate) fn known<T>(cell: &OnceLock<T>, make: impl FnOnce() -> T) -> &T {
    if let Some(known) = cell.get() {
        return known;
    }
    let value = make();
    cell.get_or_init(|| value)
}
