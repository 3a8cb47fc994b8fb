//! Interruption by the user: work stops where it can be stopped cleanly, so that nothing is left
//! behind under a temporary name.

use crate::outcome::Failure;
use core::ops::ControlFlow;
use core::sync::atomic::{AtomicBool, Ordering};

static ASKED: AtomicBool = AtomicBool::new(false);

/// From now on the first interrupt asks the work to stop, and the second ends the program.
pub(crate) fn listen() {
    // Where no handler can be set, an interrupt ends the program at once, as it does by default.
    let _ = ctrlc::set_handler(|| {
        if ASKED.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
}

/// Whether the user wants the work to stop.
pub(crate) fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// The same, for work that asks its caller whether to go on.
pub(crate) fn go_on() -> ControlFlow<()> {
    if asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// The same, as an error.
pub(crate) fn check() -> Result<(), Failure> {
    if asked() { Err(Failure::Failed("interrupted".into())) } else { Ok(()) }
}
