//! Runs `dacti serve` for tests.

use crate::program::program;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running `dacti serve`. Dropping it kills the process without a warning.
#[derive(Debug)]
pub struct Served {
    /// The process.
    pub child: Child,
    /// The URL that the program printed.
    pub url: String,
    /// The address at which it listens.
    pub address: String,
}

impl Served {
    /// Serves `path` at a free port of loopback.
    #[must_use]
    pub fn start(path: &Path, options: &[&str]) -> Self {
        Self::start_at(path, "127.0.0.1:0", options)
    }

    /// Serves `path` at this address.
    ///
    /// # Panics
    /// If the program does not start.
    #[must_use]
    pub fn start_at(path: &Path, listen: &str, options: &[&str]) -> Self {
        let mut command = Command::new(program());
        command.args(["serve", "--listen", listen, "--quiet"]).args(options).arg(path);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
        output.read_line(&mut line).expect("it tells where it is");
        let url = line.trim_end();
        let place = url.strip_prefix("http://").and_then(|place| place.split('/').next());
        let address = place.unwrap_or_else(|| panic!("no URL: {line:?}")).into();
        Self { child, url: url.into(), address }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
