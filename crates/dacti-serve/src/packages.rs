//! The packages among the files that are served, kept open while they are as they were.

use crate::lifetime::Kind;
use dacti::fetch::ReadAt;
use dacti::seal::{KEY_TEXT_LEN_MAX, SecretKey};
use dacti::{Limits, Package};
use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use tokio::task::spawn_blocking;

/// What every package starts with, up to the signature's version.
const SIGNATURE: &[u8; 7] = b"\xffdaicon";

/// A file as it was at one time. A package that was updated is another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    path: String,
    len: u64,
    modified: Option<SystemTime>,
    identity: Identity,
}

/// What tells a file from another that took its place with the same length and time: packages are
/// padded, so that their lengths are often equal, and many a tool sets the times of what it copies.
#[cfg(unix)]
type Identity = (u64, u64, i64, i64);
#[cfg(not(unix))]
type Identity = ();

#[cfg(unix)]
fn identity(metadata: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    // The last two change with the file, and nobody can set them.
    (metadata.dev(), metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
}

#[cfg(not(unix))]
const fn identity(_: &Metadata) -> Identity {}

/// What is known of a file: `None` where it is no package that can be read.
type Known = Option<Arc<Package>>;

/// Which files are packages, for as many of them as may be kept.
#[derive(Debug)]
pub(crate) struct Packages {
    known: Mutex<HashMap<State, Known>>,
    max: usize,
}

impl Packages {
    pub(crate) fn new(max: usize) -> Self {
        Self { known: Mutex::default(), max }
    }

    /// The package in an open file; `None` where it is none.
    pub(crate) async fn open(&self, path: &str, file: &Arc<File>) -> io::Result<Known> {
        let metadata = file.metadata()?;
        let (len, modified) = (metadata.len(), metadata.modified().ok());
        let state = State { path: path.into(), len, modified, identity: identity(&metadata) };
        if let Some(known) = self.known().get(&state) {
            return Ok(known.clone());
        }
        let source = Served { file: Arc::clone(file), len };
        // It may wait for the disk.
        let opened = spawn_blocking(move || source.package()).await;
        let known = opened.map_err(io::Error::other)??;
        let mut all = self.known();
        if all.len() >= self.max {
            // Rare, and what is asked for again is soon back.
            all.clear();
        }
        all.insert(state, known.clone());
        Ok(known)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<State, Known>> {
        // A map is whole between any two of its calls.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a package's ranges are as its layout promises.
pub(crate) fn kind(package: Option<&Package>) -> Kind {
    let layout = package.and_then(|package| package.view().layout());
    if layout.is_some() { Kind::Grows } else { Kind::Other }
}

/// An open file as the source of a package.
#[derive(Debug)]
struct Served {
    file: Arc<File>,
    len: u64,
}

impl Served {
    /// The package that it is, if any.
    ///
    /// A private key is not served: whoever has it signs as its owner, and a folder that is tried
    /// out may well have one.
    fn package(self) -> io::Result<Known> {
        if self.is_private_key()? {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut signature = [0; SIGNATURE.len()];
        let read = self.read_at(0, &mut signature)?;
        if read < signature.len() || signature != *SIGNATURE {
            return Ok(None);
        }
        // A broken package is a file like others.
        Ok(Package::from_source(Arc::new(self), Limits::default()).ok().map(Arc::new))
    }

    fn is_private_key(&self) -> io::Result<bool> {
        let Some(len) = usize::try_from(self.len).ok().filter(|len| *len <= KEY_TEXT_LEN_MAX)
        else {
            return Ok(false);
        };
        let text = self.read_up_to(0, len)?;
        Ok(str::from_utf8(&text).is_ok_and(SecretKey::is_shown_in))
    }
}

impl ReadAt for Served {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        crate::read::read_at(&self.file, at, buf)
    }

    fn is_local(&self) -> bool {
        true
    }
}
