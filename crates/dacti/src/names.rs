//! The names list of a package: its chain of segments, read whole.
//!
//! Specification: `docs/spec/dacti-names.md`, `docs/spec/dacti-package.md`, "Looking up a path".

use crate::source::{ReadAt, read_span};
use crate::view::read_failed;
use crate::{Error, Limits};
use dacti_index::{Encoding, Located, decode_to_vec};
use dacti_names::{NAMES_ID, Name, SEGMENTS_MAX, Segment};
use std::collections::BTreeMap;

/// A package's names, from all segments of its list.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// Content of the segments, newest first. Each was parsed once, so each parses.
    segments: Vec<Vec<u8>>,
}

impl Names {
    /// Reads the segment at `located` and those before it.
    pub(crate) fn read(
        source: &dyn ReadAt,
        located: Located,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let mut segments = Vec::new();
        let mut next = Some((located, None, limits.names_len_max));
        while let Some((located, expected_len, cap)) = next {
            if segments.len() >= SEGMENTS_MAX {
                let limit = u64::try_from(SEGMENTS_MAX).unwrap_or(u64::MAX);
                return Err(dacti_names::Error::TooManySegments { limit }.into());
            }
            let located = located.within(source.len())?;
            let stored = read_span(source, located.span).map_err(read_failed)?;
            let content = match decode_to_vec(&located, &stored, expected_len, cap) {
                // Longer than its link says: it is the link that is wrong, unless the caller's cap
                // came first.
                Err(dacti_index::Error::TooLong { .. }) if expected_len == Some(cap) => {
                    let (expected, found) = (cap, cap.saturating_add(1));
                    return Err(link_mismatch(expected, found));
                }
                decoded => decoded?,
            };
            let found = u64::try_from(content.len()).unwrap_or(u64::MAX);
            if let Some(expected) = expected_len.filter(|expected| *expected != found) {
                return Err(link_mismatch(expected, found));
            }
            next = match Segment::parse(&content)?.link() {
                None => None,
                Some(link) => {
                    let span = link.span_before(located.span.start)?;
                    let encoding = Encoding::from_tag(link.encoding);
                    let cap = link.decoded_len.min(limits.names_len_max);
                    let before = Located { id: NAMES_ID, span, encoding, at: located.span.start };
                    Some((before, Some(link.decoded_len), cap))
                }
            };
            segments.push(content);
        }
        Ok(Self { segments })
    }

    /// The name of `path`, from the newest segment that has it.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<Name<'_>> {
        self.parsed().find_map(|segment| segment.find(path))
    }

    /// Every name, ascending by path, each from the newest segment that has it.
    #[must_use]
    pub fn all(&self) -> Vec<Name<'_>> {
        let mut segments = self.parsed();
        let (Some(newest), None) = (segments.next(), segments.next()) else {
            let oldest_first = self.parsed().collect::<Vec<_>>().into_iter().rev();
            let merged: BTreeMap<&str, Name<'_>> = oldest_first
                .flat_map(|segment| segment.names().map(|name| (name.path, name)))
                .collect();
            return merged.into_values().collect();
        };
        newest.names().collect()
    }

    /// How many segments the list has.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    fn parsed(&self) -> impl Iterator<Item = Segment<'_>> {
        self.segments.iter().filter_map(|content| Segment::parse(content).ok())
    }
}

fn link_mismatch(expected: u64, found: u64) -> Error {
    let (what, at) = (dacti_names::Structure::NamesLink, 8);
    dacti_names::Error::Mismatch { what, at, expected, found }.into()
}
