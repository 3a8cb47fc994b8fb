//! nginx as an origin, and as a cache of slices or of whole files.

use super::process::{Server, Tool};
use super::{Lifetimes, free_port};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// Starts a server for `data` with the settings of a plain host. Its answers have no validator that
/// changes with an update. Their lifetime depends on the range. No cache keeps an answer 416.
pub(super) fn origin(dir: &Path, data: &Path, lifetimes: Lifetimes) -> io::Result<Server> {
    let settings = include_str!("../../../docs/caches/origin-nginx.conf")
        .replace("HEAD", &lifetimes.head.to_string())
        .replace("DATA", &lifetimes.data.to_string())
        .replace("ROOT", &data.display().to_string());
    start(dir, &settings)
}

/// Starts a cache that keeps slices of length `len`. It distinguishes URLs with different queries,
/// so a reader can bypass a stale slice.
pub(super) fn slices(dir: &Path, origin: SocketAddr, len: &str) -> io::Result<Server> {
    let settings = include_str!("../../../docs/caches/edge-nginx-slices.conf");
    start(dir, &before(&settings.replace("SLICE", len), dir, origin))
}

/// Starts a cache that keeps whole files.
pub(super) fn whole(dir: &Path, origin: SocketAddr) -> io::Result<Server> {
    start(dir, &before(include_str!("../../../docs/caches/edge-nginx-whole.conf"), dir, origin))
}

/// Returns the settings of a cache for an origin.
pub(super) fn before(settings: &str, dir: &Path, origin: SocketAddr) -> String {
    let kept = dir.join("kept").display().to_string();
    settings.replace("ORIGIN", &origin.to_string()).replace("KEPT", &kept)
}

/// Starts nginx. `http` has the directives of its `http` block.
pub(super) fn start(dir: &Path, http: &str) -> io::Result<Server> {
    let address = free_port()?;
    let (settings, scratch) = (http.replace("ADDRESS", &address.to_string()), dir.display());
    let path = dir.join("nginx.conf");
    // If root starts nginx, its workers run as another user, who may not read the scratch folder of
    // a test. So the workers run as root, too.
    let user = if is_root() { "user root;" } else { "" };
    let config = format!(
        "{user}
worker_processes 2;
daemon off;
pid {scratch}/pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
access_log off;
default_type application/octet-stream;
client_body_temp_path {scratch}/client;
proxy_temp_path {scratch}/proxy;
fastcgi_temp_path {scratch}/fastcgi;
uwsgi_temp_path {scratch}/uwsgi;
scgi_temp_path {scratch}/scgi;
{settings}
}}
"
    );
    fs::write(&path, config)?;
    let mut command = Tool::NGINX.command()?;
    command.arg("-p").arg(dir).arg("-e").arg("stderr").arg("-c").arg(&path);
    Server::start(command, dir, address)
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}
