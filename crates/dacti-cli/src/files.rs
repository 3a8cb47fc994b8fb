//! Whether two paths mean one entry of a folder, so that nothing is written over what it is made
//! from. Knows nothing of what is read or written.

use std::path::{Path, PathBuf};

/// Where a path stands, with its folder as it really is. A link in the last part is not followed:
/// whoever renames a file to this path replaces the link, and not what it leads to.
pub(crate) fn place(path: &Path) -> Option<PathBuf> {
    if std::fs::symlink_metadata(path).is_ok_and(|found| !found.is_symlink()) {
        return path.canonicalize().ok();
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).canonicalize().ok()?;
    Some(folder.join(path.file_name()?))
}

/// Whether a path, or what it leads to, stands at `place`.
pub(crate) fn is_at(path: &Path, place: &Path) -> bool {
    self::place(path).is_some_and(|found| found == place)
        || path.canonicalize().is_ok_and(|found| found == place)
}

#[cfg(all(test, unix))]
mod tests {
    use super::{is_at, place};
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
}
