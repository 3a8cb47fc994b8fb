//! The rules of paths, and the ids hashed from them.
//!
//! Specification: `docs/spec/dacti-names.md`, "Paths".

use crate::{Error, PathFault, Structure};
use alloc::borrow::Cow;
use alloc::string::String;
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

/// The namespace in which paths are hashed to ids.
pub const NAMESPACE: Uuid = Uuid::from_u128(0x8d44e5dd_b871_4639_9f80_630abffdaf58);

/// The maximum length of a path in bytes.
pub const PATH_LEN_MAX: usize = 4096;

/// Checks the rules of paths: a path is in normalisation form C and relative, and no part of it is
/// empty, `.` or `..`. Returns the path.
///
/// # Errors
/// `Path`, with the rule that the path breaks.
pub fn check_path(path: &str) -> Result<&str, Error> {
    match fault(path) {
        None => Ok(path),
        Some(fault) => Err(Error::Path { what: Structure::Path, at: 0, fault }),
    }
}

/// Returns the hashed id of `path`, a UUIDv5 in [`NAMESPACE`]. A names list may give the path
/// another id.
///
/// # Errors
/// `Path`, if [`check_path`] refuses the path.
pub fn region_id(path: &str) -> Result<Uuid, Error> {
    check_path(path).map(hashed_id)
}

/// Returns the path in normalisation form C, because file names of some systems are in another
/// form. Checks no other rule.
#[must_use]
pub fn normalize(path: &str) -> Cow<'_, str> {
    if path.is_ascii() || unicode_normalization::is_nfc(path) {
        Cow::Borrowed(path)
    } else {
        Cow::Owned(path.nfc().collect::<String>())
    }
}

/// Returns the hashed id of a valid path.
pub(crate) fn hashed_id(path: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, path.as_bytes())
}

/// Returns the first rule that a path breaks, if any.
pub(crate) fn fault(path: &str) -> Option<PathFault> {
    if path.is_empty() {
        return Some(PathFault::Empty);
    }
    if path.len() > PATH_LEN_MAX {
        return Some(PathFault::TooLong);
    }
    if path.contains('\0') {
        return Some(PathFault::Nul);
    }
    for part in path.as_bytes().split(|byte| *byte == b'/') {
        match part {
            b"" => return Some(PathFault::EmptyPart),
            b"." | b".." => return Some(PathFault::DotPart),
            _ => {}
        }
    }
    if !path.is_ascii() && !unicode_normalization::is_nfc(path) {
        return Some(PathFault::NotNfc);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{check_path, normalize, region_id};
    use crate::{Error, PathFault, Structure};
    use uuid::{Uuid, uuid};

    #[track_caller]
    fn check(path: &str, expected: Option<PathFault>) {
        let expected = match expected {
            None => Ok(path),
            Some(fault) => Err(Error::Path { what: Structure::Path, at: 0, fault }),
        };
        assert_eq!(check_path(path), expected, "{path:?}");
    }

    #[test]
    fn paths_are_relative_and_go_down_only() {
        // spec: R-PATH-02
        check("a", None);
        check("a/b.txt", None);
        check("...", None);
        check("a\\..\\b", None);
        check("/a", Some(PathFault::EmptyPart));
        check("a/", Some(PathFault::EmptyPart));
        check("a//b", Some(PathFault::EmptyPart));
        check("./a", Some(PathFault::DotPart));
        check("a/..", Some(PathFault::DotPart));
    }

    #[test]
    fn paths_are_nfc_without_nul() {
        // spec: R-PATH-01
        check("\u{fc}", None);
        check("u\u{308}", Some(PathFault::NotNfc));
        check("a\0b", Some(PathFault::Nul));
        assert_eq!(normalize("u\u{308}"), "\u{fc}");
    }

    #[test]
    fn paths_have_one_to_4096_bytes() {
        // spec: R-PATH-03
        check("", Some(PathFault::Empty));
        check(&"a".repeat(4096), None);
        check(&"a".repeat(4097), Some(PathFault::TooLong));
    }

    #[test]
    fn ids_are_those_of_the_specification() {
        // spec: R-PATH-04
        // The expected ids were made with another implementation of UUIDv5.
        let pairs: [(&str, Uuid); 4] = [
            ("a.txt", uuid!("d9605574-3c5e-5a23-81f4-04e95c3cdd40")),
            ("hello.txt", uuid!("3d97e44e-13d6-543b-ac7c-a138f7307a35")),
            ("docs/index.html", uuid!("4ddd22e9-9b68-59b0-bdd6-a8ed98a35897")),
            ("b/\u{fc}.txt", uuid!("81065181-db1f-5328-aa90-1797eab522a2")),
        ];
        for (path, id) in pairs {
            assert_eq!(region_id(path), Ok(id));
        }
    }
}
