//! The lab: a real origin, and real caches in front of it. All servers listen on loopback.
//!
//! Dropping a server stops its processes. The servers write all files into a scratch folder. Their
//! settings are those of `docs/caches.md`.

mod ats;
mod nginx;
mod process;
mod squid;
mod varnish;

pub use process::{Server, Tool, missing, skipped};

use crate::served::Served;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

/// For how long caches may keep answers of the origin, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    /// The time for heads and for whole files.
    pub head: u32,
    /// The time for ranges after the head.
    pub data: u32,
}

/// A kind of cache, and the units in which it keeps a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Edge {
    /// nginx, which keeps slices of 64 KiB.
    NginxSlice64k,
    /// nginx, which keeps slices of 1 MiB.
    NginxSlice1m,
    /// nginx, which keeps whole files.
    NginxWhole,
    /// Varnish, which keeps whole files.
    Varnish,
    /// Varnish, which keeps each requested range separately.
    VarnishRanges,
    /// Squid, which passes requests for ranges to the origin.
    SquidPass,
    /// Squid, which keeps whole files.
    SquidWhole,
    /// Apache Traffic Server, which keeps slices of 1 MiB. If two slices contradict each other, it
    /// replaces them.
    Ats,
}

impl Edge {
    /// All kinds of caches.
    pub const ALL: [Self; 8] = [
        Self::NginxSlice64k,
        Self::NginxSlice1m,
        Self::NginxWhole,
        Self::Varnish,
        Self::VarnishRanges,
        Self::SquidPass,
        Self::SquidWhole,
        Self::Ats,
    ];

    /// Returns the name of the cache in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NginxSlice64k => "nginx, slices of 64 KiB",
            Self::NginxSlice1m => "nginx, slices of 1 MiB",
            Self::NginxWhole => "nginx, whole objects",
            Self::Varnish => "Varnish, whole objects",
            Self::VarnishRanges => "Varnish, each range by itself",
            Self::SquidPass => "Squid, ranges passed on",
            Self::SquidWhole => "Squid, whole objects",
            Self::Ats => "Traffic Server, slices of 1 MiB",
        }
    }

    /// Returns the program that the cache needs.
    #[must_use]
    pub const fn tool(self) -> Tool {
        match self {
            Self::NginxSlice64k | Self::NginxSlice1m | Self::NginxWhole => Tool::NGINX,
            Self::Varnish | Self::VarnishRanges => Tool::VARNISH,
            Self::SquidPass | Self::SquidWhole => Tool::SQUID,
            Self::Ats => Tool::ATS,
        }
    }
}

/// A scratch folder, an origin that serves the folder's `data`, and the caches in front of the
/// origin.
#[derive(Debug)]
pub struct Lab {
    // Rust drops the fields in this order: the caches, then the origin, then the folder.
    edges: Vec<(Edge, Server)>,
    origin: Origin,
    dir: tempfile::TempDir,
}

/// The server from which the caches fetch.
#[derive(Debug)]
enum Origin {
    Nginx(Server),
    Serve(Served),
}

impl Lab {
    /// Starts nginx as the origin.
    ///
    /// # Errors
    /// An error of the system, or of a server that does not start.
    pub fn start(lifetimes: Lifetimes) -> io::Result<Self> {
        Self::with(|dir, data| {
            Ok(Origin::Nginx(nginx::origin(&folder(dir, "origin")?, data, lifetimes)?))
        })
    }

    /// Starts nginx as the origin. `settings` has the directives of its `http` block, in which
    /// `ADDRESS` and `ROOT` stand for the server's address and the served folder.
    ///
    /// # Errors
    /// An error of the system, or of a server that does not start.
    pub fn start_with(settings: &str) -> io::Result<Self> {
        Self::with(|dir, data| {
            let settings = settings.replace("ROOT", &data.display().to_string());
            Ok(Origin::Nginx(nginx::start(&folder(dir, "origin")?, &settings)?))
        })
    }

    /// Starts `dacti serve` as the origin.
    ///
    /// # Errors
    /// An error of the system.
    pub fn start_serve(lifetimes: Lifetimes) -> io::Result<Self> {
        let (head, data_max_age) = (lifetimes.head.to_string(), lifetimes.data.to_string());
        let options = ["--head-max-age", &head, "--data-max-age", &data_max_age];
        Self::with(|_, data| Ok(Origin::Serve(Served::start(data, &options))))
    }

    fn with(origin: impl FnOnce(&Path, &Path) -> io::Result<Origin>) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("dacti-lab-").tempdir()?;
        // Some servers give up root privileges. Afterwards they must still be able to read their
        // files.
        open_to_all(dir.path())?;
        let data = dir.path().join("data");
        fs::create_dir(&data)?;
        open_to_all(&data)?;
        let origin = origin(dir.path(), &data)?;
        Ok(Self { edges: Vec::new(), origin, dir })
    }

    /// Starts one more cache, empty at first, in front of the origin. Returns its address.
    ///
    /// # Errors
    /// An error of the system, or of a server that does not start.
    pub fn edge(&mut self, edge: Edge) -> io::Result<SocketAddr> {
        let dir = folder(self.dir.path(), &format!("edge-{}", self.edges.len()))?;
        let origin = self.origin();
        let server = match edge {
            Edge::NginxSlice64k => nginx::slices(&dir, origin, "64k"),
            Edge::NginxSlice1m => nginx::slices(&dir, origin, "1m"),
            Edge::NginxWhole => nginx::whole(&dir, origin),
            Edge::Varnish => varnish::whole(&dir, origin),
            Edge::VarnishRanges => varnish::ranges(&dir, origin),
            Edge::SquidPass => squid::start(&dir, origin, squid::Ranges::Passed),
            Edge::SquidWhole => squid::start(&dir, origin, squid::Ranges::FromWhole),
            Edge::Ats => ats::slices(&dir, origin),
        }?;
        let address = server.address();
        self.edges.push((edge, server));
        Ok(address)
    }

    /// Starts nginx as a cache in front of the origin. `settings` has the directives of its `http`
    /// block, in which `ADDRESS`, `ORIGIN` and `KEPT` stand for the cache's address, the origin's
    /// address and the folder for kept answers.
    ///
    /// # Errors
    /// An error of the system, or of a server that does not start.
    pub fn edge_with(&mut self, settings: &str) -> io::Result<SocketAddr> {
        let dir = folder(self.dir.path(), &format!("edge-{}", self.edges.len()))?;
        let server = nginx::start(&dir, &nginx::before(settings, &dir, self.origin()))?;
        let address = server.address();
        self.edges.push((Edge::NginxWhole, server));
        Ok(address)
    }

    /// Returns the address of the origin.
    ///
    /// # Panics
    /// If it reported no address.
    #[must_use]
    pub fn origin(&self) -> SocketAddr {
        match &self.origin {
            Origin::Nginx(server) => server.address(),
            Origin::Serve(served) => served.address.parse().expect("it told an address"),
        }
    }

    /// Returns a folder for the caller. No server serves it.
    #[must_use]
    pub fn scratch(&self, name: &str) -> PathBuf {
        self.dir.path().join("scratch").join(name)
    }

    /// Returns the folder that the origin serves.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }
}

/// Returns whether to run the whole lab instead of its short form.
#[must_use]
pub fn full() -> bool {
    std::env::var_os("DACTI_LAB").is_some_and(|form| form == "full")
}

/// Returns a port of loopback that no program uses now.
///
/// # Errors
/// An error of the system.
pub fn free_port() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn folder(within: &Path, name: &str) -> io::Result<PathBuf> {
    let path = within.join(name);
    fs::create_dir(&path)?;
    open_to_all(&path)?;
    Ok(path)
}

#[cfg(unix)]
fn open_to_all(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o777))
}

#[cfg(not(unix))]
fn open_to_all(_: &Path) -> io::Result<()> {
    Ok(())
}
