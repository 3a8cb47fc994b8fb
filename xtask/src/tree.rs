//! The files of the repository, read once. These are the files that git tracks, and the files that
//! `git add` would add.

use crate::run::{Context, Result, output};
use std::collections::BTreeMap;

/// The contents of the files, by their paths from the root. Paths have `/` between their parts.
#[derive(Debug, Default)]
pub struct Tree(BTreeMap<String, Vec<u8>>);

impl Tree {
    pub fn load(context: &Context) -> Result<Self> {
        let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        let names = output(&mut context.git(list))
            .map_err(|failure| format!("the list of files comes from git: {failure}"))?;
        let mut files = BTreeMap::new();
        for name in names.split_terminator('\0') {
            let path = context.root.join(name);
            // git still lists a deleted file until the deletion is staged. Symbolic links are left
            // out, because they have no text of their own.
            if path.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
                let bytes = std::fs::read(&path).map_err(|error| format!("{name}: {error}"))?;
                files.insert(name.to_owned(), bytes);
            }
        }
        Ok(Self(files))
    }

    pub fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    /// Returns the text of a file. Bytes that are not UTF-8 are replaced.
    pub fn text(&self, path: &str) -> Option<String> {
        self.0.get(path).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }

    /// Returns the paths and texts of all files whose names end like this.
    pub fn texts(&self, ending: &str) -> impl Iterator<Item = (&str, String)> {
        self.files()
            .filter(move |(path, _)| path.ends_with(ending))
            .map(|(path, bytes)| (path, String::from_utf8_lossy(bytes).into_owned()))
    }
}

/// Returns the folder of a path. It is empty for a path in the root.
pub fn dir_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

/// Returns the path `dir/rest`, without `.` and `..`.
pub fn join(dir: &str, rest: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in dir.split('/').chain(rest.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
pub mod tests {
    use super::{Tree, dir_of, join};

    pub fn tree(files: &[(&str, &str)]) -> Tree {
        Tree(files.iter().map(|&(path, text)| (path.to_owned(), text.into())).collect())
    }

    #[test]
    fn paths() {
        assert_eq!(dir_of("a/b/c.rs"), "a/b");
        assert_eq!(dir_of("c.rs"), "");
        assert_eq!(join("a/b", "../c/./d.rs"), "a/c/d.rs");
        assert_eq!(join("", "d.rs"), "d.rs");
    }

    #[test]
    fn files_are_chosen_by_their_ending() {
        let tree = tree(&[("a.rs", "1"), ("b.md", "2"), ("c/d.rs", "3")]);
        let found: Vec<_> = tree.texts(".rs").collect();
        assert_eq!(found, [("a.rs", "1".to_owned()), ("c/d.rs", "3".to_owned())]);
        assert!(tree.has("b.md"));
        assert_eq!(tree.text("b.md").as_deref(), Some("2"));
        assert_eq!(tree.text("none"), None);
    }
}
