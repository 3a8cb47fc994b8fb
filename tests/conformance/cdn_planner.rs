//! Plays plans of the crates' planner as steps of the simulation, with the simulation's caches.

use crate::cdn_cases::content;
use dacti::{BuildOptions, EncodingChoice, PackageBuilder};
use dacti_cdn::{
    Action, ComponentContent, Derived, Digest, Edit as CdnEdit, Error, Misuse, NewComponent,
    PieceContent, Put, Remove, Snapshot, SnapshotReader, UpdatePolicy, check,
};
use dacti_index::Encoding;
use dacti_seal::SecretKey;
use dacti_tests::cache::{Op, Origin, Plan};
use dacti_tests::edit::{Edit, Published, Sealing, model_of};
use dacti_tests::reference::{self as by, BROT, GONE, Id, NAMES, NONE, path_id};
use daicon_core::{Span, Version};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Returns the key of the publisher of signed packages.
pub fn key() -> SecretKey {
    SecretKey::from_seed(&[42; 32], Uuid::from_u128(0x51))
}

/// Returns a package of `files` regions that the facade has built.
pub fn built(files: usize, slice_len: u64, sealing: Sealing) -> Published {
    built_with(files, slice_len, sealing, Kind::Plain)
}

/// How the regions of a package are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Plain,
    /// The smallest regions are hot.
    Hot,
    /// Every second region has the same content, so that regions share stored bytes.
    Shared,
}

/// Returns a package that the facade has built, with regions of this kind.
pub fn built_with(files: usize, slice_len: u64, sealing: Sealing, kind: Kind) -> Published {
    let files: Vec<_> = (0..files)
        .map(|i| {
            let path = format!("dir{}/file{i}.bin", i % 3);
            let bytes = match kind {
                Kind::Shared if i % 2 == 1 => content("shared", 0, 700),
                _ => content(&path, 0, [0, 1, 31, 700, 4096, 5000, 9000, 17_000][i % 8]),
            };
            // Large packages have only short files.
            (path, if files > 100 { bytes[..bytes.len().min(40)].to_vec() } else { bytes })
        })
        .collect();
    let options = BuildOptions {
        slice_len,
        seals: sealing != Sealing::None,
        encoding: EncodingChoice::None,
        ..BuildOptions::default()
    };
    let mut builder = PackageBuilder::new(options);
    if sealing == Sealing::Signed {
        builder.sign(key());
    }
    for (path, bytes) in &files {
        let added = match kind == Kind::Hot && bytes.len() < 1000 {
            true => builder.add_hot(&path[..], bytes.clone()),
            false => builder.add(&path[..], bytes.clone()),
        };
        added.expect("a good path");
    }
    let dir = tempfile::tempdir().expect("a place for files");
    let path = dir.path().join("built.dacti-pack");
    builder.build(&path).expect("a good package");
    Published::new(std::fs::read(path).expect("just built"), model_of(&files), sealing)
}

/// The edits of an update.
#[derive(Clone, Debug, Default)]
pub struct Update {
    /// Puts and removals of regions.
    pub edits: Vec<Edit>,
    /// Whether new regions are stored as Brotli streams.
    pub brotli: bool,
    /// New components. Their content is a region, or data in a table.
    pub components: Vec<(Id, Vec<u8>)>,
    /// Whether the update sets the flag for explicit ids in the names component.
    pub explicit_ids: bool,
}

impl From<Vec<Edit>> for Update {
    fn from(edits: Vec<Edit>) -> Self {
        Self { edits, ..Self::default() }
    }
}

/// A plan of the crates, and everything that an executor needs for it.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The plan.
    pub plan: dacti_cdn::Plan,
    /// The snapshot for which the plan was made.
    pub snapshot: Snapshot,
    /// The new bytes of each edit, with their seals.
    pub payload: Vec<Vec<u8>>,
}

/// Returns the snapshot that the planner gets for this file.
pub fn snapshot(file: &[u8], scanned: bool) -> Snapshot {
    let read = |span: Span| file[span.start as usize..(span.end as usize).min(file.len())].to_vec();
    snapshot_of(file.len() as u64, read, scanned)
}

/// Returns the snapshot of a file of `len` bytes. `read` returns bytes of the file.
fn snapshot_of(len: u64, read: impl Fn(Span) -> Vec<u8>, scanned: bool) -> Snapshot {
    let mut reader = SnapshotReader::new(len);
    while let Some(want) = reader.want() {
        reader.feed(&read(want)).expect("a good package");
    }
    let mut snapshot = reader.finish().expect("a good package");
    if scanned {
        let mut scan = snapshot.entries_reader().expect("a good index");
        while let Some(want) = scan.want() {
            scan.feed(&read(want)).expect("a good index");
        }
        snapshot.set_entries(scan.finish().expect("a good index"));
    }
    snapshot
}

impl Planned {
    /// Makes and checks the plan of an update. Does not carry it out.
    pub fn new(package: &Published, update: &Update, policy: &UpdatePolicy) -> Self {
        Self::seen_by(package, update, policy, |scanned| snapshot(&package.file, scanned))
    }

    /// Makes and checks the plan of an update. `package` may have only the first bytes of the file;
    /// `snapshot` describes the whole file.
    fn seen_by(
        package: &Published,
        update: &Update,
        policy: &UpdatePolicy,
        snapshot: impl Fn(bool) -> Snapshot,
    ) -> Self {
        let (mut edits, mut payload) = (Vec::new(), Vec::new());
        let mut put = |id: Id, encoding: [u8; 4], stored: Vec<u8>| {
            let size = stored.len() as u64;
            let behind = behind(package.sealing, id, encoding, &stored);
            let seal_len = behind.len() as u64;
            let bytes = [stored, behind].concat();
            let (id, encoding) = (Uuid::from_bytes(id), Encoding::from_tag(encoding));
            let digest = Digest::of(&bytes);
            edits.push(CdnEdit::Put(Put { id, encoding, size, seal_len, digest, replaced_len: 0 }));
            payload.push(bytes);
        };
        let encoding = if update.brotli { BROT } else { NONE };
        let store = |bytes: &[u8]| {
            if update.brotli { by::brotli_stored(bytes) } else { bytes.to_vec() }
        };
        if let Some(segment) = package.names_segment(&update.edits) {
            put(NAMES, encoding, store(&segment));
        }
        let mut removed = Vec::new();
        for edit in &update.edits {
            match edit {
                Edit::Put(path, bytes) => put(path_id(path), encoding, store(bytes)),
                Edit::Remove(path) => removed.push(path_id(path)),
            }
        }
        for id in removed {
            let seal = behind(package.sealing, id, GONE, &[]);
            let (id, seal_len) = (Uuid::from_bytes(id), seal.len() as u64);
            let digest = Digest::of(&seal);
            edits.push(CdnEdit::Remove(Remove { id, seal_len, digest, replaced_len: 0 }));
            payload.push(seal);
        }
        for (id, bytes) in &update.components {
            let (size, digest) = (bytes.len() as u64, Digest::of(bytes));
            edits.push(CdnEdit::Component(NewComponent {
                id: Uuid::from_bytes(*id),
                version: Version::new(0, 1),
                content: ComponentContent::Region { size, digest },
            }));
            payload.push(bytes.clone());
        }
        if update.explicit_ids {
            edits.push(CdnEdit::ExplicitIds);
            payload.push(Vec::new());
        }
        let mut seen = snapshot(false);
        let mut planned = dacti_cdn::plan(&seen, &edits, policy);
        if planned == Err(Error::Misuse(Misuse::IndexNeeded)) {
            seen = snapshot(true);
            planned = dacti_cdn::plan(&seen, &edits, policy);
        }
        let planned = Self { plan: planned.expect("a plan"), snapshot: seen, payload };
        assert_eq!(check(&planned.plan, &planned.snapshot), Ok(()));
        planned
    }

    /// Returns the steps as writes of the simulation. If pieces have a gap between them, they are
    /// separate writes.
    pub fn ops(&self) -> Vec<Op> {
        let mut derived = BTreeMap::new();
        if let Ok(Some(new)) = Derived::of(&self.plan, &self.snapshot) {
            new.emit(|at, bytes| {
                derived.insert(at, bytes.to_vec());
                Ok::<(), Error>(())
            })
            .expect("a new index");
        }
        let mut ops = Vec::new();
        for step in &self.plan.steps {
            match &step.action {
                Action::Barrier(_) => ops.push(Op::Barrier),
                Action::Reserve(r) => ops.push(Op::Reserve { at: r.at, bytes: r.after.clone() }),
                Action::Switch(s) => ops.push(Op::Switch { at: s.at, bytes: s.after.clone() }),
                Action::Append(append) => {
                    let mut written: Vec<(u64, Vec<u8>)> = Vec::new();
                    for piece in &append.pieces {
                        let start = piece.span.start;
                        let bytes = match &piece.content {
                            PieceContent::Edit { edit, .. } => self.payload[*edit as usize].clone(),
                            PieceContent::Derived { .. } => derived[&start].clone(),
                            PieceContent::Inline(bytes) => bytes.clone(),
                            PieceContent::Zeros => vec![0; piece.span.len() as usize],
                        };
                        match written.last_mut() {
                            Some((at, all)) if *at + all.len() as u64 == start => all.extend(bytes),
                            _ => written.push((start, bytes)),
                        }
                    }
                    ops.extend(written.into_iter().map(|(at, bytes)| Op::Append { at, bytes }));
                }
            }
        }
        ops
    }

    /// Carries out the plan on the package, and applies the edits to its model.
    pub fn run(&self, package: &mut Published, update: &Update) -> Plan {
        package.model.components.extend(update.components.iter().cloned());
        let name = format!("{} by the planner", self.plan.strategy);
        package.finish(&name, self.ops(), &update.edits)
    }
}

/// Returns the seal of a region: a digest and, in a signed package, a signature.
fn behind(sealing: Sealing, id: Id, encoding: [u8; 4], stored: &[u8]) -> Vec<u8> {
    let digest = |bytes: &[u8]| *blake3::hash(bytes).as_bytes();
    match sealing {
        Sealing::None | Sealing::Digest => sealing.behind(id, encoding, stored),
        Sealing::Signed => {
            let digest = by::seal(id, encoding, stored, &digest);
            [&digest[..], &key().sign(&digest)].concat()
        }
    }
}

/// Plans an update by a policy, and carries it out.
pub fn update_with(package: &mut Published, update: &Update, policy: &UpdatePolicy) -> Plan {
    Planned::new(package, update, policy).run(package, update)
}

/// Plans several updates of a package, one after the other. Zeros follow the package's bytes up to
/// `len`. No update may need the names list.
pub fn update_sparse(package: &Published, len: u64, updates: &[Update]) -> Vec<Plan> {
    let mut package = package.clone();
    let mut origin = Origin::new(&package.file, len);
    let mut plans = Vec::new();
    for update in updates {
        let front = package.file.clone();
        let seen = |scanned| {
            let now = origin.now();
            let read = |span: Span| {
                let end = span.end.min(origin.len(now));
                origin.read(now, span.start, end - span.start).expect("within the file")
            };
            snapshot_of(origin.len(now), read, scanned)
        };
        let planned = Planned::seen_by(&package, update, &UpdatePolicy::default(), seen);
        let ops = planned.ops();
        ops.iter().enumerate().for_each(|(i, op)| origin.run(0, i, op));
        let name = format!("{} by the planner", planned.plan.strategy);
        // The steps are not applied to `package.file`, because they would make it as long as `len`.
        plans.push(Plan { ops, ..package.finish(&name, Vec::new(), &update.edits) });
        package.file = front;
    }
    plans
}
