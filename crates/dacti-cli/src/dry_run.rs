//! `--dry-run` of verbs that read: what it would cost, printed in place of being paid.

use crate::outcome::Failure;
use crate::output::{self, bytes};
use crate::remote::{Costs, Remote};
use dacti::{GetPlan, Package};
use serde::Serialize;
use std::io::Write;
use std::path::Path;

/// Whether to read, or to say what it would cost.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DryRun {
    /// Print what would be read for it, by how many requests, and read and write none of it. To
    /// find that out, the head is read, and of the index and the names list what tells where it
    /// is.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Serialize)]
struct Json<'p> {
    package: &'p str,
    spent: Spent,
    regions: u64,
    in_hand: u64,
    refused: u64,
    requests: u64,
    bytes: u64,
    over_fetch: u64,
    ranges: Vec<Range>,
}

#[derive(Debug, Serialize)]
struct Spent {
    requests: u64,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct Range {
    at: u64,
    len: u64,
}

/// Prints what it costs to read all of the index and the names list, and what comes on top of that,
/// if anything: `then`. To find that out, as much is read as tells where the names list is.
pub(crate) fn print_list(
    path: &Path,
    package: &Package,
    then: &str,
    (costs, remote): (&Costs, &Remote),
    as_json: bool,
) -> Result<(), Failure> {
    let mut plan = package.plan_list();
    if !plan.is_complete() {
        let names = package.find(dacti_names::NAMES_ID);
        let names = names.map_err(|error| Failure::with(path, &error))?;
        // What told that is in hand now, if there are lookup keys.
        plan = package.plan_list();
        plan.reads = package.plan_get_at(names).reads;
    }
    print(path, &plan, 0, costs, as_json)?;
    if !as_json && !then.is_empty() {
        let mut out = output::stdout();
        writeln!(out, "and then    {then}")?;
        out.flush()?;
    }
    costs.tell(remote);
    Ok(())
}

/// Prints a plan for regions whose places are known; `refused` more would not be read.
pub(crate) fn print(
    package: &Path,
    plan: &GetPlan,
    refused: u64,
    costs: &Costs,
    as_json: bool,
) -> Result<(), Failure> {
    let (requests, spent) = costs.spent();
    let mut out = output::stdout();
    let refused = refused.saturating_add(plan.faults);
    if as_json {
        let range = |span: &dacti::Span| Range { at: span.start, len: span.len() };
        let json = Json {
            package: &package.to_string_lossy(),
            spent: Spent { requests, bytes: spent },
            regions: plan.regions,
            in_hand: plan.in_hand,
            refused,
            requests: plan.requests(),
            bytes: plan.bytes(),
            over_fetch: plan.over_fetch,
            ranges: plan.index.iter().chain(&plan.reads).map(range).collect(),
        };
        output::json(&mut out, &json)?;
        return Ok(out.flush()?);
    }
    let in_hand =
        if plan.in_hand > 0 { format!(", {} in hand", plan.in_hand) } else { String::new() };
    let refused = if refused > 0 { format!(", {refused} more refused") } else { String::new() };
    writeln!(
        out,
        "spent       {requests} requests, {spent} bytes ({}), to find out",
        bytes(spent)
    )?;
    writeln!(out, "regions     {}{in_hand}{refused}", plan.regions)?;
    let (planned, len) = (plan.requests(), plan.bytes());
    writeln!(out, "to fetch    {planned} requests, {len} bytes ({})", bytes(len))?;
    writeln!(out, "over-fetch  {} bytes of them lie between regions", plan.over_fetch)?;
    Ok(out.flush()?)
}
