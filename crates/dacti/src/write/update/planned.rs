//! A planned update. Its plans can be shown, saved and carried out.

use super::UpdateFault;
use super::block::{Block, Staged, written_len};
use super::edits::{Change, StagedEdit, StagedEdits};
use super::execute::{UpdateProgress, execute};
use super::file::{Reading, UpdateFile};
use super::overlay::{Overlay, read_changes, read_entries, read_snapshot};
use super::stage::Stage;
use super::{execute, named};
use crate::fetch::source::{ReadAt, write_file_at};
use crate::{AtomicFile, Error};
use core::ops::ControlFlow;
use dacti_cdn::{Edit, Misuse, Plan, Snapshot, Strategy, UpdatePolicy, check, plan};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A planned update, with all the bytes that it needs. Other writers are locked out until it is
/// dropped.
#[derive(Debug)]
pub struct PlannedUpdate {
    file: Arc<dyn UpdateFile>,
    path: PathBuf,
    stage: Stage,
    changes: Vec<Change>,
    planned: Vec<Planned>,
    plans: Vec<Plan>,
}

/// The inputs from which one plan was made.
#[derive(Debug)]
struct Planned {
    snapshot: Snapshot,
    /// For each edit, the number of the staged region that has its bytes.
    staged: Vec<Option<usize>>,
}

impl PlannedUpdate {
    pub(super) fn new(
        file: Arc<dyn UpdateFile>,
        path: PathBuf,
        stage: Stage,
        edits: StagedEdits,
        policy: &UpdatePolicy,
    ) -> Result<Self, Error> {
        let reading = Reading::new(Arc::clone(&file)).map_err(execute::failed("read"))?;
        let source: Arc<dyn ReadAt> = Arc::new(reading);
        let mut update =
            Self { file, path, stage, changes: Vec::new(), planned: Vec::new(), plans: Vec::new() };
        if !edits.is_empty() && !update.plan_in_turns(&source, &edits, policy)? {
            update.plan(&*source, &edits.all(), policy)?;
        }
        update.changes = edits.changes;
        Ok(update)
    }

    /// Plans the edits in turns if that avoids a fold. Each turn has entries in one delta group.
    /// Returns whether the edits were planned in this way.
    fn plan_in_turns(
        &mut self,
        source: &Arc<dyn ReadAt>,
        edits: &StagedEdits,
        policy: &UpdatePolicy,
    ) -> Result<bool, Error> {
        let turns = edits.turns(source.is_in_parts());
        let mut source = Arc::clone(source);
        for turn in &turns {
            self.plan(&*source, turn, policy)?;
            let Some(plan) = self.plans.last().filter(|plan| plan.strategy == Strategy::Delta)
            else {
                break;
            };
            source = Arc::new(Overlay::after(source, plan)?);
        }
        let spares = !turns.is_empty() && self.plans.len() == turns.len();
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
        policy: &UpdatePolicy,
    ) -> Result<(), Error> {
        let mut snapshot = self.snapshot(source)?;
        let staged = edits.iter().map(|edit| edit.staged).collect();
        let edits: Vec<Edit> = edits.iter().map(|edit| edit.edit).collect();
        let mut planned = plan(&snapshot, &edits, policy);
        if let Err(dacti_cdn::Error::Misuse(Misuse::ChangesNeeded)) = planned {
            read_changes(source, &mut snapshot)?;
            planned = plan(&snapshot, &edits, policy);
        }
        if let Err(dacti_cdn::Error::Misuse(Misuse::IndexNeeded)) = planned {
            read_entries(source, &mut snapshot)?;
            planned = plan(&snapshot, &edits, policy);
        }
        let planned = planned?;
        check(&planned, &snapshot).map_err(UpdateFault::from)?;
        self.plans.push(planned);
        self.planned.push(Planned { snapshot, staged });
        Ok(())
    }

    /// Reads the snapshot of the package before the first plan, or after the last one.
    fn snapshot(&self, source: &dyn ReadAt) -> Result<Snapshot, Error> {
        let snapshot = read_snapshot(source, source.len())?;
        let Some(list) = self.file.list() else { return Ok(snapshot) };
        let end = match self.plans.last() {
            Some(plan) => plan.after().len,
            None => self.file.len().map_err(execute::failed("read"))?,
        };
        Ok(snapshot.in_parts(list, end))
    }

    /// Returns the change of each region that the caller named. Removals are first, followed by the
    /// others in path order.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Returns the plans, which are carried out one after the other. There is no plan if nothing
    /// changes. There are two plans if the names of new regions must be published first, because
    /// names and regions together do not fit into one delta group. A package in parts may have more
    /// plans, because one new head publishes all of them.
    #[must_use]
    pub fn plans(&self) -> &[Plan] {
        &self.plans
    }

    /// Returns whether the update writes a new index.
    pub(super) fn folds(&self) -> bool {
        self.plans.iter().any(|plan| plan.strategy == Strategy::Fold)
    }

    /// Returns whether the update changes nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.plans.is_empty()
    }

    /// Carries out the update. When this returns, the new package is on disk.
    ///
    /// # Errors
    /// The errors of [`apply_with`](Self::apply_with).
    pub fn apply(self) -> Result<(), Error> {
        self.apply_with(&mut |_| ControlFlow::Continue(()))
    }

    /// Does the same as [`apply`](Self::apply), and calls `progress` on the calling thread. The
    /// update stops if `progress` returns `Break`.
    ///
    /// # Errors
    /// A file that another program has changed; errors of the system. In any case, the package can
    /// be opened, in its old or its new state.
    pub fn apply_with(
        self,
        progress: &mut dyn FnMut(UpdateProgress) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        for (plan, planned) in self.plans.iter().zip(&self.planned) {
            let block = self.block(plan, planned);
            execute(&self.file, plan, &block, 0..plan.steps.len(), progress)
                .map_err(|error| named(error, &self.path))?;
        }
        if self.plans.is_empty() {
            return Ok(());
        }
        self.file.publish()
    }

    /// Writes the plans to the file `path`. Writes the bytes that the plans append to the file
    /// whose name is `path` with `.data` added. [`SavedPlan`](super::SavedPlan) carries the plans
    /// out, later or on another machine.
    ///
    /// # Errors
    /// `Io`; `Cdn` if nothing changes, because there is no plan then.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        if self.plans.is_empty() {
            return Err(dacti_cdn::Error::from(Misuse::NoEdits).into());
        }
        let data_path = data_path(path);
        let data = AtomicFile::create(&data_path)?;
        let failed = |error| Error::io("write", &data_path, error);
        let mut start = 0_u64;
        for (plan, planned) in self.plans.iter().zip(&self.planned) {
            let Some(append) = plan.append() else { continue };
            self.block(plan, planned).each(append, &mut |at, bytes| {
                let at = at.saturating_sub(append.at).saturating_add(start);
                write_file_at(data.file(), at, bytes).map_err(failed)
            })?;
            start = start.saturating_add(written_len(append));
        }
        // Zeros between the pieces were not written, but the file has them as holes. This call
        // ensures that the file has its full length.
        data.file().set_len(start).map_err(failed)?;
        data.commit()?;
        let mut file = AtomicFile::create(path)?;
        let failed = |error| Error::io("write", path, error);
        serde_json::to_writer_pretty(&mut file, &self.plans)
            .map_err(|error| failed(error.into()))?;
        file.write_all(b"\n").map_err(failed)?;
        file.commit()
    }

    fn block<'b>(&'b self, plan: &'b Plan, planned: &'b Planned) -> Block<'b> {
        let Planned { snapshot, staged } = planned;
        Block::Staged(Staged { stage: &self.stage, numbers: staged, plan, snapshot })
    }
}

/// Returns the path of a saved plan's data file.
pub(super) fn data_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".data");
    name.into()
}
