//! The links inside a block, in their order, by the decoders of the ipld crates. A walk of the
//! structure replaces a decoder that refuses a block. Identity CIDs are entered, other links are
//! not followed.

use alloc::vec::Vec;

use cid::Cid;
use ipld_core::codec::Links as _;
use ipld_dagpb::DagPbCodec;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::cbor::{self, Attempt};
use crate::content::{CidFault, IDENTITY, is_identity, read_cid};
use crate::varint;

const RAW: u64 = 0x55;
const DAG_PB: u64 = 0x70;
const DAG_CBOR: u64 = 0x71;
const DAG_JSON: u64 = 0x0129;

/// The depth at which links of identity CIDs inside identity CIDs are no longer looked for. A
/// reader and a writer must agree on it, see `R-DARLNK-04`.
const NESTING_MAX: u32 = 16;

/// The way in which the links of a block were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkSource {
    /// Read by its codec.
    Codec,
    /// The codec is unknown: the block counts as one without links.
    UnknownCodec,
    /// The bytes are invalid in the codec: the block counts as one without links.
    Undecodable,
}

/// Appends the links of a block to `out`, in their order in the block. An identity CID is replaced
/// by the links inside of it.
pub fn links(codec: u64, data: &[u8], out: &mut Vec<Cid>) -> LinkSource {
    let before = out.len();
    let source = collect(codec, data, out, NESTING_MAX);
    if source != LinkSource::Codec {
        out.truncate(before);
    }
    source
}

fn collect(codec: u64, data: &[u8], out: &mut Vec<Cid>, nesting: u32) -> LinkSource {
    let found = match codec {
        RAW => return LinkSource::Codec,
        DAG_CBOR => {
            decode(&mut serde_ipld_dagcbor::de::Deserializer::from_slice(data), out, nesting)
                .or_else(|| lenient(|link| cbor_links(data, link), out, nesting))
        }
        DAG_PB => expand(DagPbCodec::links(data).ok(), out, nesting)
            .or_else(|| lenient(|link| pb_links(data, link), out, nesting)),
        DAG_JSON => {
            let mut json = serde_json::Deserializer::from_slice(data);
            decode(serde_ipld_dagjson::de::Deserializer::new(&mut json), out, nesting)
        }
        _ => return LinkSource::UnknownCodec,
    };
    if found.is_some() { LinkSource::Codec } else { LinkSource::Undecodable }
}

fn expand(
    found: Option<impl Iterator<Item = Cid>>,
    out: &mut Vec<Cid>,
    nesting: u32,
) -> Option<()> {
    for cid in found? {
        if !is_identity(&cid) {
            out.push(cid);
        } else if let Some(inner) = nesting.checked_sub(1) {
            collect(cid.codec(), cid.hash().digest(), out, inner);
        }
    }
    Some(())
}

/// Reads the links through a codec's own decoder, and keeps nothing else.
fn decode<'d>(decoder: impl Deserializer<'d>, out: &mut Vec<Cid>, nesting: u32) -> Option<()> {
    let before = out.len();
    let (mut inline, mut cids) = (false, core::mem::take(out));
    let good = LinksOf { cids: &mut cids, inline: &mut inline }.deserialize(decoder).is_ok();
    *out = cids;
    if !good {
        out.truncate(before);
        return None;
    }
    if inline {
        let found = out.split_off(before);
        return expand(Some(found.into_iter()), out, nesting);
    }
    Some(())
}

/// Walks a value and keeps its CIDs. Notes whether one of them is an identity CID.
struct LinksOf<'l> {
    cids: &'l mut Vec<Cid>,
    inline: &'l mut bool,
}

impl LinksOf<'_> {
    fn again(&mut self) -> LinksOf<'_> {
        LinksOf { cids: self.cids, inline: self.inline }
    }
}

impl<'d> DeserializeSeed<'d> for LinksOf<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'d>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'d> Visitor<'d> for LinksOf<'_> {
    type Value = ();

    fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i128<E>(self, _: i128) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u128<E>(self, _: u128) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<(), E> {
        Ok(())
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'d>>(self, deserializer: D) -> Result<(), D::Error> {
        self.deserialize(deserializer)
    }

    /// In these codecs only a CID comes as a newtype.
    fn visit_newtype_struct<D: Deserializer<'d>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_bytes(LinkBytes(self))
    }

    fn visit_seq<A: SeqAccess<'d>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(self.again())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'d>>(mut self, mut map: A) -> Result<(), A::Error> {
        while map.next_key_seed(self.again())?.is_some() {
            map.next_value_seed(self.again())?;
        }
        Ok(())
    }
}

/// The bytes of one CID.
struct LinkBytes<'l>(LinksOf<'l>);

impl Visitor<'_> for LinkBytes<'_> {
    type Value = ();

    fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("a CID")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<(), E> {
        let (cid, len) = read_cid(bytes).map_err(|_| E::custom("not a CID"))?;
        if len != bytes.len() {
            return Err(E::custom("bytes behind a CID"));
        }
        *self.0.inline |= is_identity(&cid);
        self.0.cids.push(cid);
        Ok(())
    }
}

/// Finds links by structure alone, for blocks that exist although the crates refuse them: text that
/// is not UTF-8 (keys of Filecoin's maps), and long identity CIDs.
fn lenient<'b>(
    walk: impl FnOnce(&mut dyn FnMut(&'b [u8])) -> Option<()>,
    out: &mut Vec<Cid>,
    nesting: u32,
) -> Option<()> {
    let before = out.len();
    let mut good = true;
    let walked = walk(&mut |bytes| match read_cid(bytes) {
        Ok((cid, len)) if len == bytes.len() && !is_identity(&cid) => out.push(cid),
        Ok(_) | Err(CidFault::DigestTooLong(_)) => match read_identity(bytes) {
            Some((codec, digest)) => {
                if let Some(inner) = nesting.checked_sub(1) {
                    collect(codec, digest, out, inner);
                }
            }
            None => good = false,
        },
        Err(CidFault::Short | CidFault::Invalid) => good = false,
    });
    if !good || walked.is_none() {
        out.truncate(before);
        return None;
    }
    Some(())
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

fn cbor_links<'b>(data: &'b [u8], link: &mut dyn FnMut(&'b [u8])) -> Option<()> {
    match cbor::visit(data, 1, link) {
        Attempt::Done(_) => Some(()),
        Attempt::Short | Attempt::Wrong => None,
    }
}

/// Walks the links of DAG-PB: field 2 is a link, whose field 1 is the CID.
fn pb_links<'b>(data: &'b [u8], link: &mut dyn FnMut(&'b [u8])) -> Option<()> {
    let mut rest = data;
    while !rest.is_empty() {
        let (field, content, after) = pb_field(rest)?;
        rest = after;
        let mut inner = if field == PB_BYTES_2 { content } else { &[] };
        while !inner.is_empty() {
            let (field, content, after) = pb_field(inner)?;
            inner = after;
            if field == PB_BYTES_1 {
                link(content);
            }
        }
    }
    Some(())
}

/// Field numbers with their wire types, as protobuf writes them.
const PB_BYTES_1: u64 = 0x0a;
const PB_BYTES_2: u64 = 0x12;
const PB_VARINT_3: u64 = 0x18;

/// Returns the tag and the content of the first field, and the bytes after it.
fn pb_field(bytes: &[u8]) -> Option<(u64, &[u8], &[u8])> {
    let (tag, len) = varint::read(bytes).ok()?;
    let rest = bytes.get(len..)?;
    let (value, len) = varint::read(rest).ok()?;
    let rest = rest.get(len..)?;
    match tag {
        PB_BYTES_1 | PB_BYTES_2 => {
            let (content, after) = rest.split_at_checked(usize::try_from(value).ok()?)?;
            Some((tag, content, after))
        }
        PB_VARINT_3 => Some((tag, &[], rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use alloc::string::String;
    use alloc::{format, vec};
    use ipld_core::ipld::Ipld;
    use serde_ipld_dagcbor::codec::DagCborCodec;
    use serde_ipld_dagjson::codec::DagJsonCodec;

    fn raw(data: &[u8]) -> Cid {
        Cid::new_v1(RAW, crate::content::multihash(0x12, data).unwrap())
    }

    // spec: R-DARLNK-01
    #[test]
    fn the_links_are_those_that_the_codecs_crates_name() {
        let link = |number: u8| Ipld::Link(raw(&[number]));
        let inner: BTreeMap<String, Ipld> = (0..9)
            .map(|number| {
                (format!("{number}"), Ipld::List(vec![link(number), Ipld::Null, link(3)]))
            })
            .collect();
        let value = Ipld::List(vec![
            link(7),
            Ipld::Map(inner),
            Ipld::Bytes(vec![1, 2]),
            Ipld::String("text".into()),
            Ipld::Integer(-5),
            Ipld::Float(0.5),
            Ipld::Bool(true),
            link(7),
        ]);
        let cbor = serde_ipld_dagcbor::to_vec(&value).unwrap();
        let json = serde_ipld_dagjson::to_vec(&value).unwrap();
        let (mut by_cbor, mut by_json) = (vec![], vec![]);
        assert_eq!(links(DAG_CBOR, &cbor, &mut by_cbor), LinkSource::Codec);
        assert_eq!(links(DAG_JSON, &json, &mut by_json), LinkSource::Codec);
        assert_eq!(by_cbor.len(), 20);
        assert_eq!(by_cbor, DagCborCodec::links(&cbor).unwrap().collect::<Vec<_>>());
        assert_eq!(by_json, DagJsonCodec::links(&json).unwrap().collect::<Vec<_>>());
        // The structure alone gives the same links.
        let mut by_structure = vec![];
        assert!(lenient(|link| cbor_links(&cbor, link), &mut by_structure, NESTING_MAX).is_some());
        assert_eq!(by_structure, by_cbor);
    }

    // spec: R-DARLNK-04
    #[test]
    fn text_that_is_not_utf_8_hides_no_links() {
        let mut block = vec![0x82, 0x61, 0xff, 0xd8, 0x2a, 0x58, 37, 0];
        block.extend(raw(b"x").to_bytes());
        let mut found = vec![];
        assert_eq!(links(DAG_CBOR, &block, &mut found), LinkSource::Codec);
        assert_eq!(found, [raw(b"x")]);
        // A link whose name is not UTF-8, then data.
        let mut link = vec![0x0a, 36];
        link.extend(raw(b"y").to_bytes());
        link.extend([0x12, 1, 0xff, 0x18, 5]);
        let mut block = vec![0x12, u8::try_from(link.len()).unwrap()];
        block.extend(link);
        block.extend([0x0a, 1, 9]);
        found.clear();
        assert_eq!(links(DAG_PB, &block, &mut found), LinkSource::Codec);
        assert_eq!(found, [raw(b"y")]);
    }
}
