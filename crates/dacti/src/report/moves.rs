//! Finds files that moved. Their regions have the same stored bytes in both packages, but different
//! ids.
//!
//! A digest includes the id. So the digests of two ids differ even if the bytes are equal, and this
//! module hashes the stored bytes instead. Specification: `docs/spec/dacti-seal.md`, "The digest".

use crate::fetch::source::read_full;
use crate::read::total::check_compared;
use crate::{Encoding, Error, Located, Package};
use core::ops::ControlFlow;
use daicon_core::to_u64;
use std::collections::{HashMap, HashSet};

/// The number of bytes that are hashed at once. A source that prefers longer reads counts as
/// remote.
const PIECE_LEN: usize = 1 << 16;

/// The encoding and the length of a region. Two regions can be equal only if they agree in both.
type Shape = (Encoding, u64);

fn shape(region: &Located) -> Shape {
    (region.encoding, region.span.len())
}

/// The regions that only one of two packages has.
pub(super) struct Alone<'a> {
    pub(super) package: &'a Package,
    pub(super) regions: &'a [Located],
}

impl<'a> Alone<'a> {
    fn shapes(&self) -> HashSet<Shape> {
        self.regions.iter().map(shape).collect()
    }

    /// Returns the regions that may be equal to a region of the other package.
    fn candidates(&self, others: &HashSet<Shape>) -> Result<Vec<&'a Located>, Error> {
        let may = |region: &&Located| !region.span.is_empty() && others.contains(&shape(region));
        let found: Vec<_> = self.regions.iter().filter(may).collect();
        check_compared(self.package, &found)?;
        Ok(found)
    }

    /// Returns whether each read is a request. If so, moves are not searched for.
    fn is_far(&self) -> bool {
        self.package.source().read_len() > PIECE_LEN
    }
}

/// Pairs regions of the old package with regions of the new one that have the same encoding and
/// stored bytes. Each region is in at most one pair. Equal regions are paired in the order of both
/// lists.
///
/// A region is read only if the other list has a region of the same encoding and length. It is read
/// once. If a package is remote, no regions are read, and there are no pairs. A region that cannot
/// be read is in no pair; other calls report its fault.
pub(super) fn find(
    old: &Alone<'_>,
    new: &Alone<'_>,
    read: &mut u64,
    go_on: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<Vec<[Located; 2]>, Error> {
    let mut pairs = Vec::new();
    if old.is_far() || new.is_far() {
        return Ok(pairs);
    }
    let (from, to) = (old.candidates(&new.shapes())?, new.candidates(&old.shapes())?);
    let mut hash_of = |package: &Package, region: &Located| match go_on() {
        ControlFlow::Continue(()) => Ok(hash(package, region, read)),
        ControlFlow::Break(()) => Err(Error::Stopped),
    };
    // The regions of the new package by their content. Each list is in reverse order, so that `pop`
    // returns the first region.
    let mut by_content: HashMap<(Shape, [u8; 32]), Vec<Located>> = HashMap::new();
    for region in to.into_iter().rev() {
        if let Some(hash) = hash_of(new.package, region)? {
            by_content.entry((shape(region), hash)).or_default().push(*region);
        }
    }
    for region in from {
        let found = hash_of(old.package, region)?;
        let same = found.and_then(|hash| by_content.get_mut(&(shape(region), hash)));
        if let Some(moved) = same.and_then(Vec::pop) {
            pairs.push([*region, moved]);
        }
    }
    Ok(pairs)
}

/// Returns the hash of a region's stored bytes; `None` if they cannot be read.
fn hash(package: &Package, region: &Located, read: &mut u64) -> Option<[u8; 32]> {
    region.within(package.view().len()).ok()?;
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; PIECE_LEN];
    let mut at = region.span.start;
    while at < region.span.end {
        let left = usize::try_from(region.span.end.saturating_sub(at)).unwrap_or(PIECE_LEN);
        let piece = piece.get_mut(..left.min(PIECE_LEN))?;
        let filled = read_full(&**package.source(), at, piece).ok()?;
        *read = read.saturating_add(to_u64(filled));
        if filled != piece.len() {
            return None;
        }
        hasher.update(piece);
        at = at.saturating_add(to_u64(filled));
    }
    Some(*hasher.finalize().as_bytes())
}
