//! Decides which names can be written side by side below one folder, from the names alone.
//!
//! The memory depends on the length of the names, and not on the number of folders in them.

use super::reason::Reason;
use core::cmp::Ordering;
use std::borrow::Cow;
use unicase::UniCase;

/// Rules for names that only some systems have.
#[derive(Debug, Clone, Copy)]
pub(in crate::verbs) struct Portability {
    /// Whether names that Windows cannot have are refused.
    pub(in crate::verbs) reserved: bool,
    /// Whether names that differ only in case are refused, except the first of them.
    pub(in crate::verbs) case: bool,
}

/// The maximum numbers of folders.
#[derive(Debug, Clone, Copy)]
pub(in crate::verbs) struct FolderLimits {
    /// The maximum number of nested folders around one file.
    pub(in crate::verbs) depth_max: usize,
    /// The maximum number of folders in all.
    pub(in crate::verbs) count_max: u64,
}

/// The names need this many folders, which is more than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::verbs) struct TooManyFolders(pub(in crate::verbs) u64);

/// Returns, for each name, the reason why it cannot be written; `None` if it can be written.
///
/// Of equal names, only the first one is written. If a file and a folder have the same name, the
/// folder is written, with all its content.
pub(in crate::verbs) fn refusals(
    names: &[String],
    portability: Portability,
    limits: FolderLimits,
) -> Result<Vec<Option<Reason>>, TooManyFolders> {
    let mut told: Vec<Option<Reason>> =
        names.iter().map(|name| refusal(name, portability, limits.depth_max)).collect();
    let keys: Vec<Cow<'_, str>> = names.iter().map(|name| key(name, portability.case)).collect();
    let keys = |i: usize| keys.get(i).map_or("", AsRef::as_ref);
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.retain(|i| told.get(*i).is_some_and(Option::is_none));
    // A folder's content follows its name, and equal names stay in their order.
    order.sort_by(|a, b| compare(keys(*a), keys(*b)));
    let folders = count_folders(order.iter().map(|i| keys(*i)));
    if folders > limits.count_max {
        return Err(TooManyFolders(folders));
    }
    let mut rest = &order[..];
    while let Some(first) = rest.first().copied() {
        let same = rest.iter().take_while(|i| keys(**i) == keys(first)).count();
        let (equal, behind) = rest.split_at(same);
        let is_folder = behind.first().is_some_and(|next| is_in(keys(*next), keys(first)));
        for i in equal {
            let reason = match (is_folder, *i == first) {
                (true, _) => Some(Reason::new("folder", "is a folder of other regions")),
                (false, true) => None,
                (false, false) if names.get(*i) == names.get(first) => {
                    Some(Reason::new("duplicate", "another region has that name"))
                }
                (false, false) => {
                    let first = names.get(first).map_or("", String::as_str);
                    let message = format!("differs from {first:?} only in case");
                    Some(Reason::new("case", message))
                }
            };
            if let Some(told) = told.get_mut(*i) {
                *told = reason;
            }
        }
        rest = behind;
    }
    Ok(told)
}

/// Returns the fault of a name that lies in more than `depth_max` nested folders.
pub(in crate::verbs) fn too_deep(name: &str, depth_max: usize) -> Option<String> {
    let depth = name.matches('/').count();
    let fault = || format!("is nested in {depth} folders, but --max-depth allows {depth_max}");
    (depth > depth_max).then(fault)
}

/// Returns the reason why a name cannot be written, regardless of the other names.
fn refusal(name: &str, portability: Portability, depth_max: usize) -> Option<Reason> {
    if let Some(message) = too_deep(name, depth_max) {
        return Some(Reason::new("too deep", message));
    }
    let fault = portability.reserved.then(|| name.split('/').find_map(not_portable)).flatten();
    fault.map(|message| Reason::new("not portable", message))
}

/// Returns the text by which names are compared.
fn key(name: &str, fold_case: bool) -> Cow<'_, str> {
    if !fold_case {
        return Cow::Borrowed(name);
    }
    let folded = UniCase::unicode(name).to_folded_case();
    Cow::Owned(dacti_names::normalize(&folded).into_owned())
}

/// Compares paths so that the paths in a folder follow the name of the folder.
fn compare(a: &str, b: &str) -> Ordering {
    let ranked = |byte: u8| (byte != b'/', byte);
    a.bytes().map(ranked).cmp(b.bytes().map(ranked))
}

fn is_in(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// Counts the folders that sorted paths pass through.
#[expect(clippy::naive_bytecount, reason = "paths are short")]
fn count_folders<'p>(paths: impl Iterator<Item = &'p str>) -> u64 {
    let mut before = "";
    let mut count = 0_u64;
    for path in paths {
        let common = path.bytes().zip(before.bytes()).take_while(|(a, b)| a == b).count();
        // The path before this one begins with the same `common` bytes, so the folders in these
        // bytes were counted before.
        let own = path.as_bytes().get(common..).unwrap_or_default();
        let new = own.iter().filter(|byte| **byte == b'/').count();
        count = count.saturating_add(u64::try_from(new).unwrap_or(u64::MAX));
        before = path;
    }
    count
}

/// Returns why a part of a path is not a valid name on every system.
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
    use super::{FolderLimits, Portability, TooManyFolders, not_portable, refusals};

    const LIMITS: FolderLimits = FolderLimits { depth_max: 128, count_max: 10_000 };

    #[test]
    fn names_that_windows_cannot_have() {
        for name in ["CON", "con.txt", "Com1", "lpt9.log", "a.", "a ", "a:b", "a\\b", "nul .txt"] {
            assert!(not_portable(name).is_some(), "{name}");
        }
        for name in ["console", "com", "com10", ".a", "a b", "ü", "lpt"] {
            assert_eq!(not_portable(name), None, "{name}");
        }
    }

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[track_caller]
    fn check(names: &[&str], case: bool, expected: &[bool]) {
        let portability = Portability { reserved: false, case };
        let told = refusals(&owned(names), portability, LIMITS).unwrap();
        assert_eq!(told.iter().map(Option::is_some).collect::<Vec<_>>(), expected, "{names:?}");
    }

    #[test]
    fn names_that_differ_in_case_only_clash_where_asked() {
        check(&["a/B", "a/b", "a/c", "A/b"], true, &[false, true, false, true]);
        check(&["a/B", "a/b", "a/c", "A/b"], false, &[false; 4]);
        check(&["a", "a"], false, &[false, true]);
    }

    #[test]
    fn case_is_folded_as_unicode_says() {
        for (one, other) in [
            ("σας", "σασ"),
            ("ΣΑΣ", "σας"),
            ("straße", "STRASSE"),
            ("ſ", "s"),
            ("\u{fb01}n", "fin"),
            ("É", "e\u{301}"),
        ] {
            check(&[one, other], true, &[false, true]);
            check(&[one, other], false, &[false, false]);
        }
    }

    #[test]
    fn folders_win_over_files_of_their_name() {
        check(&["a", "a/b", "a/b/c", "ab"], false, &[true, true, false, false]);
        check(&["a/b/c", "a/b", "a"], false, &[false, true, true]);
        check(&["a", "A/b"], false, &[false, false]);
        check(&["a", "A/b"], true, &[true, false]);
        check(&["A/B", "a/b/c"], true, &[true, false]);
        // Sorted by bytes alone, `a-b` and `a.txt` would lie between the folder `a` and its content
        // `a/b`.
        check(&["a", "a.txt", "a-b", "a/b"], false, &[true, false, false, false]);
        // A refused name makes no folder, so the file `a` can be written.
        let portability = Portability { reserved: true, case: true };
        let told = refusals(&owned(&["a", "a/nul"]), portability, LIMITS).unwrap();
        assert_eq!((told[0].is_none(), told[1].is_some()), (true, true));
    }

    #[test]
    fn folders_are_counted_and_bounded() {
        let portability = Portability { reserved: false, case: false };
        let names = owned(&["a/b/c/1", "a/b/2", "a/b/c/3", "a/d/4", "5", "ab/6", "a/b/c/1x/7"]);
        // The folders are a, a/b, a/b/c, a/b/c/1x, a/d and ab.
        for (count_max, expected) in [(6, None), (5, Some(TooManyFolders(6)))] {
            let limits = FolderLimits { count_max, ..LIMITS };
            assert_eq!(refusals(&names, portability, limits).err(), expected);
        }
        let limits = FolderLimits { depth_max: 3, count_max: 6 };
        let told = refusals(&names, portability, limits).unwrap();
        let refused: Vec<_> = told.iter().map(Option::is_some).collect();
        assert_eq!(refused, [false, false, false, false, false, false, true]);
    }
}
