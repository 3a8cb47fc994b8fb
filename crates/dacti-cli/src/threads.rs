//! Reads the number of threads, and starts them.

use core::num::NonZeroUsize;
use std::io;
use std::thread::{Builder, Scope};

/// The maximum number of threads. The crate `dacti` has the same maximum.
const MAX: usize = 256;

/// Reads a number of threads.
pub(crate) fn parse(text: &str) -> Result<NonZeroUsize, String> {
    let threads = text.parse().ok().filter(|threads: &NonZeroUsize| threads.get() <= MAX);
    threads.ok_or_else(|| format!("expected a number from 1 to {MAX}"))
}

/// Starts up to `wanted` threads. Fails only if the system starts none of them.
pub(crate) fn start<'scope, Work: FnOnce() + Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    wanted: usize,
    mut work: impl FnMut() -> Work,
) -> io::Result<()> {
    for started in 0..wanted {
        match Builder::new().spawn_scoped(scope, work()) {
            Ok(_) => {}
            Err(error) if started == 0 => return Err(error),
            // The system has no more threads. The threads that have started do all the work.
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
        assert_eq!(parse("256").unwrap().get(), 256);
        for wrong in ["0", "257", "-1", "", "two", "18446744073709551616"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
