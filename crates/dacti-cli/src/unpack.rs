//! `dacti unpack`: regions become files, all of them below one folder.

mod place;

use crate::outcome::{Failure, Outcome};
use crate::progress::Bar;
use crate::select::Globs;
use crate::{Talk, interrupt, output};
use core::num::NonZeroUsize;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use dacti::{Listed, Package};
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
    /// Threads that decode and write; as many as there are cores by default.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
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
        let package = Package::open(&self.package).map_err(failed)?;
        let mut faults = Vec::new();
        let mut listed = package.list_lossy(&mut faults).map_err(failed)?;
        listed.retain(|listed| globs.is_empty() || globs.matches(&listed.name()));
        // In the order of the file, so that it is read from front to back.
        listed.sort_by_key(|listed| listed.located.span.start);
        let shown = output::shown(&self.directory);
        let place = Place::open(&self.directory, self.overwrite)
            .map_err(|error| Failure::Failed(format!("cannot open {shown}: {error}")))?;
        interrupt::listen();
        let clashes = self.clashes(&listed);
        let mut summary = Summary { files: 0, bytes: 0, refused: Vec::new() };
        self.write_all(&package, &listed, &clashes, &place, talk, &mut summary)?;
        if self.json {
            output::json(&mut io::stdout().lock(), &summary)?;
        }
        for fault in &faults {
            output::error(fault);
        }
        for Refused { path, reason } in &summary.refused {
            output::error(&format!("{}: {reason}", output::printable(path)));
        }
        if talk >= Talk::Normal && !self.json {
            let (files, bytes) = (summary.files, output::bytes(summary.bytes));
            output::note(&format!("{files} files, {bytes}, written to {shown}"));
        }
        Ok(Outcome::with_loss(!faults.is_empty() || !summary.refused.is_empty()))
    }

    /// Why regions cannot be written by their names alone, by position.
    fn clashes(&self, listed: &[Listed]) -> Vec<Option<String>> {
        let portability = Portability {
            reserved: self.portable || cfg!(windows),
            case: self.portable || cfg!(any(windows, target_os = "macos")),
        };
        place::clashes(listed.iter().map(Listed::name), portability)
    }

    fn write_all(
        &self,
        package: &Package,
        listed: &[Listed],
        clashes: &[Option<String>],
        place: &Place,
        talk: Talk,
        summary: &mut Summary,
    ) -> Result<(), Failure> {
        let threads = self
            .threads
            .or_else(|| std::thread::available_parallelism().ok())
            .map_or(1, NonZeroUsize::get)
            .min(listed.len());
        let total =
            listed.iter().fold(0_u64, |sum, one| sum.saturating_add(one.located.span.len()));
        let mut bar = Bar::bytes("unpacking", total, talk);
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let (tell, told) = channel();
        let mut failure = None;
        let mut refused: Vec<(usize, String)> = Vec::new();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                let (tell, next, stop) = (tell.clone(), &next, &stop);
                scope.spawn(move || write_some(package, listed, clashes, place, next, stop, &tell));
            }
            drop(tell);
            let mut done = 0_u64;
            for told in told {
                match told {
                    Told::Written { index, stored_len, len } => {
                        if let Some(one) = listed.get(index).filter(|_| talk == Talk::Verbose) {
                            output::note(&output::printable(&one.name()));
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
            refused
                .into_iter()
                .filter_map(|(i, reason)| Some(Refused { path: listed.get(i)?.name(), reason })),
        );
        interrupt::check()?;
        failure.map_or(Ok(()), |message| Err(Failure::Failed(message)))
    }
}

/// Takes regions one by one until there are none.
fn write_some(
    package: &Package,
    listed: &[Listed],
    clashes: &[Option<String>],
    place: &Place,
    next: &AtomicUsize,
    stop: &AtomicBool,
    tell: &Sender<Told>,
) {
    while !stop.load(Ordering::Relaxed) && !interrupt::asked() {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let Some(one) = listed.get(index) else { return };
        let clash = clashes.get(index).cloned().flatten();
        let told = match clash
            .map_or_else(|| write_one(package, one, place), |reason| Err(Refusal::Refused(reason)))
        {
            Ok(len) => Told::Written { index, stored_len: one.located.span.len(), len },
            Err(Refusal::Refused(reason)) => Told::Refused { index, reason },
            Err(Refusal::Failed(message)) => Told::Failed(message),
        };
        if tell.send(told).is_err() {
            return;
        }
    }
}

fn write_one(package: &Package, listed: &Listed, place: &Place) -> Result<u64, Refusal> {
    let unreadable = |error: &dyn core::fmt::Display| Refusal::Refused(error.to_string());
    let mut content = package.reader_at(listed.located).map_err(|error| unreadable(&error))?;
    place.write(&listed.name(), &mut content)
}
