//! An update that is planned: its plans can be looked at, saved and carried out.

use super::block::Block;
use super::edits::{Change, StagedEdit, StagedEdits};
use super::execute::{UpdateProgress, execute};
use super::fault::UpdateFault;
use super::file::{Reading, UpdateFile};
use super::overlay::{Overlay, read_entries, read_snapshot};
use super::stage::Stage;
use super::{execute, named};
use crate::Error;
use crate::source::ReadAt;
use core::ops::ControlFlow;
use dacti_cdn::{Edit, Misuse, Plan, Policy, Snapshot, Strategy, check, plan};
use std::path::PathBuf;
use std::sync::Arc;

/// An update that is planned, with all the bytes that it needs. Other writers are locked out until
/// it is dropped.
#[derive(Debug)]
pub struct PlannedUpdate {
    file: Arc<dyn UpdateFile>,
    path: PathBuf,
    stage: Stage,
    changes: Vec<Change>,
    planned: Vec<Planned>,
    plans: Vec<Plan>,
}

/// What a plan was made from.
#[derive(Debug)]
struct Planned {
    snapshot: Snapshot,
    /// For each edit the number of its bytes in the stage.
    staged: Vec<Option<usize>>,
}

impl PlannedUpdate {
    pub(super) fn new(
        file: Arc<dyn UpdateFile>,
        path: PathBuf,
        stage: Stage,
        edits: StagedEdits,
        policy: &Policy,
    ) -> Result<Self, Error> {
        let reading = Reading::new(Arc::clone(&file)).map_err(execute::failed("read"))?;
        let source: Arc<dyn ReadAt> = Arc::new(reading);
        let mut update =
            Self { file, path, stage, changes: Vec::new(), planned: Vec::new(), plans: Vec::new() };
        if !edits.is_empty() && !update.plan_names_ahead(&source, &edits, policy)? {
            update.plan(&*source, &edits.all(), policy)?;
        }
        update.changes = edits.changes;
        Ok(update)
    }

    /// Plans the names before the regions, where that spares a fold. Says whether it does.
    fn plan_names_ahead(
        &mut self,
        source: &Arc<dyn ReadAt>,
        edits: &StagedEdits,
        policy: &Policy,
    ) -> Result<bool, Error> {
        let Some(names) = edits.names.filter(|_| edits.names_go_ahead()) else { return Ok(false) };
        self.plan(&**source, &[names], policy)?;
        if let Some(first) = self.plans.first().filter(|plan| plan.strategy == Strategy::Delta) {
            let overlay = Overlay::after(Arc::clone(source), first);
            self.plan(&overlay.map_err(execute::failed("read"))?, &edits.others, policy)?;
        }
        let spares = self.plans.len() == 2;
        let spares = spares && self.plans.iter().all(|plan| plan.strategy == Strategy::Delta);
        if !spares {
            self.plans.clear();
            self.planned.clear();
        }
        Ok(spares)
    }

    fn plan(
        &mut self,
        source: &dyn ReadAt,
        edits: &[StagedEdit],
        policy: &Policy,
    ) -> Result<(), Error> {
        let mut snapshot = read_snapshot(source)?;
        let staged = edits.iter().map(|edit| edit.staged).collect();
        let edits: Vec<Edit> = edits.iter().map(|edit| edit.edit).collect();
        let planned = match plan(&snapshot, &edits, policy) {
            Err(dacti_cdn::Error::Misuse(Misuse::IndexNeeded)) => {
                read_entries(source, &mut snapshot)?;
                plan(&snapshot, &edits, policy)
            }
            planned => planned,
        }?;
        check(&planned, &snapshot).map_err(UpdateFault::from)?;
        self.plans.push(planned);
        self.planned.push(Planned { snapshot, staged });
        Ok(())
    }

    /// What becomes of each region that was named, removals first, then by path.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The plans, to be carried out one after the other. None where nothing is to be changed; two
    /// where the names of new regions go ahead, so that the regions fit one switch.
    #[must_use]
    pub fn plans(&self) -> &[Plan] {
        &self.plans
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.plans.is_empty()
    }

    /// Carries the update out: when it returns, the new package is on disk.
    ///
    /// # Errors
    /// As [`apply_with`](Self::apply_with).
    pub fn apply(self) -> Result<(), Error> {
        self.apply_with(&mut |_| ControlFlow::Continue(()))
    }

    /// As [`apply`](Self::apply), and tells `progress` how far it has come, from this thread. What
    /// it returns decides whether it goes on.
    ///
    /// # Errors
    /// A file that something else has changed, and what the system says. The package opens as the
    /// old one or the new one then.
    pub fn apply_with(
        self,
        progress: &mut dyn FnMut(UpdateProgress) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        for (plan, planned) in self.plans.iter().zip(&self.planned) {
            let block = Block {
                stage: &self.stage,
                staged: &planned.staged,
                plan,
                snapshot: &planned.snapshot,
            };
            execute(&self.file, plan, &block, 0..plan.steps.len(), progress)
                .map_err(|error| named(error, &self.path))?;
        }
        Ok(())
    }
}
