//! A request from its path to its answer.

use crate::answer::{self, Answer, Request};
use crate::lifetime::{Kind, Lifetimes};
use crate::lookup::{Load, Served};
use crate::packages::{Known, Packages, growth};
use crate::page;
use crate::region::{self, Prepared};
use crate::server::Options;
use crate::site::{Found, Site};
use crate::target::Target;
use core::time::Duration;
use dacti::HEAD_LEN;
use hyper::{HeaderMap, Method, StatusCode};
use std::fs::File;
use std::io;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// The suffix of a copy of a package's head. Caches that hold whole objects keep it for a shorter
/// time than the package.
const SIDE_CAR: &str = ".head";
/// The longest wait of a request for its turn.
const TURN: Duration = Duration::from_secs(10);

/// Answers requests of all connections.
#[derive(Debug)]
pub(crate) struct Origin {
    site: Site,
    lifetimes: Lifetimes,
    packages: Packages,
    /// The turns of regions: each takes a thread and some memory.
    regions: Arc<Semaphore>,
    index_pages: bool,
}

/// A file that is served.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) file: Arc<File>,
    /// The length that is served.
    pub(crate) len: u64,
    pub(crate) kind: Kind,
    package: Option<Arc<Served>>,
}

impl Origin {
    pub(crate) fn new(site: Site, options: &Options) -> Self {
        Self {
            site,
            lifetimes: Lifetimes::new(options.head_max_age, options.data_max_age),
            packages: Packages::new(options),
            regions: Arc::new(Semaphore::new(options.regions_max.max(1))),
            index_pages: options.index_pages,
        }
    }

    /// Returns the name of the one file that is served.
    pub(crate) fn only(&self) -> Option<&str> {
        self.site.only()
    }

    pub(crate) async fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Answer {
        let head = match *method {
            Method::GET => false,
            Method::HEAD => true,
            Method::OPTIONS => return answer::preflight(),
            _ => {
                let why = "this server answers GET, HEAD and OPTIONS";
                return answer::failed(StatusCode::METHOD_NOT_ALLOWED, why);
            }
        };
        let Some(target) = Target::parse(path, self.only()) else { return missing() };
        let request = Request::new(headers, head, &self.lifetimes);
        match self.find(&target, path, &request).await {
            Ok(answer) => answer,
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound
                | io::ErrorKind::NotADirectory
                | io::ErrorKind::InvalidInput
                | io::ErrorKind::InvalidFilename
                // A link that leads outside.
                | io::ErrorKind::PermissionDenied => missing(),
                _ => answer::failed(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
            },
        }
    }

    async fn find(&self, target: &Target, path: &str, request: &Request<'_>) -> io::Result<Answer> {
        let found = match self.site.find(&target.path) {
            Ok(found) => found,
            Err(error) => return self.find_within(target, path, request, error).await,
        };
        match found {
            Found::File(_) if target.directory => Ok(missing()),
            Found::File(file) => {
                let opened = self.open(&target.path, file).await?;
                Ok(answer::file(&opened, &target.path, request).await)
            }
            Found::Directory if !target.directory => Ok(answer::moved(&format!("{path}/"))),
            Found::Directory => {
                let slash = if target.path.is_empty() { "" } else { "/" };
                let index = format!("{}{slash}index.html", target.path);
                let file = match self.site.find(&index) {
                    Ok(Found::File(file)) => file,
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => return self.directory(target, path, request),
                };
                let opened = self.open(&index, file).await?;
                Ok(answer::file(&opened, &index, request).await)
            }
        }
    }

    /// Answers with the index page of a directory.
    fn directory(&self, target: &Target, path: &str, request: &Request<'_>) -> io::Result<Answer> {
        if self.only().is_some() {
            return Ok(missing());
        }
        if !self.index_pages {
            let why = "there is no index.html in this directory, and directories are not listed";
            return Ok(answer::failed(StatusCode::NOT_FOUND, why));
        }
        let entries = self.site.list(&target.path)?;
        Ok(answer::page(page::directory(path, &entries), request, None))
    }

    /// Answers for a path without a file: a region of a package, or a copy of its head.
    async fn find_within(
        &self,
        target: &Target,
        path: &str,
        request: &Request<'_>,
        error: io::Error,
    ) -> io::Result<Answer> {
        if let Some((package, region)) = target.region() {
            let Some((served, file)) = self.package(package).await? else { return Ok(missing()) };
            return self.region(&served, file, region, target, path, request).await;
        }
        if let Some(package) = target.path.strip_suffix("/-")
            && self.package(package).await?.is_some()
        {
            return Ok(answer::moved(&format!("{path}/")));
        }
        let Some(path) = target.path.strip_suffix(SIDE_CAR) else { return Err(error) };
        let Found::File(file) = self.site.find(path)? else { return Err(error) };
        let opened = self.open(path, file).await?;
        if opened.package.is_none() || target.directory {
            return Err(error);
        }
        let head = Opened { len: opened.len.min(HEAD_LEN), kind: Kind::Other, ..opened };
        Ok(answer::file(&head, path, request).await)
    }

    /// Returns the package at a path of the site.
    async fn package(&self, path: &str) -> io::Result<Option<(Arc<Served>, Arc<File>)>> {
        let Found::File(file) = self.site.find(path)? else { return Ok(None) };
        let Opened { file, package, .. } = self.open(path, file).await?;
        Ok(package.map(|package| (package, file)))
    }

    /// Answers with a region of a package, or with the index page of a folder in it.
    async fn region(
        &self,
        served: &Arc<Served>,
        file: Arc<File>,
        region: String,
        target: &Target,
        path: &str,
        request: &Request<'_>,
    ) -> io::Result<Answer> {
        let (prepared, turn) = self.prepare(served, region.clone(), request).await?;
        match (prepared, turn) {
            (Ok(Prepared::Page(page)), Some(turn)) => {
                return Ok(region::answer(*page, file, &region, request, turn));
            }
            (Ok(Prepared::Needs(_)), _) | (_, None) => return Ok(busy()),
            (Ok(Prepared::Absent), Some(_)) => {}
            (Err(fault), _) => {
                return Ok(answer::failed(StatusCode::INTERNAL_SERVER_ERROR, &fault));
            }
        }
        if target.directory {
            let folder = region.strip_suffix("index.html").unwrap_or(&region);
            return self.folder(served, folder, path, request).await;
        }
        // The folder of that name, if there is one.
        let index = format!("{region}/index.html");
        let (prepared, _) = self.prepare(served, index, request).await?;
        if matches!(prepared, Ok(Prepared::Page(_))) {
            return Ok(answer::moved(&format!("{path}/")));
        }
        Ok(answer::failed(StatusCode::NOT_FOUND, "no such region"))
    }

    /// Finds a region and reads a short one, after loading the parts of the package that this needs.
    async fn prepare(
        &self,
        served: &Arc<Served>,
        region: String,
        request: &Request<'_>,
    ) -> io::Result<(Result<Prepared, String>, Option<OwnedSemaphorePermit>)> {
        // The names list, the index, and the look-up itself.
        for _ in 0..3 {
            let Some(turn) = self.turn().await else { break };
            let brotli = request.accepts_brotli();
            let (prepared, turn) =
                region::prepare(Arc::clone(served), region.clone(), brotli, turn).await;
            let Ok(Prepared::Needs(load)) = prepared else { return Ok((prepared, turn)) };
            // Nobody waits for a load with a turn of his own.
            drop(turn);
            match timeout(TURN, self.packages.load(served, load)).await {
                Ok(loaded) => loaded?,
                Err(_) => break,
            }
        }
        Ok((Ok(Prepared::Absent), None))
    }

    async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        timeout(TURN, Arc::clone(&self.regions).acquire_owned()).await.ok()?.ok()
    }

    /// Answers with the index page of a folder in a package.
    async fn folder(
        &self,
        served: &Arc<Served>,
        folder: &str,
        path: &str,
        request: &Request<'_>,
    ) -> io::Result<Answer> {
        if !self.index_pages {
            return Ok(answer::failed(StatusCode::NOT_FOUND, "no such region"));
        }
        if !matches!(served.has_names(), Ok(true)) {
            match timeout(TURN, self.packages.load(served, Load::Names)).await {
                Ok(loaded) => loaded?,
                Err(_) => return Ok(busy()),
            }
        }
        if let Err(fault) = served.has_names() {
            return Ok(answer::failed(StatusCode::INTERNAL_SERVER_ERROR, &fault.to_string()));
        }
        let Some(turn) = self.turn().await else { return Ok(busy()) };
        let (served, folder, path) = (Arc::clone(served), String::from(folder), String::from(path));
        let page = spawn_blocking(move || {
            let names = served.package().names().ok();
            (names.and_then(|names| page::regions(&path, names, &folder)), turn)
        });
        let (page, turn) = page.await.map_err(io::Error::other)?;
        Ok(match page {
            Some(page) => answer::page(page, request, Some(turn)),
            None => answer::failed(StatusCode::NOT_FOUND, "no such region"),
        })
    }

    async fn open(&self, path: &str, file: File) -> io::Result<Opened> {
        let file = Arc::new(file);
        let len = file.metadata()?.len();
        let known = self.packages.open(path, &file).await?;
        let kind = growth(&known);
        let package = match known {
            Known::Package(served) => Some(served),
            Known::Other => None,
            Known::Secret => return Err(io::ErrorKind::PermissionDenied.into()),
        };
        Ok(Opened { file, len, kind, package })
    }
}

fn busy() -> Answer {
    let why = "too many requests are under way: try again in a second";
    answer::failed(StatusCode::SERVICE_UNAVAILABLE, why)
}

fn missing() -> Answer {
    answer::failed(StatusCode::NOT_FOUND, "nothing is served here")
}
