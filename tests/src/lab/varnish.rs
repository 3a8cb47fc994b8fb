//! Varnish as a cache of whole objects.

use super::free_port;
use super::process::{Server, Tool};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

/// Keeps whole objects for as long as the origin says, and not a second longer.
pub(super) fn whole(dir: &Path, origin: SocketAddr) -> io::Result<Server> {
    let address = free_port()?;
    let (host, port) = (origin.ip(), origin.port());
    let path = dir.join("cache.vcl");
    let config = format!(
        r#"vcl 4.1;
backend origin {{ .host = "{host}"; .port = "{port}"; }}
sub vcl_recv {{
    unset req.http.Accept-Encoding;
    if (req.http.Range ~ ",") {{ return (synth(400, "one range at a time")); }}
}}
sub vcl_backend_response {{
    set beresp.grace = 0s;
    set beresp.do_gzip = false;
    if (beresp.status == 416 || beresp.status == 206) {{ set beresp.uncacheable = true; }}
}}
"#
    );
    fs::write(&path, config)?;
    let mut command = Tool::VARNISH.command()?;
    command.args(["-F", "-j", "none", "-p", "default_grace=0", "-s", "malloc,256m"]);
    command.arg("-n").arg(dir.join("work")).arg("-f").arg(&path).arg("-a").arg(address.to_string());
    Server::start(command, dir, address)
}
