//! A server that runs until it is dropped.

use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The maximum time that a server may take to start listening, and to end.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// A program that the lab needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tool {
    /// Its name.
    pub program: &'static str,
    /// The Debian package that contains it.
    pub package: &'static str,
    /// A plugin that it needs. The same package may contain the plugin.
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

    /// Node.js, which runs other projects' clients.
    pub const NODE: Self = Self { program: "node", package: "nodejs", plugin: None };
    /// npm, which downloads these clients.
    pub const NPM: Self = Self { program: "npm", package: "npm", plugin: None };

    /// Python, whose `http.server` has no ranges.
    pub const PYTHON: Self = Self { program: "python3", package: "python3", plugin: None };
    /// moto, a stand-in for S3. `pip install 'moto[server]'`.
    pub const MOTO: Self = Self { program: "moto_server", package: "moto[server]", plugin: None };

    /// wrk, a load generator.
    pub const WRK: Self = Self { program: "wrk", package: "wrk", plugin: None };

    /// Returns the program's path, if the program is installed. It also searches folders of
    /// servers, which are often missing from a user's `PATH`.
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
        // Packages of pip name the features that they need in brackets.
        let is_python = self.package.contains('[');
        let by = if is_python { "pip install" } else { "apt-get install" };
        format!("{by} {}", self.package)
    }

    /// Returns a command for the program, without arguments.
    ///
    /// # Errors
    /// `NotFound`, with the name of the package to install.
    pub fn command(self) -> io::Result<Command> {
        let found = self.find().ok_or_else(|| {
            let hint = format!("{}: {}", self.program, self.install());
            io::Error::new(io::ErrorKind::NotFound, hint)
        })?;
        Ok(Command::new(found))
    }
}

/// Returns whether one of `tools` is not installed, and prints the command that installs it. The
/// test then ends.
///
/// # Panics
/// If a tool is missing and the environment variable `CI` is set, because CI must run every test.
#[must_use]
pub fn missing(tools: &[Tool]) -> bool {
    let missing = tools.iter().filter(|tool| tool.find().is_none());
    let missing: Vec<_> = missing.map(|tool| tool.install()).collect();
    !missing.is_empty() && skipped(&missing.join("; "))
}

/// Prints the command that installs what a test needs. The test then ends. Returns `true`.
///
/// # Panics
/// If the environment variable `CI` is set.
#[must_use]
pub fn skipped(install: &str) -> bool {
    assert!(std::env::var_os("CI").is_none(), "not installed: {install}");
    eprintln!("skipped, as programs are not installed: {install}");
    true
}

/// A server in the foreground. Dropping it ends the server and every process that the server
/// started.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts `command`, whose output goes to a file in `dir`, and waits until it listens.
    ///
    /// # Errors
    /// An error of the system, or a server that does not listen in time.
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

    /// Where it listens.
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
