//! Formats: which files a reader of a format accepts.
//!
//! It follows `docs/spec/daicon.md`, "Format header" and "Versions".

use super::{Container, Fault, Found, Id, Preamble, fault, read_container, read_preamble};

/// An id, and the versions of it that a reader accepts.
#[derive(Clone, Copy, Debug)]
pub struct Needed {
    /// The UUID of a format or of a component.
    pub id: Id,
    /// The major version.
    pub major: u16,
    /// The minor version. If the major version is 0, the reader accepts only this minor version and
    /// `minors`. If the major version is higher, the reader accepts this minor version and all
    /// higher ones.
    pub minor: u16,
    /// Further minor versions that the reader accepts if the major version is 0.
    pub minors: &'static [u16],
}

/// A format: its UUID, its versions, and the components that its files must have.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// The UUID and the versions of the format.
    pub needed: Needed,
    /// The required components, in the order in which readers check them.
    pub requires: &'static [Needed],
}

impl Needed {
    /// Returns whether a reader accepts this version.
    #[must_use]
    pub fn accepts(&self, major: u16, minor: u16) -> bool {
        if major != self.major {
            return false;
        }
        match major {
            0 => minor == self.minor || self.minors.contains(&minor),
            _ => minor >= self.minor,
        }
    }

    /// Returns the component that a reader uses: the first one whose version the reader accepts.
    #[must_use]
    pub fn met<'c>(&self, container: &'c Container) -> Option<&'c Found> {
        container
            .components
            .iter()
            .find(|found| found.id == self.id && self.accepts(found.major, found.minor))
    }
}

/// Checks the UUID, and then the version.
///
/// # Errors
/// The first of the two that the reader does not accept.
pub fn check_preamble(preamble: &Preamble, format: &Format) -> Result<(), Fault> {
    if preamble.format != format.needed.id {
        return fault("unsupported", "format header", 8);
    }
    if !format.needed.accepts(preamble.major, preamble.minor) {
        return fault("unsupported", "format header", 24);
    }
    Ok(())
}

/// Reads a file of one format. Checks the preamble, then the tables, then the required components.
///
/// # Errors
/// The first fault.
pub fn read_format(file: &[u8], format: &Format) -> Result<Container, Fault> {
    check_preamble(&read_preamble(file)?, format)?;
    let container = read_container(file)?;
    for needed in format.requires {
        if needed.met(&container).is_none() {
            let other = container.components.iter().find(|found| found.id == needed.id);
            return fault("unsupported", "component", other.map_or(28, |found| found.at));
        }
    }
    Ok(container)
}
