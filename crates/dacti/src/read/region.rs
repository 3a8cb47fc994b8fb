//! A region: its name as a caller gives it, and its whole content, verified. Limits are checked
//! before bytes are read.

use crate::read::view::read_failed;
use crate::{Error, Package, UnverifiedReader};
use core::fmt;
use core::ops::Deref;
use dacti_index::{Encoding, Located, Structure, decode_to_vec_by};
use dacti_seal::Verdict;
use daicon_core::Span;
use std::borrow::Cow;
use std::io::Read;
use uuid::Uuid;

/// The maximum number of stored bytes that are read at once. A longer region is decoded piece by
/// piece.
pub(crate) const AT_ONCE: u64 = 1 << 20;

/// A region's id or its path, as a caller gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RegionName<'a> {
    /// A region id.
    Id(Uuid),
    /// A path.
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
            Self::Path(path) => f.write_str(&crate::error::quoted(path)),
        }
    }
}

/// A region's content, whole, decoded and verified.
///
/// The content is borrowed from the package if the region is stored without encoding and its bytes
/// are in memory: in a [mapped](crate::fetch::source::MmapSource) file, in a package in memory, or
/// in the head. Otherwise it is owned.
#[derive(Debug, Clone)]
pub struct Region<'p> {
    located: Located,
    content: Cow<'p, [u8]>,
    verdict: Verdict,
}

impl<'p> Region<'p> {
    /// Returns where the region is stored.
    #[must_use]
    pub const fn located(&self) -> &Located {
        &self.located
    }

    /// Returns which checks the bytes passed before they were handed out.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Returns whether the content is borrowed, so that nothing was copied.
    #[must_use]
    pub const fn is_borrowed(&self) -> bool {
        matches!(self.content, Cow::Borrowed(_))
    }

    /// Returns the content, borrowed or owned.
    #[must_use]
    pub fn into_content(self) -> Cow<'p, [u8]> {
        self.content
    }

    /// Returns the content as a vector. Borrowed content is copied.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        self.content.into_owned()
    }
}

impl Deref for Region<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.content
    }
}

impl AsRef<[u8]> for Region<'_> {
    fn as_ref(&self) -> &[u8] {
        &self.content
    }
}

/// Reads a region of at most `len_max` bytes of content. `len_hint` is the expected length of the
/// content. It need not be right, and only saves time.
///
/// If bytes are wrong, they are read again as long as the source can read them in another way, such
/// as past a stale cache.
#[inline]
pub(crate) fn region(
    package: &Package,
    located: Located,
    len_hint: Option<u64>,
    len_max: u64,
) -> Result<Region<'_>, Error> {
    let Span { start, end } = located.span;
    // If a span ends before it starts, this wraps to a length above every limit.
    let len = end.wrapping_sub(start);
    if located.encoding == Encoding::NONE
        && package.trust().is_nothing()
        && len <= len_max
        && let Some(content) = package.lent_by_source().get(start, len)
    {
        // This branch is short, so that the values stay in registers.
        let (content, verdict) = (Cow::Borrowed(content), Verdict::Unchecked);
        return Ok(Region { located, content, verdict });
    }
    read_region(package, &Asked { located, len_hint, len_max })
}

/// The arguments of [`region`].
#[derive(Debug)]
struct Asked {
    located: Located,
    len_hint: Option<u64>,
    len_max: u64,
}

/// Does the same as [`region`], also for content that must be read, verified or decoded.
#[inline(never)]
fn read_region<'p>(package: &'p Package, asked: &Asked) -> Result<Region<'p>, Error> {
    let Asked { located, len_hint, len_max } = *asked;
    loop {
        match region_once(package, located, len_hint, len_max) {
            Err(fault) if doubted(package, located, &fault)? => {}
            result => return result,
        }
    }
}

/// Returns whether the bytes should be read again. They should if the fault may come from wrong
/// bytes, and the source reads them in another way next time.
pub(crate) fn doubted(package: &Package, located: Located, fault: &Error) -> Result<bool, Error> {
    let Some(why) = fault.doubt() else { return Ok(false) };
    let span = package.trust().span(located, package.view())?;
    // Bytes in memory are not read again.
    Ok(package.lent(span).is_none() && package.source().doubt(span, why).map_err(read_failed)?)
}

/// Returns whether a region that is read whole takes a single read.
pub(crate) fn is_read_at_once(located: &Located) -> bool {
    located.encoding == Encoding::NONE || located.span.len() <= AT_ONCE
}

fn region_once(
    package: &Package,
    located: Located,
    len_hint: Option<u64>,
    len_max: u64,
) -> Result<Region<'_>, Error> {
    let located = located.within(package.view().bound())?;
    check_len(&located, len_max)?;
    if is_read_at_once(&located) {
        let span = package.trust().span(located, package.view())?;
        if located.encoding.needs_dictionary() {
            package.dictionary().get_with(span)?;
        }
        let bytes = package.bytes(span)?;
        return region_of(package, located, bytes, len_hint, len_max);
    }
    let mut reader = UnverifiedReader::new(package, located, located.encoding, len_max)?;
    let mut content = Vec::new();
    reader.read_to_end(&mut content).map_err(|error| match error.kind() {
        std::io::ErrorKind::OutOfMemory => {
            let (what, at) = (Structure::BrotliStream, located.span.start);
            dacti_index::Error::OutOfMemory { what, at }.into()
        }
        _ => Error::from_read(error),
    })?;
    let verdict = reader.verdict().unwrap_or(Verdict::Unchecked);
    Ok(Region { located, content: content.into(), verdict })
}

/// Returns the region whose stored bytes are `bytes`, followed by its seal if the policy needs it.
pub(crate) fn region_of<'p>(
    package: &Package,
    located: Located,
    bytes: Cow<'p, [u8]>,
    len_hint: Option<u64>,
    len_max: u64,
) -> Result<Region<'p>, Error> {
    check_len(&located, len_max)?;
    let (stored, verdict) = verified(package, located, bytes)?;
    // Without encoding, the stored bytes are the content.
    let content = match located.encoding {
        Encoding::NONE => stored,
        encoding => {
            let dictionary = package.dictionary().needed_by(encoding)?.map(|read| &*read.bytes);
            let open = package.open_brotli();
            decode_to_vec_by(open, dictionary, &located, &stored, len_hint, len_max)?.into()
        }
    };
    Ok(Region { located, content, verdict })
}

/// Returns an error if a region without encoding has more than `len_max` stored bytes. This check
/// reads nothing.
fn check_len(located: &Located, len_max: u64) -> Result<(), Error> {
    if located.encoding == Encoding::NONE && located.span.len() > len_max {
        let (what, at) = (Structure::StoredRegion, located.span.start);
        return Err(dacti_index::Error::TooLong { what, at, limit: len_max }.into());
    }
    Ok(())
}

/// Reads all stored bytes of a region, and verifies them by their seal.
pub(crate) fn stored(package: &Package, located: Located) -> Result<Cow<'_, [u8]>, Error> {
    let located = located.within(package.view().bound())?;
    let span = package.trust().span(located, package.view())?;
    if located.encoding.needs_dictionary() && !package.trust().is_nothing() {
        package.dictionary().get_with(span)?;
    }
    loop {
        let bytes = package.bytes(span)?;
        match verified(package, located, bytes) {
            Err(fault) if doubted(package, located, &fault)? => {}
            result => return Ok(result?.0),
        }
    }
}

/// Splits the seal off `bytes`, and returns the stored bytes if the seal satisfies the policy.
fn verified<'p>(
    package: &Package,
    located: Located,
    mut bytes: Cow<'p, [u8]>,
) -> Result<(Cow<'p, [u8]>, Verdict), Error> {
    let len = usize::try_from(located.span.len()).unwrap_or(usize::MAX);
    if bytes.len() < len {
        // The source was truncated since it was opened.
        let (at, needed) = (located.span.start, located.span.len());
        let read = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let (what, end) = (Structure::StoredRegion, at.saturating_add(read));
        return Err(dacti_index::Error::Truncated { what, at, needed, end }.into());
    }
    let (stored, seal) = bytes.split_at(len);
    let verdict = package.trust().judge(package, located, stored, seal)?;
    match &mut bytes {
        Cow::Borrowed(bytes) => *bytes = bytes.get(..len).unwrap_or(bytes),
        Cow::Owned(bytes) => bytes.truncate(len),
    }
    Ok((bytes, verdict))
}
