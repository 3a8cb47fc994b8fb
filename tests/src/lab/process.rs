//! Programs of the lab, and servers that run until they are dropped.

use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The maximum time that a server may take to start listening, and the maximum time that it may
/// take to end.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// A program that the lab needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tool {
    /// The name of its executable file.
    pub program: &'static str,
    /// The Debian package that contains it.
    pub package: &'static str,
    /// The path of a plugin that the program needs, if any.
    plugin: Option<&'static str>,
}

impl Tool {
    /// nginx.
    pub const NGINX: Self = Self { program: "nginx", package: "nginx-light", plugin: None };
    /// Varnish.
    pub const VARNISH: Self = Self { program: "varnishd", package: "varnish", plugin: None };
    /// Squid.
    pub const SQUID: Self = Self { program: "squid", package: "squid", plugin: None };
    /// Apache Traffic Server.
    pub const ATS: Self = Self {
        program: "traffic_server",
        package: "trafficserver-experimental-plugins",
        plugin: Some("/usr/lib/trafficserver/modules/slice.so"),
    };

    /// Node.js, which runs clients of other projects.
    pub const NODE: Self = Self { program: "node", package: "nodejs", plugin: None };
    /// npm, which downloads clients of other projects.
    pub const NPM: Self = Self { program: "npm", package: "npm", plugin: None };

    /// Python. Its `http.server` does not support ranges.
    pub const PYTHON: Self = Self { program: "python3", package: "python3", plugin: None };
    /// moto, a server that behaves like S3. `pip install 'moto[server]'` installs it.
    pub const MOTO: Self = Self { program: "moto_server", package: "moto[server]", plugin: None };

    /// wrk, a load generator.
    pub const WRK: Self = Self { program: "wrk", package: "wrk", plugin: None };

    /// Returns the program's path, or `None` if the program is not installed. It also searches
    /// folders for servers, which a user's `PATH` often lacks.
    #[must_use]
    pub fn find(self) -> Option<PathBuf> {
        if self.plugin.is_some_and(|plugin| !Path::new(plugin).is_file()) {
            return None;
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/bin".into()]);
        folders.map(|folder| folder.join(self.program)).find(|program| program.is_file())
    }

    /// Returns the command that installs the program.
    fn install(self) -> String {
        // A package of pip can name optional features in brackets. Names of Debian's packages have
        // no brackets.
        let is_python = self.package.contains('[');
        let by = if is_python { "pip install" } else { "apt-get install" };
        format!("{by} {}", self.package)
    }

    /// Returns a command for the program, without arguments.
    ///
    /// # Errors
    /// `NotFound`. The error names the package to install.
    pub fn command(self) -> io::Result<Command> {
        let found = self.find().ok_or_else(|| {
            let hint = format!("{}: {}", self.program, self.install());
            io::Error::new(io::ErrorKind::NotFound, hint)
        })?;
        Ok(Command::new(found))
    }
}

/// Returns whether one of `tools` is missing, and prints the command that installs it. If so, the
/// calling test returns without testing.
///
/// # Panics
/// If a tool is missing and the environment variable `CI` is set, because CI must run every test.
#[must_use]
pub fn missing(tools: &[Tool]) -> bool {
    let missing = tools.iter().filter(|tool| tool.find().is_none());
    let missing: Vec<_> = missing.map(|tool| tool.install()).collect();
    !missing.is_empty() && skipped(&missing.join("; "))
}

/// Prints the command that installs the needs of a test, and returns `true`. The calling test then
/// returns without testing.
///
/// # Panics
/// If the environment variable `CI` is set.
#[must_use]
pub fn skipped(install: &str) -> bool {
    assert!(std::env::var_os("CI").is_none(), "not installed: {install}");
    eprintln!("skipped, as programs are not installed: {install}");
    true
}

/// A server in the foreground. Dropping it ends the server and all processes that the server has
/// started.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts a server, and waits until it listens. Its output goes to a file in `dir`.
    ///
    /// # Errors
    /// An error of the system, or a timeout if the server does not listen in time.
    pub fn start(mut command: Command, dir: &Path, address: SocketAddr) -> io::Result<Self> {
        let log = dir.join("output");
        let output = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command.spawn()?;
        let mut server = Self { child, address };
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = server.child.try_wait()?;
            if ended.is_some() || started.elapsed() > PATIENCE {
                let said = fs::read_to_string(&log).unwrap_or_default();
                let why = format!("{command:?} does not listen at {address}: {said}");
                return Err(io::Error::other(why));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(server)
    }

    /// Returns the address at which the server listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends a signal to the server and to the processes that it started.
    fn signal(&self, signal: &str) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args([signal, "--", &group]).stderr(Stdio::null()).status();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal("-TERM");
        let asked = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && asked.elapsed() < PATIENCE / 10 {
            std::thread::sleep(PAUSE);
        }
        self.signal("-KILL");
        let _ = self.child.wait();
    }
}
