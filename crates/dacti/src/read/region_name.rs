//! The name by which a caller asks for a region.

use core::fmt;
use uuid::Uuid;

/// A region's id or its path, as a caller gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RegionName<'a> {
    /// By id.
    Id(Uuid),
    /// By path.
    Path(&'a str),
}

impl<'a> From<&'a str> for RegionName<'a> {
    fn from(path: &'a str) -> Self {
        Self::Path(path)
    }
}

impl<'a> From<&'a String> for RegionName<'a> {
    fn from(path: &'a String) -> Self {
        Self::Path(path)
    }
}

impl From<Uuid> for RegionName<'_> {
    #[inline]
    fn from(id: Uuid) -> Self {
        Self::Id(id)
    }
}

impl fmt::Display for RegionName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{id}"),
            Self::Path(path) => write!(f, "{path:?}"),
        }
    }
}
