//! A walk over a whole DAG, depth-first, along the frames of the archives. Only links that wait to
//! be followed take memory, so the memory does not depend on the number of blocks or on the depth.

use super::fault::Fault;
use super::pending::Pending;
use super::seen::Seen;
use super::store::{Found, Store};
use dacti_dar::{Cid, FramePlace, LinkOrder, links};

/// A block whose links are being followed.
#[derive(Debug)]
struct Node {
    archive: usize,
    /// The place where the frame of its next link is expected.
    next: FramePlace,
    /// Whether the frames below this block lie where the parent expected its next frame. If so, the
    /// parent's next frame is expected after them.
    is_here: bool,
    /// The height of the stack of links before the links of this block were added.
    floor: usize,
}

/// The walk.
#[derive(Debug, Default)]
pub(super) struct Dag {
    pending: Pending,
    nodes: Vec<Node>,
}

impl Dag {
    /// Begins at a block, or at the links inside of an identity CID.
    pub(super) fn new(cid: &Cid) -> Result<Self, Fault> {
        let mut dag = Self::default();
        if cid.is_identity() {
            dag.push(cid, cid.digest(), LinkOrder::default())?;
        } else if !dag.pending.push(core::slice::from_ref(cid)) {
            return Err(Fault::TooManyLinks);
        }
        Ok(dag)
    }

    /// Returns the next block; `None` after the last. If `seen` is given, no block is returned
    /// twice, and the DAG below a block that was seen is not walked again.
    pub(super) fn next(
        &mut self,
        store: &mut Store,
        mut seen: Option<&mut Seen>,
    ) -> Result<Option<(Cid, Vec<u8>)>, Fault> {
        loop {
            self.close();
            let Some(cid) = self.pending.pop() else { return Ok(None) };
            let found = match self.nodes.last_mut() {
                Some(node) => store.find_near(&cid, node.archive, &mut node.next)?,
                None => store.find(&cid)?,
            };
            let Some(found) = found else { return Err(Fault::Missing(cid)) };
            if let Some(seen) = seen.as_deref_mut() {
                if seen.has(&found.place) {
                    continue;
                }
                if !seen.add(&found.place) {
                    return Err(Fault::TooScattered);
                }
            }
            return self.enter(store, cid, found).map(Some);
        }
    }

    /// Reads a block and puts its links on the stack.
    fn enter(&mut self, store: &Store, cid: Cid, found: Found) -> Result<(Cid, Vec<u8>), Fault> {
        let (place, mut is_here) = (found.place, found.is_here);
        let Some(data) = store.read(&cid, found)? else { return Err(Fault::Missing(cid)) };
        let floor = self.pending.height();
        let order = store.archive(place.archive).map(|opened| opened.link_order);
        self.push(&cid, &data, order.unwrap_or_default())?;
        // A parent without further links is removed, so that a chain of any length needs little
        // memory.
        if let Some(parent) = self.nodes.pop_if(|parent| parent.floor == floor) {
            if is_here {
                is_here = parent.is_here;
            } else if parent.is_here {
                self.expect(parent.next);
            }
        }
        let next = FramePlace::after(place.end);
        self.nodes.push(Node { archive: place.archive, next, is_here, floor });
        Ok((cid, data))
    }

    /// Puts the links of a block on the stack.
    fn push(&mut self, cid: &Cid, data: &[u8], order: LinkOrder) -> Result<(), Fault> {
        let mut found = Vec::new();
        links(cid.codec(), data, order, &mut found);
        if self.pending.push(&found) { Ok(()) } else { Err(Fault::TooManyLinks) }
    }

    /// Removes the blocks whose links were all followed.
    fn close(&mut self) {
        let height = self.pending.height();
        while let Some(node) = self.nodes.pop_if(|node| node.floor == height) {
            if node.is_here {
                self.expect(node.next);
            }
        }
    }

    /// Notes the place where the next frame of the last block in `nodes` is expected.
    fn expect(&mut self, next: FramePlace) {
        if let Some(node) = self.nodes.last_mut() {
            node.next = next;
        }
    }
}
