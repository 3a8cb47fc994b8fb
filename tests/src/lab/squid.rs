//! Squid in front of an origin.

use super::free_port;
use super::process::{Server, Tool};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

/// What becomes of ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ranges {
    /// They are passed on, and never kept.
    Passed,
    /// The whole object is fetched and kept, and ranges come from it.
    FromWhole,
}

pub(super) fn start(dir: &Path, origin: SocketAddr, ranges: Ranges) -> io::Result<Server> {
    let address = free_port()?;
    let (host, port, scratch) = (origin.ip(), origin.port(), dir.display());
    let limit = if ranges == Ranges::Passed { "0" } else { "none" };
    let path = dir.join("squid.conf");
    let config = format!(
        "http_port {address} accel defaultsite=lab no-vhost
cache_peer {host} parent {port} 0 no-query originserver name=origin
http_access allow all
range_offset_limit {limit}
cache_effective_user proxy
cache_mem 256 MB
maximum_object_size 64 MB
maximum_object_size_in_memory 64 MB
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
    // Named after the port, as its shared memory is.
    command.arg("-N").arg("-n").arg(format!("lab{}", address.port())).arg("-f").arg(&path);
    Server::start(command, dir, address)
}
