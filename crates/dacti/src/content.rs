//! A region's content as a whole, within a cap that is looked at before bytes are read.

use crate::source::{ReadAt, read_span};
use crate::view::read_failed;
use crate::{Error, RegionReader};
use dacti_index::{Encoding, Located, Structure, decode_to_vec};
use std::io::Read;
use std::sync::Arc;

/// Stored bytes that are read at once; what is longer is decoded piece by piece.
const AT_ONCE: u64 = 1 << 20;

/// The content of a region, at most `len_max` bytes. `len_hint` only saves time.
pub(crate) fn content(
    source: &Arc<dyn ReadAt>,
    located: Located,
    len_hint: Option<u64>,
    len_max: u64,
) -> Result<Vec<u8>, Error> {
    let located = located.within(source.len())?;
    if located.encoding == Encoding::NONE {
        if located.span.len() > len_max {
            let (what, at) = (Structure::StoredRegion, located.span.start);
            return Err(dacti_index::Error::TooLong { what, at, limit: len_max }.into());
        }
        // Stored as it is: what is read is the content.
        return stored(&**source, located);
    }
    if located.span.len() <= AT_ONCE {
        let stored = stored(&**source, located)?;
        return Ok(decode_to_vec(&located, &stored, len_hint, len_max)?);
    }
    let mut reader = RegionReader::new(Arc::clone(source), located, len_max)?;
    let mut content = Vec::new();
    reader.read_to_end(&mut content).map_err(|error| match error.kind() {
        std::io::ErrorKind::OutOfMemory => {
            let (what, at) = (Structure::BrotliStream, located.span.start);
            dacti_index::Error::OutOfMemory { what, at }.into()
        }
        _ => Error::from_read(error),
    })?;
    Ok(content)
}

/// The stored bytes of a region, all of them.
pub(crate) fn stored(source: &dyn ReadAt, located: Located) -> Result<Vec<u8>, Error> {
    let located = located.within(source.len())?;
    let bytes = read_span(source, located.span).map_err(read_failed)?;
    let read = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if read < located.span.len() {
        // The source was cut since it was opened.
        let (at, needed) = (located.span.start, located.span.len());
        let (what, end) = (Structure::StoredRegion, at.saturating_add(read));
        return Err(dacti_index::Error::Truncated { what, at, needed, end }.into());
    }
    Ok(bytes)
}
