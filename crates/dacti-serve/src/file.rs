//! Answers requests: finds the file or the region at the path of a request.

use crate::answer::{self, Answer, Request};
use crate::gateway::Gateway;
use crate::lifetime::{Kind, Lifetimes};
use crate::lookup::{Load, Served};
use crate::opened::Opened;
use crate::options::Options;
use crate::packages::{Known, Packages, growth};
use crate::page;
use crate::region::{self, Prepared, Purpose};
use crate::site::{Found, Site};
use crate::target::Target;
use core::time::Duration;
use dacti::HEAD_LEN;
use hyper::{HeaderMap, Method, StatusCode, Uri};
use std::fs::File;
use std::io;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// The suffix of the URL of a copy of a package's head. A cache that holds whole objects can keep
/// this copy for a shorter time than the whole package, so that readers see an update earlier.
const SIDE_CAR: &str = ".head";
/// The path of a site's own page for missing files. Most static hosts use this name.
const MISSING: &str = "404.html";
/// The longest wait of a request for a permit.
const TURN: Duration = Duration::from_secs(10);

/// Answers requests of all connections.
#[derive(Debug)]
pub(crate) struct Origin {
    site: Arc<Site>,
    lifetimes: Lifetimes,
    packages: Packages,
    gateway: Gateway,
    /// The permits for reading regions: each region needs a thread and some memory.
    regions: Arc<Semaphore>,
    index_pages: bool,
}

impl Origin {
    pub(crate) fn new(site: Site, options: &Options) -> Self {
        let site = Arc::new(site);
        let regions = Arc::new(Semaphore::new(options.regions_max.max(1)));
        let index_pages = options.index_pages;
        let gateway = Gateway::new(Arc::clone(&site), Arc::clone(&regions), index_pages);
        let lifetimes = Lifetimes::new(options.head_max_age, options.data_max_age);
        Self { site, lifetimes, packages: Packages::new(options), gateway, regions, index_pages }
    }

    /// Returns the name of the one file that is served.
    pub(crate) fn only(&self) -> Option<&str> {
        self.site.only()
    }

    /// Returns the start of all paths of the site.
    pub(crate) fn start(&self) -> &str {
        self.site.start()
    }

    pub(crate) async fn answer(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Answer {
        let head = match *method {
            Method::GET => false,
            Method::HEAD => true,
            Method::OPTIONS => return answer::preflight(),
            _ => {
                let why = "this server answers GET, HEAD and OPTIONS";
                return answer::failed(StatusCode::METHOD_NOT_ALLOWED, why);
            }
        };
        let request = Request::new(headers, head, &self.lifetimes);
        let query = uri.query().unwrap_or_default();
        let Some(path) = self.site.within(uri.path()) else { return missing() };
        let found = match self.gateway.answer(path, query, &request).await {
            Ok(Some(answer)) => return answer,
            Ok(None) => match Target::parse(path, self.only()) {
                Some(target) => self.find(&target, uri.path(), &request).await,
                None => Ok(missing()),
            },
            Err(error) => Err(error),
        };
        let answer = match found {
            Ok(answer) => answer,
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound
                | io::ErrorKind::NotADirectory
                | io::ErrorKind::InvalidInput
                | io::ErrorKind::InvalidFilename
                // This is the error for a symbolic link that leads outside of the site.
                | io::ErrorKind::PermissionDenied => missing(),
                _ => answer::failed(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
            },
        };
        if answer.status() == StatusCode::NOT_FOUND {
            return self.missing_page(head).await.unwrap_or(answer);
        }
        answer
    }

    /// Returns the site's own page for missing files, if the site is a folder that has one.
    async fn missing_page(&self, head: bool) -> Option<Answer> {
        if self.only().is_some() {
            return None;
        }
        let Ok(Found::File(file)) = self.site.find(MISSING) else { return None };
        let opened = self.open(MISSING, file).await.ok()?;
        let fields = HeaderMap::new();
        let request = Request::new(&fields, head, &self.lifetimes);
        let mut answer = answer::file(&opened, MISSING, &request).await.ok()?;
        answer::set_missing(&mut answer);
        Some(answer)
    }

    async fn find(&self, target: &Target, path: &str, request: &Request<'_>) -> io::Result<Answer> {
        let found = match self.site.find(&target.path) {
            Ok(found) => found,
            Err(error) => return self.find_within(target, path, request, error).await,
        };
        match found {
            Found::File(_) | Found::Page(_) if target.directory => Ok(missing()),
            Found::Page(content) => Ok(answer::memory(content, &target.path, request)),
            Found::File(file) => {
                let opened = self.open(&target.path, file).await?;
                answer::file(&opened, &target.path, request).await
            }
            Found::Directory if !target.directory => Ok(answer::moved(&format!("{path}/"))),
            Found::Directory => {
                let slash = if target.path.is_empty() { "" } else { "/" };
                let index = format!("{}{slash}index.html", target.path);
                let file = match self.site.find(&index) {
                    Ok(Found::File(file)) => file,
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => return self.directory(target, path, request).await,
                };
                let opened = self.open(&index, file).await?;
                answer::file(&opened, &index, request).await
            }
        }
    }

    /// Answers with the index page of a directory.
    async fn directory(
        &self,
        target: &Target,
        path: &str,
        request: &Request<'_>,
    ) -> io::Result<Answer> {
        if self.only().is_some() {
            return Ok(missing());
        }
        if !self.index_pages {
            let why = "there is no index.html in this folder, and folders are not listed";
            return Ok(answer::failed(StatusCode::NOT_FOUND, why));
        }
        let Some(turn) = self.turn().await else { return Ok(busy()) };
        let site = Arc::clone(&self.site);
        let (folder, path) = (target.path.clone(), String::from(path));
        // The permit moves with the work, and is in use until the page is sent.
        let page = spawn_blocking(move || {
            let (entries, is_whole) = site.list_some(&folder)?;
            Ok::<_, io::Error>((page::directory(&path, &entries, is_whole), turn))
        });
        let (page, turn) = page.await.map_err(io::Error::other)??;
        Ok(answer::page(page, request, turn))
    }

    /// Answers a request whose path names no file, but a region of a package or a copy of the
    /// package's head.
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
        answer::file(&head, path, request).await
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
        let purpose = Purpose::of(request);
        let (prepared, turn) = self.prepare(served, region.clone(), purpose).await?;
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
        // If there is a folder of this name, the answer redirects to the folder.
        let index = format!("{region}/index.html");
        let (prepared, _) = self.prepare(served, index, Purpose::Redirect).await?;
        if matches!(prepared, Ok(Prepared::Page(_))) {
            return Ok(answer::moved(&format!("{path}/")));
        }
        Ok(answer::failed(StatusCode::NOT_FOUND, "no such region"))
    }

    /// Finds a region, and reads it if it is short. Before the look-up, this loads the names list
    /// and the index if the look-up needs them.
    async fn prepare(
        &self,
        served: &Arc<Served>,
        region: String,
        purpose: Purpose,
    ) -> io::Result<(Result<Prepared, String>, Option<OwnedSemaphorePermit>)> {
        // There are at most three rounds: load the names list, load the index, and look up.
        for _ in 0..3 {
            let Some(turn) = self.turn().await else { break };
            let (prepared, turn) =
                region::prepare(Arc::clone(served), region.clone(), purpose.clone(), turn).await;
            let Ok(Prepared::Needs(load)) = prepared else { return Ok((prepared, turn)) };
            // A request that waits for a load holds no permit.
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
            Some(page) => answer::page(page, request, turn),
            None => answer::failed(StatusCode::NOT_FOUND, "no such region"),
        })
    }

    async fn open(&self, path: &str, file: File) -> io::Result<Opened> {
        let file = Arc::new(file);
        let len = file.metadata()?.len();
        let known = self.packages.open(path, &file).await?;
        let kind = if Kind::is_part(path) { Kind::Part } else { growth(&known) };
        let (package, searched) = match known {
            Known::Package(served) => (Some(served), None),
            Known::Other(searched) => (None, searched),
            Known::Secret => return Err(io::ErrorKind::PermissionDenied.into()),
        };
        Ok(Opened { file, len, kind, package, searched })
    }
}

fn busy() -> Answer {
    let why = "too many requests are in progress: try again in a second";
    answer::failed(StatusCode::SERVICE_UNAVAILABLE, why)
}

fn missing() -> Answer {
    answer::failed(StatusCode::NOT_FOUND, "nothing is served here")
}

#[cfg(test)]
mod tests {
    use super::Origin;
    use crate::lookup::Served;
    use crate::options::Options;
    use crate::region::{Prepared, Purpose, prepare};
    use crate::site::Site;
    use crate::work;
    use core::future::Future;
    use core::time::Duration;
    use dacti::fetch::{BytesSource, ReadAt};
    use dacti::{BuildOptions, EncodingChoice, InputName, Limits, Package, PackageBuilder};
    use hyper::{HeaderMap, Method, StatusCode};
    use std::io;
    use std::path::Path;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::sync::{Arc, Mutex};
    use tokio::sync::Semaphore;

    /// Builds a package whose names list has explicit ids, so that every look-up needs the names
    /// list.
    fn build(to: &Path, regions: u128) {
        let mut builder = PackageBuilder::new(BuildOptions::default());
        for n in 0..regions {
            let id = dacti::region_id(&format!("another path {n}")).unwrap();
            let name = InputName::path_with_id(format!("{n}.txt"), id);
            builder.add(name, format!("content {n}").into_bytes()).unwrap();
        }
        builder.build(to).unwrap();
    }

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(work)
    }

    async fn status(origin: &Origin, path: &str) -> StatusCode {
        let uri = path.parse().unwrap();
        origin.answer(&Method::GET, &uri, &HeaderMap::new()).await.status()
    }

    #[test]
    fn a_names_list_is_loaded_once_and_a_failure_is_remembered() {
        let dir = tempfile::tempdir().unwrap();
        build(&dir.path().join("p.dacti-pack"), 50);
        // The limit of the first server has room for the names list. The limit of the second server
        // is too small for it.
        for (names_len_max, expected) in
            [(1 << 20, StatusCode::OK), (64, StatusCode::INTERNAL_SERVER_ERROR)]
        {
            let options = Options { names_len_max, ..Options::default() };
            let site = Site::open(dir.path()).unwrap();
            let origin = Arc::new(Origin::new(site, &options));
            block_on(async {
                let mut requests = tokio::task::JoinSet::new();
                for n in 0..64 {
                    let origin = Arc::clone(&origin);
                    let path = format!("/p.dacti-pack/-/{}.txt", n % 50);
                    requests.spawn(async move { status(&origin, &path).await });
                }
                while let Some(found) = requests.join_next().await {
                    assert_eq!(found.unwrap(), expected);
                }
                assert_eq!(origin.packages.counts(), (1, 1), "opened once and loaded once");
                assert_eq!(status(&origin, "/p.dacti-pack/-/7.txt").await, expected);
                assert_eq!(origin.packages.counts(), (1, 1));
            });
        }
    }

    #[test]
    fn a_page_holds_its_turn_until_it_is_sent() {
        let dir = tempfile::tempdir().unwrap();
        build(&dir.path().join("p.dacti-pack"), 50);
        let options = Options { regions_max: 2, ..Options::default() };
        let origin = Arc::new(Origin::new(Site::open(dir.path()).unwrap(), &options));
        block_on(async {
            let ask = |path: &str| {
                let (origin, uri) = (Arc::clone(&origin), path.parse().unwrap());
                async move { origin.answer(&Method::GET, &uri, &HeaderMap::new()).await }
            };
            let held = [ask("/").await, ask("/p.dacti-pack/-/").await];
            assert!(held.iter().all(|answer| answer.status() == StatusCode::OK));
            assert_eq!(origin.regions.available_permits(), 0);
            let third = tokio::spawn(ask("/"));
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert!(!third.is_finished(), "a third page is not made before one is sent");
            drop(held);
            assert_eq!(third.await.unwrap().status(), StatusCode::OK);
        });
    }

    /// A file that reports each read of a position after the head. Then the read waits for a
    /// message before it continues.
    #[derive(Debug)]
    struct Slow {
        bytes: BytesSource,
        told: Mutex<Sender<()>>,
        leave: Mutex<Receiver<()>>,
    }

    impl ReadAt for Slow {
        fn len(&self) -> u64 {
            self.bytes.len()
        }

        fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
            if at >= dacti::HEAD_LEN {
                work::read(buf.len())?;
                self.told.lock().unwrap().send(()).unwrap();
                self.leave.lock().unwrap().recv().unwrap();
            }
            self.bytes.read_at(at, buf)
        }
    }

    #[test]
    fn a_turn_stays_with_its_work_and_work_ends_without_its_client() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p");
        let options = BuildOptions { encoding: EncodingChoice::None, ..BuildOptions::default() };
        let mut builder = PackageBuilder::new(options);
        // This region takes several reads of 64 KiB.
        builder.add("a.bin", vec![7; 1 << 20]).unwrap();
        builder.build(&path).unwrap();
        let (told, tells) = channel();
        let (give_leave, leave) = channel();
        let bytes = BytesSource::new(std::fs::read(path).unwrap());
        let source = Slow { bytes, told: Mutex::new(told), leave: Mutex::new(leave) };
        let package = Package::from_source(Arc::new(source), Limits::default()).unwrap();
        let served = Arc::new(Served::new(package));
        let turns = Arc::new(Semaphore::new(1));
        block_on(async {
            let turn = Arc::clone(&turns).acquire_owned().await.unwrap();
            let request = tokio::spawn(async move {
                let purpose = Purpose::Answer { brotli: false, copies: None };
                let (prepared, _turn) = prepare(served, "a.bin".into(), purpose, turn).await;
                matches!(prepared, Ok(Prepared::Page(_)))
            });
            tokio::task::block_in_place(|| tells.recv().unwrap());
            // The client leaves in the middle of the first read.
            request.abort();
            assert!(request.await.unwrap_err().is_cancelled());
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert_eq!(turns.available_permits(), 0, "the work goes on");
            give_leave.send(()).unwrap();
            let turn = tokio::time::timeout(Duration::from_secs(20), turns.acquire());
            turn.await.expect("the work has ended").unwrap().forget();
            assert!(tells.try_recv().is_err(), "nothing more was read");
        });
    }
}
