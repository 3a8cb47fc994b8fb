//! The folder that regions are written into.
//!
//! Every access uses a handle of the folder, so no link in the folder can lead out of it.

mod tree;

use super::reason::Reason;
use crate::outcome::{Failure, content_fault, is_total};
use crate::output;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use cap_tempfile::TempFile;
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
pub(in crate::verbs) use tree::Recorded;

/// The number of bytes that are copied at once.
const COPY_LEN: usize = 64 * 1024;

/// Why a region was not written.
#[derive(Debug)]
pub(in crate::verbs) enum Refusal {
    /// Only this region cannot be written.
    Refused(Reason),
    /// No region can be written.
    Failed(Failure),
}

/// A folder to write into.
#[derive(Debug)]
pub(in crate::verbs) struct Place {
    dir: Dir,
    overwrite: bool,
}

impl Place {
    /// Opens the folder. It is made if it does not exist.
    pub(in crate::verbs) fn open(path: &Path, overwrite: bool) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        Self::existing(path, overwrite)
    }

    /// Opens a folder that exists.
    pub(in crate::verbs) fn existing(path: &Path, overwrite: bool) -> io::Result<Self> {
        Ok(Self { dir: Dir::open_ambient_dir(path, ambient_authority())?, overwrite })
    }

    /// Returns a writer of files below the folder.
    pub(in crate::verbs) fn writer(&self) -> Writer<'_> {
        Writer { place: self, last: None, buf: vec![0; COPY_LEN] }
    }

    /// Returns whether the folder has no entries, so that no existing file can prevent a write.
    pub(in crate::verbs) fn is_empty(&self) -> bool {
        self.dir.entries().is_ok_and(|mut entries| entries.next().is_none())
    }

    /// Returns why a file would not be written, as far as this is known before the write.
    pub(in crate::verbs) fn refuses(&self, path: &str) -> Option<Reason> {
        let path = Path::new(path);
        let folder = path.parent().unwrap_or(Path::new(""));
        // If a folder is missing or is a link, the write itself reports it.
        let folder = self.dir.open_dir_nofollow_all(folder).ok()?;
        match self.check_free(&folder, path.file_name()?) {
            Err(Refusal::Refused(reason)) => Some(reason),
            Ok(()) | Err(Refusal::Failed(_)) => None,
        }
    }

    /// Checks that a name may be written in a folder.
    fn check_free(&self, folder: &Dir, name: &OsStr) -> Result<(), Refusal> {
        match folder.symlink_metadata(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(refusal(&error)),
            Ok(found) if found.is_dir() => {
                Err(Refusal::Refused(Reason::new("exists", "a folder of that name exists")))
            }
            Ok(_) if !self.overwrite => {
                let reason = "exists already: --overwrite replaces it";
                Err(Refusal::Refused(Reason::new("exists", reason)))
            }
            // A link is replaced, and its target stays.
            Ok(_) => Ok(()),
        }
    }

    /// Opens the folder at `path` without following links. It is made if it does not exist.
    fn folder(&self, path: &Path) -> io::Result<Dir> {
        path.iter().try_fold(self.dir.try_clone()?, |dir, part| enter(&dir, Path::new(part)))
    }
}

/// Writes files below a folder, one after the other.
///
/// The folder of the last file stays open, because the next file is most often in the same folder
/// or below it.
#[derive(Debug)]
pub(in crate::verbs) struct Writer<'p> {
    place: &'p Place,
    /// The folder of the last file, with its path.
    last: Option<(PathBuf, Dir)>,
    buf: Vec<u8>,
}

impl Writer<'_> {
    /// Writes a file, whole or not at all. Returns its length.
    pub(in crate::verbs) fn write(
        &mut self,
        path: &str,
        content: &mut dyn Read,
        recorded: &Recorded,
    ) -> Result<u64, Refusal> {
        let path = Path::new(path);
        let name = path.file_name().unwrap_or(path.as_os_str());
        let folder = path.parent().unwrap_or(Path::new(""));
        let last = self.folder(folder).map_err(|error| refusal(&error))?;
        let folder = &self.last.insert(last).1;
        self.place.check_free(folder, name)?;
        let mut file = TempFile::new(folder).map_err(|error| refusal(&error))?;
        let len = copy(content, &mut file, &mut self.buf)?;
        recorded.apply(file.as_file()).map_err(|error| refusal(&error))?;
        file.replace(name).map_err(|error| refusal(&error))?;
        Ok(len)
    }

    /// Opens the folder at `path`. If the folder of the last file is `path` or contains `path`,
    /// starts from that folder.
    fn folder(&mut self, path: &Path) -> io::Result<(PathBuf, Dir)> {
        if let Some((last, dir)) = self.last.take()
            && let Ok(rest) = path.strip_prefix(&last)
        {
            let dir = rest.iter().try_fold(dir, |dir, part| enter(&dir, Path::new(part)))?;
            return Ok((path.into(), dir));
        }
        Ok((path.into(), self.place.folder(path)?))
    }
}

/// Opens a folder in `dir` without following a link. It is made if it does not exist.
fn enter(dir: &Dir, part: &Path) -> io::Result<Dir> {
    match open_nofollow(dir, part) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => return opened,
    }
    match dir.create_dir(part) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => open_nofollow(dir, part),
    }
}

/// Opens folder by folder without following a link.
trait OpenNoFollow {
    fn open_dir_nofollow_all(&self, path: &Path) -> io::Result<Dir>;
}

impl OpenNoFollow for Dir {
    fn open_dir_nofollow_all(&self, path: &Path) -> io::Result<Dir> {
        path.iter().try_fold(self.try_clone()?, |dir, part| open_nofollow(&dir, Path::new(part)))
    }
}

fn open_nofollow(dir: &Dir, part: &Path) -> io::Result<Dir> {
    if dir.symlink_metadata(part)?.is_symlink() {
        return Err(io::Error::other(format!(
            "{} is a link, and links are not followed",
            output::shown(part)
        )));
    }
    dir.open_dir(part)
}

fn copy(content: &mut dyn Read, file: &mut TempFile<'_>, buf: &mut [u8]) -> Result<u64, Refusal> {
    let mut len = 0_u64;
    loop {
        if crate::interrupt::asked() {
            return Err(Refusal::Failed(Failure::Interrupted));
        }
        // A fault of reading concerns only this region; a fault of writing may concern the whole
        // disk.
        let read = content.read(buf).map_err(|error| match content_fault(&error) {
            // The regions have reached their total limit, so no other region would be written
            // either.
            fault if is_total(&error) => Refusal::Failed(Failure::Failed(fault)),
            fault => Refusal::Refused(Reason::new("content", fault)),
        })?;
        if read == 0 {
            return Ok(len);
        }
        let bytes = buf.get(..read).unwrap_or_default();
        file.write_all(bytes).map_err(|error| refusal(&error))?;
        len = len.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
    }
}

/// Returns `Failed` if no file can be written after this error, for example because the disk is
/// full. Returns `Refused` if only this file cannot be written.
fn refusal(error: &io::Error) -> Refusal {
    match error.kind() {
        io::ErrorKind::StorageFull
        | io::ErrorKind::QuotaExceeded
        | io::ErrorKind::ReadOnlyFilesystem => {
            Refusal::Failed(Failure::Failed(format!("cannot write: {error}")))
        }
        _ => Refusal::Refused(Reason::new("write", error.to_string())),
    }
}
