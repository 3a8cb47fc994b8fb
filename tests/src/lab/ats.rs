//! Apache Traffic Server as a cache of slices.

use super::process::{Server, Tool};
use super::{folder, free_port, open_to_all};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

/// Starts a cache that keeps slices of 1 MiB. When a package has grown, new slices state another
/// total length than the first slice, which the cache still has. The settings make the cache
/// replace the first slice. Otherwise, requests for slices that are not cached would fail.
pub(super) fn slices(dir: &Path, origin: SocketAddr) -> io::Result<Server> {
    let address = free_port()?;
    let port = address.port();
    for name in ["etc", "run", "log", "cache"] {
        folder(dir, name)?;
    }
    let scratch = dir.display();
    let etc = dir.join("etc");
    let settings = format!(
        "CONFIG proxy.config.http.server_ports STRING {port}:ip-in=127.0.0.1
CONFIG proxy.config.exec_thread.autoconfig INT 0
CONFIG proxy.config.exec_thread.limit INT 2
CONFIG proxy.config.http.cache.http INT 1
CONFIG proxy.config.http.cache.required_headers INT 1
CONFIG proxy.config.url_remap.remap_required INT 1
CONFIG proxy.config.reverse_proxy.enabled INT 1
CONFIG proxy.config.http.negative_caching_enabled INT 0
CONFIG proxy.config.cache.ram_cache.size INT 64M
CONFIG proxy.config.local_state_dir STRING {scratch}/run
CONFIG proxy.config.log.logfile_dir STRING {scratch}/log
CONFIG proxy.config.log.logging_enabled INT 0
CONFIG proxy.config.crash_log_helper STRING NULL
CONFIG proxy.config.admin.user_id STRING trafficserver
"
    );
    fs::write(etc.join("records.config"), settings)?;
    let remap = include_str!("../../../docs/caches/edge-ats-remap.config")
        .replace("ADDRESS", &address.to_string())
        .replace("ORIGIN", &origin.to_string());
    fs::write(etc.join("remap.config"), remap)?;
    fs::write(etc.join("storage.config"), format!("{scratch}/cache 256M\n"))?;
    for name in ["plugin.config", "ip_allow.yaml", "logging.yaml", "sni.yaml", "hosting.config"] {
        fs::write(etc.join(name), "")?;
    }
    for name in ["parent.config", "volume.config", "cache.config", "splitdns.config"] {
        fs::write(etc.join(name), "")?;
    }
    fs::write(
        etc.join("ip_allow.yaml"),
        "ip_allow:\n  - apply: in\n    ip_addrs: 127.0.0.1\n    action: allow\n    methods: ALL\n",
    )?;
    open_to_all(&etc)?;
    let mut command = Tool::ATS.command()?;
    command.env("PROXY_CONFIG_CONFIG_DIR", &etc);
    command.env("PROXY_CONFIG_LOCAL_STATE_DIR", dir.join("run"));
    command.env("PROXY_CONFIG_LOG_LOGFILE_DIR", dir.join("log"));
    Server::start(command, dir, address)
}
