//! `dacti dar inspect`: the parts of an archive and their places. Reads only the start and the end.

use super::plan::Place;
use super::source::Source;
use super::{Reading, Texts, failed, open_archive, plan};
use crate::outcome::{Failure, Outcome};
use crate::{Talk, output};
use dacti_dar::{Archive, IndexBucket, ReadError};
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;

/// Show the parts of an archive from its header and its trailer. Blocks are not read.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The archive; - is standard input.
    #[arg(value_name = "DAR")]
    archive: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reading: Reading,
}

#[derive(Debug, Serialize)]
struct Json {
    len: u64,
    marks: bool,
    header_elements: u64,
    car_roots: Option<Texts>,
    roots: u64,
    digest: String,
    parts: Vec<Part>,
    index: Option<Vec<Bucket>>,
    index_fault: Option<String>,
}

#[derive(Debug, Serialize)]
struct Part {
    kind: &'static str,
    place: Place,
}

#[derive(Debug, Serialize)]
struct Bucket {
    cid_version: u8,
    codec: u64,
    hash: u64,
    digest_len: u16,
    at: u64,
    blocks: u64,
}

impl From<&IndexBucket> for Bucket {
    fn from(bucket: &IndexBucket) -> Self {
        let prefix = bucket.prefix;
        Self {
            cid_version: prefix.version,
            codec: prefix.codec,
            hash: prefix.hash,
            digest_len: prefix.digest_len,
            at: bucket.at,
            blocks: bucket.count,
        }
    }
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        if self.reading.dry_run {
            return plan::roots(&self.archive, &self.reading, self.json, talk);
        }
        let archive = open_archive(&self.archive, &self.reading, talk)?;
        let seen = look(&archive).map_err(failed(&self.archive))?;
        let mut out = output::stdout();
        if self.json {
            output::json(&mut out, &seen)?;
        } else {
            print(&mut out, &seen)?;
        }
        out.flush()?;
        Ok(Outcome::with_loss(seen.index_fault.is_some()))
    }
}

fn look(archive: &Archive<Source>) -> Result<Json, ReadError> {
    let header = archive.header()?;
    let (marks, roots) = (archive.has_marks()?, archive.roots()?);
    let footer_at = archive.len().saturating_sub(80);
    let mut ends =
        vec![(0, "magic"), (4, "header"), (header.frames_at, "blocks, back-references and marks")];
    let (mut index, mut index_fault) = (None, None);
    if let Some(index_at) = archive.index_at() {
        ends.push((index_at, "index: its mark and length"));
        match archive.buckets() {
            Ok(buckets) => {
                let directory_at = buckets
                    .last()
                    .map(|bucket| bucket.at.saturating_add(bucket.count.saturating_mul(24)));
                ends.extend(buckets.first().map(|bucket| (bucket.at, "index: records")));
                ends.extend(directory_at.map(|at| (at, "index: directory")));
                index = Some(buckets.iter().map(Bucket::from).collect());
            }
            Err(error) => index_fault = Some(error.to_string()),
        }
    }
    ends.push((archive.trailer_at(), "trailer: roots"));
    ends.push((footer_at, "trailer: SHA3-512 of all CIDs"));
    ends.push((footer_at.saturating_add(64), "trailer: index offset, trailer offset"));
    let next = ends.iter().skip(1).map(|(at, _)| *at).chain([archive.len()]);
    let parts = ends
        .iter()
        .zip(next)
        .map(|(&(at, kind), end)| Part { kind, place: Place { at, len: end.saturating_sub(at) } })
        .collect();
    let hex = |byte: &u8| [byte >> 4, byte & 15].map(|half| char::from_digit(half.into(), 16));
    let digest = archive.digest().iter().flat_map(hex).flatten().collect();
    Ok(Json {
        len: archive.len(),
        marks,
        header_elements: header.elements,
        car_roots: header.car_roots.clone().map(Texts),
        roots: roots.len() as u64,
        digest,
        parts,
        index,
        index_fault,
    })
}

fn print(out: &mut impl Write, seen: &Json) -> std::io::Result<()> {
    for Part { kind, place: Place { at, len } } in &seen.parts {
        writeln!(out, "{at:#012x} {len:>12} {kind}")?;
    }
    writeln!(out, "{:#012x}              end", seen.len)?;
    if !seen.marks {
        writeln!(out, "without marks: written by the format's first implementation")?;
    }
    writeln!(out, "{} roots, {} header elements", seen.roots, seen.header_elements)?;
    for cid in seen.car_roots.iter().flat_map(|roots| roots.0.iter()) {
        writeln!(out, "CAR root {cid}")?;
    }
    for bucket in seen.index.iter().flatten() {
        let Bucket { cid_version, codec, hash, digest_len, blocks, .. } = bucket;
        writeln!(
            out,
            "index: {blocks} blocks, CIDv{cid_version}, codec {codec:#x}, hash {hash:#x}, digests \
             of {digest_len} bytes"
        )?;
    }
    if let Some(fault) = &seen.index_fault {
        writeln!(out, "index: {fault}")?;
    }
    writeln!(out, "digest {}", seen.digest)
}
