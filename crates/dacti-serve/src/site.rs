//! A site: one file, or the files of one directory and its directories.

use crate::target::is_served;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use std::fs::File;
use std::io;
use std::path::Path;

/// The files that a server sends. The server never opens another file, for any request path and any
/// symbolic link.
#[derive(Debug)]
pub struct Site {
    dir: Dir,
    /// The name of the one served file in `dir`; `None` if all files are served.
    only: Option<String>,
}

/// The thing at a path.
pub(crate) enum Found {
    File(File),
    Directory,
}

impl Site {
    /// Opens the file or directory at `path` as a site.
    ///
    /// # Errors
    /// The system's error, and a file whose name is not UTF-8.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        if path.metadata()?.is_dir() {
            let dir = Dir::open_ambient_dir(path, ambient_authority())?;
            return Ok(Self { dir, only: None });
        }
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| {
            io::Error::other("the name of the file is not UTF-8: rename it, or serve its folder")
        })?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let dir = Dir::open_ambient_dir(folder.unwrap_or(Path::new(".")), ambient_authority())?;
        Ok(Self { dir, only: Some(name.into()) })
    }

    /// Returns the name of the one served file, if the site is one file.
    pub(crate) fn only(&self) -> Option<&str> {
        self.only.as_deref()
    }

    /// Returns whether a path names something that may be sent. Each part is checked here, where
    /// the file is opened, because a request's path can be read as a file or as a region of a
    /// package.
    fn is_served(&self, path: &str) -> bool {
        match &self.only {
            Some(only) => only == path,
            None => path.is_empty() || path.split('/').all(is_served),
        }
    }

    /// Finds the file or directory at `path`, relative to the site.
    pub(crate) fn find(&self, path: &str) -> io::Result<Found> {
        if !self.is_served(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if path.is_empty() {
            return Ok(Found::Directory);
        }
        let mut options = OpenOptions::new();
        options.read(true);
        // Opening a pipe would wait for a writer.
        #[cfg(target_os = "linux")]
        {
            use cap_std::fs::OpenOptionsExt;
            let nonblock = rustix::fs::OFlags::NONBLOCK.bits();
            options.custom_flags(i32::try_from(nonblock).unwrap_or_default());
        }
        let file = self.dir.open_with(path, &options)?.into_std();
        let metadata = file.metadata()?;
        match (metadata.is_file(), metadata.is_dir()) {
            (true, _) => Ok(Found::File(file)),
            (_, true) => Ok(Found::Directory),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) is_directory: bool,
}

/// Entries of one directory that are read.
const ENTRIES_MAX: usize = 10_000;

impl Site {
    /// Lists the files and directories at `path`, directories first, then by name. It leaves out
    /// names that are not served.
    pub(crate) fn list(&self, path: &str) -> io::Result<Vec<Entry>> {
        if self.only.is_some() || !self.is_served(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let path = if path.is_empty() { "." } else { path };
        let mut entries = Vec::new();
        for entry in self.dir.read_dir(path)?.take(ENTRIES_MAX) {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let Ok(kind) = entry.file_type() else { continue };
            if is_served(&name) && (kind.is_file() || kind.is_dir()) {
                entries.push(Entry { name, is_directory: kind.is_dir() });
            }
        }
        entries.sort_by(|a, b| (!a.is_directory, &a.name).cmp(&(!b.is_directory, &b.name)));
        Ok(entries)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::{Found, Site};
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn no_link_leads_outside() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("site");
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::write(dir.path().join("secret"), b"s").unwrap();
        fs::write(root.join("sub/file"), b"f").unwrap();
        symlink("../secret", root.join("relative")).unwrap();
        symlink(dir.path().join("secret"), root.join("absolute")).unwrap();
        symlink("sub/file", root.join("inside")).unwrap();
        let site = Site::open(&root).unwrap();
        assert!(matches!(site.find("inside"), Ok(Found::File(_))));
        assert!(matches!(site.find("sub"), Ok(Found::Directory)));
        for path in ["relative", "absolute", "../secret", "sub/../../secret", "/etc/passwd"] {
            assert!(site.find(path).is_err(), "{path}");
        }
    }

    #[test]
    fn no_part_of_a_path_is_hidden() {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["a/-", ".git", ".well-known"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
            fs::write(dir.path().join(folder).join("file"), b"f").unwrap();
        }
        let site = Site::open(dir.path()).unwrap();
        for path in ["a/-/file", ".well-known/file"] {
            assert!(matches!(site.find(path), Ok(Found::File(_))), "{path}");
        }
        for path in
            ["a/-/../../.git/file", ".git/file", "a/../a/-/file", "./a/-/file", "a//-/file", "a\\-"]
        {
            assert!(site.find(path).is_err() && site.list(path).is_err(), "{path}");
        }
        assert!(site.list(".git").is_err() && site.list("a/-/..").is_err());
    }

    #[test]
    fn neighbours_of_the_one_file_are_not_served() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), b"a").unwrap();
        fs::write(dir.path().join("b"), b"b").unwrap();
        let site = Site::open(dir.path().join("a")).unwrap();
        assert!(matches!(site.find("a"), Ok(Found::File(_))));
        assert!(site.find("b").is_err());
    }

    #[test]
    fn a_list_has_no_hidden_files_links_or_pipes() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b", "a", ".hidden", "c\\d"] {
            fs::write(dir.path().join(name), b"").unwrap();
        }
        fs::create_dir_all(dir.path().join("z/.git")).unwrap();
        symlink("a", dir.path().join("link")).unwrap();
        let site = Site::open(dir.path()).unwrap();
        let names = |path| {
            let entries = site.list(path).unwrap().into_iter();
            entries.map(|entry| (entry.name, entry.is_directory)).collect::<Vec<_>>()
        };
        assert_eq!(names(""), [("z".into(), true), ("a".into(), false), ("b".into(), false)]);
        assert!(names("z").is_empty());
        assert!(site.list("../").is_err() && site.list("no").is_err());
        assert!(Site::open(dir.path().join("a")).unwrap().list("").is_err());
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        assert!(Site::open(dir.path()).unwrap().find("pipe").is_err());
    }
}
