//! The folder that regions are written into.
//!
//! Every access uses a handle of the folder, so no link in the folder can lead out of it.

mod tree;

use super::reason::Reason;
use crate::outcome::{Failure, content_fault, is_total};
use crate::output;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File};
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
        // If a folder is missing, the write makes it. If a folder is a link, the write refuses it.
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

    /// Gives a written file its name in a folder.
    fn name_file(&self, file: TempFile<'_>, folder: &Dir, name: &OsStr) -> Result<(), Refusal> {
        // A hard link replaces nothing, so it needs no check. It fails if the name is taken, or if
        // the system cannot name open files.
        if !self.overwrite && link(file.as_file(), folder, name).is_ok() {
            return Ok(());
        }
        self.check_free(folder, name)?;
        file.replace(name).map_err(|error| refusal(&error))
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
        let mut file = TempFile::new(folder).map_err(|error| refusal(&error))?;
        let len = copy(content, &mut file, &mut self.buf)?;
        recorded.apply(file.as_file()).map_err(|error| refusal(&error))?;
        self.place.name_file(file, folder, name)?;
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

/// Gives an open file a name in a folder. Fails if the folder has an entry of this name.
#[cfg(target_os = "linux")]
fn link(file: &File, folder: &Dir, name: &OsStr) -> io::Result<()> {
    let open_files = rustix_linux_procfs::proc_self_fd()?;
    let number = rustix::path::DecInt::from_fd(file);
    let flags = rustix::fs::AtFlags::SYMLINK_FOLLOW;
    Ok(rustix::fs::linkat(open_files, number.as_c_str(), folder, name, flags)?)
}

#[cfg(not(target_os = "linux"))]
fn link(_: &File, _: &Dir, _: &OsStr) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

fn copy(content: &mut dyn Read, file: &mut TempFile<'_>, buf: &mut [u8]) -> Result<u64, Refusal> {
    let mut len = 0_u64;
    loop {
        if crate::interrupt::asked() {
            return Err(Refusal::Failed(Failure::Interrupted));
        }
        // A fault of reading concerns only this region; a fault of writing may concern the whole
        // disk.
        let read = fill(content, buf).map_err(|error| match content_fault(&error) {
            // The regions have reached their total limit, so no other region would be written
            // either.
            fault if is_total(&error) => Refusal::Failed(Failure::Failed(fault)),
            fault => Refusal::Refused(Reason::new("content", fault)),
        })?;
        let bytes = buf.get(..read).unwrap_or_default();
        file.write_all(bytes).map_err(|error| refusal(&error))?;
        len = len.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        if read < buf.len() {
            return Ok(len);
        }
    }
}

/// Reads until the buffer is full or the content ends. Returns the number of bytes. A reader may
/// return the last byte of a region in a read of its own, so a full buffer saves a write.
pub(in crate::verbs) fn fill(content: &mut dyn Read, buf: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0_usize;
    while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match content.read(rest)? {
            0 => break,
            read => filled = filled.saturating_add(read),
        }
    }
    Ok(filled)
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

#[cfg(test)]
mod tests {
    use super::{COPY_LEN, Place, Recorded, Refusal, fill};
    use std::io::{self, Read};
    use std::path::PathBuf;

    /// A content that makes a file while it is read.
    struct MakesFile {
        file: PathBuf,
        content: &'static [u8],
    }

    impl Read for MakesFile {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            std::fs::write(&self.file, "of somebody else")?;
            self.content.read(buf)
        }
    }

    #[test]
    fn a_file_that_appears_during_the_write_stays() {
        for overwrite in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let place = Place::open(folder.path(), overwrite).unwrap();
            let file = folder.path().join("file");
            let mut content = MakesFile { file: file.clone(), content: b"ours" };
            let written = place.writer().write("file", &mut content, &Recorded::default());
            let found = std::fs::read(&file).unwrap();
            if overwrite {
                assert!(matches!(written, Ok(4)), "{written:?}");
                assert_eq!(found, b"ours");
            } else {
                let Err(Refusal::Refused(reason)) = written else { panic!("{written:?}") };
                assert_eq!(reason.kind, "exists");
                assert_eq!(found, b"of somebody else");
            }
            // No temporary file stays.
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn a_buffer_is_filled_from_many_reads() {
        let mut content = b"abc".chain(&b"d"[..]).chain(&b"ef"[..]);
        let mut buf = [0; 4];
        assert_eq!(fill(&mut content, &mut buf).unwrap(), 4);
        assert_eq!(&buf, b"abcd");
        assert_eq!(fill(&mut content, &mut buf).unwrap(), 2);
        assert_eq!(fill(&mut content, &mut buf).unwrap(), 0);
    }

    #[test]
    fn contents_of_all_lengths_around_the_buffer_are_written_whole() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::open(folder.path(), false).unwrap();
        let mut writer = place.writer();
        for len in [0, 1, COPY_LEN - 1, COPY_LEN, COPY_LEN + 1, 2 * COPY_LEN] {
            let content = vec![7; len];
            let path = format!("folder/{len}");
            let written = writer.write(&path, &mut &content[..], &Recorded::default());
            assert!(matches!(written, Ok(n) if n == len as u64), "{written:?}");
            assert_eq!(std::fs::read(folder.path().join(path)).unwrap(), content);
        }
    }
}
