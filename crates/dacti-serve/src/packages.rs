//! The packages among the files that are served. They stay open as long as their files stay the
//! same.

use crate::lifetime::Kind;
use crate::lookup::{Load, Served};
use crate::options::Options;
use crate::search::{SHORT, Searched, shows_private_key};
use crate::work::{self, Work};
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use dacti::fetch::ReadAt;
use dacti::{Limits, Package};
use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use tokio::sync::{OnceCell, Semaphore};
use tokio::task::spawn_blocking;

/// The maximum number of bytes and the longest time for opening a package, which reads its head,
/// its tables and its fences.
const OPEN_READ_MAX: u64 = 64 << 20;
const OPEN_TIME_MAX: Duration = Duration::from_secs(10);

/// The start of every package, up to the signature's version.
const SIGNATURE: &[u8; 7] = b"\xffdaicon";

/// The state of a file at one time. An updated package has another state.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    path: String,
    len: u64,
    modified: Option<SystemTime>,
    identity: Identity,
}

impl State {
    pub(crate) fn of(path: &str, metadata: &Metadata) -> Self {
        Self {
            path: path.into(),
            len: metadata.len(),
            modified: metadata.modified().ok(),
            identity: identity(metadata),
        }
    }
}

/// Distinguishes a file from another file that replaced it and has the same length and time.
/// Lengths of packages are often equal, because packages are padded. Times are often equal, because
/// many tools copy them.
#[cfg(unix)]
type Identity = (u64, u64, i64, i64);
#[cfg(not(unix))]
type Identity = ();

#[cfg(unix)]
fn identity(metadata: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    // The change time reveals a replaced file, because programs cannot set it as they set the
    // modification time.
    (metadata.dev(), metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
}

#[cfg(not(unix))]
const fn identity(_: &Metadata) -> Identity {}

/// The kind of a file.
#[derive(Debug, Clone)]
pub(crate) enum Known {
    Package(Arc<Served>),
    /// A file that is not a package, or a package that cannot be read. A long file is searched for
    /// private keys as it is sent.
    Other(Option<Arc<Searched>>),
    /// A private key, which is never served.
    Secret,
}

/// The kind of a file. The first request for the file determines the kind, and other requests wait
/// for the result.
type Cell = Arc<OnceCell<Known>>;

/// The maximum number of packages that are opened at the same time.
const OPENS_MAX: usize = 4;
/// Bytes of memory that an open package takes, without its names list and table.
const PACKAGE_LEN: u64 = 64 << 10;
/// The maximum number of bytes of memory that all open packages may take.
const KEPT_LEN_MAX: u64 = 256 << 20;

/// The kinds of files, for at most `max` files.
#[derive(Debug)]
pub(crate) struct Packages {
    known: Mutex<HashMap<State, Cell>>,
    max: usize,
    limits: Limits,
    opens: Arc<Semaphore>,
    /// Names lists and tables are loaded one at a time.
    loads: Arc<Semaphore>,
    load_max: Duration,
    kept_len: AtomicU64,
    #[cfg(test)]
    counts: Arc<(AtomicU64, AtomicU64)>,
}

impl Packages {
    pub(crate) fn new(options: &Options) -> Self {
        let limits = Limits {
            region_len_max: options.region_len_max,
            stream_len_max: options.region_len_max,
            names_len_max: options.names_len_max,
            // Clients get no explanation of a damaged region. So no index is read to find an
            // explanation.
            explained_entries_max: 0,
            ..Limits::default()
        };
        Self {
            known: Mutex::default(),
            max: options.packages_max.max(1),
            limits,
            opens: Arc::new(Semaphore::new(OPENS_MAX)),
            loads: Arc::new(Semaphore::new(1)),
            load_max: options.load_max,
            kept_len: AtomicU64::new(0),
            #[cfg(test)]
            counts: Arc::default(),
        }
    }

    /// Returns the kind of an open file.
    pub(crate) async fn open(&self, path: &str, file: &Arc<File>) -> io::Result<Known> {
        let metadata = file.metadata()?;
        let len = metadata.len();
        let cell = self.cell(State::of(path, &metadata));
        let known = cell.get_or_try_init(|| async {
            let opens = Arc::clone(&self.opens).acquire_owned().await;
            let permit = opens.map_err(io::Error::other)?;
            let (source, limits) = (Source { file: Arc::clone(file), len }, self.limits);
            #[cfg(test)]
            self.counts.0.fetch_add(1, Ordering::Relaxed);
            // The work keeps the permit, even if the client leaves.
            let opened = spawn_blocking(move || {
                let known = source.kind(limits);
                drop(permit);
                known
            });
            let known = opened.await.map_err(io::Error::other)??;
            if matches!(known, Known::Package(_)) {
                self.keep(PACKAGE_LEN);
            }
            Ok::<_, io::Error>(known)
        });
        known.await.cloned()
    }

    /// Loads a part of a package. It first waits for the loads of other requests to end.
    pub(crate) async fn load(&self, served: &Arc<Served>, load: Load) -> io::Result<()> {
        let loads = Arc::clone(&self.loads).acquire_owned().await;
        let permit = loads.map_err(io::Error::other)?;
        if served.is_loaded(load) {
            return Ok(());
        }
        let (served, load_max) = (Arc::clone(served), self.load_max);
        #[cfg(test)]
        self.counts.1.fetch_add(1, Ordering::Relaxed);
        let loaded = spawn_blocking(move || {
            let len = served.load(load, load_max);
            drop(permit);
            len
        });
        self.keep(loaded.await.map_err(io::Error::other)?);
        Ok(())
    }

    /// Returns the number of packages that were opened, and the number of loads.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.counts.0.load(Ordering::Relaxed), self.counts.1.load(Ordering::Relaxed))
    }

    fn cell(&self, state: State) -> Cell {
        let mut known = self.known();
        if known.len() >= self.max && !known.contains_key(&state) {
            self.forget(&mut known);
        }
        Arc::clone(known.entry(state).or_default())
    }

    /// Adds `len` to the number of bytes in memory, and forgets all packages if the sum is too
    /// large.
    fn keep(&self, len: u64) {
        let kept = self.kept_len.fetch_add(len, Ordering::Relaxed).saturating_add(len);
        if kept > KEPT_LEN_MAX {
            self.forget(&mut self.known());
        }
    }

    /// Forgets all files. This is rare, and packages that are requested again are soon opened
    /// again.
    fn forget(&self, known: &mut HashMap<State, Cell>) {
        known.clear();
        self.kept_len.store(0, Ordering::Relaxed);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<State, Cell>> {
        // A panic cannot leave the map half changed, so a poisoned lock is used as well.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns `Grows` for a package with a layout component, which promises that it grows by
/// appending. Returns `Other` for all other files.
pub(crate) fn growth(known: &Known) -> Kind {
    let Known::Package(served) = known else { return Kind::Other };
    if served.package().view().layout().is_some() { Kind::Grows } else { Kind::Other }
}

/// An open file as the source of a package.
#[derive(Debug)]
struct Source {
    file: Arc<File>,
    len: u64,
}

impl Source {
    /// Finds the kind of the file.
    ///
    /// A short file that is not a package is searched for a private key; the result holds until the
    /// file changes. The regions of a package were searched when they were packed.
    fn kind(self, limits: Limits) -> io::Result<Known> {
        let mut signature = [0; SIGNATURE.len()];
        let read = self.read_at(0, &mut signature)?;
        let file = Arc::new(self);
        if read == signature.len() && signature == *SIGNATURE {
            let (work, _client) = Work::new(OPEN_READ_MAX, OPEN_TIME_MAX);
            let source: Arc<dyn ReadAt> = Arc::<Self>::clone(&file);
            let (package, _) = work.run(|| Package::from_source(source, limits));
            // A broken package is served as a plain file.
            if let Ok(package) = package {
                return Ok(Known::Package(Arc::new(Served::new(package))));
            }
        }
        if file.len > SHORT {
            return Ok(Known::Other(Some(Arc::new(Searched::new(file.len)))));
        }
        let is_secret = shows_private_key(&file.file, 0..file.len)?;
        Ok(if is_secret { Known::Secret } else { Known::Other(None) })
    }
}

impl ReadAt for Source {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        work::read(buf.len())?;
        crate::read::read_at(&self.file, at, buf)
    }

    fn is_local(&self) -> bool {
        true
    }
}
