//! A region's content as a whole, verified, within a cap that is looked at before bytes are read.

use crate::source::read_span;
use crate::view::read_failed;
use crate::{Error, Package, RegionReader};
use dacti_index::{Encoding, Located, Structure, decode_to_vec};
use daicon_core::Span;
use std::io::Read;

/// Stored bytes that are read at once; what is longer is decoded piece by piece.
const AT_ONCE: u64 = 1 << 20;

/// The content of a region, at most `len_max` bytes. `len_hint` only saves time.
pub(crate) fn content(
    package: &Package,
    located: Located,
    len_hint: Option<u64>,
    len_max: u64,
) -> Result<Vec<u8>, Error> {
    let located = located.within(package.source().len())?;
    if located.encoding == Encoding::NONE {
        if located.span.len() > len_max {
            let (what, at) = (Structure::StoredRegion, located.span.start);
            return Err(dacti_index::Error::TooLong { what, at, limit: len_max }.into());
        }
        // Stored as it is: what is read is the content.
        return stored(package, located);
    }
    if located.span.len() <= AT_ONCE {
        let stored = stored(package, located)?;
        return Ok(decode_to_vec(&located, &stored, len_hint, len_max)?);
    }
    let mut reader = RegionReader::new(package, located, located.encoding, len_max)?;
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

/// The stored bytes of a region, all of them, verified by the seal that comes with them.
pub(crate) fn stored(package: &Package, located: Located) -> Result<Vec<u8>, Error> {
    let located = located.within(package.source().len())?;
    let verifier = package.trust().verifier(located)?;
    let Span { start, end } = located.span;
    let end = verifier.seal_span().map_or(end, |seal| seal.end);
    let mut bytes = read_span(&**package.source(), Span { start, end }).map_err(read_failed)?;
    let read = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let len = usize::try_from(located.span.len()).unwrap_or(usize::MAX);
    let Some((stored, seal)) = bytes.split_at_checked(len) else {
        // The source was cut since it was opened.
        let (at, needed) = (located.span.start, located.span.len());
        let (what, end) = (Structure::StoredRegion, at.saturating_add(read));
        return Err(dacti_index::Error::Truncated { what, at, needed, end }.into());
    };
    if verifier.seal_span().is_some() {
        let hash = package.hash_pool().hash(stored);
        let judged = verifier.finish_with(&hash, seal);
        judged.map_err(|error| package.explainer().explain(error, &located, &hash, seal))?;
    }
    bytes.truncate(len);
    Ok(bytes)
}
