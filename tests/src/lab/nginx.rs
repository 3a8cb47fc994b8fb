//! nginx as an origin, and as a cache of slices or of whole objects.

use super::process::{Server, Tool};
use super::{Lifetimes, free_port};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// Serves `data` as a plain host does: no validator that changes with an update, lifetimes by
/// range, and a 416 that nobody keeps.
pub(super) fn origin(dir: &Path, data: &Path, lifetimes: Lifetimes) -> io::Result<Server> {
    let Lifetimes { head, data: rest } = lifetimes;
    let root = data.display();
    start(dir, |address| {
        format!(
            r#"
    map $http_range $lifetime {{
        default         "public, max-age={rest}, immutable, no-transform";
        ""              "public, max-age={head}, no-transform";
        "~,"            "no-store";
        "~^bytes=0-"    "public, max-age={head}, no-transform";
        "~^bytes=-"     "no-store";
        "~^bytes=\d+-$" "no-store";
    }}
    server {{
        listen {address};
        root {root};
        etag off;
        location / {{
            add_header Last-Modified "";
            add_header Cache-Control $lifetime;
            error_page 416 @behind_the_end;
        }}
        location ~ \.head$ {{
            add_header Last-Modified "";
            add_header Cache-Control "public, max-age={head}, no-transform";
            error_page 416 @behind_the_end;
        }}
        location @behind_the_end {{
            internal;
            add_header Cache-Control "no-store" always;
            return 416;
        }}
    }}"#
        )
    })
}

/// Keeps slices of `len`. The query is part of the key, so that a reader gets around a stale one.
pub(super) fn slices(dir: &Path, origin: SocketAddr, len: &str) -> io::Result<Server> {
    cache(dir, origin, |address| {
        format!(
            r#"
    server {{
        listen {address};
        location / {{
            slice {len};
            proxy_set_header Range $slice_range;
            proxy_set_header Connection "";
            proxy_set_header Accept-Encoding "";
            proxy_hide_header ETag;
            proxy_cache packages;
            proxy_cache_key "$uri$is_args$args $slice_range";
            proxy_cache_valid 200 206 2s;
            proxy_pass http://{origin};
        }}
    }}"#
        )
    })
}

/// Keeps whole objects.
pub(super) fn whole(dir: &Path, origin: SocketAddr) -> io::Result<Server> {
    cache(dir, origin, |address| {
        format!(
            r#"
    server {{
        listen {address};
        location / {{
            proxy_set_header Connection "";
            proxy_set_header Accept-Encoding "";
            proxy_cache packages;
            proxy_cache_key "$uri$is_args$args";
            proxy_cache_valid 200 2s;
            proxy_pass http://{origin};
        }}
    }}"#
        )
    })
}

fn cache(
    dir: &Path,
    _origin: SocketAddr,
    server: impl FnOnce(SocketAddr) -> String,
) -> io::Result<Server> {
    let kept = dir.join("kept");
    let kept = kept.display();
    start(dir, |address| {
        let server = server(address);
        format!(
            r#"
    proxy_cache_path {kept} keys_zone=packages:4m max_size=1g use_temp_path=off;
    map $upstream_status $behind_the_end {{ default 0; 416 1; }}
    proxy_no_cache $behind_the_end;
    proxy_cache_lock on;
    proxy_http_version 1.1;{server}"#
        )
    })
}

fn start(dir: &Path, http: impl FnOnce(SocketAddr) -> String) -> io::Result<Server> {
    let address = free_port()?;
    let (settings, scratch) = (http(address), dir.display());
    let path = dir.join("nginx.conf");
    // As root, workers would become a user who may not read a test's scratch folder.
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
    gzip off;
    open_file_cache off;
    client_body_temp_path {scratch}/client;
    proxy_temp_path {scratch}/proxy;
    fastcgi_temp_path {scratch}/fastcgi;
    uwsgi_temp_path {scratch}/uwsgi;
    scgi_temp_path {scratch}/scgi;{settings}
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
