//! With threads, work takes less time, but the bytes, the events and the errors must be the same as
//! without them.

use crate::dar_support::{Random, Store, block, cid, leaf, node, plan, tree};
use dacti_dar::write_dag;
use dacti_dar::{Error, Misuse, ReadError, ReadOptions, Reader, StreamEvent, WriteOptions, Writer};
use dacti_tests::dar_reference::{self as reference, Block, Plan};
use std::io::{self, Read};

/// Returns two DAGs of 3 MB in total, which share blocks. They have several hash functions, one
/// very large block, and an identity CID as a root.
fn large_plan() -> Plan {
    let mut blocks = tree(1500, 1024, 8);
    let top = blocks[0].clone();
    let large = leaf(&Random(5).bytes(700_000));
    let other = block(reference::RAW, 0x1e, &Random(6).bytes(3000), &[]);
    let third = block(reference::RAW, 0x13, &Random(7).bytes(90_000), &[]);
    let more = tree(500, 1500, 9);
    let inner = node(b"inner", &[&other, &blocks[700], &third, &large, &more[0], &blocks[3]]);
    let second = node(b"second", &[&blocks[1200], &inner, &other, &top, &leaf(b"absent")]);
    blocks.extend(more);
    blocks.extend([large, other, third, inner, second.clone()]);
    let blocks: Vec<&Block> = blocks.iter().collect();
    plan(&[&top, &second], &blocks)
}

fn write(plan: &Plan, threads: bool) -> Vec<u8> {
    let options = WriteOptions { index: true, threads, ..WriteOptions::default() };
    let mut writer = Writer::with_options(Vec::new(), &options).expect("a vector");
    for root in &plan.roots {
        assert!(write_dag(&mut writer, &cid(root), &mut Store(&plan.store)).expect("a plan"));
    }
    writer.finish().expect("a vector").0
}

/// A source that returns its bytes in pieces of different lengths. It may end with an error.
struct Pieces<'b> {
    rest: &'b [u8],
    random: Random,
    fails: bool,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() && self.fails {
            return Err(io::Error::other("the source breaks"));
        }
        let most = 1 + self.random.next() as usize % 50_000;
        let len = most.min(buffer.len()).min(self.rest.len());
        let (now, rest) = self.rest.split_at(len);
        buffer[..len].copy_from_slice(now);
        self.rest = rest;
        Ok(len)
    }
}

/// For each event, a line of text and the bytes of its block.
type Seen = Vec<(String, Vec<u8>)>;

/// Returns the events of a reader, and the result with which it ends.
fn events(source: impl Read, threads: bool) -> (Seen, Result<(), ReadError>) {
    let options = ReadOptions { threads, missing_max: 9, ..ReadOptions::default() };
    let mut reader = Reader::with_options(source, &options);
    let mut seen = vec![];
    loop {
        match reader.next_event() {
            Ok(Some(StreamEvent::Block { cid, at, data })) => {
                seen.push((format!("block {cid} {at}"), data.to_vec()));
            }
            Ok(Some(event)) => seen.push((format!("{event:?}"), vec![])),
            Ok(None) => {
                seen.push((format!("{:?}", reader.summary()), vec![]));
                return (seen, Ok(()));
            }
            Err(error) => return (seen, Err(error)),
        }
    }
}

#[track_caller]
fn check(bytes: &[u8]) -> Option<Error> {
    let (alone, end) = events(bytes, false);
    let (helped, helped_end) = events(bytes, true);
    assert!(alone == helped, "{} and {} events", alone.len(), helped.len());
    let pieces = Pieces { rest: bytes, random: Random(bytes.len() as u64), fails: false };
    let (pieced, pieced_end) = events(pieces, true);
    assert!(alone == pieced, "{} and {} events", alone.len(), pieced.len());
    let error = |end: Result<(), ReadError>| end.err().and_then(|error| error.format().copied());
    let end = error(end);
    assert_eq!(error(helped_end), end);
    assert_eq!(error(pieced_end), end);
    end
}

#[test]
fn threads_change_no_byte_and_no_event() {
    let plan = large_plan();
    let bytes = write(&plan, true);
    assert!(bytes == write(&plan, false));
    assert_eq!(check(&bytes), None);
    let (seen, _) = events(&bytes[..], true);
    // The reader has read each block once, with the bytes that were written.
    let mut written: Vec<&Vec<u8>> = plan.store.values().map(|block| &block.data).collect();
    let mut read: Vec<&Vec<u8>> =
        seen.iter().filter(|(line, _)| line.starts_with("block")).map(|(_, data)| data).collect();
    written.sort();
    read.sort();
    assert!(written == read);
}

// spec: R-DARTRL-04, R-DARTRL-05
#[test]
fn threads_find_the_same_damage() {
    let bytes = write(&large_plan(), true);
    let mut random = Random(13);
    for round in 0..60 {
        let at = random.next() as usize % bytes.len();
        let mut wrong = bytes.clone();
        match round % 3 {
            0 => wrong.truncate(at),
            1 => wrong[at] ^= 1 << (random.next() % 8),
            _ => drop(wrong.remove(at)),
        }
        assert!(check(&wrong).is_some(), "{round}: {at}");
    }
}

#[test]
fn a_source_that_breaks_gives_what_came_before() {
    let bytes = write(&large_plan(), true);
    for len in [300_000, 900_000, 1_600_000, bytes.len()] {
        let source = || Pieces { rest: &bytes[..len], random: Random(len as u64), fails: true };
        let (alone, end) = events(source(), false);
        let (helped, helped_end) = events(source(), true);
        assert!(alone == helped, "{} and {} events", alone.len(), helped.len());
        for end in [end, helped_end] {
            assert!(matches!(end, Err(ReadError::Io(_))), "{end:?}");
        }
    }
}

#[test]
fn a_wrong_block_never_reaches_the_sink() {
    let blocks = tree(3000, 1024, 21);
    let good = {
        let options = WriteOptions::default();
        let mut writer = Writer::with_options(Vec::new(), &options).expect("a vector");
        writer.root(&cid(&blocks[0].cid), &blocks[0].data).expect("in order");
        for block in &blocks[1..] {
            writer.block(&cid(&block.cid), &block.data).expect("in order");
        }
        writer.finish().expect("a vector").0
    };
    let refused = |result: Option<ReadError>| {
        let error = result.expect("a block is wrong");
        assert_eq!(error.format(), Some(&Error::Misuse(Misuse::WrongCid)), "{error}");
    };
    // The test damages only leaves. If it damaged a node, the links would also change, and the
    // writer would refuse these links instead.
    let leaves = (300..blocks.len()).filter(|&number| blocks[number].links.is_empty());
    for wrong in leaves.step_by(400).chain([2999]) {
        let mut sink = Vec::new();
        let options = WriteOptions { threads: true, ..WriteOptions::default() };
        let mut writer = Writer::with_options(&mut sink, &options).expect("a vector");
        let mut data = blocks[wrong].data.clone();
        data[500] ^= 4;
        let mut result = None;
        for (number, block) in blocks.iter().enumerate() {
            let key = cid(&block.cid);
            let placed = match number {
                0 => writer.root(&key, &block.data),
                _ if number == wrong => writer.block(&key, &data),
                _ => writer.block(&key, &block.data),
            };
            if let Err(error) = placed {
                assert!(number >= wrong);
                result = Some(error);
                break;
            }
        }
        if result.is_some() {
            refused(writer.block(&cid(&blocks[2999].cid), &blocks[2999].data).err());
        }
        refused(writer.finish().err());
        assert!(good.starts_with(&sink), "{wrong}");
        // A block of 1 KiB takes a frame of 1,026 bytes.
        assert!(sink.len() < wrong * 1026 + 100, "{wrong}");
    }
}
