//! `dacti verify`: checks whether a package is whole.

use crate::dry_run::{self, DryRun};
use crate::json::{Found, Regions};
use crate::keys::Trust;
use crate::outcome::{Failure, Outcome};
use crate::progress::Bar;
use crate::remote::Remote;
use crate::total::MaxTotal;
use crate::{Talk, hint, interrupt, output, threads};
use core::num::NonZeroUsize;
use dacti::report::{Finding, Report};
use dacti::{Limits, Listed, Package};
use serde::Serialize;
use std::path::PathBuf;

/// Check the structure of a package, and that every region decodes, overlaps no other region, has
/// the right digest and, with --key, a signature by a trusted key.
///
/// Exit code 0: everything can be read. 3: something is lost, and the rest can be read. 1: nothing
/// can be read.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The package.
    #[arg(value_name = "PKG")]
    package: PathBuf,
    #[command(flatten)]
    trust: Trust,
    /// Threads that decode, at most 256; by default one for each core.
    #[arg(long, value_name = "N", value_parser = threads::parse)]
    threads: Option<NonZeroUsize>,
    #[command(flatten)]
    max_total: MaxTotal,
    #[command(flatten)]
    dry_run: DryRun,
    /// Print the report as one JSON object, which docs/json.md describes.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Serialize)]
struct Json {
    whole: bool,
    regions: u64,
    stored_len: u64,
    decoded_len: u64,
    findings: Vec<Found>,
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        let failed = |error| Failure::with(&self.package, &error);
        let limits = self.max_total.applied(Limits::default());
        let (package, costs) =
            self.remote.open(&self.package, limits, self.dry_run.dry_run, talk)?;
        let package = self.trust.applied(package)?;
        if self.dry_run.dry_run {
            let scan = package.scan_index().map_err(failed)?;
            package.names().map_err(failed)?;
            let readers = package.unverified_readers_at(scan.regions().iter().copied());
            dry_run::print(&self.package, readers.plan(), 0, &costs, self.json)?;
            costs.tell(&self.remote);
            return Ok(Outcome::Done);
        }
        let report = {
            let mut bar = Bar::bytes("verifying", 0, talk);
            interrupt::listen();
            let progress = &mut |at: dacti::report::VerifyProgress| {
                bar.set(at.bytes, at.bytes_total);
                interrupt::go_on()
            };
            package.verify(self.threads, progress).map_err(failed)?
        };
        if self.json {
            output::json(&mut std::io::stdout().lock(), &json(&report, &package))?;
        } else {
            self.print(&report, talk);
        }
        costs.tell(&self.remote);
        Ok(Outcome::with_loss(!report.is_whole()))
    }

    fn print(&self, report: &Report, talk: Talk) {
        let rest = ": --json lists all";
        // After a region was removed, its name stays in the names list, which is not a fault.
        let is_name = |finding: &&Finding| matches!(finding, Finding::NameWithoutRegion { .. });
        let (names, findings): (Vec<_>, Vec<_>) = report.findings.iter().partition(is_name);
        let (losses, odd): (Vec<_>, Vec<_>) =
            findings.into_iter().partition(|finding| finding.is_loss());
        output::errors(losses.iter().map(|finding| hint::of_finding(finding)), rest);
        if talk >= Talk::Normal {
            output::warnings(odd.iter(), rest);
            names_without_regions(names.len());
        }
        if talk >= Talk::Normal {
            let Report { regions, stored_len, decoded_len, .. } = *report;
            let verdict = match losses.len() {
                0 if self.trust.is_required() => "whole, all signed with a trusted key".into(),
                0 => "whole".into(),
                1 => "1 fault".into(),
                lost => format!("{lost} faults"),
            };
            output::note(&format!(
                "{}: {verdict}; {}, {} stored, {} decoded",
                output::shown(&self.package),
                output::counted(regions, "region", "regions"),
                output::bytes(stored_len),
                output::bytes(decoded_len),
            ));
        }
    }
}

fn names_without_regions(count: usize) {
    let names = match count {
        0 => return,
        1 => "1 name has no region".into(),
        n => format!("{n} names have no region"),
    };
    output::note(&format!(
        "{names}, because the name of a removed region stays in the names list: readers do not see \
         it, and `dacti compact` drops it (--json lists all)"
    ));
}

fn json(report: &Report, package: &Package) -> Json {
    let Report { regions, stored_len, decoded_len, .. } = *report;
    // The regions are listed only if a finding needs a region's path.
    let named =
        |finding: &Finding| matches!(finding, Finding::Region { .. } | Finding::Length { .. });
    let listed = if report.findings.iter().any(named) {
        package.list_lossy(&mut Vec::new()).unwrap_or_default()
    } else {
        Vec::new()
    };
    let place = |listed: &Listed| (listed.name(), (listed.located.id, listed.located.span));
    let places: Regions = listed.iter().map(place).collect();
    let findings = report.findings.iter().map(|finding| Found::new(finding, &places)).collect();
    Json { whole: report.is_whole(), regions, stored_len, decoded_len, findings }
}
