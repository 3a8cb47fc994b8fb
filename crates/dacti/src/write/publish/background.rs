//! Publishing for async programs. The blocking functions run on a thread of their own.
//!
//! An upload spends most of its time waiting, and its logic is the same for blocking and async
//! callers. So there is no second implementation. Each call starts one thread, and its future
//! completes with the thread's result. The future runs on any executor.

use super::{
    Collected, Place, PublishOptions, Published, Pulled, UploadProgress, collect, publish_with,
    pull, tag,
};
use crate::read::view::read_failed;
use crate::update::{Update, UpdateOptions};
use crate::{Error, Package};
use core::ops::ControlFlow;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Tells whether the future of a background call was dropped, so that no caller waits for the
/// result.
#[derive(Debug, Clone, Default)]
pub struct Abandoned(Arc<AtomicBool>);

impl Abandoned {
    /// Returns `Break` if the future was dropped, for functions that ask whether to go on.
    pub fn go_on(&self) -> ControlFlow<()> {
        if self.0.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

/// When this is dropped, it tells the thread that no caller waits for its result any more.
struct Waiting(Abandoned);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// Runs blocking `work` of this crate on a thread of its own, and waits for its result without
/// blocking the caller's thread. If the future is dropped, `work` learns this from its
/// [`Abandoned`].
///
/// # Errors
/// The errors of `work`; `Io` if no thread can be started.
pub async fn in_background<T: Send + 'static>(
    work: impl FnOnce(&Abandoned) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let (sender, receiver) = oneshot::channel();
    let waiting = Waiting(Abandoned::default());
    let abandoned = waiting.0.clone();
    let thread = std::thread::Builder::new().name("dacti-publish".into()).spawn(move || {
        // The send fails only if the caller has dropped the future.
        let _ = sender.send(work(&abandoned));
    });
    thread.map_err(|error| Error::io("start", "a thread".as_ref(), error))?;
    let result = receiver.await;
    drop(waiting);
    result.unwrap_or_else(|_| Err(read_failed(io::ErrorKind::BrokenPipe.into())))
}

/// Publishes a package as [`publish_with`] does, on a thread of its own. If the future is dropped,
/// the upload stops after the objects in progress. The head stays unchanged, unless it was already
/// replaced.
///
/// # Errors
/// The errors of [`publish_with`].
pub async fn publish_async(
    package: Arc<Package>,
    place: Place,
    options: PublishOptions,
    mut progress: impl FnMut(UploadProgress) -> ControlFlow<()> + Send + 'static,
) -> Result<Published, Error> {
    in_background(move |abandoned| {
        publish_with(&package, &place, &options, &mut |at| {
            if abandoned.go_on().is_break() { ControlFlow::Break(()) } else { progress(at) }
        })
    })
    .await
}

/// Updates the package at `place` as [`Update::at_place`] does, on a thread of its own. `edit` puts
/// and removes regions. After that, the update is planned and published.
///
/// # Errors
/// The errors of [`Update`], and those of `edit`.
pub async fn update_async(
    place: Place,
    options: UpdateOptions,
    publish: PublishOptions,
    edit: impl FnOnce(&mut Update) -> Result<(), Error> + Send + 'static,
) -> Result<(), Error> {
    in_background(move |abandoned| {
        let mut update = Update::at_place(&place, options, publish)?;
        edit(&mut update)?;
        let planned = update.plan_with(&mut |_| abandoned.go_on())?;
        planned.apply_with(&mut |_| abandoned.go_on())
    })
    .await
}

/// Makes or updates a local copy as [`pull`] does, on a thread of its own.
///
/// # Errors
/// The errors of [`pull`].
pub async fn pull_async(package: Arc<Package>, path: PathBuf) -> Result<Pulled, Error> {
    in_background(move |abandoned| pull(&package, &path, &mut |_, _| abandoned.go_on())).await
}

/// Copies a head as [`tag`] does, on a thread of its own.
///
/// # Errors
/// The errors of [`tag`].
pub async fn tag_async(
    place: Place,
    at: Option<u64>,
    to: String,
    options: PublishOptions,
) -> Result<u64, Error> {
    in_background(move |_| tag(&place, at, &to, &options)).await
}

/// Collects unused objects as [`collect`] does, on a thread of its own.
///
/// # Errors
/// The errors of [`collect`].
pub async fn collect_async(
    place: Place,
    grace: Duration,
    dry_run: bool,
) -> Result<Collected, Error> {
    in_background(move |_| collect(&place, grace, dry_run)).await
}
