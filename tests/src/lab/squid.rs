//! Squid as a cache.

use super::free_port;
use super::process::{Server, Tool};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

/// What Squid does with a request for a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ranges {
    /// It passes the request to the origin, and does not keep the answer.
    Passed,
    /// It fetches and keeps the whole file, and takes the range from it.
    FromWhole,
}

pub(super) fn start(dir: &Path, origin: SocketAddr, ranges: Ranges) -> io::Result<Server> {
    let address = free_port()?;
    let (host, port, scratch) = (origin.ip(), origin.port(), dir.display());
    let limit = if ranges == Ranges::Passed { "0" } else { "none" };
    let path = dir.join("squid.conf");
    let settings = include_str!("../../../docs/caches/edge-squid.conf")
        .replace("ADDRESS", &address.to_string())
        .replace("HOST", &host.to_string())
        .replace("PORT", &port.to_string())
        .replace("LIMIT", limit);
    let config = format!(
        "{settings}cache_effective_user proxy
access_log none
cache_log {scratch}/log
pid_filename {scratch}/pid
coredump_dir {scratch}
netdb_filename none
shutdown_lifetime 1 seconds
pinger_enable off
"
    );
    fs::write(&path, config)?;
    let mut command = Tool::SQUID.command()?;
    // Squid names its shared memory after the instance. So each instance needs a name of its own,
    // which contains its port.
    command.arg("-N").arg("-n").arg(format!("lab{}", address.port())).arg("-f").arg(&path);
    Server::start(command, dir, address)
}
