//! The code that `put`, `rm` and `sync` share: opens a package for an update, plans the update, and
//! shows, saves or carries out the plan.

pub(crate) mod show;
pub(crate) mod standing;

use crate::barriers::Barriers;
use crate::files::{self, Output};
use crate::outcome::{Failure, Outcome};
use crate::place::{self, PublishArgs};
use crate::progress::Bar;
use crate::{Talk, interrupt, keys, output, threads};
use clap::ValueEnum;
use core::num::NonZeroUsize;
use core::time::Duration;
use dacti::Encoding;
use dacti::seal::SecretKey;
use dacti::update::{PlannedUpdate, Update, UpdateFault, UpdateOptions};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use uuid::Uuid;

/// Options of an update.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Options {
    /// Print the steps of the update, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Write the plan to OUT and the bytes that it appends to OUT.data, and change nothing. `dacti
    /// apply OUT PKG` carries the plan out.
    #[arg(long, value_name = "OUT", conflicts_with = "dry_run")]
    plan: Option<PathBuf>,
    /// Sign new regions with the private key in this file. A signed package needs this option or
    /// --unsigned.
    #[arg(long, value_name = "KEY", conflicts_with = "unsigned")]
    sign: Option<PathBuf>,
    /// The UUID of the publisher's package to sign for. By default, the key file gives it.
    #[arg(long, value_name = "UUID", requires = "sign", value_parser = keys::package_id)]
    package_id: Option<Uuid>,
    /// Leave new regions of a signed package unsigned. Readers who require signatures refuse them.
    #[arg(long)]
    unsigned: bool,
    /// How new regions are stored; by default like the other regions of the package.
    #[arg(long, value_enum)]
    encoding: Option<Stored>,
    /// Brotli's quality: 0 is fast, 11 is small.
    #[arg(long, value_name = "N", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u8).range(0..=11))]
    quality: u8,
    /// Threads that encode, at most 256; by default one for each core. The bytes are the same with
    /// any number.
    #[arg(long, value_name = "N", value_parser = threads::parse)]
    threads: Option<NonZeroUsize>,
    /// If another writer is updating the package, wait until it ends. Without this option, the
    /// update fails.
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    publish: PublishArgs,
    #[command(flatten)]
    barriers: Barriers,
    /// Print the changes and the plan as one JSON object, which docs/json.md describes.
    #[arg(long)]
    json: bool,
}

/// The time between two attempts to take the lock.
const LOCK_INTERVAL: Duration = Duration::from_millis(100);

/// Returns the paths in a package that are not among `paths`.
pub(crate) fn others(
    update: &Update,
    paths: &BTreeSet<String>,
) -> Result<Vec<String>, dacti::Error> {
    let named = update.package().list()?.into_iter().filter_map(|region| region.path);
    Ok(named.filter(|path| !paths.contains(path)).collect())
}

/// Plans an update, with a progress bar.
pub(crate) fn plan(update: Update, talk: Talk) -> Result<PlannedUpdate, dacti::Error> {
    let mut bar = Bar::bytes("encoding", 0, talk);
    update.plan_with(&mut |at| {
        bar.set(at.bytes, at.bytes_total);
        interrupt::go_on()
    })
}

/// Returns the failure of an update, with the option that helps.
fn failed(package: &Path, error: &dacti::Error) -> Failure {
    if let Some(way_out) = system_way_out(package, error) {
        return Failure::Failed(format!("{error}: {way_out}"));
    }
    let dacti::Error::Update(fault) = error else { return Failure::with(package, error) };
    let way_out = match fault {
        UpdateFault::Locked { .. } => {
            return Failure::Failed(format!("{error}; with --wait, this command waits"));
        }
        UpdateFault::NeedsKey => "--sign KEY signs them, --unsigned leaves them unsigned",
        UpdateFault::NotSigned => "run again without --sign",
        UpdateFault::KeyOfOtherPackage { .. } => "--package-id UUID signs for another package",
        _ => return Failure::with(package, error),
    };
    Failure::Failed(format!("{}: {error}; {way_out}", output::shown(package)))
}

/// Returns advice for an error of the system; `None` if there is nothing to advise.
fn system_way_out(package: &Path, error: &dacti::Error) -> Option<String> {
    let dacti::Error::Io { action, source, .. } = error else { return None };
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded if *action == "make room in" => {
            Some("nothing was written, and the package is as it was".into())
        }
        io::ErrorKind::TimedOut if *action == "pass a barrier of" => Some(
            "readers see the old package; run the update again, or save it with --plan OUT and \
             carry it out with `dacti apply OUT PKG --resume`"
                .into(),
        ),
        io::ErrorKind::PermissionDenied => {
            let owner = files::owner(package)?;
            Some(match *action {
                "open" => format!(
                    "the file belongs to {owner}, and an update writes to it: run this as {owner}, \
                     or as a user who may write to the file"
                ),
                "set the modification time of" => format!(
                    "the file belongs to {owner}, and only its owner can set its time: run this \
                     as {owner}, or update a copy of your own and rename it to this name"
                ),
                _ => return None,
            })
        }
        _ => None,
    }
}

/// Returns how far a package's modification time is ahead of the clock, if it is more than a
/// second. A shorter time needs no message, because the clock soon passes the modification time.
fn time_ahead(package: &Path) -> Option<Duration> {
    let modified = std::fs::metadata(package).and_then(|found| found.modified()).ok()?;
    let ahead = modified.duration_since(SystemTime::now()).ok()?;
    (ahead > Duration::from_secs(1)).then_some(ahead)
}

/// Prints that a package's modification time is in the future. The caller calls this only for the
/// first of several updates in quick succession.
fn tell_time_ahead(ahead: Duration) {
    let secs = ahead.as_secs().saturating_add(u64::from(ahead.subsec_nanos() > 0));
    output::note(&format!(
        "the modification time of the package is now {} in the future, because caches compare only \
         whole seconds; until the clock reaches this time, `make` may warn of clock skew",
        output::counted(secs, "second", "seconds"),
    ));
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stored {
    None,
    Brotli,
}

impl Options {
    /// Opens the package, and prevents other writers from changing it until the update ends.
    ///
    /// `inputs` are the files that the verb reads. A saved plan must not replace one of them.
    pub(crate) fn open(
        &self,
        package: &Path,
        inputs: &[&Path],
        force: bool,
        talk: Talk,
    ) -> Result<Update, Failure> {
        self.check_plan(package, inputs)?;
        let options = UpdateOptions {
            encoding: self.encoding.map(|encoding| match encoding {
                Stored::None => Encoding::NONE,
                Stored::Brotli => Encoding::BROTLI,
            }),
            quality: self.quality,
            force,
            threads: self.threads,
            ..UpdateOptions::default()
        };
        let failed = |error| failed(package, &error);
        let key = keys::signing(self.sign.as_deref(), self.package_id)?;
        let mut update = if place::is_published(package) {
            self.open_published(package, options, key.clone())?
        } else {
            self.open_alone(package, &options, talk)?
        };
        if let Some(key) = key {
            match update.sign(key) {
                // This error means that the package's regions are not signed. The key still signs
                // the head of a package that is published in parts.
                Err(dacti::Error::Update(UpdateFault::NotSigned))
                    if place::is_published(package) => {}
                signed => drop(signed.map_err(failed)?),
            }
        }
        if self.unsigned {
            update.leave_unsigned();
        }
        Ok(update)
    }

    /// Opens a package that is published in parts. `key` also signs the new head.
    fn open_published(
        &self,
        package: &Path,
        options: UpdateOptions,
        key: Option<SecretKey>,
    ) -> Result<Update, Failure> {
        if self.plan.is_some() {
            let message = "--plan cannot save an update of a package in parts, because this update \
                           is uploads and not writes to a file: run again without --plan";
            return Err(Failure::Usage(message.into()));
        }
        self.barriers.refuse_for_parts()?;
        let place = self.publish.place(package)?;
        let update = Update::at_place(&place, options, self.publish.options(key, self.unsigned));
        update.map_err(|error| failed(package, &error))
    }

    /// Refuses a plan whose files would replace the package or another input.
    fn check_plan(&self, package: &Path, inputs: &[&Path]) -> Result<(), Failure> {
        let Some(plan) = &self.plan else { return Ok(()) };
        let mut data = plan.as_os_str().to_owned();
        data.push(".data");
        let mut all = inputs.to_vec();
        all.push(package);
        all.extend(self.sign.as_deref());
        for path in [plan, Path::new(&data)] {
            Output { path, option: "--plan", has_standard: false }.check(&all)?;
        }
        Ok(())
    }

    /// Opens the package as its only writer. With --wait, waits for another writer to finish.
    fn open_alone(
        &self,
        package: &Path,
        options: &UpdateOptions,
        talk: Talk,
    ) -> Result<Update, Failure> {
        let mut told = false;
        loop {
            let file = self.barriers.open(package, talk);
            match file.and_then(|file| Update::of_file(file, package, options.clone())) {
                Err(dacti::Error::Update(UpdateFault::Locked { .. })) if self.wait => {
                    if !told {
                        let package = output::shown(package);
                        output::note(&format!("waiting for another writer of {package}"));
                        interrupt::listen();
                        told = true;
                    }
                    interrupt::check()?;
                    std::thread::sleep(LOCK_INTERVAL);
                }
                opened => return opened.map_err(|error| failed(package, &error)),
            }
        }
    }

    /// Plans the update, and shows, saves or carries it out.
    pub(crate) fn finish(
        &self,
        package: &Path,
        update: Update,
        talk: Talk,
    ) -> Result<Outcome, Failure> {
        let failed = |error| failed(package, &error);
        interrupt::listen();
        let planned = plan(update, talk).map_err(failed)?;
        let summary = show::Summary::new(package, &planned);
        if self.dry_run {
            return self.show(&summary, &planned);
        }
        if let Some(out) = &self.plan {
            return self.save(out, &summary, &planned, talk);
        }
        if self.json {
            // The object is printed last, because it says that the update was carried out.
            self.carry_out(package, planned, &summary, talk)?;
            output::json(&mut io::stdout().lock(), &summary.applied())?;
        } else {
            self.carry_out(package, planned, &summary, talk)?;
        }
        Ok(self.barriers.purge(talk))
    }

    fn show(&self, summary: &show::Summary, planned: &PlannedUpdate) -> Result<Outcome, Failure> {
        let mut out = output::stdout();
        if self.json {
            output::json(&mut out, summary)?;
        } else {
            show::update(&mut out, summary, planned)?;
        }
        out.flush()?;
        Ok(Outcome::Done)
    }

    fn save(
        &self,
        out: &Path,
        summary: &show::Summary,
        planned: &PlannedUpdate,
        talk: Talk,
    ) -> Result<Outcome, Failure> {
        if !planned.is_empty() {
            planned.save(out)?;
        }
        if self.json {
            output::json(&mut io::stdout().lock(), summary)?;
        } else if planned.is_empty() && talk >= Talk::Normal {
            output::note(&summary.text());
        } else if talk >= Talk::Normal {
            let out = output::shown(out);
            output::note(&format!("{out}, {out}.data: the plan is saved, nothing is changed"));
        }
        Ok(Outcome::Done)
    }

    fn carry_out(
        &self,
        package: &Path,
        planned: PlannedUpdate,
        summary: &show::Summary,
        talk: Talk,
    ) -> Result<(), Failure> {
        let failed = |error| failed(package, &error);
        let was_ahead = time_ahead(package).is_some();
        let mut bar = Bar::bytes("writing", 0, talk);
        planned
            .apply_with(&mut |at| {
                bar.set(at.bytes, at.bytes_total);
                interrupt::go_on()
            })
            .map_err(failed)?;
        drop(bar);
        if talk >= Talk::Normal && !self.json {
            output::note(&summary.text());
            time_ahead(package).filter(|_| !was_ahead).into_iter().for_each(tell_time_ahead);
        }
        Ok(())
    }
}
