//! The metadata list after the magic. Element 0 may be a CAR's list of roots, and element 1 the
//! order of links. This file does not interpret other elements, but keeps them.

use alloc::vec::Vec;

use crate::cbor::{Attempt, cid_list, item_head, items_len, push_head, push_link};
use crate::cid_list::CidList;
use crate::error::{Error, Structure, Wrong};
use crate::frame::MAGIC;
use crate::limits::Limits;
use crate::links::LinkOrder;

/// The byte of CBOR's null.
const NULL: u8 = 0xf6;

/// The header of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Header {
    /// The root list of the CAR that the archive was made from, if it was made from one.
    pub car_roots: Option<CidList>,
    /// The order of the links of a block.
    pub link_order: LinkOrder,
    /// The number of elements in the metadata list, including those that this crate does not know.
    pub elements: u64,
    /// The number of elements that this crate does not know.
    pub unknown_elements: u64,
    /// The bytes of the metadata list. Copies of the archive keep them, including unknown elements.
    pub metadata: Vec<u8>,
    /// The offset of the first frame.
    pub frames_at: u64,
}

impl Header {
    /// Makes the header of a new archive.
    pub(crate) fn new(car_roots: Option<&CidList>, link_order: LinkOrder) -> Self {
        let elements: u8 = match (car_roots, link_order) {
            (None, LinkOrder::Bytes) => 0,
            (Some(_), LinkOrder::Bytes) => 1,
            (_, LinkOrder::MerkleSearchTree) => 2,
        };
        let mut metadata = alloc::vec![0x80 | elements];
        match car_roots {
            Some(roots) => {
                push_head(&mut metadata, 0x80, roots.len() as u64);
                roots.iter().for_each(|cid| push_link(&mut metadata, &cid));
            }
            None if elements > 0 => metadata.push(NULL),
            None => {}
        }
        if elements > 1 {
            push_head(&mut metadata, 0x80, 1);
            push_head(&mut metadata, 0, link_order.number());
        }
        let frames_at = (MAGIC.len() as u64).saturating_add(metadata.len() as u64);
        let (car_roots, elements) = (car_roots.cloned(), u64::from(elements));
        Self { car_roots, link_order, elements, unknown_elements: 0, metadata, frames_at }
    }
}

/// Reads the header from an archive's first bytes. `Ok(None)` means that more bytes are needed.
pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Option<Header>, Error> {
    check_magic(bytes)?;
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
    let list_len = head.len.saturating_add(len);
    let mut header = Header {
        elements: head.value,
        unknown_elements: head.value,
        metadata: list.get(..list_len).unwrap_or_default().to_vec(),
        frames_at: at.saturating_add(list_len as u64),
        ..Header::default()
    };
    let elements_at = at.saturating_add(head.len as u64);
    read_elements(elements.get(..len).unwrap_or_default(), elements_at, &mut header)?;
    Ok(Some(header))
}

/// Checks the magic. A different fourth byte means another version of the same format.
fn check_magic(bytes: &[u8]) -> Result<(), Error> {
    let what = Structure::Magic;
    for (at, (&expected, &found)) in (0_u64..).zip(MAGIC.iter().zip(bytes)) {
        if expected != found {
            let (expected, found) = (u64::from(expected), u64::from(found));
            return Err(match at {
                3 => Error::Unsupported { what, at, found },
                _ => Error::Mismatch { what, at, expected, found },
            });
        }
    }
    Ok(())
}

/// Reads the elements that this crate knows.
fn read_elements(elements: &[u8], at: u64, header: &mut Header) -> Result<(), Error> {
    let Attempt::Done(first_len) = items_len(elements, 1) else { return Ok(()) };
    let (first, rest) = elements.split_at_checked(first_len).unwrap_or((elements, &[]));
    if header.elements == 0 {
        return Ok(());
    }
    header.car_roots = cid_list(first);
    if header.car_roots.is_some() || first == [NULL] {
        header.unknown_elements = header.unknown_elements.saturating_sub(1);
    }
    // The order of links is stored as a list of one number.
    let Some(&[0x81, ref number @ ..]) = (header.elements > 1).then_some(rest) else {
        return Ok(());
    };
    let Attempt::Done(number) = item_head(number) else { return Ok(()) };
    if number.major == 0 {
        let found = number.value;
        let (what, at) = (Structure::LinkOrder, at.saturating_add(first_len as u64));
        let unknown = Error::Unsupported { what, at, found };
        header.link_order = LinkOrder::of_number(found).ok_or(unknown)?;
        header.unknown_elements = header.unknown_elements.saturating_sub(1);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: &Result<Option<Header>, Error>) {
        assert_eq!(&read(bytes, &Limits::default()), expected);
    }

    // spec: R-DARHDR-01, R-DARHDR-02
    #[test]
    fn lists_end_where_cbor_says() {
        let header = |elements, metadata: &[u8], car_roots: Option<CidList>| {
            let (metadata, frames_at) = (metadata.to_vec(), 4 + metadata.len() as u64);
            let unknown_elements = elements - u64::from(car_roots.is_some());
            let link_order = LinkOrder::Bytes;
            Header { car_roots, link_order, elements, unknown_elements, metadata, frames_at }
        };
        check(b"dar\x01\x80\x03", &Ok(Some(header(0, b"\x80", None))));
        check(b"dar\x01\x81\x80\x03", &Ok(Some(header(1, b"\x81\x80", Some(CidList::default())))));
        // The list has three unknown elements: a number, a nested map and a text.
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

    // spec: R-DARHDR-05
    #[test]
    fn the_order_of_links_is_element_1() {
        let order = LinkOrder::MerkleSearchTree;
        for (roots, metadata) in
            [(None, &b"\x82\xf6\x81\x01"[..]), (Some(CidList::default()), b"\x82\x80\x81\x01")]
        {
            let header = Header::new(roots.as_ref(), order);
            assert_eq!((&header.metadata[..], header.link_order), (metadata, order));
            check(&[b"dar\x01", metadata, b"\x03"].concat(), &Ok(Some(header)));
        }
        let what = Structure::LinkOrder;
        check(b"dar\x01\x82\xf6\x81\x02\x03", &Err(Error::Unsupported { what, at: 6, found: 2 }));
        check(b"dar\x01\x82\x80\x81\x18\x64", &Err(Error::Unsupported { what, at: 6, found: 100 }));
    }
}
