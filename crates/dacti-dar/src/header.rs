//! The metadata list after the magic. Element 0 may be a CAR's list of roots; other elements are
//! kept and not understood.

use alloc::vec::Vec;

use cid::Cid;

use crate::cbor::{Attempt, item_head, items_len, push_head, push_link};
use crate::error::{Error, Structure, Wrong};
use crate::frame::MAGIC;
use crate::limits::Limits;

/// The header of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Header {
    /// The root list of the CAR that the archive was made from, if it was made from one.
    pub car_roots: Option<Vec<Cid>>,
    /// The number of elements in the metadata list, understood or not.
    pub elements: u64,
    /// The bytes of the metadata list. Copies keep them, unknown elements included.
    pub metadata: Vec<u8>,
    /// The offset of the first frame.
    pub frames_at: u64,
}

/// Encodes the metadata list, with a CAR's roots if they are given.
pub(crate) fn metadata(car_roots: Option<&[Cid]>) -> Vec<u8> {
    let Some(roots) = car_roots else { return alloc::vec![0x80] };
    let mut out = alloc::vec![0x81];
    push_head(&mut out, 0x80, roots.len() as u64);
    for cid in roots {
        push_link(&mut out, cid);
    }
    out
}

/// Reads the header from an archive's first bytes. `Ok(None)` means that it needs more bytes.
pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Option<Header>, Error> {
    for (at, (&expected, &found)) in (0_u64..).zip(MAGIC.iter().zip(bytes)) {
        if expected != found {
            let (expected, found) = (u64::from(expected), u64::from(found));
            // Another fourth byte is another version of the same format.
            return Err(match at {
                3 => Error::Unsupported { what: Structure::Magic, at, found },
                _ => Error::Mismatch { what: Structure::Magic, at, expected, found },
            });
        }
    }
    let at = MAGIC.len() as u64;
    let wrong = Error::invalid(Structure::Header, at, Wrong::Cbor);
    let Some(list) = bytes.get(MAGIC.len()..) else { return Ok(None) };
    let head = match item_head(list) {
        Attempt::Done(head) if head.major == 4 => head,
        Attempt::Short => return Ok(None),
        Attempt::Done(_) | Attempt::Wrong => return Err(wrong),
    };
    if head.value > u64::from(limits.header_len_max) {
        let (found, limit) = (head.value, u64::from(limits.header_len_max));
        return Err(Error::LimitExceeded { what: Structure::Header, at, found, limit });
    }
    let elements = list.get(head.len..).unwrap_or_default();
    let len = match items_len(elements, head.value) {
        Attempt::Done(len) => len,
        Attempt::Short => return Ok(None),
        Attempt::Wrong => return Err(wrong),
    };
    let mut car_roots = None;
    if head.value > 0
        && let Attempt::Done(first) = items_len(elements, 1)
    {
        car_roots = cid_list(elements.get(..first).unwrap_or_default());
    }
    let list_len = head.len.saturating_add(len);
    let metadata = list.get(..list_len).unwrap_or_default().to_vec();
    let frames_at = at.saturating_add(list_len as u64);
    Ok(Some(Header { car_roots, elements: head.value, metadata, frames_at }))
}

/// Reads a CBOR list of CIDs; `None` if the item is something else.
fn cid_list(item: &[u8]) -> Option<Vec<Cid>> {
    serde_ipld_dagcbor::from_slice::<Vec<Cid>>(item).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[track_caller]
    fn check(bytes: &[u8], expected: &Result<Option<Header>, Error>) {
        assert_eq!(&read(bytes, &Limits::default()), expected);
    }

    // spec: R-DARHDR-01, R-DARHDR-02
    #[test]
    fn lists_end_where_cbor_says() {
        let header = |elements, metadata: &[u8], car_roots| {
            let (metadata, frames_at) = (metadata.to_vec(), 4 + metadata.len() as u64);
            Header { car_roots, elements, metadata, frames_at }
        };
        check(b"dar\x01\x80\x03", &Ok(Some(header(0, b"\x80", None))));
        check(b"dar\x01\x81\x80\x03", &Ok(Some(header(1, b"\x81\x80", Some(vec![])))));
        // Unknown elements: a number, a nested map, text.
        let list = b"\x83\x07\xa1\x61a\x82\x01\x02\x62hi";
        let expected = header(3, list, None);
        assert_eq!(expected.frames_at, 15);
        check(b"dar\x01\x83\x07\xa1\x61a\x82\x01\x02\x62hi\x03", &Ok(Some(expected)));
        check(b"dar\x01", &Ok(None));
        check(b"dar\x01\x82\x80", &Ok(None));
        check(b"dar\x01\x81\x5b\xff\xff\xff\xff\xff\xff\xff\xff", &Ok(None));
    }

    // spec: R-DARHDR-03
    #[test]
    fn other_beginnings_are_named() {
        let wrong = Error::invalid(Structure::Header, 4, Wrong::Cbor);
        check(b"dar\x01\x9f\xff", &Err(wrong));
        check(b"dar\x01\xa0", &Err(wrong));
        let what = Structure::Magic;
        check(b"dar\x02\x80", &Err(Error::Unsupported { what, at: 3, found: 2 }));
        check(b"tar\x01", &Err(Error::Mismatch { what, at: 0, expected: 0x64, found: 0x74 }));
    }
}
