//! Streams that are always verified, for any package and any policy.

use crate::{Error, Package, RegionName, RegionReader};
use dacti_index::Located;
use dacti_seal::{Misuse, Verdict};
use std::io::{self, Read};

/// A stream of a region's content. The region's seal is always checked. A caller that has read to
/// the end has verified content.
///
/// A [`RegionReader`] checks the seal only if the region has one and the policy needs it. Its
/// verdict tells at run time whether the seal was checked. Use a `VerifiedReader` if a stream must
/// never be unchecked.
#[derive(Debug)]
pub struct VerifiedReader(RegionReader);

impl VerifiedReader {
    fn new(package: &Package, reader: RegionReader) -> Result<Self, Error> {
        if reader.is_judged() {
            return Ok(Self(reader));
        }
        let at = reader.located().span.start;
        Err(match package.view().seal_kind() {
            Some(_) => dacti_seal::Error::from(Misuse::NothingRequired),
            None => dacti_seal::Error::Unsealed { at },
        }
        .into())
    }

    /// Returns where the region is stored.
    #[must_use]
    pub const fn located(&self) -> &Located {
        self.0.located()
    }

    /// Returns which check was made; `None` before the first read. It is never `Unchecked`.
    #[must_use]
    pub const fn verdict(&self) -> Option<Verdict> {
        self.0.verdict()
    }
}

impl Read for VerifiedReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out)
    }
}

impl Package {
    /// Does the same as [`reader`](Self::reader), for a region whose seal is always checked.
    ///
    /// # Errors
    /// The errors of [`reader`](Self::reader); `Seal` if the package has no seals, or the
    /// [policy](Self::require) requires nothing.
    pub fn verified_reader<'a>(
        &self,
        key: impl Into<RegionName<'a>>,
    ) -> Result<VerifiedReader, Error> {
        VerifiedReader::new(self, self.reader(key)?)
    }

    /// Does the same as [`reader_at`](Self::reader_at), for a region whose seal is always checked.
    ///
    /// # Errors
    /// The errors of [`verified_reader`](Self::verified_reader).
    pub fn verified_reader_at(&self, located: Located) -> Result<VerifiedReader, Error> {
        VerifiedReader::new(self, self.reader_at(located)?)
    }
}
