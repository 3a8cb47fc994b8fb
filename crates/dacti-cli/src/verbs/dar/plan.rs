//! `--dry-run` of the verbs that read archives and CARs: instead of doing the work, prints the
//! bytes that a run would read.

use super::source::Source;
use super::{Reading, failed, open, open_archive, shown};
use crate::Talk;
use crate::outcome::{Failure, Outcome};
use crate::output::{self, bytes, counted};
use dacti_dar::{Archive, ByteRange, Cid, Error, Misuse, ReadAt, ReadError};
use serde::Serialize;
use std::io::Write;
use std::path::Path;

/// How many bytes at the end are read to open an archive.
const TAIL_LEN: u64 = 64 << 10;

/// The ranges that a run would read after the archive is opened.
#[derive(Debug, Default)]
pub(super) struct Plan {
    ranges: Vec<ByteRange>,
    /// The reads that follow, in words. Their places are known only once `ranges` are read.
    then: Option<&'static str>,
}

/// The output with `--json`.
#[derive(Debug, Serialize)]
struct Json<'p> {
    archive: &'p str,
    spent: Spent,
    bytes: u64,
    ranges: Vec<Place>,
    then: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Spent {
    requests: u64,
    bytes: u64,
}

/// A range of the archive.
#[derive(Debug, Serialize)]
pub(super) struct Place {
    pub(super) at: u64,
    pub(super) len: u64,
}

/// Plans a run that reads the whole file: an archive or a CAR.
pub(super) fn whole(
    path: &Path,
    reading: &Reading,
    json: bool,
    talk: Talk,
) -> Result<Outcome, Failure> {
    let source = open(path, reading, talk)?;
    let len = source.len().map_err(|error| failed(path)(error.into()))?;
    let plan = Plan { ranges: vec![ByteRange { start: 0, len }], then: None };
    plan.print(path, &source, json)
}

/// Plans a run that reads the list of roots.
pub(super) fn roots(
    path: &Path,
    reading: &Reading,
    json: bool,
    talk: Talk,
) -> Result<Outcome, Failure> {
    let archive = open_archive(path, reading, talk)?;
    // Opening the archive has read the last 64 KiB. A trailer that starts earlier is read whole.
    let (start, end) = (archive.trailer_at(), archive.len().saturating_sub(TAIL_LEN));
    let ranges = if start < end {
        vec![ByteRange { start, len: archive.len().saturating_sub(start) }]
    } else {
        Vec::new()
    };
    Plan { ranges, then: None }.print(path, archive.source(), json)
}

/// Plans a run that reads one block.
pub(super) fn block(
    path: &Path,
    reading: &Reading,
    cid: &Cid,
    json: bool,
    talk: Talk,
) -> Result<Outcome, Failure> {
    let archive = open_archive(path, reading, talk)?;
    let plan = of_block(&archive, cid, |place| place.end().saturating_sub(place.offset));
    plan.map_err(failed(path))?.print(path, archive.source(), json)
}

/// Plans a run that reads the DAG under a block of an open archive.
pub(super) fn dag(
    path: &Path,
    archive: &Archive<Source>,
    cid: &Cid,
    json: bool,
) -> Result<Outcome, Failure> {
    let mut plan = of_block(archive, cid, |place| place.subtree_len).map_err(failed(path))?;
    plan.then = Some("the blocks before this range that its back-references name, if any");
    plan.print(path, archive.source(), json)
}

/// Plans to read a block at the place that the index states. If the archive has no index, plans to
/// read the whole archive.
fn of_block(
    archive: &Archive<Source>,
    cid: &Cid,
    len: impl Fn(&dacti_dar::BlockPlace) -> u64,
) -> Result<Plan, ReadError> {
    if cid.is_identity() {
        return Ok(Plan::default());
    }
    let ranges = match archive.locate(cid) {
        Ok(Some(place)) => vec![ByteRange { start: place.offset, len: len(&place) }],
        Ok(None) => return Err(Error::Misuse(Misuse::NoSuchBlock).into()),
        Err(ReadError::Format(Error::Misuse(Misuse::NoIndex))) => {
            vec![ByteRange { start: 0, len: archive.len() }]
        }
        Err(error) => return Err(error),
    };
    Ok(Plan { ranges, then: None })
}

impl Plan {
    fn print(&self, path: &Path, source: &Source, json: bool) -> Result<Outcome, Failure> {
        let (requests, spent) = source.spent();
        let len = self.ranges.iter().fold(0_u64, |sum, range| sum.saturating_add(range.len));
        let mut out = output::stdout();
        if json {
            let ranges = self.ranges.iter();
            let json = Json {
                archive: &path.to_string_lossy(),
                spent: Spent { requests, bytes: spent },
                bytes: len,
                ranges: ranges.map(|range| Place { at: range.start, len: range.len }).collect(),
                then: self.then,
            };
            output::json(&mut out, &json)?;
            out.flush()?;
            return Ok(Outcome::Done);
        }
        let requests = counted(requests, "request", "requests");
        writeln!(out, "archive     {}", shown(path))?;
        writeln!(out, "spent       {requests}, {spent} bytes ({}), to plan this", bytes(spent))?;
        let ranges = counted(u64::try_from(self.ranges.len()).unwrap_or(0), "range", "ranges");
        writeln!(out, "to fetch    {ranges}, {len} bytes ({})", bytes(len))?;
        if let Some(then) = self.then {
            writeln!(out, "and then    {then}")?;
        }
        out.flush()?;
        Ok(Outcome::Done)
    }
}
