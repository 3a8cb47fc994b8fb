//! What `put` and `rm` share: how a package is opened for an update, and what becomes of the plan.

pub(crate) mod show;
pub(crate) mod standing;

use crate::outcome::{Failure, Outcome};
use crate::progress::Bar;
use crate::{Talk, interrupt, keys, output, threads};
use clap::ValueEnum;
use core::num::NonZeroUsize;
use dacti::Encoding;
use dacti::update::{PlannedUpdate, Update, UpdateOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// How to update.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Print what would be done, step by step, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Write the plan to this file, and the bytes that it appends to OUT.data, and change nothing:
    /// `dacti apply OUT PKG` carries it out.
    #[arg(long, value_name = "OUT", conflicts_with = "dry_run")]
    plan: Option<PathBuf>,
    /// Sign new regions with the private key in this file. A signed package needs it, or
    /// --unsigned.
    #[arg(long, value_name = "KEY", conflicts_with = "unsigned")]
    sign: Option<PathBuf>,
    /// The publisher's package to sign for, where it is not the one in the key's file.
    #[arg(long, value_name = "UUID", requires = "sign", value_parser = keys::package_id)]
    package_id: Option<Uuid>,
    /// Leave new regions of a signed package without a signature: readers who require one refuse
    /// them.
    #[arg(long)]
    unsigned: bool,
    /// How new regions are stored; as the package's others are by default.
    #[arg(long, value_enum)]
    encoding: Option<Stored>,
    /// Brotli's quality: 0 is fast, 11 is small.
    #[arg(long, value_name = "N", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u8).range(0..=11))]
    quality: u8,
    /// Threads that encode, at most 1024; as many as there are cores by default. Changes no byte.
    #[arg(long, value_name = "N", value_parser = threads::parse)]
    threads: Option<NonZeroUsize>,
    /// Print what was done, or would be, as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stored {
    None,
    Brotli,
}

impl Options {
    /// Opens the package; other writers are locked out from here on.
    pub(crate) fn open(&self, package: &Path, force: bool) -> Result<Update, Failure> {
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
        let failed = |error| Failure::with(package, &error);
        let mut update = Update::open(package, options).map_err(failed)?;
        if let Some(path) = &self.sign {
            let key = keys::read_private(path)?;
            let key = match self.package_id {
                Some(package) => key.for_package(package),
                None => key,
            };
            update.sign(key).map_err(failed)?;
        }
        if self.unsigned {
            update.leave_unsigned();
        }
        Ok(update)
    }

    /// Plans the update, and shows, saves or carries it out.
    pub(crate) fn finish(
        &self,
        package: &Path,
        update: Update,
        talk: Talk,
    ) -> Result<Outcome, Failure> {
        let failed = |error| Failure::with(package, &error);
        interrupt::listen();
        let planned = {
            let mut bar = Bar::bytes("encoding", 0, talk);
            update.plan_with(&mut |at| {
                bar.set(at.bytes, at.bytes_total);
                interrupt::go_on()
            })
        };
        let planned = planned.map_err(failed)?;
        let summary = show::Summary::new(package, &planned);
        if self.dry_run {
            return self.show(&summary, &planned);
        }
        if let Some(out) = &self.plan {
            return self.save(out, &summary, &planned, talk);
        }
        if self.json {
            // Printed when it is done, so that it does not say what was not.
            self.carry_out(package, planned, &summary, talk)?;
            output::json(&mut std::io::stdout().lock(), &summary.applied())?;
            return Ok(Outcome::Done);
        }
        self.carry_out(package, planned, &summary, talk)?;
        Ok(Outcome::Done)
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
            output::json(&mut std::io::stdout().lock(), summary)?;
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
        let failed = |error| Failure::with(package, &error);
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
        }
        Ok(())
    }
}
