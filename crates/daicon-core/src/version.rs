//! Versions, and which versions a reader accepts.
//!
//! Specification: `docs/spec/daicon.md`, "Versions".

use core::fmt;

/// A semantic version without its patch number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Version {
    /// A new major version breaks readers.
    pub major: u16,
    /// A new minor version only adds, if `major` is 1 or more.
    pub minor: u16,
}

impl Version {
    /// Creates `major.minor`.
    #[must_use]
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// Returns whether a reader that requires this version can use version `found`.
    ///
    /// The major versions must be equal, and the found minor version must not be lower than the
    /// required one. Below 1.0, every minor version may break readers, so the minor versions must
    /// be equal too.
    #[must_use]
    pub const fn accepts(self, found: Self) -> bool {
        self.major == found.major
            && if self.major == 0 { self.minor == found.minor } else { self.minor <= found.minor }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[track_caller]
    fn check(required: (u16, u16), found: (u16, u16), expected: bool) {
        let (required, found) =
            (Version::new(required.0, required.1), Version::new(found.0, found.1));
        assert_eq!(required.accepts(found), expected, "{required} accepts {found}");
    }

    #[test]
    fn documents_own_example() {
        // An example of the founding document: a reader of 2.1 reads 2.4, but not 3.0 or 2.0.
        check((2, 1), (2, 4), true);
        check((2, 1), (2, 1), true);
        check((2, 1), (3, 0), false);
        check((2, 1), (2, 0), false);
        check((2, 1), (1, 9), false);
    }

    #[test]
    fn minors_below_one_are_mutually_incompatible() {
        check((0, 1), (0, 1), true);
        check((0, 1), (0, 2), false);
        check((0, 1), (0, 0), false);
        check((0, 1), (1, 1), false);
    }
}
