//! Progress bars, on a terminal, for work that takes over a second.

use crate::Talk;
use core::time::Duration;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Instant;

/// The time after which a bar becomes visible.
const PATIENCE: Duration = Duration::from_secs(1);

/// A bar that becomes visible once the work takes long, if standard error is a terminal.
#[derive(Debug)]
pub(crate) struct Bar {
    inner: ProgressBar,
    start: Instant,
    shown: bool,
}

impl Bar {
    /// Returns a bar that counts bytes.
    pub(crate) fn bytes(what: &'static str, total: u64, talk: Talk) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        let template =
            "{msg} {bar:32} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what);
        // A quiet bar must never become visible. It counts as shown already, so it is not shown
        // later.
        Self { inner: bar, start: Instant::now(), shown: talk == Talk::Quiet }
    }

    /// Sets how much is done.
    pub(crate) fn set(&mut self, done: u64, total: u64) {
        self.inner.set_length(total);
        self.inner.set_position(done);
        if !self.shown && self.start.elapsed() >= PATIENCE {
            self.shown = true;
            self.inner.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.inner.finish_and_clear();
    }
}
