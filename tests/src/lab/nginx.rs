//! nginx as an origin, and as a cache of slices or of whole objects.

use super::process::{Server, Tool};
use super::{Lifetimes, free_port};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// Serves `data` like a plain host: without a validator that changes with an update, with lifetimes
/// by range, and with a 416 that no cache keeps.
pub(super) fn origin(dir: &Path, data: &Path, lifetimes: Lifetimes) -> io::Result<Server> {
    let settings = include_str!("../../../docs/caches/origin-nginx.conf")
        .replace("HEAD", &lifetimes.head.to_string())
        .replace("DATA", &lifetimes.data.to_string())
        .replace("ROOT", &data.display().to_string());
    start(dir, &settings)
}

/// Starts a cache of slices of length `len`. The query is part of the cache key, so a reader can
/// bypass a stale slice.
pub(super) fn slices(dir: &Path, origin: SocketAddr, len: &str) -> io::Result<Server> {
    let settings = include_str!("../../../docs/caches/edge-nginx-slices.conf");
    start(dir, &before(&settings.replace("SLICE", len), dir, origin))
}

/// Starts a cache of whole objects.
pub(super) fn whole(dir: &Path, origin: SocketAddr) -> io::Result<Server> {
    start(dir, &before(include_str!("../../../docs/caches/edge-nginx-whole.conf"), dir, origin))
}

/// Returns the settings of a cache in front of an origin.
pub(super) fn before(settings: &str, dir: &Path, origin: SocketAddr) -> String {
    let kept = dir.join("kept").display().to_string();
    settings.replace("ORIGIN", &origin.to_string()).replace("KEPT", &kept)
}

/// Starts nginx with the directives of its `http` block.
pub(super) fn start(dir: &Path, http: &str) -> io::Result<Server> {
    let address = free_port()?;
    let (settings, scratch) = (http.replace("ADDRESS", &address.to_string()), dir.display());
    let path = dir.join("nginx.conf");
    // If nginx runs as root, it runs its workers as another user, who may not read a test's scratch
    // folder. So run the workers as root.
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
