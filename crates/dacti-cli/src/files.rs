//! Decides which files a verb may write, so that no input is lost and no device is replaced.

use crate::outcome::Failure;
use crate::output::shown;
use std::fs::FileType;
use std::path::{Path, PathBuf};

/// A file that a verb is to write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output<'o> {
    pub(crate) path: &'o Path,
    /// The option that names the file.
    pub(crate) option: &'static str,
    /// Whether the verb can write to standard output instead.
    pub(crate) has_standard: bool,
}

impl Output<'_> {
    /// Refuses an output that is one of the verb's inputs, or at which no regular file can be
    /// written.
    ///
    /// A link to a regular file is allowed: the link is replaced, and the file that it leads to
    /// stays.
    pub(crate) fn check(self, inputs: &[&Path]) -> Result<(), Failure> {
        if self.path.as_os_str() == "-" && !self.has_standard {
            let option = self.option;
            return Err(Failure::Usage(format!(
                "standard output cannot take this file, because it is not written from front to \
                 back: name a file with {option}, such as `{option} ./-` for a file named -"
            )));
        }
        let shown = shown(self.path);
        let failed = |what: String| Err(Failure::Failed(format!("{shown} {what}")));
        let folder = folder_of(self.path);
        if !folder.is_dir() {
            let folder = self::shown(folder);
            return failed(format!("cannot be written: there is no folder {folder}"));
        }
        let place = place(self.path);
        if let Some(input) =
            inputs.iter().find(|input| place.as_ref().is_some_and(|place| is_at(input, place)))
        {
            let option = self.option;
            return failed(if *input == self.path {
                format!("is an input of this command: name another file with {option}")
            } else {
                let input = self::shown(input);
                format!("is {input}, an input of this command: name another file with {option}")
            });
        }
        let Ok(found) = std::fs::symlink_metadata(self.path) else { return Ok(()) };
        let way_out = if self.has_standard {
            format!("; use `{} -` for standard output", self.option)
        } else {
            String::new()
        };
        let option = self.option;
        if found.is_symlink() {
            let target = std::fs::metadata(self.path).map(|found| found.file_type());
            let kind = target.ok().filter(|kind| !kind.is_file()).map(kind_of);
            let kind = kind.or_else(|| is_of_system(folder).then_some("a stream of this process"));
            return kind.map_or(Ok(()), |kind| {
                failed(format!("is a link to {kind}: {option} writes regular files{way_out}"))
            });
        }
        if found.is_file() {
            return Ok(());
        }
        let kind = kind_of(found.file_type());
        failed(format!("is {kind}, not a regular file: {option} writes regular files{way_out}"))
    }
}

/// Returns whether a folder has links to devices and open files, such as `/dev/stdout`.
fn is_of_system(folder: &Path) -> bool {
    let folder = folder.canonicalize().unwrap_or_default();
    folder == Path::new("/dev") || folder == Path::new("/dev/fd") || folder.starts_with("/proc")
}

fn kind_of(kind: FileType) -> &'static str {
    if kind.is_dir() {
        return "a folder";
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return "a pipe";
        }
        if kind.is_socket() {
            return "a socket";
        }
    }
    "a device"
}

/// Returns the folder that a file is in.
fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Returns the path after following all links in its folders. A link in the last part is not
/// followed, because a file that is renamed to this path replaces the link, and not the target of
/// the link.
pub(crate) fn place(path: &Path) -> Option<PathBuf> {
    if std::fs::symlink_metadata(path).is_ok_and(|found| !found.is_symlink()) {
        return path.canonicalize().ok();
    }
    let folder = folder_of(path).canonicalize().ok()?;
    Some(folder.join(path.file_name()?))
}

/// Returns whether a path is at `place`, or is a link to it.
pub(crate) fn is_at(path: &Path, place: &Path) -> bool {
    self::place(path).is_some_and(|found| found == place)
        || path.canonicalize().is_ok_and(|found| found == place)
}

/// Returns the owner of a file, for messages; `None` if this user owns it.
#[cfg(unix)]
pub(crate) fn owner(path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::metadata(path).ok()?;
    // The folder `/proc/self` belongs to the user of this process.
    let own = std::fs::metadata("/proc/self").ok().map(|own| own.uid());
    (own != Some(found.uid())).then(|| format!("the user with the id {}", found.uid()))
}

/// Returns `None`: owners are known on Unix only.
#[cfg(not(unix))]
pub(crate) const fn owner(_: &Path) -> Option<String> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::{Output, is_at, place};
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_link_stands_where_it_is_and_leads_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().canonicalize().unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        fs::write(dir.path().join("sub/file"), b"1").unwrap();
        symlink("sub/file", dir.path().join("link")).unwrap();
        symlink("sub", dir.path().join("folder")).unwrap();
        let (file, link) = (real.join("sub/file"), real.join("link"));
        assert_eq!(place(&dir.path().join("folder/file")).as_ref(), Some(&file));
        assert_eq!(place(&dir.path().join("folder/new")), Some(real.join("sub/new")));
        assert_eq!(place(&dir.path().join("link")).as_ref(), Some(&link));
        assert!(is_at(&dir.path().join("link"), &link));
        assert!(is_at(&dir.path().join("link"), &file), "its content would be lost");
        assert!(!is_at(&dir.path().join("sub/file"), &link), "a link there is replaced alone");
    }

    #[test]
    fn an_output_replaces_no_input_and_no_device() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("sub")).unwrap();
        fs::write(at("file"), b"1").unwrap();
        fs::write(at("other"), b"2").unwrap();
        symlink("file", at("to-file")).unwrap();
        symlink("sub", at("to-folder")).unwrap();
        symlink("/dev/null", at("to-device")).unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        let check = |name: &str| {
            let path = at(name);
            let output = Output { path: &path, option: "-o", has_standard: true };
            match output.check(&[&at("file")]) {
                Ok(()) => String::new(),
                Err(failure) => format!("{failure:?}"),
            }
        };
        for fine in ["new", "other", "dangling", "sub/new"] {
            assert_eq!(check(fine), "", "{fine}");
        }
        assert_eq!(check("to-file"), "", "the link is replaced, and the file stays");
        for (name, told) in [
            ("file", "is an input of this command: name another file with -o"),
            ("sub", "is a folder, not a regular file"),
            ("to-folder", "is a link to a folder"),
            ("to-device", "is a link to a device: -o writes regular files; use `-o -`"),
            ("none/new", "there is no folder"),
        ] {
            assert!(check(name).contains(told), "{name}: {}", check(name));
        }
        assert!(is_at(&at("to-file"), &place(&at("file")).unwrap()));
        let stdout = std::path::Path::new("/dev/stdout");
        let output = Output { path: stdout, option: "-o", has_standard: false };
        assert!(output.check(&[]).is_err(), "whatever standard output is");
    }
}
