//! The declaration of a format, and the check of a file against it.
//!
//! Specification: `docs/spec/daicon.md`, "Versions", "Duties of a format's author".

use crate::{
    Component, ComponentSpec, Error, Event, FormatHeader, Region, TableWalker, Version, Window,
    to_u64,
};
use uuid::Uuid;

/// A format: its UUID, the version that a reader is written for, and the required components.
///
/// ```
/// use daicon_core::{Format, Requirement, Version};
/// use uuid::Uuid;
///
/// const TEXT: Requirement<'static> = Requirement::new(
///     Uuid::from_u128(0x37cb72a4_caab_440c_8b7c_869019ed348e),
///     Version::new(0, 1),
/// );
/// const NOTES: Format<'static> = Format {
///     requires: &[TEXT],
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
    /// Further minor versions that this reader can read, if the major version is 0. Below 1.0, a
    /// reader of one minor version cannot assume that it can read any other minor version.
    pub minors: &'a [u16],
    /// Components that every file of the format must have.
    pub requires: &'a [Requirement<'a>],
}

/// The content of a preamble, which is the first 28 bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreambleSpec {
    /// The format's UUID.
    pub format: Uuid,
    /// The format's version.
    pub version: Version,
}

/// A component, and its lowest version that a reader can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requirement<'a> {
    /// UUID of the component.
    pub id: Uuid,
    /// The lowest version that a reader can use. Writers write this version.
    pub version: Version,
    /// Further minor versions that a reader can use, if the major version is 0.
    pub minors: &'a [u16],
}

impl<'a> Requirement<'a> {
    /// Requires `version` or a compatible version.
    #[must_use]
    pub const fn new(id: Uuid, version: Version) -> Self {
        Self { id, version, minors: &[] }
    }

    /// Requires `version`, or one of `minors` if the major version is 0.
    #[must_use]
    pub const fn with_minors(id: Uuid, version: Version, minors: &'a [u16]) -> Self {
        Self { id, version, minors }
    }

    /// Finds the required component among `components`, which a walker has found.
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

    /// Returns the required component among `components`, which a walker has found.
    ///
    /// # Errors
    /// `MissingComponent`, `IncompatibleComponent`.
    pub fn require<'c>(&self, components: &'c [Component]) -> Result<&'c Component, Error> {
        let Self { id, version: required, .. } = *self;
        match self.find(components) {
            ComponentMatch::Found(component) => Ok(component),
            ComponentMatch::Missing => Err(Error::MissingComponent { id, required }),
            ComponentMatch::Incompatible(&Component { at, version: found, .. }) => {
                Err(Error::IncompatibleComponent { id, at, required, found })
            }
        }
    }

    /// Returns the component with this region, to be written into a table.
    #[must_use]
    pub const fn with_region(&self, region: Region) -> ComponentSpec {
        ComponentSpec::with_region(self.id, self.version, region)
    }
}

/// The result of the search for a required component in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComponentMatch<'c> {
    /// The component, in a version that the reader can use.
    Found(&'c Component),
    /// The first component of that UUID. No component of that UUID has a usable version.
    Incompatible(&'c Component),
    /// No component of that UUID.
    Missing,
}

impl<'a> Format<'a> {
    /// Declares a format that requires no component.
    #[must_use]
    pub const fn new(id: Uuid, version: Version) -> Self {
        Self { id, version, minors: &[], requires: &[] }
    }

    /// Returns the preamble of the format's files.
    #[must_use]
    pub const fn preamble(&self) -> PreambleSpec {
        PreambleSpec { format: self.id, version: self.version }
    }

    /// Reads the tables of `file`, a whole file in memory, and checks the file against the format.
    ///
    /// Reading ends as soon as all required components are found. If the format requires no
    /// components, this reads the whole chain.
    ///
    /// # Errors
    /// The file is not a container, has another format or version, or lacks a required component.
    pub fn read(&self, file: &[u8]) -> Result<TableWalker, Error> {
        let window = Window::ending_file(0, file);
        let mut walker = TableWalker::new(Some(to_u64(file.len())));
        while let Some(want) = self.want(&walker) {
            self.feed(&mut walker, window.answer(want).unwrap_or_default())?;
        }
        self.check(walker.components())?;
        Ok(walker)
    }

    /// Returns the span that the walker wants. Returns `None` if the walk has ended, or if the
    /// format has required components and the walker has found all of them.
    pub(crate) fn want(&self, walker: &TableWalker) -> Option<crate::Span> {
        let enough = !self.requires.is_empty() && self.is_met(walker.components());
        walker.want().filter(|_| !enough)
    }

    /// Feeds the walker, and checks the format header when the walker returns it.
    pub(crate) fn feed(&self, walker: &mut TableWalker, bytes: &[u8]) -> Result<(), Error> {
        match walker.feed(bytes)? {
            Some(Event::Preamble(header)) => self.check_header(&header),
            _ => Ok(()),
        }
    }

    /// Checks that a file's format header names this format, in a version that this reader accepts.
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

    /// Returns each requirement with its match among `components`, in declared order.
    pub fn matches<'c>(
        &self,
        components: &'c [Component],
    ) -> impl Iterator<Item = (&'a Requirement<'a>, ComponentMatch<'c>)> + use<'a, 'c> {
        self.requires.iter().map(|required| (required, required.find(components)))
    }

    /// Returns whether every requirement is met, in which case a walk can stop.
    #[must_use]
    pub fn is_met(&self, components: &[Component]) -> bool {
        self.matches(components).all(|(_, found)| matches!(found, ComponentMatch::Found(_)))
    }

    /// Checks the components that a finished walk has found. Stops at the first requirement that is
    /// not met; [`matches`](Self::matches) returns the result for every requirement.
    ///
    /// # Errors
    /// `MissingComponent`, `IncompatibleComponent`.
    pub fn check(&self, components: &[Component]) -> Result<(), Error> {
        self.requires.iter().try_for_each(|required| required.require(components).map(|_| ()))
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
        assert_eq!(requires[0].require(&both), Ok(&both[1]));

        let only = [found(2, 0)];
        assert!(!format.is_met(&only));
        let error = format.check(&only).unwrap_err();
        let (required, found) = (Version::new(1, 2), Version::new(2, 0));
        assert_eq!(error, Error::IncompatibleComponent { id: PART, at: 52, required, found });
        assert_eq!(format.check(&[]), Err(Error::MissingComponent { id: PART, required }));
    }
}
