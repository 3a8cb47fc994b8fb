//! The blocks of a CAR: first the blocks of the path, then the blocks of the scope in depth-first
//! order.

use super::dag::Dag;
use super::entity::{EntityBytes, Named};
use super::fault::Fault;
use super::seen::Seen;
use super::sink::Sink;
use super::store::Store;
use super::wanted::Scope;
use core::ops::Range;
use dacti_dar::unixfs::{FileWalk, Kind, Node, ShardWalk};
use dacti_dar::{CarWriter, Cid, CidList};
use std::io;

/// The maximum number of blocks that are read in a row without sending a block. Without this limit,
/// a hostile file that repeats one leaf would keep the server reading.
const IDLE_MAX: u32 = 1 << 16;

const DAG_PB: u64 = 0x70;
const RAW: u64 = 0x55;

/// The blocks that a CAR holds after the blocks of the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Block,
    All,
    /// The blocks of a sharded folder, without its entries.
    Shards,
    /// The blocks of a file that have bytes of a range.
    Bytes(Range<u64>),
}

impl Part {
    /// Returns the part that `scope` selects for `block`, the block at the end of the path. If the
    /// range `bytes` is outside of the file, the error is the file's length.
    pub(super) fn of(
        scope: Scope,
        bytes: Option<&EntityBytes>,
        cid: &Cid,
        block: &[u8],
    ) -> Result<Self, u64> {
        match (scope, cid.codec()) {
            (Scope::All, _) => return Ok(Self::All),
            (Scope::Entity, DAG_PB | RAW) => {}
            (Scope::Block | Scope::Entity, _) => return Ok(Self::Block),
        }
        let Ok(node) = Node::read(cid, block) else { return Ok(Self::Block) };
        match node.kind {
            Kind::Shard => Ok(Self::Shards),
            Kind::File => {
                let Some((bytes, len)) = bytes.zip(node.content_len()) else {
                    return Ok(Self::All);
                };
                match bytes.of(len) {
                    Named::Bytes(bytes) if bytes == (0..len) => Ok(Self::All),
                    Named::Bytes(bytes) => Ok(Self::Bytes(bytes)),
                    Named::Nothing => Ok(Self::Block),
                    Named::Outside => Err(len),
                }
            }
            _ => Ok(Self::Block),
        }
    }
}

/// The blocks of a CAR.
#[derive(Debug)]
pub(super) struct Selection {
    pub(super) root: Cid,
    /// The blocks before the one at the end of the path.
    pub(super) path: Vec<Cid>,
    pub(super) end: Cid,
    pub(super) part: Part,
    pub(super) dups: bool,
}

impl Selection {
    /// Writes the CAR.
    pub(super) fn write(self, store: &mut Store, sink: &mut Sink) -> io::Result<()> {
        let roots = CidList::from_iter([&self.root]);
        let mut car = Car {
            writer: CarWriter::new(sink, &roots)?,
            seen: (!self.dups).then(Seen::default),
            idle: 0,
        };
        for cid in &self.path {
            let block = store.block(cid).map_err(Fault::from)?;
            let block = block.ok_or_else(|| Fault::Missing(cid.clone()))?;
            car.write(cid, &block)?;
        }
        Ok(car.write_part(store, &self.end, &self.part)?)
    }
}

/// A CAR that is being written.
struct Car<'s> {
    writer: CarWriter<&'s mut Sink>,
    seen: Option<Seen>,
    /// The number of blocks that were read since the last block was sent.
    idle: u32,
}

impl Car<'_> {
    /// Writes a block. The block of an identity CID is not written, because the CID contains it.
    fn write(&mut self, cid: &Cid, block: &[u8]) -> Result<(), Fault> {
        self.idle = 0;
        if !cid.is_identity() {
            self.writer.block(cid, block)?;
        }
        Ok(())
    }

    fn write_part(&mut self, store: &mut Store, end: &Cid, part: &Part) -> Result<(), Fault> {
        match part {
            Part::Block => self.take(store, end).map(drop),
            Part::All => {
                let mut dag = Dag::new(end)?;
                while let Some((cid, block)) = dag.next(store, self.seen.as_mut())? {
                    self.write(&cid, &block)?;
                }
                Ok(())
            }
            Part::Shards => {
                let top = self.take(store, end)?;
                let mut walk = ShardWalk::new(end, Node::read(end, &top)?)?;
                while let Some(cid) = walk.want().cloned() {
                    walk.feed(&self.take(store, &cid)?)?;
                    walk.take_entries();
                }
                Ok(())
            }
            Part::Bytes(range) => {
                let top = self.take(store, end)?;
                let mut walk = FileWalk::new(end, Node::read(end, &top)?, Some(range.clone()))?;
                while let Some(cid) = walk.want().cloned() {
                    walk.feed(&self.take(store, &cid)?)?;
                }
                Ok(())
            }
        }
    }

    /// Reads a block, and writes it unless it was written before.
    fn take(&mut self, store: &Store, cid: &Cid) -> Result<Vec<u8>, Fault> {
        self.idle = self.idle.saturating_add(1);
        if self.idle > IDLE_MAX {
            return Err(Fault::Idle);
        }
        if cid.is_identity() {
            return Ok(cid.digest().to_vec());
        }
        let missing = || Fault::Missing(cid.clone());
        let found = store.find(cid)?.ok_or_else(missing)?;
        let place = found.place;
        let block = store.read(cid, found)?.ok_or_else(missing)?;
        let is_new = self.seen.as_ref().is_none_or(|seen| !seen.has(&place));
        if is_new {
            if self.seen.as_mut().is_some_and(|seen| !seen.add(&place)) {
                return Err(Fault::TooScattered);
            }
            self.write(cid, &block)?;
        }
        Ok(block)
    }
}
