//! The lab: a real origin and real caches in front of it, on loopback ports of their own.
//!
//! Dropping a server stops its processes. All files are written in a scratch folder. The settings
//! are those that `docs/caches.md` recommends.

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

/// The times, in seconds, for which the origin lets caches keep its answers.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    /// The head, and any whole file.
    pub head: u32,
    /// Whole ranges after the head.
    pub data: u32,
}

/// A cache, and how it keeps its contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Edge {
    /// nginx with slices of 64 KiB.
    NginxSlice64k,
    /// nginx with slices of 1 MiB.
    NginxSlice1m,
    /// nginx with whole objects.
    NginxWhole,
    /// Varnish, which keeps whole objects.
    Varnish,
    /// Varnish, which keeps each range by itself.
    VarnishRanges,
    /// Squid, which passes ranges on.
    SquidPass,
    /// Squid with whole objects.
    SquidWhole,
    /// Apache Traffic Server with slices of 1 MiB, which replaces slices that contradict each
    /// other.
    Ats,
}

impl Edge {
    /// All of them.
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

    /// Its name in tables.
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

    /// The program that it needs.
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

/// A scratch folder, an origin that serves its `data`, and the caches in front of it.
#[derive(Debug)]
pub struct Lab {
    // Fields are dropped in this order: caches, origin, folder.
    edges: Vec<(Edge, Server)>,
    origin: Origin,
    dir: tempfile::TempDir,
}

/// The origin of the caches' bytes.
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

    /// Starts nginx as the origin, with the given directives of its `http` block. In them,
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
        // Some servers give up their privileges, and must still be able to read their files.
        open_to_all(dir.path())?;
        let data = dir.path().join("data");
        fs::create_dir(&data)?;
        open_to_all(&data)?;
        let origin = origin(dir.path(), &data)?;
        Ok(Self { edges: Vec::new(), origin, dir })
    }

    /// Starts another, empty cache in front of the origin, and returns its address.
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

    /// Starts nginx as a cache in front of the origin, with the given directives of its `http`
    /// block. In them, `ADDRESS`, `ORIGIN` and `KEPT` stand for the cache's address, the origin's
    /// address and a folder.
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

    /// The address of the origin.
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

    /// Returns a folder for the caller, which is not served.
    #[must_use]
    pub fn scratch(&self, name: &str) -> PathBuf {
        self.dir.path().join("scratch").join(name)
    }

    /// The folder that the origin serves.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }
}

/// Returns whether the whole lab runs, instead of its short form.
#[must_use]
pub fn full() -> bool {
    std::env::var_os("DACTI_LAB").is_some_and(|form| form == "full")
}

/// Returns a port that was free a moment ago.
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
