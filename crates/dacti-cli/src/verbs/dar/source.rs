//! The sources of archives and CARs: files, standard input, URLs of servers and object stores.

use super::{is_standard, shown};
use crate::Talk;
use crate::outcome::Failure;
use crate::remote::{Costs, Remote, url};
use dacti::dar::DarSource;
use dacti_dar::ReadAt;
use std::fs::File;
use std::io::{self, Seek};
use std::path::Path;
use std::sync::Arc;

/// A source. Its costs are printed when the last clone is dropped.
#[derive(Debug, Clone)]
pub(super) struct Source {
    inner: Arc<Inner>,
    told: Option<Arc<Told>>,
}

#[derive(Debug)]
struct Told(Costs, Remote);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.tell(&self.1);
    }
}

#[derive(Debug)]
enum Inner {
    File(File),
    Counted(DarSource),
}

impl Source {
    /// Opens a path, a URL, or standard input, which is copied to a temporary file first. Reads are
    /// counted if `counts` or an option asks for it.
    pub(super) fn open(
        path: &Path,
        remote: &Remote,
        counts: bool,
        talk: Talk,
    ) -> Result<Self, Failure> {
        let unreadable =
            |error: io::Error| Failure::Failed(format!("cannot open {}: {error}", shown(path)));
        if is_standard(path) {
            let mut file = tempfile::tempfile().map_err(unreadable)?;
            io::copy(&mut io::stdin().lock(), &mut file).map_err(unreadable)?;
            file.rewind().map_err(unreadable)?;
            return Ok(Self::of_file(file));
        }
        if url(path).is_some() || remote.is_counted() || counts {
            let (source, costs) = remote.open_dar(path, talk)?;
            let told = Some(Arc::new(Told(costs, remote.clone())));
            return Ok(Self { inner: Arc::new(Inner::Counted(source)), told });
        }
        let file = File::open(path).map_err(unreadable)?;
        if file.metadata().map_err(unreadable)?.is_dir() {
            return Err(Failure::Failed(format!("{} is a folder, not an archive", shown(path))));
        }
        Ok(Self::of_file(file))
    }

    /// Makes a source of an open file.
    pub(super) fn of_file(file: File) -> Self {
        Self { inner: Arc::new(Inner::File(file)), told: None }
    }

    /// Returns how many requests and bytes were spent; zeros if they are not counted.
    pub(super) fn spent(&self) -> (u64, u64) {
        self.told.as_ref().map_or((0, 0), |told| told.0.spent())
    }

    /// Returns whether reads are counted. They are counted for a URL, and also for a file if their
    /// cost is shown or limited.
    pub(super) fn is_remote(&self) -> bool {
        matches!(*self.inner, Inner::Counted(_))
    }
}

impl ReadAt for Source {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match &*self.inner {
            Inner::File(file) => ReadAt::read_at(file, offset, buffer),
            Inner::Counted(source) => source.read_at(offset, buffer),
        }
    }

    fn len(&self) -> io::Result<u64> {
        match &*self.inner {
            Inner::File(file) => ReadAt::len(file),
            Inner::Counted(source) => ReadAt::len(source),
        }
    }
}
