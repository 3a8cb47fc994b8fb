//! A site: one file, or the files of one directory and its subdirectories.

use crate::target::is_served;
use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use dacti::Package;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The files that a server sends. No request path and no symbolic link can make the server open
/// another file.
#[derive(Debug)]
pub struct Site {
    /// `None` in a site without files.
    dir: Option<Dir>,
    /// The name of the one served file in `dir`; `None` if all files are served.
    only: Option<String>,
    /// The folder of the one file's parts, with its last `/`, if the file is a package in parts.
    parts: Option<String>,
    /// The start of all paths of the site: empty, or with a `/` at its end.
    below: String,
    /// Pages from memory, by path. A page hides a file of the same path.
    pages: BTreeMap<String, Bytes>,
}

/// The thing at a path.
pub(crate) enum Found {
    File(File),
    Directory,
    Page(Bytes),
}

impl Site {
    /// Opens the file or directory at `path` as a site.
    ///
    /// # Errors
    /// The system's error, and a file whose name is not UTF-8.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        if path.metadata()?.is_dir() {
            return Ok(Self::new(Some(Dir::open_ambient_dir(path, ambient_authority())?)));
        }
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| {
            io::Error::other("the name of the file is not UTF-8: rename it, or serve its folder")
        })?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let dir = Dir::open_ambient_dir(folder.unwrap_or(Path::new(".")), ambient_authority())?;
        let opened = Package::open(path).ok();
        let parts = opened.and_then(|package| Some(package.view().parts()?.region.prefix.clone()));
        Ok(Self { only: Some(name.into()), parts, ..Self::new(Some(dir)) })
    }

    /// Returns a site without files, for pages from memory.
    #[must_use]
    pub const fn empty() -> Self {
        Self::new(None)
    }

    const fn new(dir: Option<Dir>) -> Self {
        Self { dir, only: None, parts: None, below: String::new(), pages: BTreeMap::new() }
    }

    /// Serves all paths of the site below a folder, such as `7f3a`, and no other paths. If nobody
    /// can guess the folder's name, only programs that were told the name can read the site.
    #[must_use]
    pub fn below(self, folder: &str) -> Self {
        Self { below: format!("{folder}/"), ..self }
    }

    /// Serves a page from memory at a path, such as `inspector/index.html`, in place of any file.
    #[must_use]
    pub fn with_page(mut self, path: impl Into<String>, content: impl Into<Bytes>) -> Self {
        self.pages.insert(path.into(), content.into());
        self
    }

    /// Returns the path of a request within the site; `None` if it lies outside.
    pub(crate) fn within<'p>(&self, path: &'p str) -> Option<&'p str> {
        let rest = path.strip_prefix('/')?.strip_prefix(&self.below)?;
        // `rest` begins after a `/`. The result includes that `/`.
        path.len().checked_sub(rest.len())?.checked_sub(1).and_then(|at| path.get(at..))
    }

    /// Returns the start of all paths of the site, with a `/` at its end unless it is empty.
    pub(crate) fn start(&self) -> &str {
        &self.below
    }

    /// Returns the name of the one served file, if the site is one file.
    pub(crate) fn only(&self) -> Option<&str> {
        self.only.as_deref()
    }

    /// Returns whether a path names something that may be sent. Each part of the path is checked
    /// here, because `Target::parse` does not check the parts after `/-/`: these may be the path of
    /// a region.
    fn is_served(&self, path: &str) -> bool {
        match &self.only {
            Some(only) if only == path => true,
            Some(_) => self.parts.as_ref().is_some_and(|parts| {
                path.strip_prefix(parts).is_some_and(|part| part.split('/').all(is_served))
            }),
            None => path.is_empty() || path.split('/').all(is_served),
        }
    }

    /// Follows all symbolic links, and returns the resulting path of a file or directory. A link
    /// may lead to another name of the site, but not to a name that is not served.
    fn followed(&self, dir: &Dir, path: &str) -> io::Result<PathBuf> {
        let followed = dir.canonicalize(path)?;
        let mut names = followed.iter().map(|name| name.to_str().is_some_and(is_served));
        // If the site is one file, that file may be a link to any name.
        if self.only.is_some() || names.all(|is_served| is_served) {
            return Ok(followed);
        }
        Err(io::ErrorKind::NotFound.into())
    }

    /// Finds the file or directory at `path`, relative to the site.
    pub(crate) fn find(&self, path: &str) -> io::Result<Found> {
        if let Some(page) = self.pages.get(path) {
            return Ok(Found::Page(page.clone()));
        }
        let dir = self.dir.as_ref().filter(|_| self.is_served(path));
        let dir = dir.ok_or(io::ErrorKind::NotFound)?;
        if path.is_empty() {
            return Ok(Found::Directory);
        }
        let mut options = OpenOptions::new();
        options.read(true);
        // Without this flag, opening a named pipe would wait until a program writes to the pipe.
        #[cfg(target_os = "linux")]
        {
            use cap_std::fs::OpenOptionsExt;
            let nonblock = rustix::fs::OFlags::NONBLOCK.bits();
            options.custom_flags(i32::try_from(nonblock).unwrap_or_default());
        }
        let file = dir.open_with(self.followed(dir, path)?, &options)?.into_std();
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

/// The maximum number of entries of one directory that are read.
const ENTRIES_MAX: usize = 10_000;

impl Site {
    /// Lists the files and directories at `path`, directories first, then by name. It leaves out
    /// names that are not served.
    pub(crate) fn list(&self, path: &str) -> io::Result<Vec<Entry>> {
        self.list_some(path).map(|(entries, _)| entries)
    }

    /// Does the same as [`list`](Self::list), and tells whether all entries were read.
    pub(crate) fn list_some(&self, path: &str) -> io::Result<(Vec<Entry>, bool)> {
        let is_listed = self.only.is_none() && self.is_served(path);
        let dir = self.dir.as_ref().filter(|_| is_listed).ok_or(io::ErrorKind::NotFound)?;
        let path = if path.is_empty() { ".".into() } else { self.followed(dir, path)? };
        let mut entries = Vec::new();
        let mut found = dir.read_dir(path)?;
        for entry in found.by_ref().take(ENTRIES_MAX) {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let Ok(kind) = entry.file_type() else { continue };
            if is_served(&name) && (kind.is_file() || kind.is_dir()) {
                entries.push(Entry { name, is_directory: kind.is_dir() });
            }
        }
        entries.sort_by(|a, b| (!a.is_directory, &a.name).cmp(&(!b.is_directory, &b.name)));
        Ok((entries, found.next().is_none()))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::{Found, Site};
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn no_link_leads_to_a_name_that_is_not_served() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join(".git")).unwrap();
        fs::write(root.join(".git/config"), b"s").unwrap();
        fs::write(root.join(".env"), b"s").unwrap();
        fs::write(root.join("file"), b"f").unwrap();
        symlink(".env", root.join("env")).unwrap();
        symlink(".git", root.join("git")).unwrap();
        symlink("file", root.join("other")).unwrap();
        let site = Site::open(root).unwrap();
        for path in ["env", "git", "git/config"] {
            assert!(site.find(path).is_err() && site.list(path).is_err(), "{path}");
        }
        assert!(matches!(site.find("other"), Ok(Found::File(_))));
    }

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
    fn parts_are_served_with_their_head() {
        let dir = tempfile::tempdir().unwrap();
        let mut builder = dacti::PackageBuilder::new(dacti::BuildOptions::default());
        builder.add("a", dacti::Content::from(vec![7; 100_000])).unwrap();
        let (bytes, _) = builder.build_to_vec().unwrap();
        let package = dacti::Package::from_bytes(bytes).unwrap();
        let head = dir.path().join("a.dacti-pack");
        let place = dacti::publish::Place::in_folder(&head).unwrap();
        dacti::publish::publish(&package, &place, &dacti::publish::PublishOptions::default())
            .unwrap();
        let parts = dir.path().join("a.dacti-pack.parts");
        let part = fs::read_dir(&parts).unwrap().next().unwrap().unwrap().file_name();
        fs::write(parts.join(".hidden"), b"h").unwrap();
        fs::write(dir.path().join("b"), b"b").unwrap();
        let site = Site::open(&head).unwrap();
        let part = format!("a.dacti-pack.parts/{}", part.to_str().unwrap());
        assert!(matches!(site.find(&part), Ok(Found::File(_))));
        for path in ["b", "a.dacti-pack.parts", "a.dacti-pack.parts/.hidden"] {
            assert!(site.find(path).is_err(), "{path}");
        }
        assert!(site.find("a.dacti-pack.parts/../b").is_err());
    }

    #[test]
    fn a_site_below_a_folder_has_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let site = Site::open(dir.path()).unwrap();
        assert_eq!(site.within("/a/b"), Some("/a/b"));
        assert_eq!(site.within("/"), Some("/"));
        let site = site.below("7f3a");
        assert_eq!(site.within("/7f3a/a/b"), Some("/a/b"));
        assert_eq!(site.within("/7f3a/"), Some("/"));
        for outside in ["/", "/7f3a", "/7f3ab", "/a/7f3a/", "7f3a/a", ""] {
            assert_eq!(site.within(outside), None, "{outside}");
        }
    }

    #[test]
    fn pages_from_memory_come_before_files() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), b"file").unwrap();
        let site = Site::open(dir.path()).unwrap().with_page("a", "page");
        assert!(matches!(site.find("a"), Ok(Found::Page(page)) if page == "page"));
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
