//! Writes a DAG as an archive. The first root is the DAG at the end of the path. The blocks of the
//! path follow as further roots, from the last to the first.

use super::archives::BLOCK_LEN_MAX;
use super::fault::Fault;
use super::sink::Sink;
use super::store::Store;
use dacti_dar::{BlockStore, Cid, Limits, LinkOrder, ReadError, WriteOptions, Writer, write_dag};
use std::io;

/// The maximum number of blocks of one archive. A writer keeps the place of each block, which takes
/// about 35 MB of memory for this number of blocks.
const BLOCKS_MAX: u32 = 1 << 18;
/// The maximum length of all links that wait to be followed, in bytes.
const PENDING_LEN_MAX: u64 = 16 << 20;

/// Writes the archive.
pub(super) fn write(store: &mut Store, path: &[Cid], end: &Cid, sink: &mut Sink) -> io::Result<()> {
    let limits = Limits {
        block_len_max: BLOCK_LEN_MAX,
        blocks_max: BLOCKS_MAX,
        pending_len_max: PENDING_LEN_MAX,
        ..Limits::default()
    };
    let link_order = store.archive(0).map_or(LinkOrder::default(), |opened| opened.link_order);
    let options =
        WriteOptions { limits, link_order, index: true, threads: false, ..WriteOptions::default() };
    let write = || -> Result<(), ReadError> {
        let mut writer = Writer::with_options(sink, &options)?;
        write_dag(&mut writer, end, &mut Whole(store))?;
        for cid in path.iter().rev() {
            write_dag(&mut writer, cid, &mut One(store, cid))?;
        }
        writer.finish()?;
        Ok(())
    };
    write().map_err(|error| Fault::from(error).into())
}

/// A store that fails if a block is missing.
struct Whole<'s>(&'s mut Store);

impl BlockStore for Whole<'_> {
    fn get(&mut self, cid: &Cid, into: &mut Vec<u8>) -> Result<bool, ReadError> {
        if self.0.get(cid, into)? {
            return Ok(true);
        }
        Err(io::Error::from(Fault::Missing(cid.clone())).into())
    }
}

/// A store that has only one block of another store.
struct One<'s>(&'s mut Store, &'s Cid);

impl BlockStore for One<'_> {
    fn get(&mut self, cid: &Cid, into: &mut Vec<u8>) -> Result<bool, ReadError> {
        if cid == self.1 { self.0.get(cid, into) } else { Ok(false) }
    }
}
