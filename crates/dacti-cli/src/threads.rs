//! How many threads do the work: what may be asked for, and what the system gives.

use core::num::NonZeroUsize;
use std::io;
use std::thread::{Builder, Scope};

/// More threads than this help no machine, and some systems do not survive them.
const MAX: usize = 1024;

/// A number of threads on the command line.
pub(crate) fn parse(text: &str) -> Result<NonZeroUsize, String> {
    let threads = text.parse().ok().filter(|threads: &NonZeroUsize| threads.get() <= MAX);
    threads.ok_or_else(|| format!("expected a number from 1 to {MAX}"))
}

/// Starts as many of `wanted` threads as the system gives, which is an error where it gives none.
pub(crate) fn start<'scope, Work: FnOnce() + Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    wanted: usize,
    mut work: impl FnMut() -> Work,
) -> io::Result<()> {
    for started in 0..wanted {
        match Builder::new().spawn_scoped(scope, work()) {
            Ok(_) => {}
            Err(error) if started == 0 => return Err(error),
            // The others do its part.
            Err(_) => break,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn threads_have_bounds() {
        assert_eq!(parse("1").unwrap().get(), 1);
        assert_eq!(parse("1024").unwrap().get(), 1024);
        for wrong in ["0", "1025", "-1", "", "two", "18446744073709551616"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
