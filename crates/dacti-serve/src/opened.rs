//! A file that is served: its bytes, its length and its kind.

use crate::lifetime::Kind;
use crate::lookup::Served;
use crate::search::Searched;
use std::fs::File;
use std::sync::Arc;

/// A file that is served.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) file: Arc<File>,
    /// The length that is served.
    pub(crate) len: u64,
    pub(crate) kind: Kind,
    /// The package, if the file is one.
    pub(crate) package: Option<Arc<Served>>,
    /// The search for private keys, if the file is long and is not a package.
    pub(crate) searched: Option<Arc<Searched>>,
}
