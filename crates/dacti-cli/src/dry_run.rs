//! `--dry-run` of verbs that read: prints the cost of a run instead of the run's result.

use crate::json::Place;
use crate::outcome::Failure;
use crate::output::{self, bytes, counted};
use crate::remote::{Costs, Remote};
use dacti::{GetPlan, Package};
use serde::Serialize;
use std::io::Write;
use std::path::Path;

/// The option that prints the cost of a run and stops.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DryRun {
    /// Print the requests and bytes that this command would need, and write nothing. To plan them,
    /// the command reads the head, and the parts of the index and the names list that locate the
    /// regions.
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
    ranges: Vec<Place>,
}

#[derive(Debug, Serialize)]
struct Spent {
    requests: u64,
    bytes: u64,
}

/// Prints the cost of reading the index and the names list. Then prints the text `then`, which
/// describes the later reads.
///
/// To plan these reads, this function looks up the index entry of the names list.
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
        // If the package has fences, the look-up has already read the groups that it needed. So the
        // plan is made again, without these groups.
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

/// Prints a plan for regions whose places are known. `refused` counts regions that a run would not
/// read.
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
        let json = Json {
            package: &output::place(package),
            spent: Spent { requests, bytes: spent },
            regions: plan.regions,
            in_hand: plan.in_hand,
            refused,
            requests: plan.requests(),
            bytes: plan.bytes(),
            over_fetch: plan.over_fetch,
            ranges: plan
                .index
                .iter()
                .chain(&plan.reads)
                .chain(&plan.look)
                .map(|span| Place::from(*span))
                .collect(),
        };
        output::json(&mut out, &json)?;
        return Ok(out.flush()?);
    }
    let in_hand = if plan.in_hand > 0 {
        format!(", {} of them came with the head", plan.in_hand)
    } else {
        String::new()
    };
    let refused = if refused > 0 { format!(", {refused} more refused") } else { String::new() };
    let requests = counted(requests, "request", "requests");
    writeln!(out, "spent       {requests}, {spent} bytes ({}), to plan this", bytes(spent))?;
    writeln!(out, "regions     {}{in_hand}{refused}", plan.regions)?;
    let (planned, len) = (plan.requests(), plan.bytes());
    let planned = counted(planned, "request", "requests");
    writeln!(out, "to fetch    {planned}, {len} bytes ({})", bytes(len))?;
    writeln!(out, "over-fetch  {} of these bytes lie between regions", plan.over_fetch)?;
    Ok(out.flush()?)
}
