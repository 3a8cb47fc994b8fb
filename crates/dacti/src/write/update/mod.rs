//! Updates of a package in a file. An update is encoded, planned and carried out. It can be resumed
//! after a crash.
//!
//! Readers see the old package or the new one, because no byte that they can reach changes.
//! `dacti-cdn` plans every write, and this module carries the writes out. Specification:
//! `docs/spec/dacti-cdn.md`.

mod block;
mod chain;
mod compare;
mod edits;
mod execute;
mod file;
mod overlay;
mod planned;
mod saved;
#[cfg(feature = "http")]
mod served;
mod stage;
mod times;

pub use crate::error::{StateFault, UpdateFault};
pub use dacti_cdn::{
    Action, Append, Barrier, Cost, DerivedRegion, Digest, Field, Piece, PieceContent, Plan, Probe,
    Purge, Reason, Rejected, Reserve, State, Step, Strategy, Switch, UpdatePolicy,
};
pub use edits::{Change, ChangeKind};
pub use execute::UpdateProgress;
pub use file::{LockedFile, UpdateFile};
pub(in crate::write) use overlay::read_snapshot;
pub use planned::PlannedUpdate;
pub use saved::{Extent, SavedPlan, SavedStanding};
#[cfg(feature = "http")]
pub use served::{ServedAt, ServedFile};

use crate::hash::HashPool;
use crate::write::pack::encode::{Encoder, Sealing};
use crate::write::pack::input::{Input, Spool, Taken};
use crate::{Encoding, Error, InputName, Limits, Located, Package, Progress, RegionName};
use core::num::NonZeroUsize;
use core::ops::ControlFlow;
use dacti_cdn::{ComponentContent, NewComponent};
use dacti_names::NAMES_ID;
use dacti_seal::{KeySearch, Kind, SecretKey};
use daicon_core::Version;
use edits::Edits;
use file::Reading;
use stage::{Effort, Stage};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uuid::Uuid;

/// How to update a package.
#[derive(Debug, Clone)]
pub struct UpdateOptions {
    /// The encoding of new regions; by default the encoding of the package's other regions.
    pub encoding: Option<Encoding>,
    /// Brotli's quality, 0 to 11.
    pub quality: u8,
    /// Whether a region is written again even if its content is unchanged.
    pub force: bool,
    /// The options of the planner: alignment, purges, barriers.
    pub policy: UpdatePolicy,
    /// Threads that encode; by default one for each core. Their number does not change the package.
    pub threads: Option<NonZeroUsize>,
    /// The maximum number of bytes that are encoded but not yet written. The limit does not change
    /// the package.
    pub in_flight_max: usize,
}

impl Default for UpdateOptions {
    fn default() -> Self {
        Self {
            encoding: None,
            quality: 5,
            force: false,
            policy: UpdatePolicy::default(),
            threads: None,
            in_flight_max: 64 << 20,
        }
    }
}

/// The regions to remove, by id, each with the name that the caller gave.
type Removed = BTreeMap<Uuid, (String, Located)>;

/// An update of one package by its only writer. Other writers are locked out until the update and
/// its plan are dropped, or the process ends.
#[derive(Debug)]
pub struct Update {
    file: Arc<dyn UpdateFile>,
    path: PathBuf,
    package: Package,
    options: UpdateOptions,
    inputs: Vec<Input>,
    taken: Taken,
    spool: Spool,
    removed: Removed,
    components: Vec<(NewComponent, Vec<u8>)>,
    key: Option<SecretKey>,
    leave_unsigned: bool,
}

impl Update {
    /// Opens the package at `path` for an update.
    ///
    /// # Errors
    /// [`UpdateFault::Locked`] if another writer has locked the file; a package that cannot be
    /// read; impossible options; errors of the system.
    pub fn open(path: impl AsRef<Path>, options: UpdateOptions) -> Result<Self, Error> {
        let path = path.as_ref();
        Self::of_file(Arc::new(LockedFile::open(path)?), path, options)
    }

    /// Begins an update of a package in any kind of file that the caller implements. Messages call
    /// the file `path`. Temporary files are created in the folder of `path`.
    ///
    /// # Errors
    /// The errors of [`open`](Self::open).
    pub fn of_file(
        file: Arc<dyn UpdateFile>,
        path: impl AsRef<Path>,
        options: UpdateOptions,
    ) -> Result<Self, Error> {
        let path = path.as_ref();
        if options.quality > 11 {
            let found = u64::from(options.quality);
            return Err(Error::Option { what: "quality", found, expected: "0 to 11" });
        }
        let reading = Reading::new(Arc::clone(&file)).map_err(|e| Error::io("read", path, e))?;
        let package = Package::from_source(Arc::new(reading), Limits::default());
        Ok(Self {
            file,
            path: path.into(),
            package: package.map_err(|error| named(error, path))?,
            options,
            inputs: Vec::new(),
            taken: Taken::default(),
            spool: Spool::default(),
            removed: BTreeMap::new(),
            components: Vec::new(),
            key: None,
            leave_unsigned: false,
        })
    }

    /// Returns the package in its state at the time of opening.
    #[must_use]
    pub const fn package(&self) -> &Package {
        &self.package
    }

    /// Adds a region, or replaces the region of its path or id. A file is opened only when the
    /// update is planned, but a reader is read to its end by this call.
    ///
    /// # Errors
    /// An invalid path; a path that was put before; a reserved id; a file that is not regular;
    /// content of 4 GiB or more; errors of the system.
    pub fn put<'c>(
        &mut self,
        name: impl Into<InputName>,
        content: impl Into<crate::Content<'c>>,
    ) -> Result<&mut Self, Error> {
        let input = Input::new(name.into(), content.into(), &mut self.spool)?;
        // Ids are not checked here: they are known only after the plan has read the names list.
        self.taken.take_path(&input, &self.inputs)?;
        self.inputs.push(input);
        Ok(self)
    }

    /// Removes a region, so that look-ups no longer find it. Its bytes stay in the file for readers
    /// of the old package.
    ///
    /// # Errors
    /// `NotFound`; a package that cannot be read.
    pub fn remove<'a>(&mut self, name: impl Into<RegionName<'a>>) -> Result<&mut Self, Error> {
        self.remove_many([name])
    }

    /// Removes many regions. Without fences, each call of [`remove`](Self::remove) would scan the
    /// whole index. This call reads the index once.
    ///
    /// # Errors
    /// The errors of [`remove`](Self::remove). At the first name with an error, this returns that
    /// error. The names before it stay marked for removal.
    pub fn remove_many<'a, K: Into<RegionName<'a>>>(
        &mut self,
        names: impl IntoIterator<Item = K>,
    ) -> Result<&mut Self, Error> {
        let names: Vec<RegionName<'a>> = names.into_iter().map(Into::into).collect();
        for (name, found) in names.iter().zip(self.package.find_many(names.iter().copied())) {
            let absent = || Error::NotFound { region: name.to_string() };
            let located = found.and_then(|found| found.ok_or_else(absent));
            let located = located.map_err(|error| named(error, &self.path))?;
            if located.id == NAMES_ID {
                return Err(Error::ReservedId { id: located.id });
            }
            self.removed.insert(located.id, (name_of(name), located));
        }
        Ok(self)
    }

    /// Signs new regions with `key`, which must be one of the package's keys.
    ///
    /// # Errors
    /// The package has no signatures; the key belongs to another package; the package does not name
    /// the key.
    pub fn sign(&mut self, key: SecretKey) -> Result<&mut Self, Error> {
        let seals = self.package.view().seals();
        let seals = seals.filter(|seals| seals.kind == Kind::Signature);
        let seals = seals.ok_or(UpdateFault::NotSigned)?;
        if key.package() != seals.package {
            let (expected, found) = (seals.package, key.package());
            return Err(UpdateFault::KeyOfOtherPackage { expected, found }.into());
        }
        if !seals.keys.is_empty() && !seals.keys.contains(key.public().key()) {
            return Err(UpdateFault::OtherKey.into());
        }
        self.key = Some(key);
        Ok(self)
    }

    /// Leaves the new regions and the removals of a signed package unsigned. Readers that require a
    /// signature will then refuse the new regions and the names list, and report the removals.
    pub const fn leave_unsigned(&mut self) -> &mut Self {
        self.leave_unsigned = true;
        self
    }

    /// Returns the seal that each region or removal gets; `None` for no seal.
    fn sealing(&self, changes: bool) -> Result<Option<Sealing<'_>>, Error> {
        let Some(kind) = self.package.view().seal_kind() else { return Ok(None) };
        let key = self.key.as_ref();
        if changes && kind == Kind::Signature && key.is_none() && !self.leave_unsigned {
            return Err(UpdateFault::NeedsKey.into());
        }
        Ok(Some(Sealing { kind, key }))
    }

    /// Adds a component with a region of its own, for a format that is built on packages.
    pub fn add_component(&mut self, id: Uuid, version: Version, region: Vec<u8>) -> &mut Self {
        let digest = Digest::of(&region);
        let size = u64::try_from(region.len()).unwrap_or(u64::MAX);
        let content = ComponentContent::Region { size, digest };
        self.components.push((NewComponent { id, version, content }, region));
        self
    }

    /// Adds a component whose data are the eight bytes in its table entry.
    pub fn add_component_data(&mut self, id: Uuid, version: Version, data: [u8; 8]) -> &mut Self {
        let content = ComponentContent::Data(data);
        self.components.push((NewComponent { id, version, content }, Vec::new()));
        self
    }

    /// Encodes and seals the new regions, and plans the update. Nothing is written to the package.
    ///
    /// # Errors
    /// The errors of [`plan_with`](Self::plan_with).
    pub fn plan(self) -> Result<PlannedUpdate, Error> {
        self.plan_with(&mut |_| ControlFlow::Continue(()))
    }

    /// Does the same as [`plan`](Self::plan), and calls `progress` on the calling thread while
    /// regions are encoded. The encoding stops if `progress` returns `Break`.
    ///
    /// # Errors
    /// An id that is used twice; a file that changed; a change that no single switch can publish; a
    /// package that cannot be read; errors of the system. The package stays unchanged.
    pub fn plan_with(
        self,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<PlannedUpdate, Error> {
        let path = self.path.clone();
        self.planned(progress).map_err(|error| named(error, &path))
    }

    fn planned(
        mut self,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<PlannedUpdate, Error> {
        for (component, region) in &self.components {
            if KeySearch::finds_in(region) {
                let name = format!("component {}", component.id);
                return Err(Error::PrivateKey { name, file: None });
            }
        }
        let effort = Effort {
            threads: crate::threads::count(self.options.threads),
            in_flight_max: self.options.in_flight_max,
        };
        let inputs = core::mem::take(&mut self.inputs);
        let removed = core::mem::take(&mut self.removed);
        let sealing = self.sealing(!inputs.is_empty() || !removed.is_empty())?;
        let edits = Edits::new(&self.package, &self.options, inputs, removed, effort)?;
        let mut stage = Stage::new(self.path.parent().unwrap_or(Path::new("")));
        let hash_pool = &HashPool::new(self.options.threads);
        let (encoding, quality) = (Encoding::NONE, self.options.quality);
        let encoder = Encoder {
            encoding,
            quality,
            dictionary: None,
            sealing,
            hashes: false,
            hash_pool,
            sharing: None,
        };
        let edits = edits.stage(encoder, &self.components, &mut stage, effort, progress)?;
        let policy = &self.options.policy;
        let planned = PlannedUpdate::new(self.file, self.path, stage, edits, policy)?;
        if planned.folds() && !self.package.source().is_in_parts() {
            self.package.refuse_part_overlaps(&self.package.scan_index()?.found)?;
        }
        Ok(planned)
    }
}

/// Returns the name of a region without the quotes that messages add.
fn name_of(key: &RegionName<'_>) -> String {
    match key {
        RegionName::Path(path) => (*path).to_owned(),
        RegionName::Id(id) => id.to_string(),
    }
}

/// Adds the package's path to an error.
fn named(error: Error, path: &Path) -> Error {
    match error {
        Error::Io { action, path: none, source } if none.as_os_str().is_empty() => {
            Error::io(action, path, source)
        }
        Error::Update(UpdateFault::Replaced { path: none }) if none.as_os_str().is_empty() => {
            UpdateFault::Replaced { path: path.into() }.into()
        }
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::{ChangeKind, Update, UpdateOptions};
    use crate::{BuildOptions, EncodingChoice, Package, PackageBuilder};

    #[test]
    fn what_is_put_is_read_and_what_is_the_same_is_not_put() {
        for encoding in [EncodingChoice::None, EncodingChoice::Brotli] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("package");
            let options = BuildOptions { slice_len: 4096, encoding, ..BuildOptions::default() };
            let mut builder = PackageBuilder::new(options);
            builder.add("a", b"one".to_vec()).unwrap();
            builder.add("b", b"two".to_vec()).unwrap();
            builder.build(&path).unwrap();
            let before = Package::open(&path).unwrap();

            let mut update = Update::open(&path, UpdateOptions::default()).unwrap();
            update.put("a", b"one".to_vec()).unwrap();
            update.put("b", b"three".to_vec()).unwrap();
            update.put("c", b"four".to_vec()).unwrap();
            let planned = update.plan().unwrap();
            let kinds: Vec<_> = planned.changes().iter().map(|change| change.kind).collect();
            assert_eq!(kinds, [ChangeKind::Unchanged, ChangeKind::Replaced, ChangeKind::Added]);
            planned.apply().unwrap();

            let after = Package::open(&path).unwrap();
            for (name, content) in [("a", "one"), ("b", "three"), ("c", "four")] {
                assert_eq!(after.get(name).unwrap(), content.as_bytes());
            }
            let listed: Vec<_> =
                after.list().unwrap().into_iter().map(|l| (l.name(), l.decoded_len)).collect();
            let expected = [("a", 3), ("b", 5), ("c", 4)];
            assert_eq!(listed, expected.map(|(name, len)| (name.to_owned(), Some(len))));
            assert_eq!(before.get("b").unwrap(), b"two", "an old view goes on");

            let mut update = Update::open(&path, UpdateOptions::default()).unwrap();
            update.put("b", b"three".to_vec()).unwrap();
            assert!(update.plan().unwrap().is_empty());
        }
    }
}
