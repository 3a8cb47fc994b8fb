//! `dacti du`: shows the use of the bytes of a package, and whether compaction pays.

use crate::dry_run::{self, DryRun};
use crate::outcome::{Failure, Outcome};
use crate::output::{self, bytes, counted};
use crate::progress::Bar;
use crate::remote::Remote;
use crate::{Talk, interrupt};
use dacti::Limits;
use dacti::report::Usage;
use serde::Serialize;
use std::io::{self, Write};
use std::path::PathBuf;

/// Show how the bytes of a package are used: live, dead, padding, duplicate; the room for updates;
/// and whether compaction pays.
///
/// Compaction pays if it saves a quarter of the file and at least one slice. It also pays if the
/// package was folded and its index is longer than a slice, because every update writes the index
/// again.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The package.
    #[arg(value_name = "PKG")]
    package: PathBuf,
    #[command(flatten)]
    dry_run: DryRun,
    /// Do not look for equal contents. The search reads regions that have equal lengths.
    #[arg(long)]
    no_duplicates: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// `du --json`. The first nine numbers of `bytes` add up to `total`.
#[derive(Debug, Serialize)]
struct Json {
    bytes: Parts,
    regions: u64,
    shared: u64,
    outside: u64,
    names_segments: u64,
    reserve_left: Reserve,
    duplicates: Option<Equal>,
    compaction: Outlook,
}

#[derive(Debug, Serialize)]
struct Parts {
    live: u64,
    seals: u64,
    dictionary: u64,
    names: u64,
    index: u64,
    head: u64,
    reserve: u64,
    second_starts: u64,
    padding: u64,
    dead: u64,
    total: u64,
    dead_replaced: u64,
    dead_not_looked_at: u64,
}

#[derive(Debug, Serialize)]
struct Reserve {
    entries: u64,
    delta_groups: u64,
    t1_slots: u64,
    t2_slots: u64,
    t2_place: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Equal {
    regions: u64,
    len: u64,
    candidates: u64,
    read: u64,
}

#[derive(Debug, Serialize)]
struct Outlook {
    len: u64,
    saved: u64,
    pays: bool,
    saves_enough: bool,
    updates_are_dear: bool,
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        let failed = |error| Failure::with(&self.package, &error);
        let (package, costs) =
            self.remote.open(&self.package, Limits::default(), self.dry_run.dry_run, talk)?;
        if self.dry_run.dry_run {
            let then = "unclaimed bytes and, without --no-duplicates, regions that have the same \
                        length as another region";
            let costs = (&costs, &self.remote);
            dry_run::print_list(&self.package, &package, then, costs, self.json)?;
            return Ok(Outcome::Done);
        }
        let usage = {
            let mut bar = Bar::bytes("comparing", 0, talk);
            interrupt::listen();
            let progress = &mut |at: dacti::report::VerifyProgress| {
                bar.set(at.bytes, at.bytes_total);
                interrupt::go_on()
            };
            package.usage(!self.no_duplicates, progress).map_err(failed)?
        };
        let mut out = output::stdout();
        if self.json {
            output::json(&mut out, &Json::from(&usage))?;
        } else {
            print_parts(&mut out, &usage)?;
            print_rest(&mut out, &usage, package.view().layout().is_some())?;
        }
        out.flush()?;
        costs.tell(&self.remote);
        Ok(Outcome::Done)
    }
}

fn print_parts(out: &mut impl Write, usage: &Usage) -> io::Result<()> {
    let total = usage.total();
    let mut part = |name: &str, len: u64, note: &str| {
        let tenths = u128::from(len).saturating_mul(1000);
        let tenths = tenths.checked_div(u128::from(total)).unwrap_or_default();
        let (percent, tenth) = (tenths / 10, tenths % 10);
        let line = format!("{name:<8} {len:>15} {percent:>3}.{tenth} %  {note}");
        writeln!(out, "{}", line.trim_end())
    };
    let shared = match usage.shared {
        0 => String::new(),
        shared => format!(", {shared} of them with the same stored bytes as another"),
    };
    let segments = match usage.segments {
        0 | 1 => String::new(),
        segments => format!("in {segments} segments"),
    };
    let dead = match (usage.dead, usage.replaced, usage.not_looked_at) {
        (0, ..) => String::new(),
        (_, replaced, 0) => format!("{replaced} of these bytes are in replaced regions"),
        (_, replaced, not) => {
            format!("{replaced} of these bytes are in replaced regions, {not} were not checked")
        }
    };
    part("live", usage.live, &format!("{} regions{shared}", usage.regions))?;
    part("seals", usage.seals, "")?;
    if usage.dictionary > 0 {
        part("dict", usage.dictionary, "the dictionary")?;
    }
    part("names", usage.names, &segments)?;
    part("index", usage.index, "groups in use, fences")?;
    part("head", usage.head, "preamble, tables, components")?;
    part("reserve", usage.reserve, "free slots and entries")?;
    if usage.second_starts > 0 {
        part("again", usage.second_starts, "parts at a second start, stored once")?;
    }
    part("padding", usage.padding, "zeros")?;
    part("dead", usage.dead, &dead)?;
    part("total", total, "")
}

fn print_rest(out: &mut impl Write, usage: &Usage, has_layout: bool) -> io::Result<()> {
    writeln!(out)?;
    if usage.outside > 0 {
        writeln!(out, "lost        {} regions lie outside the file", usage.outside)?;
    }
    if let Some(equal) = &usage.duplicates {
        let dacti::report::Duplicates { regions, len, candidates, read } = *equal;
        writeln!(
            out,
            "duplicate   {len} of the live bytes, in {}; to find them, {read} bytes \
             of {candidates} regions of equal length were read",
            counted(regions, "region", "regions"),
        )?;
    }
    let left = &usage.reserve_left;
    if has_layout {
        let place = left.t2_place.map_or("none".into(), |at| format!("at {at:#x}"));
        writeln!(
            out,
            "left        {} entries in the delta groups ({} groups are empty), {} slots of T1, {} \
             of T2; a place for T2: {place}",
            left.entries, left.delta_groups, left.t1_slots, left.t2_slots,
        )?;
    } else {
        writeln!(out, "left        nothing: this layout has no room for updates")?;
    }
    let compaction = &usage.compaction;
    let verdict = match (compaction.saves_enough, compaction.updates_are_dear) {
        (true, _) => "pays: it saves at least a quarter of the file and at least one slice",
        (false, true) => "pays: each update rewrites an index that is longer than a slice",
        (false, false) => {
            "does not pay: it saves less than a quarter of the file, or less than a slice"
        }
    };
    let (len, saved) = (bytes(compaction.len), bytes(compaction.saved));
    writeln!(out, "compaction  {verdict}; the new file would have about {len}, {saved} less")
}

impl From<&Usage> for Json {
    fn from(usage: &Usage) -> Self {
        let total = usage.total();
        let Usage { live, seals, dictionary, names, index, head, reserve, padding, dead, .. } =
            *usage;
        let (dead_replaced, dead_not_looked_at) = (usage.replaced, usage.not_looked_at);
        let dacti::report::ReserveLeft { entries, delta_groups, t1_slots, t2_slots, t2_place } =
            usage.reserve_left;
        let compaction = &usage.compaction;
        let dacti::report::Compaction { len, saved, saves_enough, updates_are_dear } = *compaction;
        Self {
            bytes: Parts {
                live,
                seals,
                dictionary,
                names,
                index,
                head,
                reserve,
                second_starts: usage.second_starts,
                padding,
                dead,
                total,
                dead_replaced,
                dead_not_looked_at,
            },
            regions: usage.regions,
            shared: usage.shared,
            outside: usage.outside,
            names_segments: usage.segments,
            reserve_left: Reserve { entries, delta_groups, t1_slots, t2_slots, t2_place },
            duplicates: usage.duplicates.map(|equal| {
                let dacti::report::Duplicates { regions, len, candidates, read } = equal;
                Equal { regions, len, candidates, read }
            }),
            compaction: Outlook {
                len,
                saved,
                pays: compaction.pays(),
                saves_enough,
                updates_are_dear,
            },
        }
    }
}
