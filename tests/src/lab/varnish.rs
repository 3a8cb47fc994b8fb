//! Varnish as a cache that keeps whole files, or each range separately.

use super::free_port;
use super::process::{Server, Tool};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

/// Starts a cache that keeps whole files. It keeps them exactly as long as the origin allows.
pub(super) fn whole(dir: &Path, origin: SocketAddr) -> io::Result<Server> {
    start(dir, origin, include_str!("../../../docs/caches/edge-varnish.vcl"), &[])
}

/// Starts a cache that keeps each range separately.
pub(super) fn ranges(dir: &Path, origin: SocketAddr) -> io::Result<Server> {
    let config = include_str!("../../../docs/caches/edge-varnish-ranges.vcl");
    start(dir, origin, config, &["-p", "http_range_support=off"])
}

fn start(dir: &Path, origin: SocketAddr, config: &str, options: &[&str]) -> io::Result<Server> {
    let address = free_port()?;
    let (host, port) = (origin.ip(), origin.port());
    let path = dir.join("cache.vcl");
    let config = config.replace("HOST", &host.to_string()).replace("PORT", &port.to_string());
    fs::write(&path, config)?;
    let mut command = Tool::VARNISH.command()?;
    command.args(["-F", "-j", "none", "-p", "default_grace=0", "-s", "malloc,2g"]);
    command.args(options);
    command.arg("-n").arg(dir.join("work")).arg("-f").arg(&path).arg("-a").arg(address.to_string());
    Server::start(command, dir, address)
}
