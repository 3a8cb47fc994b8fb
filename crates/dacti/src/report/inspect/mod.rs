//! Describes the structure of a file, down to the use of every byte. The file is a package, or a
//! daicon file of another format.

#[cfg(feature = "serde")]
mod inspection;
mod names;
mod odd;
mod outline;
#[cfg(all(feature = "async", feature = "serde"))]
mod remote;

#[cfg(feature = "serde")]
pub use inspection::{Inspection, Place};
pub use names::{label, name_of};
pub use odd::oddities;
pub use outline::{ContainerMap, Outline, is_other_format, named_region, table_entries};
