//! The blocks of all archives of a site. A block is always taken from the first archive that has
//! it, so that each block has only one place within a request.

use super::archives::Opened;
use core::cell::RefCell;
use dacti::dar::BlockSearch;
use dacti_dar::{BlockPlace, BlockStore, Cid, FramePlace, Near, NearReader, ReadError};
use std::io;
use std::sync::Arc;

/// The archives, in the order in which blocks are looked up.
#[derive(Debug)]
pub(super) struct Store {
    archives: Vec<Arc<Opened>>,
    near: NearReader,
    /// The number of the archive whose bytes `near` holds.
    near_of: usize,
    /// The search for private keys in all blocks that the request reads.
    search: RefCell<BlockSearch>,
}

/// The place of a block: the number of its archive, and the offsets there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) archive: usize,
    /// The end of the previous block, if only back-references lie between the two blocks. Otherwise
    /// the start of this block's frame.
    pub(super) from: u64,
    pub(super) at: u64,
    pub(super) end: u64,
}

/// A block that was found, and perhaps read.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) place: Place,
    /// Whether the block is at its expected place.
    pub(super) is_here: bool,
    block: Body,
}

#[derive(Debug)]
enum Body {
    Read(Vec<u8>),
    At(BlockPlace),
}

impl Store {
    /// Orders the archives for a request that begins at `cid`: the first archive that has the
    /// block, then the others. Returns `None` if no archive has it.
    pub(super) fn of(archives: &[Arc<Opened>], cid: &Cid) -> Result<Option<Self>, ReadError> {
        let mut archives = archives.to_vec();
        if !cid.is_identity() {
            let mut first = None;
            for (number, opened) in archives.iter().enumerate() {
                if opened.archive.locate(cid)?.is_some() {
                    first = Some(number);
                    break;
                }
            }
            let Some(first) = first else { return Ok(None) };
            let first = archives.remove(first);
            archives.insert(0, first);
        }
        Ok(Some(Self {
            archives,
            near: NearReader::default(),
            near_of: 0,
            search: RefCell::default(),
        }))
    }

    /// Returns the archive with this number.
    pub(super) fn archive(&self, number: usize) -> Option<&Opened> {
        self.archives.get(number).map(Arc::as_ref)
    }

    /// Finds the place of a block in the indexes of the archives.
    pub(super) fn find(&self, cid: &Cid) -> Result<Option<Found>, ReadError> {
        self.find_in(cid, 0..self.archives.len())
    }

    fn find_in(
        &self,
        cid: &Cid,
        numbers: core::ops::Range<usize>,
    ) -> Result<Option<Found>, ReadError> {
        for number in numbers {
            let Some(opened) = self.archives.get(number) else { break };
            if let Some(place) = opened.archive.locate(cid)? {
                return Ok(Some(Found::elsewhere(number, place)));
            }
        }
        Ok(None)
    }

    /// Finds the place of a block that is expected at `expected` in archive `number`.
    pub(super) fn find_near(
        &mut self,
        cid: &Cid,
        number: usize,
        expected: &mut FramePlace,
    ) -> Result<Option<Found>, ReadError> {
        // Earlier archives are searched first, so that a block has the same place for every
        // look-up.
        if let Some(found) = self.find_in(cid, 0..number)? {
            return Ok(Some(found));
        }
        let Some(opened) = self.archives.get(number).map(Arc::clone) else { return Ok(None) };
        if self.near_of != number {
            (self.near, self.near_of) = (NearReader::default(), number);
        }
        let before = *expected;
        match self.near.find(&opened.archive, expected, cid)? {
            Some(Near::Here { data, end }) => {
                let (from, at) = (before.from(), before.at());
                let place = Place { archive: number, from, at, end };
                Ok(Some(Found { place, is_here: true, block: Body::Read(data) }))
            }
            Some(Near::Elsewhere(place)) => Ok(Some(Found::elsewhere(number, place))),
            None => self.find_in(cid, number.saturating_add(1)..self.archives.len()),
        }
    }

    /// Returns the block that was found. A block with a private key is refused, because anybody who
    /// has the key can sign as its owner.
    pub(super) fn read(&self, cid: &Cid, found: Found) -> Result<Option<Vec<u8>>, ReadError> {
        let data = match found.block {
            Body::Read(data) => Some(data),
            Body::At(place) => match self.archives.get(found.place.archive) {
                Some(opened) => opened.archive.block_at(cid, &place)?,
                None => None,
            },
        };
        if let Some(data) = &data {
            self.search(cid, data)?;
        }
        Ok(data)
    }

    fn search(&self, cid: &Cid, data: &[u8]) -> io::Result<()> {
        if !self.search.borrow_mut().feed(cid, data) {
            return Ok(());
        }
        let why = format!("the block {cid} contains a private key, so it is not served");
        Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
    }

    /// Returns the block of a CID. An identity CID contains its block.
    pub(super) fn block(&self, cid: &Cid) -> Result<Option<Vec<u8>>, ReadError> {
        if cid.is_identity() {
            self.search(cid, cid.digest())?;
            return Ok(Some(cid.digest().to_vec()));
        }
        match self.find(cid)? {
            Some(found) => self.read(cid, found),
            None => Ok(None),
        }
    }
}

impl Found {
    fn elsewhere(archive: usize, place: BlockPlace) -> Self {
        let at = place.offset;
        let block = Body::At(place);
        let place = Place { archive, from: at, at, end: place.end() };
        Self { place, is_here: false, block }
    }
}

impl BlockStore for Store {
    fn get(&mut self, cid: &Cid, into: &mut Vec<u8>) -> Result<bool, ReadError> {
        let block = self.block(cid)?;
        let found = block.is_some();
        into.append(&mut block.unwrap_or_default());
        Ok(found)
    }
}
