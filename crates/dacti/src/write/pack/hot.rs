//! Hot regions: small regions in the head. The request that opens a package fetches them, too.
//!
//! They are encoded first, because their length decides the position of the index. Specification:
//! `docs/spec/dacti-package.md`, "Hot regions".

use super::encode::{Encoded, Encoder, Sealing};
use super::input::Input;
use crate::Error;
use dacti_cdn::HEAD_LEN;
use dacti_index::GROUP_ENTRIES;

/// The hot regions of a package, in encoded form.
#[derive(Debug, Default)]
pub(super) struct Hot {
    /// The numbers of their inputs, in the order in which the regions are stored.
    pub(super) order: Vec<usize>,
    /// Their encoded lengths and digests, in the same order.
    pub(super) encoded: Vec<Encoded>,
    /// Their stored bytes, each followed by its seal. If they are longer than a head, some are
    /// missing.
    pub(super) bytes: Vec<u8>,
    /// The length of all hot regions with their seals, including those missing from `bytes`.
    pub(super) len: u64,
}

impl Hot {
    pub(super) fn encode(inputs: &[Input], encoder: Encoder<'_>) -> Result<Self, Error> {
        let hot = inputs.iter().enumerate().filter(|(_, input)| input.hot);
        let order: Vec<usize> = hot.clone().map(|(i, _)| i).collect();
        if order.len() > GROUP_ENTRIES {
            let entries = u64::try_from(order.len()).unwrap_or(u64::MAX);
            return Err(Error::HotTooMany { entries });
        }
        let mut out = Self { order, ..Self::default() };
        for (_, input) in hot {
            let (made, bytes) = encoder.encode_capped(input, HEAD_LEN)?;
            let seal_len = Sealing::len_of(encoder.sealing);
            out.len = out.len.saturating_add(made.stored_len).saturating_add(seal_len);
            if out.len <= HEAD_LEN {
                out.bytes.extend(bytes);
            }
            out.encoded.push(made);
        }
        Ok(out)
    }
}
