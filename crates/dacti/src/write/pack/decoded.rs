//! A region of another package whose content is encoded again for the new package.
//!
//! Specification: `docs/spec/dacti-package.md`, "Compaction".

use crate::{Error, Package};
use dacti_index::Located;
use std::io::{self, Read};
use std::sync::Arc;

/// The content of a region of another package.
#[derive(Debug, Clone)]
pub(crate) struct Decoded {
    pub(crate) package: Arc<Package>,
    pub(crate) located: Located,
    /// The name of the region in messages about damage.
    pub(crate) name: String,
}

impl Decoded {
    /// Opens the content as a stream, verified if the region has a seal.
    pub(super) fn open(&self) -> Result<impl Read + use<>, Error> {
        self.package.reader_at(self.located).map_err(|error| self.damaged(error))
    }

    /// Returns the length of the content.
    pub(crate) fn len(&self) -> Result<u64, Error> {
        let read = io::copy(&mut self.open()?, &mut io::sink());
        read.map_err(|error| self.failed(error))
    }

    /// Checks that the content has the length that the names list states.
    pub(super) fn check_len(&self, expected: u64, found: u64) -> Result<(), Error> {
        if expected == found {
            return Ok(());
        }
        let (what, at) = (dacti_names::Structure::NamesRecord, self.located.span.start);
        Err(self.damaged(dacti_names::Error::Mismatch { what, at, expected, found }.into()))
    }

    /// Returns the cause of a failed read. If the cause is not an IO error, the returned error
    /// names the region.
    pub(super) fn failed(&self, error: io::Error) -> Error {
        match Error::from_read(error) {
            error @ Error::Io { .. } => error,
            error => self.damaged(error),
        }
    }

    fn damaged(&self, fault: Error) -> Error {
        Error::Damaged { name: self.name.clone(), fault: Box::new(fault) }
    }
}
