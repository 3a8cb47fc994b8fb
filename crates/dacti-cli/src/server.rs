//! Runs an HTTP server until a signal stops it.

use crate::Talk;
use crate::outcome::{Failure, Outcome};
use crate::output;
use core::net::SocketAddr;
use dacti_serve::{Options, Server, Site};
use std::io::Write;
use tokio::signal;

/// Serves a site at an address until a signal arrives. First it prints the URL that `url` makes for
/// the server and, for people, the line that `hint` makes.
pub(crate) fn run(
    site: Site,
    (listen, options): (SocketAddr, Options),
    talk: Talk,
    url: impl Fn(&Server) -> String,
    hint: impl Fn(&Server) -> String,
) -> Result<Outcome, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed("start threads", &error))?;
    let outcome = runtime.block_on(async {
        let server = Server::bind(site, listen, options).await;
        let server = server
            .map_err(|error| Failure::Failed(format!("cannot listen at {listen}: {error}")))?;
        let server = if talk == Talk::Verbose {
            server.log_to(|request| output::note(request))
        } else {
            server
        };
        // The program listens for signals before it prints the address, because a script may send a
        // signal as soon as it reads the address.
        let stop = stop().map_err(|error| failed("listen for signals", &error))?;
        let mut out = std::io::stdout();
        writeln!(out, "{}", url(&server))?;
        out.flush()?;
        if talk != Talk::Quiet {
            output::note(&hint(&server));
        }
        server.run(stop).await;
        Ok(Outcome::Done)
    });
    // The shutdown does not wait for threads that a disk blocks.
    runtime.shutdown_background();
    outcome
}

fn failed(what: &str, error: &std::io::Error) -> Failure {
    Failure::Failed(format!("cannot {what}: {error}"))
}

/// Waits for a signal to stop the server.
#[cfg(unix)]
fn stop() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate())?;
    let mut interrupt = signal::unix::signal(signal::unix::SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
fn stop() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        // If the system delivers no signals, the user ends the program by other means.
        if signal::ctrl_c().await.is_err() {
            core::future::pending().await
        }
    })
}
