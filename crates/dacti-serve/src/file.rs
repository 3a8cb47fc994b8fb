//! A request from its path to its answer: which file, and whether a part of it is meant.

use crate::answer::{self, Answer, Request};
use crate::lifetime::{Kind, Lifetimes};
use crate::packages::{Packages, kind};
use crate::region;
use crate::server::Options;
use crate::site::{Found, Site};
use crate::target::Target;
use core::time::Duration;
use dacti::{HEAD_LEN, Package};
use hyper::{HeaderMap, Method, StatusCode};
use std::fs::File;
use std::io;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// What a copy of a package's head is called: caches that hold whole objects keep it for a shorter
/// time than the package.
const SIDE_CAR: &str = ".head";
/// How long a request waits for its turn.
const TURN: Duration = Duration::from_secs(10);

/// What answers requests, shared by all connections.
#[derive(Debug)]
pub(crate) struct Origin {
    site: Site,
    lifetimes: Lifetimes,
    packages: Packages,
    /// Regions that may be under way at once: each takes a thread and some memory.
    regions: Arc<Semaphore>,
}

/// A file that is served.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) file: Arc<File>,
    /// How much of it is served: its length, or less.
    pub(crate) len: u64,
    pub(crate) kind: Kind,
    package: Option<Arc<Package>>,
}

impl Origin {
    pub(crate) fn new(site: Site, options: &Options) -> Self {
        Self {
            site,
            lifetimes: Lifetimes::new(options.head_max_age, options.data_max_age),
            packages: Packages::new(options.packages_max.max(1)),
            regions: Arc::new(Semaphore::new(options.regions_max.max(1))),
        }
    }

    /// The name of the one file that is served.
    pub(crate) fn only(&self) -> Option<&str> {
        self.site.only()
    }

    pub(crate) async fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Answer {
        let head = match *method {
            Method::GET => false,
            Method::HEAD => true,
            Method::OPTIONS => return answer::preflight(),
            _ => {
                let why = "only GET, HEAD and OPTIONS are answered";
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
            Err(error) => return self.find_within(target, request, error).await,
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
                    _ => return Ok(unlisted()),
                };
                let opened = self.open(&index, file).await?;
                Ok(answer::file(&opened, &index, request).await)
            }
        }
    }

    /// What no file is there for: a region of a package, or the copy of its head.
    async fn find_within(
        &self,
        target: &Target,
        request: &Request<'_>,
        error: io::Error,
    ) -> io::Result<Answer> {
        if let Some((path, region)) = target.region() {
            let Found::File(file) = self.site.find(path)? else { return Ok(missing()) };
            let Opened { file, package: Some(package), .. } = self.open(path, file).await? else {
                return Ok(missing());
            };
            let turn = timeout(TURN, Arc::clone(&self.regions).acquire_owned()).await;
            let Ok(Ok(permit)) = turn else {
                let why = "too many regions are under way";
                return Ok(answer::failed(StatusCode::SERVICE_UNAVAILABLE, why));
            };
            return Ok(region::answer(package, file, region, request, permit).await);
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

    async fn open(&self, path: &str, file: File) -> io::Result<Opened> {
        let file = Arc::new(file);
        let len = file.metadata()?.len();
        let package = self.packages.open(path, &file).await?;
        let kind = kind(package.as_deref());
        Ok(Opened { file, len, kind, package })
    }
}

fn missing() -> Answer {
    answer::failed(StatusCode::NOT_FOUND, "nothing is served here")
}

/// What a directory holds is for its `index.html` to tell.
fn unlisted() -> Answer {
    let why = "there is no index.html in this directory, and directories are not listed";
    answer::failed(StatusCode::NOT_FOUND, why)
}
