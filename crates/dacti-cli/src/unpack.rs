//! `dacti unpack`: regions become files, all of them below one folder.

mod place;

use crate::keys::Trust;
use crate::outcome::{Failure, Outcome};
use crate::progress::Bar;
use crate::remote::Remote;
use crate::select::{self, Globs};
use crate::{Talk, interrupt, output, threads};
use core::num::NonZeroUsize;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use dacti::{Limits, Listed, Located, Package};
use place::{Place, Portability, Refusal};
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
    /// Only paths that match. Without a slash it means a name in any folder.
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
    remote: Remote,
    /// Print what was done as JSON.
    #[arg(long)]
    json: bool,
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

/// A region to write.
#[derive(Debug)]
struct Job {
    name: String,
    located: Located,
    /// Why its name alone keeps it from being written.
    clash: Option<String>,
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
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        let globs = Globs::new(&self.glob)?;
        let failed = |error| Failure::with(&self.package, &error);
        let limits = Limits { stream_len_max: self.max_len, ..Limits::default() };
        let (package, costs) = self.remote.open(&self.package, limits)?.into_parts();
        let package = self.trust.applied(package)?;
        let mut faults = Vec::new();
        let mut listed = package.list_lossy(&mut faults).map_err(failed)?;
        listed.retain(|listed| globs.is_empty() || globs.matches(&listed.name()));
        if let Some(glob) = self.glob.as_ref().filter(|_| listed.is_empty()) {
            output::errors(faults.iter(), "");
            return Err(select::nothing_matches(&self.package, glob));
        }
        let shown = output::shown(&self.directory);
        let place = Place::open(&self.directory, self.overwrite)
            .map_err(|error| Failure::Failed(format!("cannot open {shown}: {error}")))?;
        interrupt::listen();
        let mut summary = Summary { files: 0, bytes: 0, refused: Vec::new() };
        self.write_all(&package, &self.jobs(listed), &place, talk, &mut summary)?;
        if self.json {
            output::json(&mut io::stdout().lock(), &summary)?;
        }
        output::errors(faults.iter(), "");
        costs.tell(&self.remote);
        let line =
            |Refused { path, reason }: &Refused| format!("{}: {reason}", output::printable(path));
        output::errors(summary.refused.iter().map(line), ": --json has all");
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
            .map(|((listed, name), clash)| Job { name, located: listed.located, clash })
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
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let (tell, told) = channel();
        let mut failure = None;
        let mut refused: Vec<(usize, String)> = Vec::new();
        std::thread::scope(|scope| {
            let started = threads::start(scope, threads, || {
                let (tell, next, stop) = (tell.clone(), &next, &stop);
                move || write_some(package, jobs, place, next, stop, &tell)
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
        failure.map_or(Ok(()), |message| Err(Failure::Failed(message)))
    }
}

/// Takes regions one by one until there are none.
fn write_some(
    package: &Package,
    jobs: &[Job],
    place: &Place,
    next: &AtomicUsize,
    stop: &AtomicBool,
    tell: &Sender<Told>,
) {
    while !stop.load(Ordering::Relaxed) && !interrupt::asked() {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let Some(job) = jobs.get(index) else { return };
        let told = match write_one(package, job, place) {
            Ok(len) => Told::Written { index, stored_len: job.located.span.len(), len },
            Err(Refusal::Refused(reason)) => Told::Refused { index, reason },
            Err(Refusal::Failed(message)) => Told::Failed(message),
        };
        if tell.send(told).is_err() {
            return;
        }
    }
}

fn write_one(package: &Package, job: &Job, place: &Place) -> Result<u64, Refusal> {
    if let Some(reason) = &job.clash {
        return Err(Refusal::Refused(reason.clone()));
    }
    let mut content =
        package.reader_at(job.located).map_err(|error| Refusal::Refused(error.to_string()))?;
    place.write(&job.name, &mut content)
}
