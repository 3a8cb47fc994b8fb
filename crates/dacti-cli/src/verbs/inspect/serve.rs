//! `inspect --serve`: the inspector in a browser, on this machine only.

use crate::outcome::{Failure, Outcome};
use crate::output::shown;
use crate::web::WebFiles;
use crate::{Talk, server};
use core::net::{Ipv4Addr, SocketAddr};
use dacti::fetch::{Location, LocationKind};
use dacti::report::inspect::Inspection;
use dacti_serve::{Options, Server, Site};
use daicon_core::Hex;
use std::path::Path;

/// The folder of the inspector's pages within the site.
const PAGES: &str = "-inspector";

/// Serves the inspector on a loopback port, for a file or for a URL that the browser fetches.
pub(super) fn run(
    file: &Path,
    port: u16,
    inspection: impl FnOnce() -> Result<Inspection, Failure>,
    talk: Talk,
) -> Result<Outcome, Failure> {
    let location = Location::from(file);
    let (site, target) = match (location.kind(), location.secret_url()) {
        (LocationKind::Store, Some(_)) => {
            let message = "a browser has no credentials for object stores: name the URL under \
                           which the bucket is public, or copy the package with `dacti pull`";
            return Err(Failure::Usage(message.into()));
        }
        (_, Some(url)) => (Site::empty(), Some(url)),
        (_, None) if file.is_dir() => {
            let file = shown(file);
            return Err(Failure::Failed(format!("{file} is a folder: name a package in it")));
        }
        (_, None) => {
            let opened = Site::open(file).map_err(|error| {
                Failure::Failed(format!("cannot open {}: {error}", shown(file)))
            })?;
            (opened, None)
        }
    };
    let mut random = [0; 16];
    getrandom::fill(&mut random)
        .map_err(|error| Failure::Failed(format!("cannot make a random address: {error}")))?;
    // The name of the folder is random, so that other programs and pages on this machine cannot
    // guess the address.
    let mut site = site.below(&Hex(&random).to_string());
    let files = WebFiles::open()?;
    for path in files.below("module/")? {
        let content = files.get(&format!("module/{path}"))?;
        site = site.with_page(format!("{PAGES}/{path}"), content);
    }
    // This program makes the map, so the page does not load the module that could make it.
    let map = serde_json::to_vec(&inspection()?).map_err(std::io::Error::other)?;
    site = site.with_page(format!("{PAGES}/inspector/map.json"), map);
    let mut options = Options::default();
    // A file under inspection may change without a change of its name, so caches must not keep it.
    options.head_max_age = 0;
    options.data_max_age = 0;
    let start = |server: &Server| {
        let own = server.url();
        let folder = own.rsplit_once('/').map_or(&*own, |(folder, _)| folder);
        format!("{folder}/{PAGES}/inspector/index.html#served={}", target.unwrap_or(&own))
    };
    let hint = |_: &Server| String::from("open this address in a browser; Ctrl-C stops");
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    server::run(site, (listen, options), talk, start, hint)
}
