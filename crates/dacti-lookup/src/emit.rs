//! Writes a lookup region into a caller's buffer. Chooses the stride with which the region fits
//! into a given room.
//!
//! The caller says which groups form runs, and gives a function that returns the first id of each
//! group that gets a fence. Specification: `docs/spec/dacti-lookup.md`, "The writer's duties".

use crate::region::run_end;
use crate::{
    Error, FENCE_LEN, Fence, LOOKUP_HEADER_LEN, LookupHeader, Misuse, RUN_LEN, RUNS_MAX, Run,
    RunFault, RunRecord, STRIDE_MAX,
};
use daicon_core::{bytes_of, to_u64};
use uuid::Uuid;

/// A run to be written: consecutive groups whose entries ascend by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunSpec {
    /// Number of its first group in the index.
    pub first_group: u32,
    /// The number of the run's groups.
    pub groups: u32,
}

/// Returns the smallest stride with which the lookup region of `runs` fits into `room` bytes.
///
/// Returns `None` if the region is too long even with the largest stride that readers accept. The
/// package then has no lookup component.
#[must_use]
pub fn stride_for(runs: &[RunSpec], room: u64) -> Option<u32> {
    (1..=STRIDE_MAX).find(|stride| lookup_len(runs, *stride) <= room)
}

/// Returns the length of the lookup region of `runs` with this stride.
#[must_use]
pub fn lookup_len(runs: &[RunSpec], stride: u32) -> u64 {
    let fences = runs.iter().fold(0_u64, |sum, run| sum.saturating_add(fence_count(*run, stride)));
    let records = RUN_LEN.saturating_mul(to_u64(runs.len()));
    LOOKUP_HEADER_LEN.saturating_add(records).saturating_add(FENCE_LEN.saturating_mul(fences))
}

/// Writes a lookup region at the start of `out`, for the index at file position `index_at`. Returns
/// the number of bytes written.
///
/// `runs` are ordered newest first, are consecutive, and end with the last group of the index.
/// `first_id` takes the number of a group and returns the group's first id. This function calls it
/// once for each fence, in ascending order of groups.
///
/// # Errors
/// `Misuse` if `out` is too short, if readers would reject the runs or the stride, or if the first
/// ids of a run do not ascend.
pub fn emit_lookup(
    index_at: u64,
    runs: &[RunSpec],
    stride: u32,
    first_id: impl FnMut(u32) -> Uuid,
    out: &mut [u8],
) -> Result<usize, Error> {
    emit_lookup_with(index_at, runs, stride, first_id, &[], out)
}

/// A run of an older index that stays in the new index. Its fences are copied from the older lookup
/// region.
#[derive(Debug, Clone, Copy)]
pub struct KeptRun<'b> {
    /// The run in the older lookup region.
    pub run: Run<'b>,
    /// Selects the fences to keep: 1 keeps all fences of the run, 2 keeps the first of every two
    /// fences, and so on.
    pub every: u32,
}

impl<'b> KeptRun<'b> {
    /// Returns the number of groups from one kept fence to the next.
    #[must_use]
    pub const fn stride(&self) -> u32 {
        self.run.stride.saturating_mul(self.every)
    }

    fn fences(&self) -> impl ExactSizeIterator<Item = &'b Fence> {
        let every = usize::try_from(self.every.max(1)).unwrap_or(usize::MAX);
        self.run.fences.iter().step_by(every)
    }

    fn record(&self, first_group: u32) -> RunRecord {
        let fences = u32::try_from(self.fences().len()).unwrap_or(u32::MAX);
        RunRecord {
            first_group: first_group.into(),
            groups: self.run.groups.into(),
            stride: self.stride().into(),
            fences: fences.into(),
        }
    }
}

/// Returns the length of a lookup region that describes first the new `runs`, then the `kept` runs.
/// The new runs have the stride `stride`. Each kept run has its own stride.
#[must_use]
pub fn lookup_len_with(runs: &[RunSpec], stride: u32, kept: &[KeptRun<'_>]) -> u64 {
    kept.iter().fold(lookup_len(runs, stride), |sum, kept| {
        let fences = FENCE_LEN.saturating_mul(to_u64(kept.fences().len()));
        sum.saturating_add(RUN_LEN).saturating_add(fences)
    })
}

/// Does the same as [`emit_lookup`], for an index in which runs of an older index follow the new
/// `runs`. The older runs are `kept`: their groups get new numbers, and their fences are copied.
///
/// # Errors
/// The errors of [`emit_lookup`].
pub fn emit_lookup_with(
    index_at: u64,
    runs: &[RunSpec],
    stride: u32,
    mut first_id: impl FnMut(u32) -> Uuid,
    kept: &[KeptRun<'_>],
    out: &mut [u8],
) -> Result<usize, Error> {
    let mut next_group = check(index_at, runs, stride, kept)?;
    let (needed, len) = (lookup_len_with(runs, stride, kept), to_u64(out.len()));
    let out = usize::try_from(needed)
        .ok()
        .and_then(|needed| out.get_mut(..needed))
        .ok_or(Misuse::BufferTooShort { needed, len })?;
    let all = runs.len().saturating_add(kept.len());
    let count = u32::try_from(all).unwrap_or(u32::MAX);
    let header = LookupHeader { version: 0.into(), runs: count.into(), index_at: index_at.into() };
    let written = out.len();
    let (head, rest) = out.split_at_mut(size_of::<LookupHeader>());
    head.copy_from_slice(bytes_of(&header));
    let (records, fences) = rest.split_at_mut(size_of::<RunRecord>().saturating_mul(all));
    let mut records = records.chunks_exact_mut(size_of::<RunRecord>());
    let mut fences = fences.chunks_exact_mut(size_of::<Fence>());
    for (run, record) in runs.iter().zip(&mut records) {
        let fences_in_run = u32::try_from(fence_count(*run, stride)).unwrap_or(u32::MAX);
        record.copy_from_slice(bytes_of(&RunRecord {
            first_group: run.first_group.into(),
            groups: run.groups.into(),
            stride: stride.into(),
            fences: fences_in_run.into(),
        }));
        let mut before = None;
        for i in 0..fences_in_run {
            let group = run.first_group.saturating_add(i.saturating_mul(stride));
            let id = first_id(group);
            if before.is_some_and(|before| before >= id) {
                return Err(Misuse::Unsorted { group }.into());
            }
            before = Some(id);
            if let Some(slot) = fences.next() {
                slot.copy_from_slice(bytes_of(&Fence::of(id)));
            }
        }
    }
    for (kept, record) in kept.iter().zip(&mut records) {
        record.copy_from_slice(bytes_of(&kept.record(next_group)));
        next_group = next_group.saturating_add(kept.run.groups);
        for (fence, slot) in kept.fences().zip(&mut fences) {
            slot.copy_from_slice(bytes_of(fence));
        }
    }
    Ok(written)
}

/// Checks the runs. Returns the number of the first group after `runs`, which is the first kept
/// group.
fn check(
    index_at: u64,
    runs: &[RunSpec],
    stride: u32,
    kept: &[KeptRun<'_>],
) -> Result<u32, Misuse> {
    for stride in core::iter::once(stride).chain(kept.iter().map(KeptRun::stride)) {
        if stride == 0 || stride > STRIDE_MAX {
            return Err(Misuse::Stride(stride));
        }
    }
    let count = runs.len().saturating_add(kept.len());
    if count > RUNS_MAX {
        return Err(Misuse::TooManyRuns(to_u64(count)));
    }
    if count == 0 {
        return Err(Misuse::Runs(RunFault::Empty));
    }
    let mut next = None;
    for run in runs {
        let end = run_end(run.first_group, run.groups, stride, next, index_at);
        next = Some(end.map_err(Misuse::Runs)?);
    }
    let first_kept = next.unwrap_or_default();
    let mut next = first_kept;
    for kept in kept {
        let end = run_end(next, kept.run.groups, kept.stride(), Some(next), index_at);
        next = end.map_err(Misuse::Runs)?;
    }
    Ok(first_kept)
}

fn fence_count(run: RunSpec, stride: u32) -> u64 {
    u64::from(run.groups.div_ceil(stride.max(1)))
}

#[cfg(test)]
mod tests {
    use super::{RunSpec, emit_lookup, lookup_len, stride_for};
    use crate::{Error, Misuse, RunFault};
    use uuid::Uuid;

    const RUNS: [RunSpec; 2] =
        [RunSpec { first_group: 1, groups: 1 }, RunSpec { first_group: 2, groups: 3 }];

    fn id(group: u32) -> Uuid {
        Uuid::from_u128(0x0001_0203_0405_0607_0000_0000_0000_0000 + (u128::from(group) << 120))
    }

    #[test]
    fn two_runs_lie_as_the_tables_of_the_specification_say() {
        // spec: R-LKP-01, R-LKP-03, R-LKP-18
        let mut out = [0xaa; 73];
        assert_eq!(emit_lookup(0x0102_0304_0506, &RUNS, 2, id, &mut out), Ok(72));
        assert_eq!(out[..16], *b"\0\0\0\0\x02\0\0\0\x06\x05\x04\x03\x02\x01\0\0");
        assert_eq!(out[16..32], *b"\x01\0\0\0\x01\0\0\0\x02\0\0\0\x01\0\0\0");
        assert_eq!(out[32..48], *b"\x02\0\0\0\x03\0\0\0\x02\0\0\0\x02\0\0\0");
        assert_eq!(out[48..56], *b"\x01\x01\x02\x03\x04\x05\x06\x07");
        assert_eq!(out[56..64], *b"\x02\x01\x02\x03\x04\x05\x06\x07");
        assert_eq!(out[64..], *b"\x04\x01\x02\x03\x04\x05\x06\x07\xaa");
    }

    #[test]
    fn the_worked_example_of_the_specification_is_written() {
        // spec: R-LKP-01, R-LKP-03
        let runs = [RunSpec { first_group: 8, groups: 2 }, RunSpec { first_group: 10, groups: 5 }];
        let first = |group| {
            Uuid::from_u128(match group {
                8 => 0x3d97e44e_13d6_543b_ac7c_a138f7307a35,
                10 => 0x10000000_0000_4000_8000_000000000000,
                12 => 0x4a3b2c1d_0e0f_1011_8000_000000000001,
                _ => 0xc0ffee00_0000_4000_8000_000000000000,
            })
        };
        let mut out = [0; 80];
        assert_eq!(emit_lookup(16_440, &runs, 2, first, &mut out), Ok(80));
        let expected = [
            0x00, 0, 0, 0, 2, 0, 0, 0, 0x38, 0x40, 0, 0, 0, 0, 0, 0, // header
            0x08, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, // run 0
            0x0a, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, // run 1
            0x3d, 0x97, 0xe4, 0x4e, 0x13, 0xd6, 0x54, 0x3b, // group 8
            0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x40, 0x00, // group 10
            0x4a, 0x3b, 0x2c, 0x1d, 0x0e, 0x0f, 0x10, 0x11, // group 12
            0xc0, 0xff, 0xee, 0x00, 0x00, 0x00, 0x40, 0x00, // group 14
        ];
        assert_eq!(out, expected);
        let lookup = crate::Lookup::parse(&out, 1536).unwrap();
        let search = lookup.search(Uuid::from_u128(0x4a3b2c1d_0e0f_1011_8000_000000000000));
        let want = search.want().unwrap();
        assert_eq!((want.start, want.len()), (65_536, 12_272));
    }

    #[test]
    fn the_smallest_stride_that_fits_is_taken() {
        // spec: R-LKP-19
        // The length is 16 + 2 * 16 + 8 * fences. There are four fences with stride 1, three with
        // stride 2, and two with stride 3.
        for (room, stride) in
            [(80, Some(1)), (79, Some(2)), (72, Some(2)), (71, Some(3)), (64, Some(3)), (63, None)]
        {
            assert_eq!(stride_for(&RUNS, room), stride);
        }
        let run = |groups| [RunSpec { first_group: 8, groups }];
        // The cdn layout leaves 12,856 bytes for the lookup region, or 37,400 above 2,000,000
        // entries.
        let strides = [(393, 12_856, 1), (3922, 12_856, 3), (39_216, 37_400, 9)];
        for (groups, room, stride) in strides {
            assert_eq!(stride_for(&run(groups), room), Some(stride));
            assert!(lookup_len(&run(groups), stride) <= room);
        }
        assert_eq!(stride_for(&run(699_954), 37_400), Some(150));
    }

    #[test]
    fn runs_and_strides_that_readers_reject_are_refused() {
        // spec: R-LKP-18
        let mut out = [0; 72];
        let mut emit = |runs: &[RunSpec], stride| emit_lookup(0, runs, stride, id, &mut out);
        for stride in [0, 257] {
            assert_eq!(emit(&RUNS, stride), Err(Misuse::Stride(stride).into()));
        }
        let [a, b] = RUNS;
        let fault = |fault| Err(Error::from(Misuse::Runs(fault)));
        assert_eq!(emit(&[b, a], 2), fault(RunFault::FirstGroup));
        assert_eq!(emit(&[], 2), fault(RunFault::Empty));
        assert_eq!(emit(&[RunSpec { groups: 0, ..a }], 2), fault(RunFault::Empty));
        let run = RunSpec { groups: 699_963, ..a };
        assert_eq!(emit(&[run], 200), fault(RunFault::Groups));
        assert_eq!(emit(&[a; 65], 2), Err(Misuse::TooManyRuns(65).into()));
        let down = |group| Uuid::from_u128(9 - u128::from(group));
        let unsorted = Err(Misuse::Unsorted { group: 4 }.into());
        assert_eq!(emit_lookup(0, &RUNS, 2, down, &mut out), unsorted);
        let short = Misuse::BufferTooShort { needed: 72, len: 71 };
        assert_eq!(emit_lookup(0, &RUNS, 2, id, &mut out[1..]), Err(short.into()));
    }
}
