//! Formats: which files a reader of one format accepts.
//!
//! Specification: `docs/spec/daicon.md`, "Format header", "Versions".

use super::{Container, Fault, Found, Id, Preamble, fault, read_container, read_preamble};

/// A version that a reader needs.
#[derive(Clone, Copy, Debug)]
pub struct Needed {
    /// The id of a format or a component.
    pub id: Id,
    /// Its major version.
    pub major: u16,
    /// The lowest minor version. For major 0, this one and `minors` are accepted.
    pub minor: u16,
    /// Further minor versions that the reader lists, for major 0.
    pub minors: &'static [u16],
}

/// A format: its UUID and versions, and the components that its files must have.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// The format and its version.
    pub needed: Needed,
    /// The components, in order.
    pub requires: &'static [Needed],
}

impl Needed {
    /// Returns whether a file of this version can be read.
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

    /// Returns the component that the reader uses: the first in a suitable version.
    #[must_use]
    pub fn met<'c>(&self, container: &'c Container) -> Option<&'c Found> {
        container
            .components
            .iter()
            .find(|found| found.id == self.id && self.accepts(found.major, found.minor))
    }
}

/// Checks UUID and version, in this order.
///
/// # Errors
/// The first of them that differs.
pub fn check_preamble(preamble: &Preamble, format: &Format) -> Result<(), Fault> {
    if preamble.format != format.needed.id {
        return fault("unsupported", "format header", 8);
    }
    if !format.needed.accepts(preamble.major, preamble.minor) {
        return fault("unsupported", "format header", 24);
    }
    Ok(())
}

/// Reads a file of one format: preamble, tables, required components, in this order.
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
