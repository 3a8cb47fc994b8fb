//! A saved plan. It is carried out later, perhaps by another person, from its file and its data
//! file.
//!
//! The files are not trusted. Before the plan starts, it is checked against the laws and the
//! package, and every byte is checked against its digest. Specification: `docs/spec/dacti-cdn.md`,
//! "Saved plans".

use super::UpdateFault;
use super::block::{Block, written_len};
use super::execute::{Standing, UpdateProgress, execute, failed, standing};
use super::file::{LockedFile, Reading, UpdateFile};
use super::named;
use super::overlay::{Overlay, read_entries, read_snapshot};
use super::planned::data_path;
use crate::fetch::ReadAt;
use crate::{Error, Limits, Package};
use core::ops::ControlFlow;
use dacti_cdn::{Action, Edit, Plan, Snapshot, Strategy, check};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uuid::Uuid;

/// The maximum number of bytes of JSON that are read. A plan takes a few hundred bytes for each
/// region.
const JSON_LEN_MAX: u64 = 1 << 30;

/// The plans in a file, and the bytes that they append.
#[derive(Debug)]
pub struct SavedPlan {
    plans: Vec<Plan>,
    data: File,
    data_path: PathBuf,
}

/// The part of a saved plan to carry out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Extent {
    /// The whole plan. None of its steps may have been done on the package.
    #[default]
    Whole,
    /// The steps that are not done yet.
    Rest,
    /// The step with this number, counted from 1 through all plans. It must be the next step.
    Step(usize),
}

/// The progress that a saved plan has made on a package: the number of steps that are done, counted
/// through all plans, and whether the next step was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavedStanding {
    /// The number of steps that are done. Barriers after the last finished step do not count,
    /// because the file does not show whether they passed.
    pub done: usize,
    /// The number of all steps.
    pub steps: usize,
    /// Whether the next step was started but not finished.
    pub begun: bool,
    plan: usize,
}

impl SavedStanding {
    /// Returns whether all steps are done.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.done == self.steps
    }
}

impl SavedPlan {
    /// Reads the plans from the file at `path`, and opens the data file with their bytes.
    ///
    /// # Errors
    /// `Io`; [`UpdateFault::NotAPlan`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let open = |path| File::open(path).map_err(|error| Error::io("open", path, error));
        let not_a_plan = |reason: String| UpdateFault::NotAPlan { path: path.into(), reason };
        let json = BufReader::new(open(path)?.take(JSON_LEN_MAX));
        let plans: Vec<Plan> = serde_json::from_reader(json).map_err(|error| {
            if error.is_io() {
                return Error::io("read", path, error.into());
            }
            not_a_plan(error.to_string()).into()
        })?;
        if plans.is_empty() {
            return Err(not_a_plan("the file has no plan".into()).into());
        }
        let data_path = data_path(path);
        let data = open(&data_path)?;
        Ok(Self { plans, data, data_path })
    }

    /// Returns the plans, which are carried out one after the other.
    #[must_use]
    pub fn plans(&self) -> &[Plan] {
        &self.plans
    }

    /// Returns the progress that the plans have made on the package at `path`.
    ///
    /// # Errors
    /// [`UpdateFault::State`] if the package is in none of the plans' states; the errors of
    /// [`Update::open`].
    ///
    /// [`Update::open`]: super::Update::open
    pub fn standing(&self, path: impl AsRef<Path>) -> Result<SavedStanding, Error> {
        let path = path.as_ref();
        let file: Arc<dyn UpdateFile> = Arc::new(LockedFile::open(path)?);
        self.standing_of(&file).map_err(|error| named(error, path))
    }

    fn standing_of(&self, file: &Arc<dyn UpdateFile>) -> Result<SavedStanding, Error> {
        let steps = self.plans.iter().map(|plan| plan.steps.len()).sum();
        let mut fault = None;
        // The last plan is tried first. If a plan is done, the file is also in the first state of
        // the next plan, and the next plan must be resumed.
        for (plan, planned) in self.plans.iter().enumerate().rev() {
            let before = self.steps_before(plan);
            let at = |within: usize, begun| {
                let done = before.saturating_add(within);
                SavedStanding { done, steps, begun, plan }
            };
            match standing(file, planned) {
                Ok(Standing::Done) => return Ok(at(planned.steps.len(), false)),
                Ok(Standing::Before(step)) => return Ok(at(step, false)),
                Ok(Standing::Within(step)) => return Ok(at(step, true)),
                Err(error) => fault = Some(error),
            }
        }
        Err(fault.unwrap_or(UpdateFault::NoStep { step: 0, steps }.into()))
    }

    /// Carries out the plans on the package at `path`, and returns their progress.
    ///
    /// # Errors
    /// The errors of [`apply_with`](Self::apply_with).
    pub fn apply(&self, path: impl AsRef<Path>, extent: Extent) -> Result<SavedStanding, Error> {
        self.apply_with(path, extent, &mut |_| ControlFlow::Continue(()))
    }

    /// Does the same as [`apply`](Self::apply), and calls `progress` on the calling thread. The
    /// work stops if `progress` returns `Break`.
    ///
    /// # Errors
    /// [`UpdateFault::Begun`] if a step was done before and `extent` is `Whole`;
    /// [`UpdateFault::State`] if the package is in none of the plans' states; a plan that breaks a
    /// law; a data file of another plan; errors of the system. In any case, the package can be
    /// opened, in its old or its new state.
    pub fn apply_with(
        &self,
        path: impl AsRef<Path>,
        extent: Extent,
        progress: &mut dyn FnMut(UpdateProgress) -> ControlFlow<()>,
    ) -> Result<SavedStanding, Error> {
        let path = path.as_ref();
        let file: Arc<dyn UpdateFile> = Arc::new(LockedFile::open(path)?);
        self.apply_to(&file, extent, progress).map_err(|error| named(error, path))
    }

    /// Does the same as [`apply_with`](Self::apply_with), on any kind of file that the caller
    /// implements.
    ///
    /// # Errors
    /// The errors of [`apply_with`](Self::apply_with).
    pub fn apply_to(
        &self,
        file: &Arc<dyn UpdateFile>,
        extent: Extent,
        progress: &mut dyn FnMut(UpdateProgress) -> ControlFlow<()>,
    ) -> Result<SavedStanding, Error> {
        let found = self.standing_of(file)?;
        match extent {
            Extent::Step(step) => self.apply_step(file, found, step, progress)?,
            Extent::Whole if found.done > 0 || found.begun => {
                if !found.is_done() {
                    let step = found.done.saturating_add(1);
                    return Err(UpdateFault::Begun { step }.into());
                }
            }
            Extent::Whole | Extent::Rest => {
                for (i, plan) in self.plans.iter().enumerate().skip(found.plan) {
                    if !found.is_done() {
                        prove(file, plan)?;
                        self.check_data()?;
                        let block = self.block(i);
                        hold_against(plan, &block)?;
                        execute(file, plan, &block, 0..plan.steps.len(), progress)?;
                    }
                }
            }
        }
        self.standing_of(file)
    }

    /// Carries out one step. Only barriers may lie between the last finished step and this step. If
    /// the step is already done, nothing happens.
    fn apply_step(
        &self,
        file: &Arc<dyn UpdateFile>,
        found: SavedStanding,
        step: usize,
        progress: &mut dyn FnMut(UpdateProgress) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let no_step = UpdateFault::NoStep { step, steps: found.steps };
        let Some(number) = step.checked_sub(1).filter(|number| *number < found.steps) else {
            return Err(no_step.into());
        };
        let steps = self.plans.iter().flat_map(|plan| &plan.steps);
        // The file does not show whether barriers are done, so they are not counted.
        let mut between = steps.take(number).skip(found.done);
        if !between.all(|step| matches!(step.action, Action::Barrier(_))) {
            let next = found.done.saturating_add(1);
            return Err(UpdateFault::NotNext { step, next }.into());
        }
        let i = (0..self.plans.len()).rev().find(|i| self.steps_before(*i) <= number);
        let Some((i, plan)) = i.and_then(|i| self.plans.get(i).map(|plan| (i, plan))) else {
            return Err(no_step.into());
        };
        if number < found.done {
            return Ok(());
        }
        prove(file, plan)?;
        self.check_data()?;
        let block = self.block(i);
        let within = number.saturating_sub(self.steps_before(i));
        if plan.steps.get(within).is_some_and(|step| matches!(step.action, Action::Append(_))) {
            hold_against(plan, &block)?;
        }
        execute(file, plan, &block, within..within.saturating_add(1), progress)
    }

    /// Checks that the length of the data file equals the total length of all blocks.
    fn check_data(&self) -> Result<(), Error> {
        let path = &self.data_path;
        let found = self.data.metadata().map_err(|error| Error::io("read", path, error))?.len();
        let expected = self.data_len(self.plans.len());
        if found != expected {
            return Err(UpdateFault::DataLen { path: path.clone(), expected, found }.into());
        }
        Ok(())
    }

    /// Returns the number of bytes in the data file that belong to the first `plans` plans.
    fn data_len(&self, plans: usize) -> u64 {
        let appends = self.plans.iter().take(plans).filter_map(Plan::append);
        appends.fold(0, |sum: u64, append| sum.saturating_add(written_len(append)))
    }

    fn block(&self, plan: usize) -> Block<'_> {
        let at = self.data_len(plan);
        Block::Saved { file: &self.data, path: &self.data_path, at }
    }

    fn steps_before(&self, plan: usize) -> usize {
        self.plans.iter().take(plan).map(|plan| plan.steps.len()).sum()
    }
}

/// Proves that a plan keeps the laws. The proof uses the package in its state before the plan.
fn prove(file: &Arc<dyn UpdateFile>, plan: &Plan) -> Result<(), Error> {
    let reading = Reading::new(Arc::clone(file)).map_err(failed("read"))?;
    let before = Overlay::before(Arc::new(reading), plan)?;
    let mut snapshot = read_snapshot(&before, ReadAt::len(&before))?;
    if plan.strategy == Strategy::Fold {
        read_entries(&before, &mut snapshot)?;
    } else {
        look_up(before, plan, &mut snapshot)?;
    }
    Ok(check(plan, &snapshot).map_err(UpdateFault::from)?)
}

/// Looks up the regions that a plan replaces or removes.
fn look_up(before: Overlay, plan: &Plan, snapshot: &mut Snapshot) -> Result<(), Error> {
    let ids: Vec<Uuid> = plan.edits.iter().filter_map(Edit::region_id).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let package = Package::from_source(Arc::new(before), Limits::default())?;
    let found = package.find_many(ids.iter().copied()).into_iter().zip(&ids);
    let found = found.map(|(found, id)| Ok((*id, found?.map(|found| found.span.len()))));
    snapshot.set_found(found.collect::<Result<Vec<_>, Error>>()?);
    Ok(())
}

/// Checks all bytes of a plan against their digests, before any of them is written.
fn hold_against(plan: &Plan, block: &Block<'_>) -> Result<(), Error> {
    match plan.append() {
        Some(append) => block.each(append, &mut |_, _| Ok(())),
        None => Ok(()),
    }
}
