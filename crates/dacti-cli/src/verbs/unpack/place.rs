//! The folder that is unpacked into, and what may be written there.
//!
//! Every access goes through a handle of the folder that cannot leave it, whatever links lie in it.

mod tree;

use crate::outcome::content_fault;
use crate::output;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use cap_tempfile::TempFile;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::path::Path;
pub(in crate::verbs) use tree::Recorded;

/// Why a region was not written.
#[derive(Debug)]
pub(in crate::verbs) enum Refusal {
    /// This one cannot be: the others go on.
    Refused(String),
    /// None can be.
    Failed(String),
}

/// A folder to write into.
#[derive(Debug)]
pub(in crate::verbs) struct Place {
    dir: Dir,
    overwrite: bool,
}

impl Place {
    /// Opens the folder, and makes it where it does not exist.
    pub(in crate::verbs) fn open(path: &Path, overwrite: bool) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        Self::existing(path, overwrite)
    }

    /// Opens a folder that exists.
    pub(in crate::verbs) fn existing(path: &Path, overwrite: bool) -> io::Result<Self> {
        Ok(Self { dir: Dir::open_ambient_dir(path, ambient_authority())?, overwrite })
    }

    /// Writes a file, whole or not at all. Returns its length.
    pub(in crate::verbs) fn write(
        &self,
        path: &str,
        content: &mut dyn Read,
        recorded: &Recorded,
    ) -> Result<u64, Refusal> {
        let path = Path::new(path);
        let name = path.file_name().unwrap_or(path.as_os_str());
        let opened;
        let folder = match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            None => &self.dir,
            Some(folder) => {
                opened = self.folder(folder).map_err(|error| refusal(&error))?;
                &opened
            }
        };
        self.check_free(folder, name)?;
        let mut file = TempFile::new(folder).map_err(|error| refusal(&error))?;
        let len = copy(content, &mut file)?;
        recorded.apply(file.as_file()).map_err(|error| refusal(&error))?;
        file.replace(name).map_err(|error| refusal(&error))?;
        Ok(len)
    }

    /// Whether something may stand there that keeps files from being written.
    pub(in crate::verbs) fn is_empty(&self) -> bool {
        self.dir.entries().is_ok_and(|mut entries| entries.next().is_none())
    }

    /// Why a file would not be written, as far as that shows before.
    pub(in crate::verbs) fn refuses(&self, path: &str) -> Option<String> {
        let path = Path::new(path);
        let folder = path.parent().unwrap_or(Path::new(""));
        // A folder that is not there, or that a link leads to, is left to the write.
        let folder = self.dir.open_dir_nofollow_all(folder).ok()?;
        match self.check_free(&folder, path.file_name()?) {
            Err(Refusal::Refused(reason)) => Some(reason),
            Ok(()) | Err(Refusal::Failed(_)) => None,
        }
    }

    /// Whether a name may be written in a folder.
    fn check_free(&self, folder: &Dir, name: &OsStr) -> Result<(), Refusal> {
        match folder.symlink_metadata(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(refusal(&error)),
            Ok(found) if found.is_dir() => {
                Err(Refusal::Refused("a folder of that name exists".into()))
            }
            Ok(_) if !self.overwrite => {
                let reason = "exists already, and --overwrite was not given";
                Err(Refusal::Refused(reason.into()))
            }
            // Replaced by name: where it is a link, the link goes, not what it leads to.
            Ok(_) => Ok(()),
        }
    }

    /// The folder at `path`, made where it does not exist, reached through no link.
    fn folder(&self, path: &Path) -> io::Result<Dir> {
        if let Ok(dir) = self.dir.open_dir_nofollow_all(path) {
            return Ok(dir);
        }
        let mut dir = self.dir.try_clone()?;
        for part in path {
            match dir.create_dir(part) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => dir = open_nofollow(&dir, Path::new(part))?,
            }
        }
        Ok(dir)
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
            "{} is a link, which is not followed",
            output::shown(part)
        )));
    }
    dir.open_dir(part)
}

fn copy(content: &mut dyn Read, file: &mut TempFile<'_>) -> Result<u64, Refusal> {
    let (mut buf, mut len) = (vec![0; 64 * 1024], 0_u64);
    loop {
        if crate::interrupt::asked() {
            return Err(Refusal::Failed("interrupted".into()));
        }
        // What cannot be read is this region's fault, what cannot be written may be the disk's.
        let read =
            content.read(&mut buf).map_err(|error| Refusal::Refused(content_fault(&error)))?;
        if read == 0 {
            return Ok(len);
        }
        let bytes = buf.get(..read).unwrap_or_default();
        file.write_all(bytes).map_err(|error| refusal(&error))?;
        len = len.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
    }
}

/// Whether what the system says holds for this file or for all.
fn refusal(error: &io::Error) -> Refusal {
    match error.kind() {
        io::ErrorKind::StorageFull
        | io::ErrorKind::QuotaExceeded
        | io::ErrorKind::ReadOnlyFilesystem => Refusal::Failed(format!("cannot write: {error}")),
        _ => Refusal::Refused(error.to_string()),
    }
}

/// What systems differ in, where it matters for names.
#[derive(Debug, Clone, Copy)]
pub(in crate::verbs) struct Portability {
    /// Names that Windows cannot have are refused.
    pub(in crate::verbs) reserved: bool,
    /// Names that only differ in case are refused, but for the first.
    pub(in crate::verbs) case: bool,
}

/// Why names cannot be written side by side, by position. Of names that are one, the first wins,
/// and of a file and a folder of one name the folder, with all that is in it.
pub(in crate::verbs) fn clashes(names: &[String], portability: Portability) -> Vec<Option<String>> {
    let key = |name: &str| if portability.case { name.to_lowercase() } else { name.to_owned() };
    let mut told: Vec<Option<String>> = names
        .iter()
        .map(|name| portability.reserved.then(|| name.split('/').find_map(not_portable)).flatten())
        .collect();
    let mut folders = HashSet::new();
    for (name, _) in names.iter().zip(&told).filter(|(_, told)| told.is_none()) {
        for (end, _) in name.rmatch_indices('/') {
            // Where a folder is known, those in which it lies are.
            if !folders.insert(key(name.get(..end).unwrap_or_default())) {
                break;
            }
        }
    }
    let mut seen: HashMap<String, &str> = HashMap::new();
    for (name, told) in names.iter().zip(&mut told).filter(|(_, told)| told.is_none()) {
        let key = key(name);
        if folders.contains(&key) {
            *told = Some("is a folder of other regions".into());
            continue;
        }
        *told = match seen.entry(key) {
            Entry::Vacant(place) => {
                place.insert(name);
                None
            }
            Entry::Occupied(first) if first.get() == name => {
                Some("another region has that name".into())
            }
            Entry::Occupied(first) => Some(format!("differs from {:?} only in case", first.get())),
        };
    }
    told
}

/// Why a part of a path cannot be a name on every system.
fn not_portable(part: &str) -> Option<String> {
    const RESERVED: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];
    let stem = part.split('.').next().unwrap_or(part).trim_end().to_lowercase();
    let numbered = ["com", "lpt"].iter().any(|device| {
        stem.strip_prefix(device).is_some_and(|number| {
            matches!(
                number,
                "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³"
            )
        })
    });
    if numbered || RESERVED.contains(&&*stem) {
        return Some(format!("{part:?} is a device on Windows"));
    }
    if part.ends_with(['.', ' ']) {
        return Some(format!("{part:?} ends in a dot or a blank, which Windows drops"));
    }
    let forbidden = |c: char| c.is_control() || r#"<>:"\|?*"#.contains(c);
    part.chars().find(|c| forbidden(*c)).map(|c| format!("{c:?} cannot be in a name on Windows"))
}

#[cfg(test)]
mod tests {
    use super::{Portability, clashes, not_portable};

    #[test]
    fn names_that_windows_cannot_have() {
        for name in ["CON", "con.txt", "Com1", "lpt9.log", "a.", "a ", "a:b", "a\\b", "nul .txt"] {
            assert!(not_portable(name).is_some(), "{name}");
        }
        for name in ["console", "com", "com10", ".a", "a b", "ü", "lpt"] {
            assert_eq!(not_portable(name), None, "{name}");
        }
    }

    #[track_caller]
    fn check(names: &[&str], case: bool, expected: &[bool]) {
        let portability = Portability { reserved: false, case };
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let told: Vec<_> = clashes(&names, portability).iter().map(Option::is_some).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn names_that_differ_in_case_only_clash_where_asked() {
        check(&["a/B", "a/b", "a/c", "A/b"], true, &[false, true, false, true]);
        check(&["a/B", "a/b", "a/c", "A/b"], false, &[false; 4]);
        check(&["a", "a"], false, &[false, true]);
    }

    #[test]
    fn folders_win_over_files_of_their_name() {
        check(&["a", "a/b", "a/b/c", "ab"], false, &[true, true, false, false]);
        check(&["a/b/c", "a/b", "a"], false, &[false, true, true]);
        check(&["a", "A/b"], false, &[false, false]);
        check(&["a", "A/b"], true, &[true, false]);
        check(&["A/B", "a/b/c"], true, &[true, false]);
        // What is refused makes no folder.
        let names = ["a", "a/nul"].map(Into::into);
        let told = clashes(&names, Portability { reserved: true, case: true });
        assert_eq!((told[0].is_none(), told[1].is_some()), (true, true));
    }
}
