//! `dacti diff`: shows how two packages differ.

use crate::dry_run::{self, DryRun};
use crate::outcome::{Failure, Outcome};
use crate::output::{self, bytes, printable};
use crate::progress::Bar;
use crate::remote::Remote;
use crate::total::MaxTotal;
use crate::{Talk, interrupt};
use dacti::Limits;
use dacti::report::{Difference, Differing, Evidence, Relation, Renamed, Side};
use serde::Serialize;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Show how two packages differ: regions added (+), changed (~), removed (-) and renamed (>), and
/// how many bytes turn OLD into NEW.
///
/// Stored bytes are compared by their places if NEW is a later state of OLD, otherwise by the
/// digests in the seals, and without seals byte by byte. If a removed region and an added region
/// have the same stored bytes, the region counts as renamed. If a package is fetched, renames are
/// not searched for.
///
/// The exit code is 0 whether the packages differ or not, unless --exit-code is given.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The package to compare with.
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The package to compare.
    #[arg(value_name = "NEW")]
    new: PathBuf,
    #[command(flatten)]
    dry_run: DryRun,
    #[command(flatten)]
    max_total: MaxTotal,
    /// Exit with 1 if regions or their paths differ, and with 0 otherwise. A failure also exits
    /// with 1, and prints a message.
    #[arg(long)]
    exit_code: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Serialize)]
struct Json<'d> {
    relation: &'static str,
    added: Vec<Line<'d>>,
    changed: Vec<Line<'d>>,
    removed: Vec<Line<'d>>,
    renamed: Vec<Name<'d>>,
    unchanged: u64,
    fetch: Fetch,
    evidence: How,
}

#[derive(Debug, Serialize)]
struct Line<'d> {
    path: Option<&'d str>,
    id: Uuid,
    old_len: Option<u64>,
    new_len: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Name<'d> {
    id: Uuid,
    old_id: Uuid,
    old: Option<&'d str>,
    new: Option<&'d str>,
}

#[derive(Debug, Serialize)]
struct Fetch {
    total: u64,
    head: u64,
    appended: u64,
    slices: u64,
    index: u64,
    regions: u64,
}

#[derive(Debug, Serialize)]
struct How {
    by_place: u64,
    by_entry: u64,
    by_digest: u64,
    by_content: u64,
    read: u64,
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        let limits = self.max_total.applied(Limits::default());
        let open = |path: &Path| self.remote.open(path, limits, self.dry_run.dry_run, talk);
        let (old, old_costs) = open(&self.old)?;
        let (new, new_costs) = open(&self.new)?;
        if self.dry_run.dry_run {
            let then = "the digests of regions that both have, 32 bytes each";
            for (path, package, costs) in
                [(&self.old, &old, &old_costs), (&self.new, &new, &new_costs)]
            {
                dry_run::print_list(path, package, then, (costs, &self.remote), self.json)?;
            }
            return Ok(Outcome::Done);
        }
        let found = {
            let mut bar = Bar::bytes("comparing", 0, talk);
            interrupt::listen();
            let progress = &mut |at: dacti::report::VerifyProgress| {
                bar.set(at.bytes, at.bytes_total);
                interrupt::go_on()
            };
            Difference::between(&old, &new, progress).map_err(|fault| {
                let path = if fault.side == Side::Old { &self.old } else { &self.new };
                match fault.region {
                    None => Failure::with(path, &fault.error),
                    Some(_) => Failure::Failed(format!("{}: {fault}", output::shown(path))),
                }
            })?
        };
        let mut out = output::stdout();
        if self.json {
            output::json(&mut out, &Json::from(&found))?;
        } else {
            print_regions(&mut out, &found)?;
            if talk >= Talk::Normal {
                print_summary(&mut out, &found)?;
            }
        }
        out.flush()?;
        old_costs.tell(&self.remote);
        new_costs.tell(&self.remote);
        let differs = self.exit_code && !found.is_empty();
        Ok(if differs { Outcome::Differs } else { Outcome::Done })
    }
}

fn print_regions(out: &mut impl Write, found: &Difference) -> io::Result<()> {
    let lists = [('+', &found.added), ('~', &found.changed), ('-', &found.removed)];
    for (sign, list) in lists {
        for differing in list {
            let name = differing.path.clone().unwrap_or_else(|| differing.id.to_string());
            let lens = match (differing.old_len, differing.new_len) {
                (Some(old), Some(new)) if old != new => format!("{old} to {new} bytes"),
                (old, new) => format!("{} bytes", new.or(old).unwrap_or_default()),
            };
            writeln!(out, "{sign} {}  {lens}", printable(&name))?;
        }
    }
    for Renamed { id, old_id, old, new } in &found.renamed {
        let shown = |path: &Option<String>, id: &Uuid| {
            path.as_deref().map_or_else(|| id.to_string(), |path| printable(path).into_owned())
        };
        writeln!(out, "> {} to {}", shown(old, old_id), shown(new, id))?;
    }
    Ok(())
}

fn print_summary(out: &mut impl Write, found: &Difference) -> io::Result<()> {
    if !found.is_empty() {
        writeln!(out)?;
    }
    let Difference { relation, added, changed, removed, renamed, unchanged, evidence, fetch } =
        found;
    writeln!(out, "new is      {relation}")?;
    writeln!(
        out,
        "regions     {} added, {} changed, {} removed, {unchanged} unchanged, {} renamed",
        added.len(),
        changed.len(),
        removed.len(),
        renamed.len(),
    )?;
    let total = fetch.total();
    let parts = match relation {
        Relation::Grown => {
            format!("head {}, appended {} in {} slices", fetch.head, fetch.appended, fetch.slices)
        }
        _ => format!(
            "head {}, index and names {}, regions {}",
            fetch.head, fetch.index, fetch.regions
        ),
    };
    let parts = if total == 0 { String::new() } else { format!(": {parts}") };
    writeln!(out, "to fetch    {total} bytes ({}){parts}", bytes(total))?;
    let Evidence { by_place, by_entry, by_digest, by_content, read } = *evidence;
    writeln!(
        out,
        "compared    {by_place} by place, {by_entry} by length and encoding, {by_digest} by \
         digest, {by_content} by content: {read} bytes read"
    )
}

impl<'d> From<&'d Difference> for Json<'d> {
    fn from(found: &'d Difference) -> Self {
        let lines = |list: &'d [Differing]| {
            let line = |differing: &'d Differing| {
                let Differing { id, path, old_len, new_len } = differing;
                Line { path: path.as_deref(), id: *id, old_len: *old_len, new_len: *new_len }
            };
            list.iter().map(line).collect()
        };
        let renamed = found.renamed.iter().map(|renamed| Name {
            id: renamed.id,
            old_id: renamed.old_id,
            old: renamed.old.as_deref(),
            new: renamed.new.as_deref(),
        });
        let dacti::report::Fetch { head, appended, slices, index, regions } = found.fetch;
        let total = found.fetch.total();
        let Evidence { by_place, by_entry, by_digest, by_content, read } = found.evidence;
        Self {
            relation: match found.relation {
                Relation::Same => "same",
                Relation::Grown => "grown",
                Relation::Earlier => "earlier",
                Relation::SameContent => "same content",
                _ => "other",
            },
            added: lines(&found.added),
            changed: lines(&found.changed),
            removed: lines(&found.removed),
            renamed: renamed.collect(),
            unchanged: found.unchanged,
            fetch: Fetch { total, head, appended, slices, index, regions },
            evidence: How { by_place, by_entry, by_digest, by_content, read },
        }
    }
}
