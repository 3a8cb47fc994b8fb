//! The links inside a block, in their order. Each codec has its own file. The links inside an
//! identity CID count as links of the block that contains this CID. The blocks of other links are
//! not read.
//!
//! Each codec is parsed by its structure alone, without recursion, so nesting of any depth is read.
//! `R-DARLNK-05` says which blocks are valid.

mod dag_cbor;
mod dag_json;
mod dag_pb;
mod mst;

use alloc::vec::Vec;

use crate::cid::{Cid, CidFault, DAG_PB, IDENTITY};
use crate::varint;

const RAW: u64 = 0x55;
const DAG_CBOR: u64 = 0x71;
const DAG_JSON: u64 = 0x0129;

/// The maximum depth of identity CIDs inside identity CIDs. Links at a greater depth are ignored.
/// Readers and writers must use the same maximum: see `R-DARLNK-04`.
const NESTING_MAX: u32 = 16;

/// How the links of a block were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkSource {
    /// The codec is known, and the block is valid in it.
    Codec,
    /// The codec is unknown: the block counts as one without links.
    UnknownCodec,
    /// The bytes are invalid in the codec: the block counts as one without links.
    Undecodable,
}

/// The order of the links of a block. It determines the order of the blocks of an archive. See
/// `R-DARHDR-05`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[non_exhaustive]
pub enum LinkOrder {
    /// The order in which the links lie in the block.
    #[default]
    Bytes,
    /// The same as `Bytes`, except that the links in a node of a Merkle search tree have the order
    /// of their keys. Repositories of the AT protocol consist of such nodes.
    MerkleSearchTree,
}

impl LinkOrder {
    /// Returns the number that stands for this order in the header.
    pub(crate) fn number(self) -> u64 {
        match self {
            Self::Bytes => 0,
            Self::MerkleSearchTree => 1,
        }
    }

    /// Returns the order that a number in a header stands for; `None` if the number is unknown.
    pub(crate) fn of_number(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::Bytes),
            1 => Some(Self::MerkleSearchTree),
            _ => None,
        }
    }
}

/// Appends the links of a block to `out`, in the given order. Instead of an identity CID, the links
/// inside that CID are appended.
pub fn links(codec: u64, data: &[u8], order: LinkOrder, out: &mut Vec<Cid>) -> LinkSource {
    let before = out.len();
    let source = collect(codec, data, order, out, NESTING_MAX);
    if source != LinkSource::Codec {
        out.truncate(before);
    }
    source
}

/// Tells whether the order of a block's links depends on the [`LinkOrder`].
pub(crate) fn depends_on_order(codec: u64, data: &[u8]) -> bool {
    codec == DAG_CBOR && mst::links(data).is_some()
}

fn collect(
    codec: u64,
    data: &[u8],
    order: LinkOrder,
    out: &mut Vec<Cid>,
    nesting: u32,
) -> LinkSource {
    let mut take = |bytes: &[u8]| take(bytes, order, out, nesting);
    let valid = match codec {
        RAW => return LinkSource::Codec,
        DAG_CBOR if order == LinkOrder::MerkleSearchTree => match mst::links(data) {
            Some(links) => links.into_iter().all(take),
            None => dag_cbor::links(data, &mut take),
        },
        DAG_CBOR => dag_cbor::links(data, &mut take),
        DAG_PB => dag_pb::links(data, &mut take),
        DAG_JSON => dag_json::links(data, &mut |text| {
            text.parse().is_ok_and(|cid: Cid| take(&cid.to_bytes()))
        }),
        _ => return LinkSource::UnknownCodec,
    };
    if valid { LinkSource::Codec } else { LinkSource::Undecodable }
}

/// Adds one link. Returns false if its bytes are not a CID.
fn take(bytes: &[u8], order: LinkOrder, out: &mut Vec<Cid>, nesting: u32) -> bool {
    match Cid::read_all(bytes) {
        Ok(cid) if !cid.is_identity() => {
            out.push(cid);
            true
        }
        // The link may be an identity CID of any length, because only the links inside it are kept.
        Ok(_) | Err(CidFault::DigestTooLong(_)) => {
            let Some((codec, content)) = read_identity(bytes) else { return false };
            if let Some(inner) = nesting.checked_sub(1) {
                let before = out.len();
                if collect(codec, content, order, out, inner) != LinkSource::Codec {
                    out.truncate(before);
                }
            }
            true
        }
        Err(CidFault::Short | CidFault::Invalid) => false,
    }
}

/// Returns codec and content of an identity CID of any length.
fn read_identity(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut rest = bytes;
    let mut next = || {
        let (value, len) = varint::read(rest).ok()?;
        rest = rest.get(len..)?;
        Some(value)
    };
    let (version, codec, hash, len) = (next()?, next()?, next()?, next()?);
    let fits = version == 1 && hash == IDENTITY && len == rest.len() as u64;
    fits.then_some((codec, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use alloc::string::String;
    use alloc::{format, vec};
    use core::slice::from_ref;
    use ipld_core::codec::Links as _;
    use ipld_core::ipld::Ipld;
    use serde_ipld_dagcbor::codec::DagCborCodec;
    use serde_ipld_dagjson::codec::DagJsonCodec;

    fn raw(data: &[u8]) -> Cid {
        Cid::new_v1(RAW, crate::hash::multihash(0x12, data).unwrap())
    }

    #[track_caller]
    fn check(codec: u64, block: &[u8], expected: Option<&[Cid]>) {
        let mut found = vec![];
        let source = links(codec, block, LinkOrder::Bytes, &mut found);
        let expected_source = match expected {
            Some(_) => LinkSource::Codec,
            None => LinkSource::Undecodable,
        };
        assert_eq!((source, &found[..]), (expected_source, expected.unwrap_or_default()));
    }

    // spec: R-DARLNK-01
    #[test]
    fn the_links_are_those_that_the_codecs_crates_name() {
        let link = |number: u8| Ipld::Link(cid::Cid::try_from(&raw(&[number])).unwrap());
        let inner: BTreeMap<String, Ipld> = (0..9)
            .map(|number| {
                (format!("{number}"), Ipld::List(vec![link(number), Ipld::Null, link(3)]))
            })
            .collect();
        let value = Ipld::List(vec![
            link(7),
            Ipld::Map(inner),
            Ipld::Bytes(vec![1, 2]),
            Ipld::String("text \"with\" \u{1f600} \\ escapes".into()),
            Ipld::Integer(-5),
            Ipld::Float(0.5),
            Ipld::Bool(true),
            link(7),
        ]);
        let cbor = serde_ipld_dagcbor::to_vec(&value).unwrap();
        let json = serde_ipld_dagjson::to_vec(&value).unwrap();
        let by_cbor: Vec<Cid> = DagCborCodec::links(&cbor).unwrap().map(Cid::from).collect();
        let by_json: Vec<Cid> = DagJsonCodec::links(&json).unwrap().map(Cid::from).collect();
        assert_eq!(by_cbor.len(), 20);
        check(DAG_CBOR, &cbor, Some(&by_cbor));
        check(DAG_JSON, &json, Some(&by_json));
    }

    fn cbor_link(cid: &Cid) -> Vec<u8> {
        [vec![0xd8, 0x2a, 0x58, 37, 0], cid.to_bytes()].concat()
    }

    // spec: R-DARLNK-04
    #[test]
    fn text_that_is_not_utf_8_hides_no_links() {
        let x = raw(b"x");
        check(DAG_CBOR, &[&[0x82, 0x61, 0xff][..], &cbor_link(&x)].concat(), Some(&[x]));
        // The block has a link whose name is not UTF-8. The block's data follows the link.
        let y = raw(b"y");
        let link = [&[0x0a, 36][..], &y.to_bytes(), &[0x12, 1, 0xff, 0x18, 5]].concat();
        let block = [&[0x12, u8::try_from(link.len()).unwrap()][..], &link, &[0x0a, 1, 9]].concat();
        check(DAG_PB, &block, Some(&[y]));
    }

    // spec: R-DARLNK-05
    #[test]
    fn dag_cbor_that_is_invalid_has_no_links() {
        let x = raw(b"x");
        let link = cbor_link(&x);
        let list = |rest: &[u8]| [&[0x82][..], &link, rest].concat();
        check(DAG_CBOR, &list(&[0xf6]), Some(from_ref(&x)));
        for float in [&[0xf9, 0, 0][..], &[0xfa, 0, 0, 0, 0], &[0xfb, 0, 0, 0, 0, 0, 0, 0, 0]] {
            check(DAG_CBOR, &list(float), Some(from_ref(&x)));
        }
        // A number that is encoded in more bytes than necessary is valid here.
        check(DAG_CBOR, &list(&[0x18, 1]), Some(from_ref(&x)));
        for wrong in [
            // One block has a byte after the item; the other ends too early.
            &[0xf6, 0][..],
            &[],
            // One block has a tag other than 42. The others have tag 42 on text, on a number, on
            // bytes without the leading zero, on a CID with an extra byte, and on another tag 42.
            &[0xc0, 0xf6],
            &[0xd8, 0x2a, 0x61, 0],
            &[0xd8, 0x2a, 7],
            &[0xd8, 0x2a, 0x41, 1],
            &[0xd8, 0x2a, 0x45, 0, 1, 0x55, 0, 7],
            &[0xd8, 0x2a, 0xd8, 0x2a, 0x45, 0, 1, 0x55, 0, 0],
            // These elements are invalid: undefined, a simple value, an indefinite list, a break.
            &[0xf7],
            &[0xf8, 0x20],
            &[0x9f, 0xff],
            &[0xff],
        ] {
            check(DAG_CBOR, &list(wrong), None);
        }
    }

    // spec: R-DARLNK-05
    #[test]
    fn dag_pb_that_is_invalid_has_no_links() {
        let x = raw(b"x");
        let hash = [&[0x0a, 36][..], &x.to_bytes()].concat();
        let node = |link: &[u8], rest: &[u8]| {
            [&[0x12, u8::try_from(link.len()).unwrap()][..], link, rest].concat()
        };
        check(DAG_PB, &node(&hash, &[]), Some(from_ref(&x)));
        check(DAG_PB, &node(&hash, &[0x0a, 0]), Some(from_ref(&x)));
        check(DAG_PB, &[], Some(&[]));
        // Invalid links: without a hash, with two hashes, no CID, two names, an unknown field.
        check(DAG_PB, &node(&[0x18, 5], &[]), None);
        check(DAG_PB, &node(&[&hash[..], &hash].concat(), &[]), None);
        check(DAG_PB, &node(&[0x0a, 1, 7], &[]), None);
        check(DAG_PB, &node(&[&hash[..], &[0x12, 0, 0x12, 0]].concat(), &[]), None);
        check(DAG_PB, &node(&[&hash[..], &[0x20, 0]].concat(), &[]), None);
        // Invalid nodes: data twice, a field of another type, a truncated field.
        check(DAG_PB, &node(&hash, &[0x0a, 0, 0x0a, 0]), None);
        check(DAG_PB, &node(&hash, &[0x08, 0]), None);
        check(DAG_PB, &node(&hash, &[0x0a, 1]), None);
    }

    // spec: R-DARLNK-05, R-DARFRM-13
    #[test]
    fn dag_json_of_any_depth_has_links() {
        let x = raw(b"x");
        for depth in [1, 127, 128, 100_000] {
            let (open, close) = ("[".repeat(depth), "]".repeat(depth));
            check(
                DAG_JSON,
                format!("{open}{{\"/\":\"{x}\"}}{close}").as_bytes(),
                Some(from_ref(&x)),
            );
            let open = "{\"a\":".repeat(depth);
            let close = "}".repeat(depth);
            check(
                DAG_JSON,
                format!("{open}{{\"/\":\"{x}\"}}{close}").as_bytes(),
                Some(from_ref(&x)),
            );
        }
    }

    // spec: R-DARLNK-05
    #[test]
    fn dag_json_is_judged_by_its_grammar() {
        let x = raw(b"x");
        let good = |text: &str, links: &[Cid]| check(DAG_JSON, text.as_bytes(), Some(links));
        let link = format!("{{\"/\":\"{x}\"}}");
        good(&format!(" [ 1, -0.5e+3 , null,true,false ,{link}] \n"), from_ref(&x));
        good(&format!("{{ \"\\u002f\" : \"{x}\" }}"), from_ref(&x));
        good(&format!("[{{\"/\":{{\"bytes\":\"AQI\"}}}},{link}]"), from_ref(&x));
        // An object with a second key is not a link.
        good(&format!("{{\"/\":\"{x}\",\"a\":1}}"), &[]);
        good(&format!("{{\"a\":1,\"/\":\"{x}\"}}"), &[]);
        good(&format!("{{\"/\":{{\"a\":{link}}}}}"), from_ref(&x));
        good("{}", &[]);
        good("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\"", &[]);
        for wrong in [
            "",
            " ",
            "[",
            "]",
            "[1,]",
            "[1 2]",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "{\"a\":1,}",
            "01",
            "1.",
            "-",
            "+1",
            "1e",
            "nul",
            "tru e",
            "\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\n\"",
            "[] 1",
            "{\"/\":\"no CID\"}",
            "[}",
            "{]",
        ] {
            check(DAG_JSON, format!("[{link},{wrong}]").as_bytes(), None);
            check(DAG_JSON, wrong.as_bytes(), None);
        }
        check(DAG_JSON, b"\"\xff\"", None);
    }
}
