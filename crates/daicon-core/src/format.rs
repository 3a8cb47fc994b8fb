//! A format author's declaration, and the check of a file against it.
//!
//! Specification: `docs/spec/daicon.md`, "Versions", "Duties of a format's author".

use crate::{Component, Error, FormatHeader, Version};
use uuid::Uuid;

/// A format: its UUID, the version that a reader was written for, and the components that it cannot
/// do without.
///
/// ```
/// use daicon_core::{Format, Requirement, Version};
/// use uuid::Uuid;
///
/// const TEXT: Uuid = Uuid::from_u128(0x37cb72a4_caab_440c_8b7c_869019ed348e);
/// const NOTES: Format<'static> = Format {
///     requires: &[Requirement::new(TEXT, Version::new(0, 1))],
///     ..Format::new(Uuid::from_u128(0xf00d), Version::new(1, 0))
/// };
/// assert_eq!(NOTES.requires.len(), 1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format<'a> {
    /// The format's UUID.
    pub id: Uuid,
    /// The version that this reader is written for.
    pub version: Version,
    /// Further minor versions that were verified one by one, for a major of 0, where none implies
    /// another.
    pub minors: &'a [u16],
    /// Components without which a file is of no use.
    pub requires: &'a [Requirement<'a>],
}

/// A component that a format requires, in the least version that serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requirement<'a> {
    /// The component.
    pub id: Uuid,
    /// The least version that serves.
    pub version: Version,
    /// Further minor versions that were verified one by one, for a major of 0.
    pub minors: &'a [u16],
}

impl<'a> Requirement<'a> {
    /// `version` or what is compatible with it.
    #[must_use]
    pub const fn new(id: Uuid, version: Version) -> Self {
        Self { id, version, minors: &[] }
    }

    /// `version`, or one of these minors, for a major of 0.
    #[must_use]
    pub const fn with_minors(id: Uuid, version: Version, minors: &'a [u16]) -> Self {
        Self { id, version, minors }
    }

    /// What `components` (as a walker found them) have to say to this requirement.
    #[must_use]
    pub fn find<'c>(&self, components: &'c [Component]) -> ComponentMatch<'c> {
        let mut other = None;
        for component in components.iter().filter(|component| component.id == self.id) {
            if serves(self.version, self.minors, component.version) {
                return ComponentMatch::Found(component);
            }
            other = other.or(Some(component));
        }
        other.map_or(ComponentMatch::Missing, ComponentMatch::Incompatible)
    }
}

/// What a file has for a requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComponentMatch<'c> {
    /// The component, in a version that serves.
    Found(&'c Component),
    /// The component, but in no version that serves; this is the first.
    Incompatible(&'c Component),
    /// Nothing.
    Missing,
}

impl<'a> Format<'a> {
    /// A format that requires no component.
    #[must_use]
    pub const fn new(id: Uuid, version: Version) -> Self {
        Self { id, version, minors: &[], requires: &[] }
    }

    /// Checks the head of a file: is it this format, in a version that can be read?
    ///
    /// # Errors
    /// `WrongFormat`, `UnsupportedFormatVersion`.
    pub fn check_header(&self, header: &FormatHeader) -> Result<(), Error> {
        if header.id.get() != self.id {
            return Err(Error::WrongFormat { expected: self.id, found: header.id.get() });
        }
        let found = header.version();
        if !serves(self.version, self.minors, found) {
            return Err(Error::UnsupportedFormatVersion { required: self.version, found });
        }
        Ok(())
    }

    /// Each requirement with what the file has for it, in the order declared.
    pub fn matches<'c>(
        &self,
        components: &'c [Component],
    ) -> impl Iterator<Item = (&'a Requirement<'a>, ComponentMatch<'c>)> + use<'a, 'c> {
        self.requires.iter().map(|required| (required, required.find(components)))
    }

    /// Whether every requirement is met, so that a walk may stop.
    #[must_use]
    pub fn is_met(&self, components: &[Component]) -> bool {
        self.matches(components).all(|(_, found)| matches!(found, ComponentMatch::Found(_)))
    }

    /// Checks what a finished walk found. [`matches`](Self::matches) tells all of it; this stops at
    /// the first lack.
    ///
    /// # Errors
    /// `MissingComponent`, `IncompatibleComponent`.
    pub fn check(&self, components: &[Component]) -> Result<(), Error> {
        for (required, found) in self.matches(components) {
            let Requirement { id, version: required, .. } = *required;
            match found {
                ComponentMatch::Found(_) => {}
                ComponentMatch::Missing => return Err(Error::MissingComponent { id, required }),
                ComponentMatch::Incompatible(&Component { at, version: found, .. }) => {
                    return Err(Error::IncompatibleComponent { id, at, required, found });
                }
            }
        }
        Ok(())
    }
}

fn serves(required: Version, minors: &[u16], found: Version) -> bool {
    let listed = required.major == 0 && found.major == 0 && minors.contains(&found.minor);
    required.accepts(found) || listed
}

#[cfg(test)]
mod tests {
    use super::{ComponentMatch, Format, Requirement};
    use crate::{Component, Error, FormatHeader, Version};
    use uuid::Uuid;

    const ID: Uuid = Uuid::from_u128(1);
    const PART: Uuid = Uuid::from_u128(2);

    fn found(major: u16, minor: u16) -> Component {
        Component { id: PART, at: 52, version: Version::new(major, minor), ..Component::default() }
    }

    fn header(id: Uuid, major: u16, minor: u16) -> FormatHeader {
        FormatHeader { id: id.into(), major: major.into(), minor: minor.into() }
    }

    #[test]
    fn another_format_is_named() {
        let format = Format::new(ID, Version::new(1, 0));
        let error = format.check_header(&header(PART, 1, 0)).unwrap_err();
        assert_eq!(error, Error::WrongFormat { expected: ID, found: PART });
    }

    #[test]
    fn minors_of_version_zero_must_be_listed() {
        let plain = Format::new(ID, Version::new(0, 1));
        let listed = Format { minors: &[0], ..plain };
        assert!(plain.check_header(&header(ID, 0, 0)).is_err());
        assert_eq!(listed.check_header(&header(ID, 0, 0)), Ok(()));
        assert!(listed.check_header(&header(ID, 1, 0)).is_err(), "the list is for major 0");
    }

    #[test]
    fn any_major_that_serves_is_enough() {
        let requires = [Requirement::new(PART, Version::new(1, 2))];
        let format = Format { requires: &requires, ..Format::new(ID, Version::new(1, 0)) };
        let both = [found(2, 0), found(1, 3)];
        assert!(format.is_met(&both));
        assert_eq!(requires[0].find(&both), ComponentMatch::Found(&both[1]));

        let only = [found(2, 0)];
        assert!(!format.is_met(&only));
        let error = format.check(&only).unwrap_err();
        let (required, found) = (Version::new(1, 2), Version::new(2, 0));
        assert_eq!(error, Error::IncompatibleComponent { id: PART, at: 52, required, found });
        assert_eq!(format.check(&[]), Err(Error::MissingComponent { id: PART, required }));
    }
}
