//! Streams that are verified for certain, whatever the package and its reader's policy say.

use crate::{Error, Package, RegionName, RegionReader};
use dacti_index::Located;
use dacti_seal::{Misuse, Verdict};
use std::io::{self, Read};

/// A region's content as a stream whose last byte comes only after the region's seal was found to
/// fit: who has read to the end has verified content.
///
/// A [`RegionReader`] does the same where there is a seal and it counts, and says at run time
/// whether that is so. This type is for those who take a stream and must not get one of which
/// nothing is checked.
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

    /// Where the region is stored.
    #[must_use]
    pub const fn located(&self) -> &Located {
        self.0.located()
    }

    /// What was found out about the content; `None` before its end. Never that it is unchecked.
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
    /// As [`reader`](Self::reader), of a region whose seal is checked.
    ///
    /// # Errors
    /// As [`reader`](Self::reader); `Seal` where the package has no seals, or the
    /// [policy](Self::require) asks for nothing.
    pub fn verified_reader<'a>(
        &self,
        key: impl Into<RegionName<'a>>,
    ) -> Result<VerifiedReader, Error> {
        VerifiedReader::new(self, self.reader(key)?)
    }

    /// As [`reader_at`](Self::reader_at), of a region whose seal is checked.
    ///
    /// # Errors
    /// As [`verified_reader`](Self::verified_reader).
    pub fn verified_reader_at(&self, located: Located) -> Result<VerifiedReader, Error> {
        VerifiedReader::new(self, self.reader_at(located)?)
    }
}
