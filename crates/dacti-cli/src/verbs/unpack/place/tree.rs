//! Modes and times of files, and the parts of a tree that only DAR archives have: folders and
//! symbolic links.

use super::super::reason::Reason;
use super::{Place, Refusal, refusal};
use crate::keep;
use dacti::Attributes;
use std::io;
use std::path::{Component, Path};
use std::time::SystemTime;

/// The mode and the time that an archive records of a file or folder.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::verbs) struct Recorded {
    /// Permission bits. Only the nine bits for owner, group and others have an effect.
    pub(in crate::verbs) mode: Option<u32>,
    pub(in crate::verbs) modified: Option<SystemTime>,
    /// Whether everyone who may read the file may also run it.
    pub(in crate::verbs) executable: bool,
}

impl Recorded {
    /// Returns the attributes that a names list keeps. A time that the system cannot hold is left
    /// out.
    pub(in crate::verbs) fn of(kept: Attributes) -> Self {
        let modified = kept.modified.and_then(keep::system_time);
        Self { mode: None, modified, executable: kept.executable == Some(true) }
    }

    /// Sets mode and time of an open file.
    pub(super) fn apply(&self, file: &cap_std::fs::File) -> io::Result<()> {
        if self.mode.is_none() && self.modified.is_none() && !self.executable {
            return Ok(());
        }
        let file = file.try_clone()?.into_std();
        #[cfg(unix)]
        if let Some(mode) = self.mode {
            use std::os::unix::fs::PermissionsExt;
            file.set_permissions(std::fs::Permissions::from_mode(mode & 0o777))?;
        }
        #[cfg(unix)]
        if self.executable {
            use std::os::unix::fs::PermissionsExt;
            let mode = file.metadata()?.permissions().mode();
            // Everyone who may read the file may run it.
            let programs = (mode & 0o444).wrapping_shr(2);
            file.set_permissions(std::fs::Permissions::from_mode((mode | programs) & 0o777))?;
        }
        if let Some(modified) = self.modified {
            file.set_modified(modified)?;
        }
        Ok(())
    }
}

impl Place {
    /// Makes a folder, unless it exists. No link is followed.
    pub(in crate::verbs) fn make_folder(&self, path: &str) -> Result<(), Refusal> {
        self.folder(Path::new(path)).map(drop).map_err(|error| refusal(&error))
    }

    /// Sets mode and time of a folder. The files in the folder must be written before.
    pub(in crate::verbs) fn finish_folder(
        &self,
        path: &str,
        recorded: &Recorded,
    ) -> Result<(), Refusal> {
        let finish = || -> io::Result<()> {
            let folder = self.folder(Path::new(path))?;
            recorded.apply(&folder.open(".")?)
        };
        finish().map_err(|error| refusal(&error))
    }

    /// Makes a symbolic link that cannot lead out of the place.
    pub(in crate::verbs) fn symlink(&self, path: &str, target: &str) -> Result<(), Refusal> {
        if let Some(reason) = leads_out(path, target) {
            return Err(Refusal::Refused(Reason::new("link", reason)));
        }
        let path = Path::new(path);
        let name = path.file_name().unwrap_or(path.as_os_str());
        let folder = path.parent().unwrap_or(Path::new(""));
        let folder = self.folder(folder).map_err(|error| refusal(&error))?;
        self.check_free(&folder, name)?;
        if folder.symlink_metadata(name).is_ok() {
            folder.remove_file(name).map_err(|error| refusal(&error))?;
        }
        link(&folder, target, Path::new(name)).map_err(|error| refusal(&error))
    }
}

#[cfg(unix)]
fn link(folder: &cap_std::fs::Dir, target: &str, name: &Path) -> io::Result<()> {
    folder.symlink(target, name)
}

#[cfg(not(unix))]
fn link(_: &cap_std::fs::Dir, _: &str, _: &Path) -> io::Result<()> {
    Err(io::Error::other("symbolic links are made on Unix only"))
}

/// Returns the reason why a link would lead out of the place.
///
/// The folder of the link is not a link itself. The target must first go up, not above the place,
/// and after that only down. Such a target lies in the place, even if it passes through other
/// links, because these links obey the same rule.
fn leads_out(path: &str, target: &str) -> Option<String> {
    let mut depth = Path::new(path).components().count().saturating_sub(1);
    let mut descends = false;
    for part in Path::new(target).components() {
        match part {
            Component::Prefix(_) | Component::RootDir => {
                return Some("is a symbolic link to an absolute path".into());
            }
            Component::ParentDir if descends => {
                return Some("is a symbolic link whose target has `..` after a name".into());
            }
            Component::ParentDir => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return Some("is a symbolic link out of the folder".into()),
            },
            Component::CurDir => {}
            Component::Normal(_) => descends = true,
        }
    }
    (target.is_empty() || target.contains('\0'))
        .then(|| "is a symbolic link with an empty or invalid target".into())
}

#[cfg(test)]
mod tests {
    use super::leads_out;

    #[test]
    fn links_stay_in_the_folder() {
        for (path, target) in [("a", "b"), ("d/a", "../b"), ("d/e/a", "../../b/c"), ("a", "./b/c")]
        {
            assert_eq!(leads_out(path, target), None, "{path} {target}");
        }
        for (path, target) in [
            ("a", ""),
            ("a", "/etc/passwd"),
            ("a", "../b"),
            ("d/a", "../../b"),
            ("a", "b/.."),
            ("d/e/a", "x/../../../../b"),
        ] {
            assert!(leads_out(path, target).is_some(), "{path} {target}");
        }
    }
}
