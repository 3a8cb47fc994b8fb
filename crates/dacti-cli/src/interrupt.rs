//! Interruption by the user or the system. The work stops at a safe place, so that no temporary
//! file is left, and the program ends by the signal that it received.

use crate::outcome::Failure;
use core::ops::ControlFlow;
use core::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};
use std::sync::{Arc, LazyLock, Once};

/// One flag for each signal.
static ASKED: LazyLock<[(i32, Arc<AtomicBool>); 2]> =
    LazyLock::new(|| [SIGINT, SIGTERM].map(|signal| (signal, Arc::default())));
/// The signal that this program noticed first; 0 for none.
static SEEN: AtomicI32 = AtomicI32::new(0);

/// Starts listening: the first signal asks the work to stop, and the second ends the program.
/// Handlers are registered only once, because a second pair of handlers would already end the
/// program at the first signal.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(register);
}

fn register() {
    for (signal, asked) in &*ASKED {
        // A signal runs these two handlers in the order of their registration. The first handler
        // ends the program if the flag is set already. The second handler sets the flag. If no
        // handler can be registered, a signal ends the program at once, as by default.
        let _ = flag::register_conditional_default(*signal, Arc::clone(asked));
        let _ = flag::register(*signal, Arc::clone(asked));
    }
}

/// Returns whether the work must stop.
pub(crate) fn asked() -> bool {
    let asked = ASKED.iter().find(|(_, asked)| asked.load(Ordering::Relaxed));
    if let Some((signal, _)) = asked {
        let _ = SEEN.compare_exchange(0, *signal, Ordering::Relaxed, Ordering::Relaxed);
    }
    asked.is_some()
}

/// Returns the same as [`asked`], for functions that ask a callback whether to go on.
pub(crate) fn go_on() -> ControlFlow<()> {
    if asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// Returns an error if the work must stop.
pub(crate) fn check() -> Result<(), Failure> {
    if asked() { Err(Failure::Interrupted) } else { Ok(()) }
}

/// Ends the program by the signal that was received, so that a shell also stops the script that
/// called the program.
pub(crate) fn end() {
    // If the system refuses, the program ends with an exit code.
    let _ = low_level::emulate_default_handler(SEEN.load(Ordering::Relaxed));
}
