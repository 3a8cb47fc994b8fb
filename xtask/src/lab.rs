//! `lab`: packages read through real servers and caches while they are updated.
//!
//! The servers are started by the tests, on loopback ports of their own, and stopped by them.

use crate::debian::install_under_ci;
use crate::run::{Context, Outcome, Result, run};
use std::path::Path;

/// Programs that the lab starts, and Debian's packages of them.
const SERVERS: &[(&str, &str)] = &[
    ("/usr/sbin/nginx", "nginx-light"),
    ("/usr/sbin/varnishd", "varnish"),
    ("/usr/sbin/squid", "squid"),
    ("/usr/lib/trafficserver/modules/slice.so", "trafficserver-experimental-plugins"),
    ("/usr/bin/wrk", "wrk"),
];

/// `--full` runs the whole matrix, an hour of it; everything else is handed on to the tests.
pub fn lab(context: &Context, args: &[String]) -> Result<Outcome> {
    let (full, rest): (Vec<_>, Vec<_>) = args.iter().partition(|&arg| arg == "--full");
    let missing = missing();
    if !missing.is_empty() {
        install_under_ci(&missing)?;
    }
    let missing = self::missing();
    if !missing.is_empty() {
        let install = missing.join(" ");
        return Ok(Outcome::Skipped(format!("on Debian, as root: `apt-get install {install}`")));
    }
    let mut command = context.cargo(["test", "-p", "dacti-tests", "--test", "lab"]);
    if !full.is_empty() {
        // Its figures are worth something only if what is measured is what people use.
        command.arg("--release");
    }
    command.arg("--");
    // Each test has several servers and readers of its own.
    command.args(["--test-threads", "1", "--nocapture"]).args(rest);
    if !full.is_empty() {
        command.env("DACTI_LAB", "full");
    }
    run(&mut command)?;
    Ok(Outcome::Done)
}

fn missing() -> Vec<&'static str> {
    SERVERS.iter().filter(|(file, _)| !Path::new(file).exists()).map(|&(_, name)| name).collect()
}
