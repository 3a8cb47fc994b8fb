//! A package in parts on this computer: a head in a file, and its parts in files beside it.

use super::{PartObjects, PartsSource};
use crate::Error;
use crate::fetch::source::{FileSource, ReadAt, read_span};
use dacti_cdn::HEAD_LEN;
use dacti_cdn::parts::{PartsError, PartsFault, is_in_parts};
use daicon_core::Span;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The maximum number of files that are kept open.
const OPEN_MAX: usize = 32;

/// The folder of a head on this computer.
#[derive(Debug)]
struct Folder {
    folder: PathBuf,
    /// The open files of the parts that were read last. The latest is at the back.
    open: Mutex<VecDeque<(String, Arc<FileSource>)>>,
}

/// Opens the file at `path` as a source. The file is a whole package, or a head whose parts lie
/// beside it.
///
/// # Errors
/// `Io`, `NotAFile`, or a head that breaks a rule of packages in parts.
pub fn open_file(path: impl AsRef<Path>) -> Result<Arc<dyn ReadAt>, Error> {
    let path = path.as_ref();
    let file = FileSource::open(path)?;
    let failed = |error| Error::io("read", path, error);
    let preamble = read_span(&file, Span { start: 0, end: 28 }).map_err(failed)?;
    if !is_in_parts(&preamble) {
        return Ok(Arc::new(file));
    }
    let len = file.len();
    if len != HEAD_LEN {
        let fault = PartsFault::HeadLen(len);
        return Err(dacti_cdn::Error::from(PartsError { at: 0, fault }).into());
    }
    let head = read_span(&file, Span { start: 0, end: HEAD_LEN }).map_err(failed)?;
    let folder = path.parent().unwrap_or(Path::new("")).into();
    let objects = Arc::new(Folder { folder, open: Mutex::default() });
    Ok(Arc::new(PartsSource::new(head.into(), objects)?))
}

impl Folder {
    fn object(&self, name: &str) -> Result<Arc<FileSource>, Error> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(i) = open.iter().position(|(held, _)| held == name)
            && let Some(held) = open.remove(i)
        {
            let file = Arc::clone(&held.1);
            open.push_back(held);
            return Ok(file);
        }
        let mut path = self.folder.clone();
        path.extend(name.split('/'));
        let file = Arc::new(FileSource::open(&path)?);
        if open.len() >= OPEN_MAX {
            open.pop_front();
        }
        open.push_back((name.to_owned(), Arc::clone(&file)));
        Ok(file)
    }
}

impl PartObjects for Folder {
    fn read_object(&self, name: &str, len: u64, range: Span) -> Result<Vec<u8>, Error> {
        let file = self.object(name)?;
        let found = file.len();
        if found != len {
            let fault = PartsFault::PartLen { expected: len, found };
            return Err(dacti_cdn::Error::from(PartsError { at: 0, fault }).into());
        }
        let path = || self.folder.join(name);
        read_span(&*file, range).map_err(|error| Error::io("read", &path(), error))
    }
}
