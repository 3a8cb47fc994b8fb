//! The prefix under which the parts of a package lie, relative to the head's folder.
//!
//! Specification: `docs/spec/dacti-parts.md`, "Names".

/// The maximum length of a prefix, in bytes.
pub const PREFIX_LEN_MAX: usize = 240;

/// Returns whether `prefix` is empty or a relative path of plain segments that ends with `/`.
///
/// A plain segment is the name of a subfolder on every host and system. It is not empty, `.` or
/// `..`, and it has no character with a special meaning in paths or URLs.
#[must_use]
pub fn check_prefix(prefix: &str) -> bool {
    if prefix.is_empty() {
        return true;
    }
    let Some(path) = prefix.strip_suffix('/') else { return false };
    prefix.len() <= PREFIX_LEN_MAX && path.split('/').all(is_plain)
}

fn is_plain(segment: &str) -> bool {
    let is_special = |c: char| matches!(c, '\\' | '?' | '#' | '%' | ':') || c.is_control();
    !matches!(segment, "" | "." | "..") && !segment.contains(is_special)
}

#[cfg(test)]
mod tests {
    use super::check_prefix;

    #[test]
    fn plain_relative_folders_are_prefixes() {
        // spec: R-PART-10
        for prefix in ["", "docs.dacti-pack.parts/", "a/b/", "ä/", "...//".trim_end_matches('/')] {
            assert_eq!(check_prefix(prefix), prefix != "...", "{prefix}");
        }
    }

    #[test]
    fn what_could_lead_elsewhere_is_no_prefix() {
        // spec: R-PART-10
        let long = "a".repeat(240) + "/";
        for prefix in [
            "a",
            "/",
            "/a/",
            "../",
            "a/../",
            "./",
            "a//",
            "https://host/",
            "a\\b/",
            "a?b/",
            "a#/",
            "%2e%2e/",
            "c:/",
            "a\u{0}/",
            "a\nb/",
            &long,
        ] {
            assert!(!check_prefix(prefix), "{prefix:?}");
        }
    }
}
