//! Writes the data of a package: every region's stored bytes, in data order.

use super::dictionary::NewDictionary;
use super::encode::{Encoded, Encoder, PIECE_LEN, Piece, Sealing};
use super::hot::Hot;
use super::input::Input;
use super::output::Output;
use super::pipeline::run;
use super::plan::Plan;
use super::{BuildOptions, LayoutChoice, Progress};
use crate::Error;
use core::ops::{ControlFlow, Range};
use dacti_index::IdRange;
use daicon_core::{Span, to_u64};
use std::collections::HashMap;

/// The positions and digests of written data, which the index needs.
#[derive(Debug)]
pub(super) struct Written {
    /// The absolute span of each input's stored bytes, by the input's number.
    pub(super) spans: Vec<Span>,
    /// The absolute start of each id range's data.
    pub(super) bases: Vec<u64>,
    /// Digests of the stored bytes. Those of hot regions are first, followed by the others in data
    /// order. If the encoder does not hash, they are zeros.
    pub(super) digests: Vec<[u8; 32]>,
    /// The first 16 bytes of each input's seal, by the input's number, for the digest list. It is
    /// empty if no list is written.
    pub(super) seal_starts: Vec<[u8; 16]>,
    /// The length of the stored dictionary, and its BLAKE3.
    pub(super) dictionary: Option<(u64, [u8; 32])>,
    /// One digest of all stored bytes together, in a package that has a file id but no seals.
    pub(super) whole: Option<[u8; 32]>,
    /// The number of stored bytes of all regions. Bytes that regions share count once for each
    /// region.
    pub(super) stored_len: u64,
    /// The number of these bytes that were not written, because an equal region was written before.
    pub(super) shared_len: u64,
}

/// Encodes and writes all regions, from the plan's first data byte on.
pub(super) fn data(
    inputs: &[Input],
    plan: &Plan,
    options: &BuildOptions,
    encoder: Encoder<'_>,
    output: &mut Output,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Written, Error> {
    output.skip_to(plan.data_at);
    let in_order: Vec<&Input> = plan.data_order.iter().filter_map(|i| inputs.get(*i)).collect();
    let batches = batches(&in_order, &plan.ranges);
    let threads = crate::threads::count(options.threads);
    let mut writer = DataWriter::new(&in_order, plan, options, output, progress);
    writer.seal_len = Sealing::len_of(encoder.sealing);
    if !plan.digest_list.is_empty() {
        writer.written.seal_starts.resize(inputs.len(), [0; 16]);
    }
    let is_whole = encoder.sealing.is_none() && options.layout == LayoutChoice::Cdn;
    writer.whole = is_whole.then(blake3::Hasher::new);
    writer.take_hot(inputs);
    writer.take_dictionary(encoder.dictionary)?;
    run(
        batches.len(),
        threads,
        options.in_flight_max,
        |job, lane| {
            let batch = batches.get(job).and_then(|batch| in_order.get(batch.clone()));
            encoder.encode(batch.unwrap_or_default(), lane)
        },
        |piece| writer.take(&piece).map(|()| Some(piece)),
    )?;
    let (mut written, whole) = (writer.written, writer.whole);
    if let Some(whole) = whole {
        written.whole = Some(whole.finalize().into());
    }
    Ok(written)
}

/// Cuts the inputs, in data order, into batches of at most one piece's length. A longer input is a
/// batch of its own. No batch has inputs of two id ranges.
pub(crate) fn batches(in_order: &[&Input], ranges: &[IdRange]) -> Vec<Range<usize>> {
    let mut batches = Vec::new();
    for range in ranges {
        let (mut start, mut len) = (range.first, 0_u64);
        let end = range.first.saturating_add(range.count);
        for i in range.first..end {
            let input_len = in_order.get(i).map_or(0, |input| input.len);
            // For each input, 256 bytes are added to its length, because opening a file takes time
            // even if the file is empty.
            len = len.saturating_add(input_len).saturating_add(256);
            if len > PIECE_LEN && start < i {
                batches.push(start..i);
                (start, len) = (i, input_len.saturating_add(256));
            }
        }
        batches.push(start..end);
    }
    batches
}

struct DataWriter<'w> {
    in_order: &'w [&'w Input],
    plan: &'w Plan,
    output: &'w mut Output,
    progress: &'w mut dyn FnMut(Progress) -> ControlFlow<()>,
    told: Progress,
    written: Written,
    /// The count of regions written so far, and the index of the next id range.
    count: usize,
    range: usize,
    /// The length of the seal after each hot region.
    seal_len: u64,
    /// The hash of all stored bytes together, if regions are not hashed one by one.
    whole: Option<blake3::Hasher>,
    /// The start of the region that is being written.
    region_at: u64,
    /// The positions of stored bytes in this id range, to find equal bytes; `None` if equal regions
    /// are stored separately.
    shared: Option<HashMap<Encoded, u64>>,
}

impl<'w> DataWriter<'w> {
    fn new(
        in_order: &'w [&'w Input],
        plan: &'w Plan,
        options: &BuildOptions,
        output: &'w mut Output,
        progress: &'w mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Self {
        let regions = plan.id_order.len();
        let written = Written {
            spans: vec![Span::default(); regions],
            bases: Vec::with_capacity(plan.ranges.len()),
            digests: Vec::with_capacity(regions),
            seal_starts: Vec::new(),
            dictionary: None,
            whole: None,
            stored_len: 0,
            shared_len: 0,
        };
        let told = Progress {
            regions_total: u64::try_from(regions).unwrap_or(u64::MAX),
            bytes_total: plan.content_len,
            ..Progress::default()
        };
        let shared = (options.layout == LayoutChoice::Compact).then(HashMap::new);
        let region_at = output.end();
        Self {
            in_order,
            plan,
            output,
            progress,
            told,
            written,
            count: 0,
            range: 0,
            seal_len: 0,
            whole: None,
            region_at,
            shared,
        }
    }

    /// Records the positions and digests of the hot regions, whose bytes are written with the head.
    fn take_hot(&mut self, inputs: &[Input]) {
        let Hot { order, encoded, .. } = &self.plan.hot;
        let (written, told) = (&mut self.written, &mut self.told);
        written.spans.resize(inputs.len(), Span::default());
        told.regions_total = u64::try_from(inputs.len()).unwrap_or(u64::MAX);
        if let Some(whole) = &mut self.whole {
            whole.update(&self.plan.hot.bytes);
        }
        let mut at = self.plan.index.hot.start;
        for (i, encoded) in order.iter().zip(encoded) {
            let end = at.saturating_add(encoded.stored_len);
            if let Some(slot) = written.spans.get_mut(*i) {
                *slot = Span { start: at, end };
            }
            at = end.saturating_add(self.seal_len);
            written.digests.push(encoded.digest);
            written.stored_len = written.stored_len.saturating_add(encoded.stored_len);
            let content_len = inputs.get(*i).map_or(0, |input| input.len);
            told.bytes = told.bytes.saturating_add(content_len);
            told.regions = told.regions.saturating_add(1);
        }
    }

    /// Writes the dictionary in front of all regions.
    fn take_dictionary(&mut self, dictionary: Option<&NewDictionary>) -> Result<(), Error> {
        let Some(dictionary) = dictionary else { return Ok(()) };
        let len = u64::try_from(dictionary.stored().len()).unwrap_or(u64::MAX);
        self.written.dictionary = Some((len, *dictionary.stored_hash()));
        self.written.stored_len = self.written.stored_len.saturating_add(len);
        if let Some(whole) = &mut self.whole {
            whole.update(&self.plan.dictionary);
        }
        self.output.append(&self.plan.dictionary)?;
        self.region_at = self.output.end();
        Ok(())
    }

    fn take(&mut self, piece: &Piece) -> Result<(), Error> {
        if let Some(whole) = &mut self.whole {
            whole.update(&piece.bytes);
        }
        match &piece.ends[..] {
            // This piece belongs to a long region that continues in the next piece.
            [] => self.output.append(&piece.bytes)?,
            [encoded] => {
                self.output.append(&piece.bytes)?;
                self.enter_range();
                let first_at = self.shared_at(encoded);
                if first_at.is_some() {
                    self.output.truncate(self.region_at)?;
                }
                self.end_region(*encoded, first_at, &piece.bytes);
            }
            ends => self.take_whole(&piece.bytes, ends)?,
        }
        match (self.progress)(self.told) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Stopped),
        }
    }

    /// Writes complete regions. In the compact layout, bytes that are already stored are not
    /// written again.
    fn take_whole(&mut self, mut bytes: &[u8], ends: &[Encoded]) -> Result<(), Error> {
        if self.shared.is_none() {
            self.output.append(bytes)?;
        }
        for encoded in ends {
            let len = usize::try_from(encoded.len()).unwrap_or(usize::MAX);
            let (stored, behind) = bytes.split_at(len.min(bytes.len()));
            bytes = behind;
            self.enter_range();
            let first_at = self.shared_at(encoded);
            if self.shared.is_some() && first_at.is_none() {
                self.output.append(stored)?;
            }
            self.end_region(*encoded, first_at, stored);
        }
        Ok(())
    }

    /// Records the base of an id range when its first region begins.
    fn enter_range(&mut self) {
        if self.plan.ranges.get(self.range).is_some_and(|range| range.first == self.count) {
            self.written.bases.push(self.region_at);
            self.range = self.range.saturating_add(1);
            if let Some(shared) = &mut self.shared {
                // The groups of the new range cannot reach stored bytes of earlier ranges.
                shared.clear();
            }
        }
    }

    /// Returns the position of equal stored bytes that were written before in this range.
    fn shared_at(&self, encoded: &Encoded) -> Option<u64> {
        self.shared.as_ref()?.get(encoded).copied()
    }

    /// Records the position of a region that is now complete. `bytes` end with its seals.
    fn end_region(&mut self, encoded: Encoded, first_at: Option<u64>, bytes: &[u8]) {
        let at = first_at.unwrap_or(self.region_at);
        if first_at.is_some() {
            let shared_len = self.written.shared_len.saturating_add(encoded.stored_len);
            self.written.shared_len = shared_len;
        } else {
            self.region_at = at.saturating_add(encoded.len());
            if let Some(shared) = &mut self.shared {
                shared.insert(encoded, at);
            }
        }
        let span = Span { start: at, end: at.saturating_add(encoded.stored_len) };
        let input = self.in_order.get(self.count).copied();
        let others = input.map_or(&[][..], |input| self.plan.shared.others(input.id));
        let first = self.plan.data_order.get(self.count);
        let mut seal_starts = seal_starts(bytes, encoded.seals_len, self.seal_len);
        for i in first.into_iter().chain(others) {
            if let Some(slot) = self.written.spans.get_mut(*i) {
                *slot = span;
            }
            let slot = self.written.seal_starts.get_mut(*i);
            if let Some((slot, seal_start)) = slot.zip(seal_starts.next()) {
                *slot = *seal_start;
            }
        }
        self.written.digests.push(encoded.digest);
        let others = to_u64(others.len());
        let shared_len = encoded.stored_len.saturating_mul(others);
        self.written.shared_len = self.written.shared_len.saturating_add(shared_len);
        let stored_len = encoded.stored_len.saturating_add(shared_len);
        self.written.stored_len = self.written.stored_len.saturating_add(stored_len);
        let regions = others.saturating_add(1);
        let content_len = input.map_or(0, |input| input.len).saturating_mul(regions);
        self.told.bytes = self.told.bytes.saturating_add(content_len);
        self.told.regions = self.told.regions.saturating_add(regions);
        self.count = self.count.saturating_add(1);
    }
}

/// Returns the first 16 bytes of each seal. The seals take the last `all_len` bytes, and each of
/// them has `each_len` bytes.
fn seal_starts(bytes: &[u8], all_len: u64, each_len: u64) -> impl Iterator<Item = &[u8; 16]> {
    let len = |len: u64| usize::try_from(len).unwrap_or(usize::MAX);
    let seals = bytes.get(bytes.len().saturating_sub(len(all_len))..).unwrap_or_default();
    seals.chunks(len(each_len).max(1)).filter_map(<[u8]>::first_chunk)
}
