//! `dacti unpack`: regions become files, all of them below one folder.

pub(super) mod place;

use crate::dry_run::{self, DryRun};
use crate::keys::Trust;
use crate::outcome::{Failure, Outcome, region_fault};
use crate::progress::Bar;
use crate::remote::Remote;
use crate::select::{self, Globs};
use crate::{Talk, interrupt, output, threads};
use core::num::NonZeroUsize;
use core::sync::atomic::{AtomicBool, Ordering};
use dacti::{Limits, Listed, Located, Package, Readers, UnverifiedReader};
use place::{Place, Portability, Recorded, Refusal};
use serde::Serialize;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};

/// Write many regions to files.
///
/// Nothing is written outside of the target folder: not by a path, not by a link that lies there.
/// Each file appears whole or not at all. What cannot be written as it is named is left out and
/// said, with exit code 3.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The package.
    #[arg(value_name = "PKG")]
    package: PathBuf,
    /// Only paths that match. Without a slash it means a name in any folder; with one in front it
    /// starts at the root.
    glob: Option<String>,
    /// The folder to write into; it is made where it does not exist.
    #[arg(short = 'C', long, value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// Replace files that exist. Without it they are left as they are.
    #[arg(long)]
    overwrite: bool,
    /// Refuse names that other systems cannot have: reserved on Windows, or the same but for upper
    /// and lower case. Always on where the system is one of those.
    #[arg(long)]
    portable: bool,
    /// Threads that decode and write, at most 1024; as many as there are cores by default.
    #[arg(long, value_name = "N", value_parser = threads::parse)]
    threads: Option<NonZeroUsize>,
    /// The most bytes that one region may decode to. What is longer is refused, and the others go
    /// on.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().stream_len_max)]
    max_len: u64,
    #[command(flatten)]
    trust: Trust,
    #[command(flatten)]
    dry_run: DryRun,
    /// Print what was done as JSON.
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
}

#[derive(Debug, Serialize)]
struct Refused {
    path: String,
    reason: String,
}

impl Refused {
    fn line(&self) -> String {
        format!("{}: {}", output::printable(&self.path), self.reason)
    }
}

/// A region to write.
#[derive(Debug)]
struct Job {
    name: String,
    located: Located,
    /// Why it is not written, as its name alone tells, or what stands there.
    refusal: Option<String>,
}

/// What a thread tells of one region.
enum Told {
    Written {
        index: usize,
        stored_len: u64,
        len: u64,
    },
    Refused {
        index: usize,
        reason: String,
    },
    /// The target itself fails: going on would fail as well.
    Failed(String),
}

impl Args {
    pub(crate) fn run(mut self, talk: Talk) -> Result<Outcome, Failure> {
        let globs = Globs::new(&self.glob)?;
        self.remote.counts = self.dry_run.dry_run;
        let failed = |error| Failure::with(&self.package, &error);
        let limits = Limits { stream_len_max: self.max_len, ..Limits::default() };
        let (package, costs) = self.remote.open(&self.package, limits)?.into_parts();
        let package = self.trust.applied(package)?;
        let mut faults = Vec::new();
        let mut listed = package.list_lossy(&mut faults).map_err(failed)?;
        let is_wanted = |listed: &Listed| globs.is_empty() || globs.matches(&listed.name());
        if let Some(glob) = self.glob.as_ref().filter(|_| !listed.iter().any(is_wanted)) {
            output::errors(faults.iter(), "");
            // Where names are lost, what has no name may be what was meant.
            if !faults.is_empty() {
                let shown = output::shown(&self.package);
                let what = "names are lost, and nothing is left that matches";
                return Err(Failure::Failed(format!(
                    "{shown}: {what} {glob:?}: nothing was written"
                )));
            }
            return Err(select::nothing_matches(&self.package, glob, &listed));
        }
        listed.retain(is_wanted);
        let shown = output::shown(&self.directory);
        let mut jobs = self.jobs(listed);
        if self.dry_run.dry_run {
            if let Ok(place) = Place::existing(&self.directory, self.overwrite) {
                refuse(&mut jobs, &place);
            }
            let refused = jobs.iter().filter(|job| job.refusal.is_some()).count();
            let refused = u64::try_from(refused).unwrap_or(u64::MAX);
            let readers = package.unverified_readers_at(wanted(&jobs).map(|(_, job)| job.located));
            dry_run::print(&self.package, readers.plan(), refused, &costs, self.json)?;
            output::errors(faults.iter(), "");
            costs.tell(&self.remote);
            return Ok(Outcome::with_loss(!faults.is_empty()));
        }
        let place = Place::open(&self.directory, self.overwrite)
            .map_err(|error| Failure::Failed(format!("cannot open {shown}: {error}")))?;
        refuse(&mut jobs, &place);
        interrupt::listen();
        let mut summary = Summary { files: 0, bytes: 0, refused: Vec::new() };
        self.write_all(&package, &jobs, &place, talk, &mut summary)?;
        if self.json {
            output::json(&mut io::stdout().lock(), &summary)?;
        }
        output::errors(faults.iter(), "");
        output::fences_fault(&package, talk);
        costs.tell(&self.remote);
        output::errors(summary.refused.iter().map(Refused::line), ": --json has all");
        if summary.files == 0 && !summary.refused.is_empty() {
            return Err(Failure::Failed(format!("nothing was written to {shown}")));
        }
        if talk >= Talk::Normal && !self.json {
            let (files, bytes) = (summary.files, output::bytes(summary.bytes));
            output::note(&format!("{files} files, {bytes}, written to {shown}"));
        }
        Ok(Outcome::with_loss(!faults.is_empty() || !summary.refused.is_empty()))
    }

    /// What is to be written, in the order of the file, so that it is read from front to back.
    /// Names are judged in the order of the list before, so that paths win over ids.
    fn jobs(&self, listed: Vec<Listed>) -> Vec<Job> {
        let portability = Portability {
            reserved: self.portable || cfg!(windows),
            case: self.portable || cfg!(any(windows, target_os = "macos")),
        };
        let names: Vec<String> = listed.iter().map(Listed::name).collect();
        let clashes = place::clashes(&names, portability);
        let jobs = listed.into_iter().zip(names).zip(clashes);
        let mut jobs: Vec<Job> = jobs
            .map(|((listed, name), refusal)| Job { name, located: listed.located, refusal })
            .collect();
        jobs.sort_by_key(|job| job.located.span.start);
        jobs
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
            wanted(jobs).map(|(index, job)| (index, job.located)).unzip();
        let readers = package.unverified_readers_at(readers);
        let stop = AtomicBool::new(false);
        let (tell, told) = channel();
        let mut failure = None;
        let mut refused: Vec<(usize, String)> = { jobs.iter().enumerate() }
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
                failure = Some(format!("cannot start a thread: {error}"));
            }
            let mut done = 0_u64;
            for told in told {
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
                    Told::Failed(message) => {
                        stop.store(true, Ordering::Relaxed);
                        failure = failure.take().or(Some(message));
                    }
                }
            }
        });
        refused.sort();
        summary.refused.extend(
            refused.into_iter().filter_map(|(i, reason)| {
                Some(Refused { path: jobs.get(i)?.name.clone(), reason })
            }),
        );
        interrupt::check()?;
        if let Some(message) = failure {
            return Err(Failure::Failed(message));
        }
        // A fault of the server ends the run, and so does another package in this one's place.
        readers.finish().map_err(|error| {
            output::errors(summary.refused.iter().map(Refused::line), ": --json has all");
            Failure::with(&self.package, &error)
        })
    }
}

/// What is to be written, and its place among all.
fn wanted(jobs: &[Job]) -> impl Iterator<Item = (usize, &Job)> {
    jobs.iter().enumerate().filter(|(_, job)| job.refusal.is_none())
}

/// Finds out what cannot be written for what stands there, before it is fetched.
fn refuse(jobs: &mut [Job], place: &Place) {
    if place.is_empty() {
        return;
    }
    for job in jobs.iter_mut().filter(|job| job.refusal.is_none()) {
        job.refusal = place.refuses(&job.name);
    }
}

/// Takes regions one by one until there are none.
fn write_some<'j>(
    readers: &Readers<'_, UnverifiedReader>,
    job: &dyn Fn(usize) -> Option<(usize, &'j Job)>,
    place: &Place,
    stop: &AtomicBool,
    tell: &Sender<Told>,
) {
    while !stop.load(Ordering::Relaxed) && !interrupt::asked() {
        let Some((n, reader)) = readers.next() else { return };
        let Some((index, job)) = job(n) else { return };
        let written = reader
            .map_err(|error| Refusal::Refused(region_fault(&error)))
            .and_then(|mut content| place.write(&job.name, &mut content, &Recorded::default()));
        let told = match written {
            Ok(len) => Told::Written { index, stored_len: job.located.span.len(), len },
            Err(Refusal::Refused(reason)) => Told::Refused { index, reason },
            Err(Refusal::Failed(message)) => Told::Failed(message),
        };
        if tell.send(told).is_err() {
            return;
        }
    }
}
