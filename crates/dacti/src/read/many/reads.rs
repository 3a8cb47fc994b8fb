//! The reads that fetch many regions. Regions near each other share one read; a long stream takes
//! several.
//!
//! Plans and readers both use this module, so a plan has exactly the reads that a reader makes.

use super::GetPlan;
use crate::read::region::is_read_at_once;
use crate::read::stream::{pieces, second_pieces};
use crate::{Error, Package};
use dacti_index::Located;
use daicon_core::{Joined, Joining, Slices, Span, coalesce};

/// How a region is read if it shares its read with no other region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// Whole, into memory.
    Whole,
    /// As a stream that is verified at its end.
    Stream,
    /// As a stream that is verified before its first byte.
    VerifiedStream,
}

/// A region that was found, and whose bytes must be read.
#[derive(Debug)]
pub(super) struct Wanted {
    /// The span of the region's stored bytes, and of the seals after them if the policy needs a
    /// seal.
    pub(super) span: Span,
    /// The index of the region's name.
    pub(super) i: usize,
    pub(super) located: Located,
}

/// Regions in the order of the file, and the reads that fetch them.
#[derive(Debug)]
pub(super) struct Reads {
    manner: Manner,
    /// The read of the dictionary, which is the first read; `None` if no region needs it.
    dictionary: Option<Span>,
    pub(super) wanted: Vec<Wanted>,
    pub(super) joined: Vec<Joined>,
}

/// A region for which nothing is read.
#[derive(Debug)]
pub(super) enum Early {
    /// Its bytes are in memory.
    InHand(Located),
    /// It cannot be read.
    Fault(Error),
}

impl Reads {
    /// Chooses the reads of the regions in `found`. Set `decodes` if the regions will be decoded,
    /// because then they may need the dictionary. `early` is called, in order, for each region that
    /// needs no read.
    pub(super) fn of(
        package: &Package,
        manner: Manner,
        decodes: bool,
        found: impl IntoIterator<Item = Result<Located, Error>>,
        mut early: impl FnMut(usize, Early),
    ) -> Self {
        let len = package.view().bound();
        let (mut wanted, mut needs_dictionary) = (Vec::new(), false);
        let uses_dictionary = decodes || !package.trust().is_nothing();
        for (i, found) in found.into_iter().enumerate() {
            let span = found.and_then(|located| {
                let located = located.within(len)?;
                needs_dictionary |= uses_dictionary && located.encoding.needs_dictionary();
                Ok((located, package.trust().span(located, package.view())?))
            });
            match span {
                Ok((located, span)) if package.lent(span).is_some() => {
                    early(i, Early::InHand(located));
                }
                Ok((located, span)) => wanted.push(Wanted { span, i, located }),
                Err(fault) => early(i, Early::Fault(fault)),
            }
        }
        wanted.sort_by_key(|wanted| (wanted.span, wanted.i));
        let spans: Vec<Span> = wanted.iter().map(|wanted| wanted.span).collect();
        let joined = coalesce(&spans, joining(package)).collect();
        let dictionary = package.dictionary().unread().filter(|_| needs_dictionary);
        Self { manner, dictionary, wanted, joined }
    }

    /// Returns whether the dictionary must be read.
    pub(super) const fn needs_dictionary(&self) -> bool {
        self.dictionary.is_some()
    }

    /// Reads the dictionary, after the reads were announced. If the dictionary is at fault, each
    /// region that needs it reports the fault.
    pub(super) fn read_dictionary(&self, package: &Package) {
        if self.dictionary.is_some() {
            drop(package.dictionary().get());
        }
    }

    /// Returns the regions that a read fetches.
    pub(super) fn together(&self, read: &Joined) -> &[Wanted] {
        let end = read.first.saturating_add(read.count);
        self.wanted.get(read.first..end).unwrap_or_default()
    }

    /// Returns the reads to announce, in order. If a region is a stream of several reads, none of
    /// its reads is announced.
    pub(super) fn ahead(&self, package: &Package) -> Vec<Span> {
        let at_once = |read: &&Joined| match self.together(read) {
            [alone] => self.pieces(package, alone).nth(1).is_none(),
            _ => true,
        };
        let regions = self.joined.iter().filter(at_once).map(|read| read.span);
        self.dictionary.into_iter().chain(regions).collect()
    }

    /// Tells the source about each region that has a read of its own. Such a region may be read
    /// piece by piece.
    pub(super) fn note(&self, package: &Package) {
        for read in &self.joined {
            if let [alone] = self.together(read) {
                package.source().note_region(alone.span);
            }
        }
    }

    /// Adds the reads to a plan.
    pub(super) fn tell(&self, package: &Package, plan: &mut GetPlan) {
        plan.reads.extend(self.dictionary.filter(|read| !plan.reads.contains(read)));
        for read in &self.joined {
            let together = self.together(read);
            if let [alone] = together {
                let head = package.view().head();
                let pieces = self.pieces(package, alone);
                plan.reads.extend(pieces.filter(|piece| head.answer(*piece).is_none()));
                continue;
            }
            plan.reads.push(read.span);
            // The regions ascend by start. A region that starts after the highest end so far leaves
            // a gap.
            let mut end = read.span.start;
            for one in together {
                let gap = one.span.start.saturating_sub(end);
                plan.over_fetch = plan.over_fetch.saturating_add(gap);
                end = end.max(one.span.end);
            }
        }
    }

    /// Returns the reads of a region that is read alone.
    fn pieces(&self, package: &Package, alone: &Wanted) -> impl Iterator<Item = Span> {
        let whole = self.manner == Manner::Whole && is_read_at_once(&alone.located);
        let (first, second) = match self.manner {
            Manner::VerifiedStream => second_pieces(package, &alone.located, alone.span),
            Manner::Whole | Manner::Stream => (true, None),
        };
        let once =
            first.then(|| pieces(&**package.source(), alone.located.span, alone.span, whole));
        once.into_iter().flatten().chain(second.into_iter().flatten())
    }
}

/// Returns how regions are joined into reads. The reads stay within the caller's limits. In bytes
/// that updates added, a joined read never crosses the border of a slice, the unit of caches.
pub(super) fn joining(package: &Package) -> Joining {
    let slices = package.view().layout();
    let slices = slices.map(|layout| Slices { from: layout.fresh_end, len: layout.slice_len });
    let limits = package.limits();
    Joining { gap_len_max: limits.gap_len_max, len_max: limits.read_len_max, slices }
}
