//! `dacti unpack`: writes regions to files below one folder.

pub(super) mod names;
pub(super) mod place;
pub(super) mod reason;

use crate::dry_run::{self, DryRun};
use crate::json::{self, Found};
use crate::keys::Trust;
use crate::outcome::{Failure, Outcome, region_fault};
use crate::progress::Bar;
use crate::remote::Remote;
use crate::select;
use crate::total::MaxTotal;
use crate::{Talk, files, interrupt, output, overlap, threads};
use core::num::NonZeroUsize;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use dacti::{Limits, ListedRef, Located, Package, Readers, UnverifiedReader};
use names::{FolderLimits, Portability, TooManyFolders};
use place::{Place, Recorded, Refusal};
use reason::Reason;
use serde::Serialize;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;
use uuid::Uuid;

/// The time for which a thread collects its messages.
const TOLD_EVERY: Duration = Duration::from_millis(50);

/// Write regions to files below a folder.
///
/// Nothing is written outside of the folder: no path and no link leads out of it. Each file appears
/// whole or not at all. A region that cannot be written under its name is left out: a message names
/// it, and the exit code is 3.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The package.
    #[arg(value_name = "PKG")]
    package: PathBuf,
    /// Write only regions whose path matches this pattern. Regions without a path match by their
    /// id. A pattern without a slash matches a name in any folder; a pattern that begins with a
    /// slash matches from the root. A pattern that is the path of a region means only that region.
    pattern: Option<String>,
    /// The folder to write into. It is made if it does not exist.
    #[arg(short = 'C', long, value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// Replace existing files. Without this option they stay as they are.
    #[arg(long)]
    overwrite: bool,
    /// Refuse names that some systems cannot have: names that Windows reserves, and names that
    /// only differ in case. Windows always applies both rules, and macOS the one about case.
    #[arg(long)]
    portable: bool,
    /// The maximum number of nested folders around one file. Deeper files are refused, and the
    /// others are written.
    #[arg(long, value_name = "N", default_value_t = 128)]
    max_depth: usize,
    /// The maximum number of files in all, empty ones included. The default is 10,000, plus one for
    /// every 24 bytes of the package, because its index lists each region with 24 bytes.
    #[arg(long, value_name = "N")]
    max_files: Option<u64>,
    /// The maximum number of folders in all. The default is 10,000, plus four for each region.
    #[arg(long, value_name = "N")]
    max_folders: Option<u64>,
    /// Threads that decode and write, at most 256; by default one for each core.
    #[arg(long, value_name = "N", value_parser = threads::parse)]
    threads: Option<NonZeroUsize>,
    /// Refuse regions whose content is longer than this many bytes. The others are written.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().stream_len_max)]
    max_len: u64,
    #[command(flatten)]
    max_total: MaxTotal,
    #[command(flatten)]
    trust: Trust,
    #[command(flatten)]
    dry_run: DryRun,
    /// Print the result as one JSON object, which docs/json.md describes.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Serialize)]
struct Summary {
    files: u64,
    bytes: u64,
    refused: Vec<Refused>,
    findings: Vec<Found>,
}

#[derive(Debug, Serialize)]
struct Refused {
    path: Option<String>,
    id: Uuid,
    kind: &'static str,
    place: json::Place,
    message: String,
}

impl Refused {
    fn new(job: &Job, reason: Reason) -> Self {
        let Located { id, span, .. } = job.located;
        let path = (job.name != id.to_string()).then(|| job.name.clone());
        Self { path, id, kind: reason.kind, place: span.into(), message: reason.message }
    }
}

impl Refused {
    fn line(&self) -> String {
        let name = self.path.clone().unwrap_or_else(|| self.id.to_string());
        format!("{}: {}", output::printable(&name), self.message)
    }
}

/// A region to write.
#[derive(Debug)]
struct Job {
    name: String,
    located: Located,
    /// The attributes of the file in the names list.
    recorded: Recorded,
    /// The reason why the region is not written, if its name or an existing file prevents it.
    refusal: Option<Reason>,
}

/// The result for one region.
enum Told {
    Written {
        index: usize,
        stored_len: u64,
        len: u64,
    },
    Refused {
        index: usize,
        reason: Reason,
    },
    /// The folder cannot be written, so the other regions would fail, too.
    Failed(Failure),
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        let failed = |error| Failure::with(&self.package, &error);
        let limits = Limits { stream_len_max: self.max_len, ..Limits::default() };
        let limits = self.max_total.applied(limits);
        let (package, costs) =
            self.remote.open(&self.package, limits, self.dry_run.dry_run, talk)?;
        let package = self.trust.applied(package)?;
        let mut faults = Vec::new();
        let listing = package.listing(&mut faults).map_err(failed)?;
        let overlapping = overlap::find(&package, &listing);
        if let Some(found) = &overlapping {
            found.tell(talk);
        }
        let findings: Vec<Found> = overlapping.iter().map(Found::of_overlap).collect();
        let wanted: Vec<_> = select::matching(self.pattern.as_deref(), &listing)?.collect();
        if let Some(pattern) = self.pattern.as_ref().filter(|_| wanted.is_empty()) {
            output::errors(faults.iter(), "");
            // If names are lost, the name of the wanted region may be one of them.
            if !faults.is_empty() {
                let shown = output::shown(&self.package);
                let what = "some names cannot be read, and no other name matches";
                return Err(Failure::Failed(format!(
                    "{shown}: {what} {}: nothing was written",
                    output::quoted(pattern)
                )));
            }
            return Err(select::nothing_matches(&self.package, pattern, listing.iter()));
        }
        let shown = output::shown(&self.directory);
        let mut jobs = self.jobs(&wanted, package.view().len())?;
        if self.dry_run.dry_run {
            if let Ok(place) = Place::existing(&self.directory, self.overwrite) {
                refuse(&mut jobs, &place);
            }
            let refused = jobs.iter().filter(|job| job.refusal.is_some()).count();
            let refused = u64::try_from(refused).unwrap_or(u64::MAX);
            let readers =
                package.unverified_readers_at(to_write(&jobs).map(|(_, job)| job.located));
            dry_run::print(&self.package, readers.plan(), refused, &costs, self.json)?;
            output::errors(faults.iter(), "");
            costs.tell(&self.remote);
            return Ok(Outcome::with_loss(!faults.is_empty()));
        }
        let place = Place::open(&self.directory, self.overwrite)
            .map_err(|error| Failure::Failed(format!("cannot open {shown}: {error}")))?;
        refuse(&mut jobs, &place);
        interrupt::listen();
        let mut summary = Summary { files: 0, bytes: 0, refused: Vec::new(), findings };
        self.write_all(&package, &jobs, &place, talk, &mut summary)?;
        if self.json {
            output::json(&mut io::stdout().lock(), &summary)?;
        }
        output::errors(faults.iter(), "");
        output::fences_fault(&package, talk);
        costs.tell(&self.remote);
        output::errors(summary.refused.iter().map(Refused::line), ": --json lists all");
        if summary.files == 0 && !summary.refused.is_empty() {
            return Err(Failure::Failed(format!("nothing was written to {shown}")));
        }
        if talk >= Talk::Normal && !self.json {
            let files = output::counted(summary.files, "file", "files");
            let bytes = output::bytes(summary.bytes);
            output::note(&format!("{files}, {bytes}, written to {shown}"));
        }
        Ok(Outcome::with_loss(!faults.is_empty() || !summary.refused.is_empty()))
    }

    /// Returns the regions to write, in the order of their stored bytes, so that the package is
    /// read from front to back. Names are checked in the order of the listing, which has paths
    /// before ids.
    fn jobs(&self, listed: &[ListedRef<'_>], package_len: u64) -> Result<Vec<Job>, Failure> {
        self.check_count(u64::try_from(listed.len()).unwrap_or(u64::MAX), package_len)?;
        let portability = Portability {
            reserved: self.portable || cfg!(windows),
            case: self.portable || cfg!(any(windows, target_os = "macos")),
        };
        let names: Vec<String> = listed.iter().map(|listed| listed.name().into_owned()).collect();
        let refusals = names::refusals(&names, portability, self.folder_limits(names.len()));
        let refusals = refusals.map_err(|TooManyFolders(count)| {
            Failure::Failed(format!(
                "{}: the paths need {count} folders, more than the limit for {} regions: \
                 --max-folders {count} allows them",
                output::shown(&self.package),
                names.len(),
            ))
        })?;
        let own = self.own_name();
        let jobs = listed.iter().zip(names).zip(refusals);
        let mut jobs: Vec<Job> = jobs
            .map(|((listed, name), refusal)| {
                let is_own = own.as_ref().is_some_and(|own| *own == name);
                let refusal = refusal
                    .or_else(|| is_own.then(|| Reason::new("package", "is the package itself")));
                let recorded = Recorded::of(listed.attributes);
                Job { name, located: *listed.located, recorded, refusal }
            })
            .collect();
        jobs.sort_by_key(|job| job.located.span.start);
        Ok(jobs)
    }

    /// Refuses more files than the limit allows. A short names list can decode to millions of paths
    /// of one empty region.
    fn check_count(&self, files: u64, package_len: u64) -> Result<(), Failure> {
        let by_default = (package_len / dacti_index::INDEX_ENTRY_LEN).saturating_add(10_000);
        let files_max = self.max_files.unwrap_or(by_default);
        if files <= files_max {
            return Ok(());
        }
        Err(Failure::Failed(format!(
            "{}: {files} files, but the limit for a package of {} is {files_max}: --max-files \
             {files} allows them",
            output::shown(&self.package),
            output::bytes(package_len),
        )))
    }

    /// Returns the limits on folders. The default allows four folders for each region, and 10,000
    /// more. Trees of real files rarely need so many.
    fn folder_limits(&self, regions: usize) -> FolderLimits {
        let by_default = u64::try_from(regions).unwrap_or(u64::MAX).saturating_mul(4);
        let count_max = self.max_folders.unwrap_or(by_default.saturating_add(10_000));
        FolderLimits { depth_max: self.max_depth, count_max }
    }

    /// Returns the path of the package relative to the folder, if the package lies in the folder.
    fn own_name(&self) -> Option<String> {
        let place = files::place(&self.package).filter(|place| place.exists())?;
        let folder = self.directory.canonicalize().ok()?;
        let relative = place.strip_prefix(folder).ok()?;
        let parts: Option<Vec<&str>> = relative.iter().map(|part| part.to_str()).collect();
        Some(parts?.join("/"))
    }

    fn write_all(
        &self,
        package: &Package,
        jobs: &[Job],
        place: &Place,
        talk: Talk,
        summary: &mut Summary,
    ) -> Result<(), Failure> {
        let threads = self
            .threads
            .or_else(|| std::thread::available_parallelism().ok())
            .map_or(1, NonZeroUsize::get)
            .min(jobs.len());
        let total = jobs.iter().fold(0_u64, |sum, job| sum.saturating_add(job.located.span.len()));
        let mut bar = Bar::bytes("unpacking", total, talk);
        let (numbers, readers): (Vec<usize>, Vec<Located>) =
            to_write(jobs).map(|(index, job)| (index, job.located)).unzip();
        let readers = package.unverified_readers_at(readers);
        let stop = AtomicBool::new(false);
        let (tell, told) = channel();
        let mut failure = None;
        let mut refused: Vec<(usize, Reason)> = { jobs.iter().enumerate() }
            .filter_map(|(index, job)| Some((index, job.refusal.clone()?)))
            .collect();
        std::thread::scope(|scope| {
            let started = threads::start(scope, threads, || {
                let (tell, numbers, readers, stop) = (tell.clone(), &numbers, &readers, &stop);
                let job = |n: usize| numbers.get(n).and_then(|n| Some((*n, jobs.get(*n)?)));
                move || write_some(readers, &job, place, stop, &tell)
            });
            drop(tell);
            if let Err(error) = started {
                let message = format!("cannot start a thread: {error}");
                failure = Some(Failure::Failed(message));
            }
            let mut done = 0_u64;
            for told in told.iter().flatten() {
                match told {
                    Told::Written { index, stored_len, len } => {
                        if let Some(job) = jobs.get(index).filter(|_| talk == Talk::Verbose) {
                            output::note(&output::printable(&job.name));
                        }
                        done = done.saturating_add(stored_len);
                        summary.files = summary.files.saturating_add(1);
                        summary.bytes = summary.bytes.saturating_add(len);
                        bar.set(done, total);
                    }
                    Told::Refused { index, reason } => refused.push((index, reason)),
                    Told::Failed(cause) => {
                        stop.store(true, Ordering::Relaxed);
                        failure = failure.take().or(Some(cause));
                    }
                }
            }
        });
        refused.sort();
        summary.refused.extend(
            refused.into_iter().filter_map(|(i, reason)| Some(Refused::new(jobs.get(i)?, reason))),
        );
        interrupt::check()?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        // The run fails here if an error of the server ended it early, or if another package has
        // replaced this one in the meantime.
        readers.finish().map_err(|error| {
            output::errors(summary.refused.iter().map(Refused::line), ": --json lists all");
            Failure::with(&self.package, &error)
        })
    }
}

/// Returns the regions to write, with their indexes in `jobs`.
fn to_write(jobs: &[Job]) -> impl Iterator<Item = (usize, &Job)> {
    jobs.iter().enumerate().filter(|(_, job)| job.refusal.is_none())
}

/// Refuses regions before they are fetched, if existing files prevent them from being written.
fn refuse(jobs: &mut [Job], place: &Place) {
    if place.is_empty() {
        return;
    }
    for job in jobs.iter_mut().filter(|job| job.refusal.is_none()) {
        job.refusal = place.refuses(&job.name);
    }
}

/// Writes regions one by one until none is left. Tells of many files at once, because each message
/// wakes the thread that receives it.
fn write_some<'j>(
    readers: &Readers<'_, UnverifiedReader>,
    job: &dyn Fn(usize) -> Option<(usize, &'j Job)>,
    place: &Place,
    stop: &AtomicBool,
    tell: &Sender<Vec<Told>>,
) {
    let mut writer = place.writer();
    let (mut untold, mut last_told) = (Vec::new(), Instant::now());
    while !stop.load(Ordering::Relaxed) && !interrupt::asked() {
        let Some((n, reader)) = readers.next() else { break };
        let Some((index, job)) = job(n) else { break };
        let written = reader
            .map_err(|error| Refusal::Refused(Reason::new("content", region_fault(&error))))
            .and_then(|mut content| writer.write(&job.name, &mut content, &job.recorded));
        let told = match written {
            Ok(len) => Told::Written { index, stored_len: job.located.span.len(), len },
            Err(Refusal::Refused(reason)) => Told::Refused { index, reason },
            Err(Refusal::Failed(cause)) => Told::Failed(cause),
        };
        let is_urgent = matches!(told, Told::Failed(_));
        untold.push(told);
        if is_urgent || last_told.elapsed() >= TOLD_EVERY {
            if tell.send(core::mem::take(&mut untold)).is_err() {
                return;
            }
            last_told = Instant::now();
        }
    }
    // If the receiver is gone, the run has failed and reports its failure.
    let _ = tell.send(untold);
}
