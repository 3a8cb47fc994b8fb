//! The links inside a block, in the order in which they stand, by the ipld crates; by structure
//! alone where those refuse a block.
//! Knows nothing of archives; never follows a link, identity CIDs excepted.

use alloc::vec::Vec;

use cid::Cid;
use ipld_core::codec::Links as _;
use ipld_dagpb::DagPbCodec;
use serde_ipld_dagcbor::codec::DagCborCodec;
use serde_ipld_dagjson::codec::DagJsonCodec;

use crate::cbor::{self, Attempt};
use crate::content::{CidFault, IDENTITY, is_identity, read_cid};
use crate::varint;

const RAW: u64 = 0x55;
const DAG_PB: u64 = 0x70;
const DAG_CBOR: u64 = 0x71;
const DAG_JSON: u64 = 0x0129;

/// Identity CIDs inside identity CIDs: deeper than this their links are not looked for. A reader
/// and a writer must agree on it, see `R-DARLNK-04`.
const NESTING_MAX: u32 = 16;

/// How the links of a block were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkSource {
    /// By its codec.
    Codec,
    /// The codec is not known: the block counts as one without links.
    UnknownCodec,
    /// The bytes are not valid in the codec: the block counts as one without links.
    Undecodable,
}

/// Appends the links of a block to `out`, in the order in which they stand in it. Links that are
/// identity CIDs are replaced by the links inside of them.
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
        DAG_CBOR => expand(DagCborCodec::links(data).ok(), out, nesting)
            .or_else(|| lenient(|link| cbor_links(data, link), out, nesting)),
        DAG_PB => expand(DagPbCodec::links(data).ok(), out, nesting)
            .or_else(|| lenient(|link| pb_links(data, link), out, nesting)),
        DAG_JSON => expand(DagJsonCodec::links(data).ok(), out, nesting),
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

/// What the crates refuse, and archives have all the same: text that is not UTF-8 (keys of
/// Filecoin's maps), and identity CIDs longer than theirs can be. Only the structure counts here.
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

/// Codec and content of an identity CID of any length.
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

/// DAG-PB as far as its links go: field 2 is a link, whose field 1 is the CID.
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

/// A field's tag, its content, and what follows.
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
