//! Shows a planned update, as text and as JSON.

use crate::json::Place;
use crate::output::{self, bytes, printable};
use crate::place;
use dacti::Span;
use dacti::update::{
    Action, Append, Barrier, DerivedRegion, Field, PieceContent, Plan, Probe, Step, Strategy,
};
use dacti::update::{Change, ChangeKind, PlannedUpdate};
use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;
use uuid::Uuid;

/// The object that `put`, `rm` and `sync` print with `--json`.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    package: String,
    /// Whether the update was carried out.
    applied: bool,
    added: usize,
    replaced: usize,
    removed: usize,
    unchanged: usize,
    /// The number of bytes of the head that are uploaded in addition to the block; 0 if no head is
    /// uploaded.
    head_uploaded: u64,
    changes: Vec<ChangeLine>,
    plans: Vec<PlanLine>,
}

#[derive(Debug, Serialize)]
struct ChangeLine {
    kind: &'static str,
    path: Option<String>,
    id: Uuid,
    len: u64,
}

/// A short form of a plan; `dacti put --plan` writes the whole plan.
#[derive(Debug, Serialize)]
pub(crate) struct PlanLine {
    strategy: String,
    rejected: Vec<RejectedLine>,
    len_before: u64,
    len_after: u64,
    slices_dirtied: u64,
    slices_fresh: u64,
    bytes_written: u64,
    bytes_padding: u64,
    bytes_dying: u64,
    steps: Vec<StepLine>,
}

#[derive(Debug, Serialize)]
struct RejectedLine {
    strategy: String,
    reason: String,
}

#[derive(Debug, Serialize)]
struct StepLine {
    step: usize,
    kind: &'static str,
    place: Option<Place>,
}

impl Summary {
    pub(crate) fn new(package: &Path, planned: &PlannedUpdate) -> Self {
        let changes = planned.changes();
        let count = |kind| changes.iter().filter(|change| change.kind == kind).count();
        let uploads = !planned.is_empty() && place::is_published(package);
        Self {
            package: output::place(package),
            applied: false,
            added: count(ChangeKind::Added),
            replaced: count(ChangeKind::Replaced),
            removed: count(ChangeKind::Removed),
            unchanged: count(ChangeKind::Unchanged),
            head_uploaded: if uploads { dacti::HEAD_LEN } else { 0 },
            changes: changes.iter().map(ChangeLine::from).collect(),
            plans: planned.plans().iter().map(PlanLine::from).collect(),
        }
    }

    /// Returns the summary of an update that was carried out.
    pub(crate) fn applied(self) -> Self {
        Self { applied: true, ..self }
    }

    /// Returns one line about the update.
    pub(crate) fn text(&self) -> String {
        let package = printable(&self.package);
        if self.plans.is_empty() {
            let unchanged = match self.unchanged {
                0 => String::new(),
                1 => ": the region has this content already (--force puts it again)".into(),
                n => {
                    format!(": all {n} regions have this content already (--force puts them again)")
                }
            };
            return format!("{package}: nothing to change{unchanged}");
        }
        let written = self.plans.iter().map(|plan| plan.bytes_written).sum();
        let strategies: Vec<_> = self.plans.iter().map(|plan| &*plan.strategy).collect();
        let (counts, strategy) = (self.counts(), strategies.join(", then "));
        let written = bytes(written);
        match self.head_uploaded {
            0 => format!("{package}: {counts}, {written} written ({strategy})"),
            head => {
                let head = bytes(head);
                format!(
                    "{package}: {counts}, {written} and the head's {head} uploaded ({strategy})"
                )
            }
        }
    }

    fn counts(&self) -> String {
        let counts = [
            (self.added, "added"),
            (self.replaced, "replaced"),
            (self.removed, "removed"),
            (self.unchanged, "unchanged"),
        ];
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        let counts: Vec<_> = counts.map(|(count, what)| format!("{count} {what}")).collect();
        counts.join(", ")
    }
}

/// At most this many changes are listed one by one.
const CHANGES_SHOWN: usize = 20;

/// Prints the whole update, for `--dry-run`.
pub(crate) fn update(
    out: &mut impl Write,
    summary: &Summary,
    planned: &PlannedUpdate,
) -> io::Result<()> {
    if planned.is_empty() {
        return writeln!(out, "{}", summary.text());
    }
    writeln!(out, "{}: {}", printable(&summary.package), summary.counts())?;
    let changed = planned.changes().iter().filter(|change| change.kind != ChangeKind::Unchanged);
    let mut left = changed.clone().count();
    for change in changed.take(CHANGES_SHOWN) {
        let Change { name, len, .. } = change;
        writeln!(out, "  {:8} {} ({})", verb(change.kind), printable(name), bytes(*len))?;
        left = left.saturating_sub(1);
    }
    if left > 0 {
        writeln!(out, "  and {left} more")?;
    }
    plans(out, planned.plans())
}

/// Prints plans, each after an empty line. Steps are numbered across all plans.
pub(crate) fn plans(out: &mut impl Write, plans: &[Plan]) -> io::Result<()> {
    let mut steps = 0_usize;
    for (plan, number) in plans.iter().zip(1..) {
        if plans.len() > 1 {
            let what = match &*plan.edits {
                [only] if only.region_id() == Some(dacti_names::NAMES_ID) => {
                    "the names of new regions"
                }
                _ => "the regions",
            };
            let first = if number == 1 { "first " } else { "" };
            writeln!(out, "\nplan {number}: {first}{what}")?;
        }
        self::plan(out, plan, steps)?;
        steps = steps.saturating_add(plan.steps.len());
    }
    Ok(())
}

/// Prints one plan: strategy, cost and steps.
fn plan(out: &mut impl Write, plan: &Plan, before: usize) -> io::Result<()> {
    writeln!(out, "\nstrategy: {}: {}", plan.strategy, meaning(plan.strategy))?;
    for rejected in &plan.rejected {
        writeln!(out, "  not {}: {}", rejected.strategy, rejected.reason)?;
    }
    let cost = &plan.cost;
    let slice = bytes(plan.slice_len);
    writeln!(out, "\ncost, with slices of {slice}:")?;
    writeln!(out, "  slices dirtied {:>12}   that caches must fetch again", cost.slices_dirtied)?;
    writeln!(out, "  slices fresh   {:>12}   that no cache can hold yet", cost.slices_fresh)?;
    writeln!(out, "  bytes written  {:>12}", cost.bytes_written)?;
    writeln!(
        out,
        "  bytes padding  {:>12}   zeros, which take no space in a sparse file",
        cost.bytes_padding
    )?;
    let unused = cost.bytes_dying;
    writeln!(out, "  bytes unused   {unused:>12}   that only older views use after the update")?;
    writeln!(out, "  file length    {:>12}   now {}", plan.after().len, plan.before.len)?;
    writeln!(out, "\nsteps:")?;
    for (step, i) in plan.steps.iter().zip(1_usize..) {
        writeln!(out, "  {:>2}. {}", before.saturating_add(i), sentence(step))?;
    }
    Ok(())
}

/// Returns a step in words.
fn sentence(step: &Step) -> String {
    match &step.action {
        Action::Append(append) => {
            let Span { start, end } = append.span();
            format!("append   {start:#x} to {end:#x}: {}", parts(append))
        }
        Action::Reserve(reserve) => {
            let what = "of the head that no reader uses yet";
            format!("reserve  {} bytes at {:#x} {what}", reserve.after.len(), reserve.at)
        }
        Action::Barrier(barrier) => format!("barrier  every cache has {}", proven(barrier)),
        Action::Switch(switch) => {
            let (before, after) = (number(&switch.before), number(&switch.after));
            let field = match switch.field {
                Field::DeltaLength { group } => format!("the length of delta group {group}"),
                Field::Extension => "the first table's extension offset".into(),
                Field::Count => "the first table's count".into(),
            };
            format!(
                "switch   {field} at {:#x} from {before} to {after}: all is published",
                switch.at
            )
        }
    }
}

/// Returns the condition of a barrier in words.
fn proven(barrier: &Barrier) -> String {
    let is_head = |probe: &&Probe| probe.span == Span { start: 0, end: dacti::HEAD_LEN };
    let heads = barrier.probes.iter().filter(is_head).count();
    let ranges = match barrier.probes.len().saturating_sub(heads) {
        0 if heads > 0 => return "the current head".into(),
        1 => "the current bytes of 1 range".into(),
        n => format!("the current bytes of {n} ranges"),
    };
    if heads > 0 { format!("the current head, and {ranges}") } else { ranges }
}

/// Returns the parts of an appended block in words.
fn parts(append: &Append) -> String {
    let mut regions = 0_usize;
    let mut has = (false, false, false, false);
    for piece in &append.pieces {
        match &piece.content {
            PieceContent::Edit { .. } => regions = regions.saturating_add(1),
            PieceContent::Derived { region: DerivedRegion::Fences, .. } => has.0 = true,
            PieceContent::Derived { region: DerivedRegion::Index, .. } => has.1 = true,
            PieceContent::Inline(bytes) if bytes.iter().all(|byte| *byte == 0) => has.3 = true,
            PieceContent::Inline(_) => has.2 = true,
            PieceContent::Zeros => {}
        }
    }
    let mut parts = Vec::new();
    match regions {
        0 => {}
        1 => parts.push("one region".into()),
        n => parts.push(format!("{n} regions")),
    }
    for (is_there, what) in [
        (has.0, "fences"),
        (has.1, "a new index"),
        (has.2, "an extension table"),
        (has.3, "room for seals"),
    ] {
        if is_there {
            parts.push(what.into());
        }
    }
    parts.join(", ")
}

/// Returns a little-endian number.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

fn meaning(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Delta => "entries of a delta group, published by its length byte",
        Strategy::FirstTable => "slots of the first table, published by the table's count",
        Strategy::SecondTable => "a new second table, with the same index",
        Strategy::Changes => "a run of all changes, in front of the base groups",
        Strategy::Fold => "a new index of all regions after the old end",
    }
}

const fn verb(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Added => "add",
        ChangeKind::Replaced => "replace",
        ChangeKind::Removed => "remove",
        ChangeKind::Unchanged => "keep",
    }
}

impl From<&Change> for ChangeLine {
    fn from(change: &Change) -> Self {
        let kind = match change.kind {
            ChangeKind::Added => "added",
            ChangeKind::Replaced => "replaced",
            ChangeKind::Removed => "removed",
            ChangeKind::Unchanged => "unchanged",
        };
        let has_path = change.name != change.id.to_string();
        let path = has_path.then(|| change.name.clone());
        Self { kind, path, id: change.id, len: change.len }
    }
}

impl From<&Plan> for PlanLine {
    fn from(plan: &Plan) -> Self {
        let rejected = plan.rejected.iter().map(|rejected| RejectedLine {
            strategy: rejected.strategy.to_string(),
            reason: rejected.reason.to_string(),
        });
        let steps = plan.steps.iter().zip(1..).map(|(step, number)| StepLine::new(number, step));
        Self {
            strategy: plan.strategy.to_string(),
            rejected: rejected.collect(),
            len_before: plan.before.len,
            len_after: plan.after().len,
            slices_dirtied: plan.cost.slices_dirtied,
            slices_fresh: plan.cost.slices_fresh,
            bytes_written: plan.cost.bytes_written,
            bytes_padding: plan.cost.bytes_padding,
            bytes_dying: plan.cost.bytes_dying,
            steps: steps.collect(),
        }
    }
}

impl StepLine {
    fn new(step: usize, of: &Step) -> Self {
        let at = |at: u64, bytes: &[u8]| {
            let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            Some(Span { start: at, end: at.saturating_add(len) })
        };
        let (kind, span) = match &of.action {
            Action::Append(append) => ("append", Some(append.span())),
            Action::Reserve(reserve) => ("reserve", at(reserve.at, &reserve.after)),
            Action::Barrier(_) => ("barrier", None),
            Action::Switch(switch) => ("switch", at(switch.at, &switch.after)),
        };
        Self { step, kind, place: span.map(Place::from) }
    }
}
