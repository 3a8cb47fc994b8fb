//! The objects of a place, for a planner. A planner asks for many small ranges of a few short
//! objects. So a short object is read whole when its first range is asked for, and kept.

use super::Place;
use super::update::PlaceObjects;
use crate::Error;
use crate::fetch::parts::PartObjects;
use daicon_core::{Span, to_u64};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The maximum length of an object that is read whole. The index of 87,000 regions has about this
/// length.
const KEPT_LEN_MAX: u64 = 2 << 20;
/// The maximum length of all objects that are kept.
const KEPT_TOTAL_MAX: u64 = 8 << 20;

#[derive(Debug)]
pub(super) struct KeptObjects {
    objects: PlaceObjects,
    kept: Mutex<HashMap<String, Vec<u8>>>,
}

impl KeptObjects {
    pub(super) fn new(place: Place) -> Self {
        Self { objects: PlaceObjects(place), kept: Mutex::default() }
    }
}

impl PartObjects for KeptObjects {
    fn read_object(&self, name: &str, len: u64, range: Span) -> Result<Vec<u8>, Error> {
        // The lock is held during the read, so that two threads do not read one object twice.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let part = |whole: &[u8]| range.slice_of(whole, 0).map(<[u8]>::to_vec);
        if let Some(bytes) = kept.get(name).and_then(|whole| part(whole)) {
            return Ok(bytes);
        }
        let total = kept.values().fold(len, |sum, whole| sum.saturating_add(to_u64(whole.len())));
        if len > KEPT_LEN_MAX || total > KEPT_TOTAL_MAX {
            drop(kept);
            return self.objects.read_object(name, len, range);
        }
        let whole = self.objects.read_object(name, len, Span { start: 0, end: len })?;
        let bytes = part(&whole).unwrap_or_default();
        kept.insert(name.into(), whole);
        Ok(bytes)
    }
}
