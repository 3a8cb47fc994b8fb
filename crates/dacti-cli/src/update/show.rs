//! A planned update as people and programs want to read it.

use crate::output::{bytes, printable};
use dacti::Span;
use dacti::update::{
    Action, Append, Barrier, DerivedRegion, Field, PieceContent, Plan, Probe, Step, Strategy,
};
use dacti::update::{Change, ChangeKind, PlannedUpdate};
use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;
use uuid::Uuid;

/// What `put` and `rm` print with `--json`.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    package: String,
    /// Whether it was carried out.
    applied: bool,
    added: usize,
    replaced: usize,
    removed: usize,
    unchanged: usize,
    changes: Vec<ChangeLine>,
    plans: Vec<PlanLine>,
}

#[derive(Debug, Serialize)]
struct ChangeLine {
    change: &'static str,
    name: String,
    id: Uuid,
    len: u64,
}

/// A plan in short; `dacti put --plan` writes it whole.
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
    action: &'static str,
    at: u64,
    len: u64,
}

impl Summary {
    pub(crate) fn new(package: &Path, planned: &PlannedUpdate) -> Self {
        let changes = planned.changes();
        let count = |kind| changes.iter().filter(|change| change.kind == kind).count();
        Self {
            package: package.to_string_lossy().into_owned(),
            applied: false,
            added: count(ChangeKind::Added),
            replaced: count(ChangeKind::Replaced),
            removed: count(ChangeKind::Removed),
            unchanged: count(ChangeKind::Unchanged),
            changes: changes.iter().map(ChangeLine::from).collect(),
            plans: planned.plans().iter().map(PlanLine::from).collect(),
        }
    }

    /// The same when it was carried out.
    pub(crate) fn applied(self) -> Self {
        Self { applied: true, ..self }
    }

    /// One line about what was done.
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
        format!("{package}: {counts}, {} written ({strategy})", bytes(written))
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

/// Changes that are listed one by one.
const CHANGES_SHOWN: usize = 20;

/// The whole update, for `--dry-run`.
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

/// Plans, with their steps numbered through, each behind an empty line.
pub(crate) fn plans(out: &mut impl Write, plans: &[Plan]) -> io::Result<()> {
    let mut steps = 0_usize;
    for (plan, number) in plans.iter().zip(1..) {
        if plans.len() > 1 {
            let what = if number == 1 { "first the names of new regions" } else { "the regions" };
            writeln!(out, "\nplan {number}: {what}")?;
        }
        self::plan(out, plan, steps)?;
        steps = steps.saturating_add(plan.steps.len());
    }
    Ok(())
}

/// One plan: strategy, cost and steps.
fn plan(out: &mut impl Write, plan: &Plan, before: usize) -> io::Result<()> {
    writeln!(out, "\nstrategy: {}: {}", plan.strategy, meaning(plan.strategy))?;
    for rejected in &plan.rejected {
        writeln!(out, "  not {}: {}", rejected.strategy, rejected.reason)?;
    }
    let cost = &plan.cost;
    let slice = bytes(plan.slice_len);
    writeln!(out, "\ncost, with slices of {slice}:")?;
    writeln!(
        out,
        "  slices dirtied {:>12}   that caches hold and must fetch again",
        cost.slices_dirtied
    )?;
    writeln!(out, "  slices fresh   {:>12}   that no cache can hold yet", cost.slices_fresh)?;
    writeln!(out, "  bytes written  {:>12}", cost.bytes_written)?;
    writeln!(
        out,
        "  bytes padding  {:>12}   zeros that take no space where files have holes",
        cost.bytes_padding
    )?;
    writeln!(out, "  bytes dying    {:>12}   that only old views reach", cost.bytes_dying)?;
    writeln!(out, "  file length    {:>12}   now {}", plan.after().len, plan.before.len)?;
    writeln!(out, "\nsteps:")?;
    for (step, i) in plan.steps.iter().zip(1_usize..) {
        writeln!(out, "  {:>2}. {}", before.saturating_add(i), sentence(step))?;
    }
    Ok(())
}

/// What a step does.
fn sentence(step: &Step) -> String {
    match &step.action {
        Action::Append(append) => {
            let Span { start, end } = append.span();
            format!("append   {start:#x} to {end:#x}: {}", parts(append))
        }
        Action::Reserve(reserve) => {
            let what = "of the head that nobody reads yet";
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

/// What a barrier asks for.
fn proven(barrier: &Barrier) -> String {
    let is_head = |probe: &&Probe| probe.span == Span { start: 0, end: dacti::HEAD_LEN };
    let heads = barrier.probes.iter().filter(is_head).count();
    let ranges = match barrier.probes.len().saturating_sub(heads) {
        0 if heads > 0 => return "the head as it is".into(),
        1 => "1 range as it is".into(),
        n => format!("{n} ranges as they are"),
    };
    if heads > 0 { format!("the head as it is, and {ranges}") } else { ranges }
}

/// What is appended.
fn parts(append: &Append) -> String {
    let mut regions = 0_usize;
    let mut has = (false, false, false);
    for piece in &append.pieces {
        match &piece.content {
            PieceContent::Edit { .. } => regions = regions.saturating_add(1),
            PieceContent::Derived { region: DerivedRegion::Fences, .. } => has.0 = true,
            PieceContent::Derived { region: DerivedRegion::Index, .. } => has.1 = true,
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
    for (is_there, what) in
        [(has.0, "lookup keys"), (has.1, "a new index"), (has.2, "an extension table")]
    {
        if is_there {
            parts.push(what.into());
        }
    }
    parts.join(", ")
}

/// A little-endian number.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

fn meaning(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Delta => "entries in the head, published by a length of one byte",
        Strategy::FirstTable => "slots of the first table, published by its count",
        Strategy::SecondTable => "the second table anew, the index as it is",
        Strategy::Fold => "a new index behind the old end, as large as the whole package's",
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
        let change_ = match change.kind {
            ChangeKind::Added => "added",
            ChangeKind::Replaced => "replaced",
            ChangeKind::Removed => "removed",
            ChangeKind::Unchanged => "unchanged",
        };
        Self { change: change_, name: change.name.clone(), id: change.id, len: change.len }
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
        let len = |bytes: &[u8]| u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let (action, at, len) = match &of.action {
            Action::Append(append) => ("append", append.at, append.span().len()),
            Action::Reserve(reserve) => ("reserve", reserve.at, len(&reserve.after)),
            Action::Barrier(_) => ("barrier", 0, 0),
            Action::Switch(switch) => ("switch", switch.at, len(&switch.after)),
        };
        Self { step, action, at, len }
    }
}
