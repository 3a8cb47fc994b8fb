//! `dacti serve`: serves packages over HTTP, for development and small sites.

use crate::outcome::{Failure, Outcome};
use crate::{Talk, output, server};
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use dacti_serve::{Options, Server, Site};
use std::path::PathBuf;

/// Serve a package, a file or a folder over HTTP.
///
/// Answers have the ranges, cache lifetimes and CORS fields that readers of packages need. The
/// regions of a package are pages at /PKG/-/PATH. /PKG.head is a copy of its head, for caches of
/// whole objects. /ipfs/CID[/PATH] is answered from the DAR archives of the folder, for trustless
/// clients and as files. Names that start with a dot are not served. With -v each request is
/// logged.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The package, file or folder to serve. Files outside of it are never sent, even if a request
    /// has .. or a link leads there.
    #[arg(value_name = "PKG|DIR", default_value = ".")]
    path: PathBuf,
    /// The address to listen at. Port 0 takes any free port.
    #[arg(long, short, value_name = "[ADDRESS:]PORT", default_value = "127.0.0.1:8080",
        value_parser = listen)]
    listen: SocketAddr,
    /// Answer 404 for a folder without an index.html, instead of a list of its files.
    #[arg(long)]
    no_index: bool,
    /// The maximum number of connections at once. Further ones wait.
    #[arg(long, value_name = "N", default_value_t = Options::default().connections_max,
        value_parser = connections)]
    connections_max: usize,
    /// Seconds after which a connection without progress is closed.
    #[arg(long, value_name = "SECONDS", default_value_t = Options::default().idle_max.as_secs(),
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    idle_max: u64,
    /// Seconds for which caches may keep the heads of packages, and files that are not packages.
    #[arg(long, value_name = "SECONDS", default_value_t = Options::default().head_max_age)]
    head_max_age: u32,
    /// Seconds for which caches may keep bytes that never change. Give 0 if you rebuild packages
    /// under their old names.
    #[arg(long, value_name = "SECONDS", default_value_t = Options::default().data_max_age)]
    data_max_age: u32,
}

/// Reads a number of connections. The number has a maximum, because each connection needs a file
/// descriptor.
fn connections(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=65_536).contains(number));
    number.ok_or_else(|| "expected a number from 1 to 65536".into())
}

/// Reads `ADDRESS:PORT`, or a port at the loopback address.
fn listen(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix(':').unwrap_or(text).parse::<u16>();
    let port = port.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let hint = "expected a port such as 8080, or an address and a port such as 0.0.0.0:8080";
    port.or_else(|_| text.parse()).map_err(|_| hint.into())
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        let site = Site::open(&self.path).map_err(|error| {
            Failure::Failed(format!("cannot open {}: {error}", output::shown(&self.path)))
        })?;
        let mut options = Options::default();
        options.connections_max = self.connections_max;
        options.idle_max = Duration::from_secs(self.idle_max);
        options.index_pages = !self.no_index;
        options.head_max_age = self.head_max_age;
        options.data_max_age = self.data_max_age;
        let hint =
            |server: &Server| format!("open {} in a browser; Ctrl-C stops", server.page_url());
        server::run(site, (self.listen, options), talk, Server::url, hint)
    }
}
