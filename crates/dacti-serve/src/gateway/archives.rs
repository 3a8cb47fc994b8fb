//! The DAR archives of a site: the files whose names end with `.dar`. They stay open as long as
//! their files stay the same.

use crate::packages::State;
use crate::site::{Found, Site};
use crate::work::{self, Work};
use core::time::Duration;
use dacti_dar::{Archive, Limits, LinkOrder, ReadError, ReadOptions};
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

const SUFFIX: &str = ".dar";
/// The maximum number of open archives. Each takes a file descriptor and 64 KiB of memory.
const ARCHIVES_MAX: usize = 256;
/// The maximum number of folders that are searched for archives.
const FOLDERS_MAX: usize = 1_000;
/// The time after which the site is searched again.
const FRESH: Duration = Duration::from_secs(5);
/// The maximum number of bytes and the longest time for opening an archive.
const OPEN_READ_MAX: u64 = 64 << 20;
const OPEN_TIME_MAX: Duration = Duration::from_secs(10);
/// The longest block that the gateway sends. Networks exchange blocks of at most 2 MiB.
pub(super) const BLOCK_LEN_MAX: u32 = 4 << 20;

/// An open archive.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) archive: Archive<Source>,
    pub(super) link_order: LinkOrder,
}

/// A file of the site whose name ends with `.dar`.
#[derive(Debug)]
struct Shelved {
    state: State,
    /// The archive, or why it is not served.
    opened: Result<Arc<Opened>, String>,
}

/// The archives of a site at one time, in the order of their paths.
#[derive(Debug, Clone, Default)]
pub(super) struct Shelf {
    pub(super) archives: Arc<[Arc<Opened>]>,
    /// The paths of files that cannot be used as archives, with the reasons.
    pub(super) refused: Arc<[String]>,
}

#[derive(Debug, Default)]
struct Listed {
    shelved: Vec<Arc<Shelved>>,
    shelf: Shelf,
    at: Option<Instant>,
}

/// The archives of a site. If the last search is older than a few seconds, the next request
/// searches the site again.
#[derive(Debug)]
pub(super) struct Archives {
    site: Arc<Site>,
    listed: Arc<Mutex<Listed>>,
    searches: Arc<Semaphore>,
}

impl Archives {
    pub(super) fn new(site: Arc<Site>) -> Self {
        Self { site, listed: Arc::default(), searches: Arc::new(Semaphore::new(1)) }
    }

    /// Returns the archives that the site has, or had a few seconds ago.
    pub(super) async fn shelf(&self) -> io::Result<Shelf> {
        if let Some(shelf) = fresh(&self.listed) {
            return Ok(shelf);
        }
        let permit = Arc::clone(&self.searches).acquire_owned().await;
        let permit = permit.map_err(io::Error::other)?;
        // Another request may have searched the site while this request waited.
        if let Some(shelf) = fresh(&self.listed) {
            return Ok(shelf);
        }
        let (site, listed) = (Arc::clone(&self.site), Arc::clone(&self.listed));
        // The search keeps the permit, even if the client leaves.
        let search = spawn_blocking(move || {
            let before = lock(&listed).shelved.clone();
            let after = search(&site, &before);
            let mut listed = lock(&listed);
            *listed = after;
            drop(permit);
            listed.shelf.clone()
        });
        search.await.map_err(io::Error::other)
    }
}

fn lock(listed: &Mutex<Listed>) -> MutexGuard<'_, Listed> {
    // A panic cannot leave the list half changed, because the list is replaced as a whole. So a
    // poisoned lock is used as well.
    listed.lock().unwrap_or_else(PoisonError::into_inner)
}

fn fresh(listed: &Mutex<Listed>) -> Option<Shelf> {
    let listed = lock(listed);
    listed.at.is_some_and(|at| at.elapsed() < FRESH).then(|| listed.shelf.clone())
}

/// Searches the site for archives. Archives that are already open stay open.
fn search(site: &Site, before: &[Arc<Shelved>]) -> Listed {
    let mut paths = paths(site);
    paths.sort_unstable();
    let mut shelved = Vec::new();
    let (mut archives, mut refused) = (Vec::new(), Vec::new());
    for path in paths {
        let Ok(Found::File(file)) = site.find(&path) else { continue };
        let Ok(metadata) = file.metadata() else { continue };
        let state = State::of(&path, &metadata);
        let known = before.iter().find(|known| known.state == state);
        let known = known.cloned().unwrap_or_else(|| {
            let opened = if archives.len() < ARCHIVES_MAX {
                open(file, metadata.len()).map(Arc::new)
            } else {
                Err(format!("the served folder has more than {ARCHIVES_MAX} archives"))
            };
            Arc::new(Shelved { state, opened })
        });
        match &known.opened {
            Ok(opened) => archives.push(Arc::clone(opened)),
            Err(reason) => refused.push(format!("{path}: {reason}")),
        }
        shelved.push(known);
    }
    let shelf = Shelf { archives: archives.into(), refused: refused.into() };
    Listed { shelved, shelf, at: Some(Instant::now()) }
}

/// Returns the paths of the files whose names end with `.dar`.
fn paths(site: &Site) -> Vec<String> {
    if let Some(only) = site.only() {
        return only.ends_with(SUFFIX).then(|| only.into()).into_iter().collect();
    }
    let (mut found, mut folders, mut searched) = (Vec::new(), vec![String::new()], 0_usize);
    while let Some(folder) = folders.pop() {
        if searched >= FOLDERS_MAX {
            break;
        }
        searched = searched.saturating_add(1);
        for entry in site.list(&folder).unwrap_or_default() {
            let slash = if folder.is_empty() { "" } else { "/" };
            let path = format!("{folder}{slash}{}", entry.name);
            if entry.is_directory {
                folders.push(path);
            } else if path.ends_with(SUFFIX) {
                found.push(path);
            }
        }
    }
    found
}

fn open(file: File, len: u64) -> Result<Opened, String> {
    let limits = Limits { block_len_max: BLOCK_LEN_MAX, ..Limits::default() };
    let options = ReadOptions { limits, ..ReadOptions::default() };
    let (work, _client) = Work::new(OPEN_READ_MAX, OPEN_TIME_MAX);
    let (opened, _) = work.run(|| -> Result<Opened, ReadError> {
        let archive = Archive::open_with(Source { file, len }, &options)?;
        archive.buckets()?;
        let link_order = archive.header()?.link_order;
        Ok(Opened { archive, link_order })
    });
    opened.map_err(|error| match error {
        ReadError::Format(dacti_dar::Error::Misuse(dacti_dar::Misuse::NoIndex)) => {
            "the archive has no index: add one with `dacti dar index`".into()
        }
        error => error.to_string(),
    })
}

/// An open file as the source of an archive. Reads obey the limits of the work on their thread.
#[derive(Debug)]
pub(super) struct Source {
    file: File,
    len: u64,
}

impl dacti_dar::ReadAt for Source {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        work::read(buffer.len())?;
        self.file.read_at(offset, buffer)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.len)
    }
}
