//! Compaction: writes a new file with the live regions of a package, stored as before, and proves
//! that both files have the same content. Signing a package works in the same way, with new seals.
//!
//! No region is encoded or signed again unless the caller asks for it. Specification:
//! `docs/spec/dacti-package.md`, "Compaction", "Signing a package".

mod proof;
mod recompress;

pub use crate::error::CompactionFault;
pub use proof::Proof;
pub use recompress::Recompress;

use crate::index::IndexScan;
use crate::read::total::check_copy;
use crate::read::view::is_own;
use crate::write::pack::dictionary::NewDictionary;
use crate::write::pack::{Kept, KeptFrom};
use crate::{
    BuildOptions, Built, DictionaryChoice, EncodingChoice, Error, LayoutChoice, Names, Package,
    PackageBuilder, Progress,
};
use core::num::NonZeroUsize;
use core::ops::ControlFlow;
use dacti_cdn::parts::PARTS_AT;
use dacti_cdn::{HEAD_LEN, SEAL_AT, SLICE_LEN};
use dacti_index::{Encoding, GROUP_ENTRIES, Located};
use dacti_names::{NAMES_ID, Name, emit_segment};
use dacti_seal::{Kind, Seals, SecretKey};
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

/// How compaction treats seals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SealsChoice {
    /// Each region keeps its seal. A region without a seal gets none.
    #[default]
    Keep,
    /// Like `Keep`, but a package without seals gets digests.
    Digests,
    /// Seals are dropped.
    Drop,
}

/// How to compact a package.
#[derive(Debug, Clone, Default)]
pub struct CompactOptions {
    /// The layout. By default `cdn` if the package has the component `dacti-layout` or seals, and
    /// otherwise `compact`.
    pub layout: Option<LayoutChoice>,
    /// For the `cdn` layout: the slice length. By default the slice length of the package, or 64
    /// KiB if the package has none.
    pub slice_len: Option<u64>,
    /// How seals are treated.
    pub seals: SealsChoice,
    /// Whether each region gets stored bytes of its own in a file with seals. If so, readers that
    /// do not support shared stored bytes accept the file. If not, up to 16 regions with equal
    /// stored bytes share them.
    pub unshare: bool,
    /// The key that signs the names list, if a signed package needs a new list. The key signs
    /// regions only if they are encoded again.
    pub key: Option<SecretKey>,
    /// Whether a new names list of a signed package may stay unsigned.
    pub unsigned_names: bool,
    /// Unknown components to leave out. Any other unknown component is an error: its data may be
    /// positions in the file, which change.
    pub drop_components: Vec<Uuid>,
    /// Whether the contents of all regions are encoded again, and with which dictionary. In this
    /// case, a signed package needs the key.
    pub recompress: Option<Recompress>,
    /// Brotli's quality for a new names list and for contents that are encoded again; by default
    /// the default quality of a new package.
    pub quality: Option<u8>,
    /// Threads that copy and hash; by default one for each core. Their number does not change the
    /// file.
    pub threads: Option<NonZeroUsize>,
}

/// The result of a compaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compacted {
    /// The new file.
    pub built: Built,
    /// Length of the old file in bytes.
    pub old_len: u64,
    /// Whether the names list is stored as before, with its seal.
    pub names_kept: bool,
    /// The number of names that were dropped, because their regions are not in the index.
    pub names_dropped: u64,
    /// The number of hot regions that did not fit into the new head and now lie after it.
    pub hot_dropped: u64,
    /// The proof that both files have the same content.
    pub proof: Proof,
}

impl Package {
    /// Writes a new file at `path` with the regions of this package. The new file has sorted
    /// groups, no dead bytes, and room for updates. Regions are stored as before, each with its
    /// seal. The file gets its name only after it was read back and its content was found to be the
    /// same.
    ///
    /// `path` must not be this package's own file. The compaction stops if `progress` returns
    /// `Break`. Cost: every live byte is read once, written once, and read once from the new file.
    /// Memory: about 250 bytes for each entry and name, and 64 MiB for bytes in progress.
    ///
    /// # Errors
    /// `Damaged` if a region's stored bytes do not match their digest, lie outside the file, or
    /// have no digest and do not decode; `Overlap` if regions share some of their bytes but not
    /// all; `TotalTooLong` if regions share bytes and separate copies would make the file far
    /// larger, or if regions without a digest decode to far too many bytes; `Compaction`; a wrong
    /// index or names list; errors of the system. If there is an error, a file that existed at
    /// `path` stays unchanged.
    pub fn compact(
        &self,
        path: impl AsRef<Path>,
        options: &CompactOptions,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Compacted, Error> {
        self.rewrite(path.as_ref(), options, None, progress)
    }

    /// Does the same as [`compact`](Self::compact), and gives each region a seal that `key` signs.
    /// The publisher's package is the one that the key names. The digest in the old seal is checked
    /// first; the old signature is not checked.
    ///
    /// The seals and keys of `options` have no effect. Cost: one more signature for each region.
    ///
    /// # Errors
    /// The errors of [`compact`](Self::compact); `NoSealToSign` for the `compact` layout.
    pub fn sign(
        &self,
        path: impl AsRef<Path>,
        key: &SecretKey,
        options: &CompactOptions,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Compacted, Error> {
        self.rewrite(path.as_ref(), options, Some(key), progress)
    }

    /// Writes the new file. Without a `signer`, seals stay the same.
    fn rewrite(
        &self,
        path: &Path,
        options: &CompactOptions,
        signer: Option<&SecretKey>,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Compacted, Error> {
        check_components(self, options)?;
        let mut scan = self.scan_index()?;
        if let Some(fault) = scan.faults.pop() {
            return Err(fault.into());
        }
        let names = self.names()?;
        self.refuse_part_overlaps(&scan.found)?;
        if options.layout != Some(LayoutChoice::Compact) {
            check_copy(self, &scan.found)?;
        }
        let mut names = LiveNames::of(names, &scan);
        names.kept = names.kept.filter(|_| options.recompress.is_none());
        let work = Rewrite { package: self, options, signer, scan: &scan, names: &names };
        let mut hot = work.hot();
        let was_hot = hot.len();
        let mut proof = Proof::default();
        let built = loop {
            let built = work.builder(&hot)?.build_checked(path, &mut *progress, |draft| {
                let (key, anew) = (work.key(), options.recompress.is_some());
                proof = proof::prove(self, &scan, &names.alive, draft, key, anew)?;
                // spec: R-HTTP-65
                self.confirm()
            });
            match built {
                // Other parts of the new head are longer, so the hot regions no longer fit into it.
                // They are stored after the head.
                Err(Error::HotTooLong { .. }) if !hot.is_empty() => hot.clear(),
                built => break built?,
            }
        };
        let count = |len: usize| u64::try_from(len).unwrap_or(u64::MAX);
        Ok(Compacted {
            built,
            old_len: self.view().len(),
            names_kept: names.kept.is_some() || names.alive.is_empty(),
            names_dropped: names.dropped,
            hot_dropped: count(was_hot.saturating_sub(hot.len())),
            proof,
        })
    }
}

/// The content of the new file.
struct Rewrite<'r> {
    package: &'r Package,
    options: &'r CompactOptions,
    signer: Option<&'r SecretKey>,
    scan: &'r IndexScan,
    names: &'r LiveNames<'r>,
}

impl Rewrite<'_> {
    /// Returns the ids of the hot regions, which must stay hot, in ascending order.
    fn hot(&self) -> Vec<Uuid> {
        let view = self.package.view();
        if view.layout().is_none() || self.options.layout == Some(LayoutChoice::Compact) {
            return Vec::new();
        }
        let (seal_len, encoding) = (self.package.trust().seal_len(), self.names.encoding);
        // In a package with a layout, every region in the head counts as hot.
        let is_hot = |found: &&Located| {
            // The start is checked, too, because an empty region that starts at the end of the head
            // is not in the head.
            found.span.start < HEAD_LEN
                && found.span.end.saturating_add(seal_len) <= HEAD_LEN
                && found.id != NAMES_ID
                && found.encoding == encoding
        };
        let hot: Vec<_> = self.scan.found.iter().filter(is_hot).map(|found| found.id).collect();
        if hot.len() > GROUP_ENTRIES { Vec::new() } else { hot }
    }

    /// Returns the key that signs each region again; `None` if seals stay the same.
    fn key(&self) -> Option<&SecretKey> {
        let own = self.options.key.as_ref().filter(|_| self.options.recompress.is_some());
        self.signer.or(own)
    }

    /// Returns a builder that has all inputs.
    fn builder(&self, hot: &[Uuid]) -> Result<PackageBuilder, Error> {
        let Self { package, options, signer, scan, names } = *self;
        let by_signer = signer.map(signed_by);
        // The names list is copied, but it gets a new seal if the regions get new seals.
        let reseal = self.key().is_some();
        let (build_options, seals) = build_options(package, options, by_signer, names.encoding)?;
        check_keys(seals.as_ref())?;
        let mut builder = PackageBuilder::new(build_options);
        let from = Arc::new(KeptFrom::new(package, &scan.found));
        builder.keep_seals(seals.clone());
        if let Some(choice) = &options.recompress {
            self.recode_regions(&mut builder, choice, seals.as_ref(), hot)?;
        } else {
            keep_dictionary(&mut builder, &from, reseal)?;
            keep_regions(&mut builder, &from, scan, names, hot, reseal);
        }
        if let Some(key) = self.key() {
            builder.sign(key.clone());
        }
        if let Some(located) = names.kept {
            let name = "names list".into();
            builder.keep_names(Kept { from, located, name, reseal }, names.explicit_ids);
        } else if !names.alive.is_empty() {
            if !reseal {
                sign_names(&mut builder, seals.as_ref(), options)?;
            }
            builder.set_names(emit_segment(&names.alive, None)?, names.explicit_ids)?;
        }
        Ok(builder)
    }
}

/// The names that lead to regions, ascending by path.
struct LiveNames<'n> {
    alive: Vec<Name<'n>>,
    /// The number of names whose regions are not in the index.
    dropped: u64,
    /// Whether a path has an explicit id.
    explicit_ids: bool,
    /// How the names list is encoded.
    encoding: Encoding,
    /// The stored names list, if it needs no change.
    kept: Option<Located>,
}

impl<'n> LiveNames<'n> {
    fn of(names: &'n Names, scan: &IndexScan) -> Self {
        let mut alive = names.all();
        let all = alive.len();
        alive.retain(|name| {
            let id = name.id();
            let listed = scan.found.binary_search_by_key(&id, |found| found.id).is_ok();
            listed && id != NAMES_ID && !id.is_nil()
        });
        let dropped = u64::try_from(all.saturating_sub(alive.len())).unwrap_or(u64::MAX);
        let newest = names.places().first().copied();
        let kept = newest.zip(names.only_segment()).filter(|(_, segment)| {
            // The stored list is kept only if a packer would write the same bytes for these names.
            !alive.is_empty() && emit_segment(&alive, None).is_ok_and(|fresh| fresh == *segment)
        });
        Self {
            dropped,
            explicit_ids: alive.iter().any(Name::is_explicit),
            encoding: newest.map_or(Encoding::NONE, |newest| match newest.encoding {
                // An update may have encoded the segment with the dictionary. A packer never does
                // this for a names list.
                Encoding::BROTLI_DICTIONARY => Encoding::BROTLI,
                encoding => encoding,
            }),
            kept: kept
                .map(|(located, _)| located)
                .filter(|located| !located.encoding.needs_dictionary()),
            alive,
        }
    }
}

/// The first path of each region, and the length of the region's content if the names list gives
/// it.
struct FirstPaths<'n>(Vec<(Uuid, &'n str, Option<u64>)>);

impl<'n> FirstPaths<'n> {
    fn of(names: &LiveNames<'n>) -> Self {
        let alive = names.alive.iter();
        let mut paths: Vec<_> =
            alive.map(|name| (name.id(), name.path, name.decoded_len)).collect();
        paths.sort_unstable();
        Self(paths)
    }

    fn get(&self, id: Uuid) -> Option<(&'n str, Option<u64>)> {
        let first = self.0.partition_point(|(of, ..)| *of < id);
        let found = self.0.get(first).filter(|(of, ..)| *of == id);
        found.map(|(_, path, len)| (*path, *len))
    }
}

fn check_components(package: &Package, options: &CompactOptions) -> Result<(), Error> {
    if let Some(fault) = package.view().seals_fault() {
        return Err(fault.into());
    }
    for component in package.view().components() {
        let id = component.id;
        if !is_own(component) && !options.drop_components.contains(&id) {
            return Err(CompactionFault::ForeignComponent { id }.into());
        }
    }
    Ok(())
}

/// Returns the seal component of a package that is signed with a key.
fn signed_by(key: &SecretKey) -> Seals {
    let public = key.public();
    let (kind, package, keys) = (Kind::Signature, key.package(), vec![*public.key()]);
    Seals { kind, package, keys, seals_max: 1 }
}

/// Returns the options of the new file and the seals of its regions: `signed` if there are new
/// seals, otherwise the existing seals.
fn build_options(
    package: &Package,
    options: &CompactOptions,
    signed: Option<Seals>,
    names_encoding: Encoding,
) -> Result<(BuildOptions, Option<Seals>), Error> {
    let view = package.view();
    let own = view.seals();
    let was_cdn = view.layout().is_some() || own.is_some() || signed.is_some();
    let by_default = if was_cdn { LayoutChoice::Cdn } else { LayoutChoice::Compact };
    let layout = options.layout.unwrap_or(by_default);
    let is_signer = signed.is_some();
    let seals = match (options.seals, own) {
        _ if is_signer => signed,
        (SealsChoice::Drop, _) | (SealsChoice::Keep, None) => None,
        (SealsChoice::Keep | SealsChoice::Digests, Some(own)) => Some(own.clone()),
        (SealsChoice::Digests, None) => Some(Seals::DIGESTS),
    };
    if seals.is_some() && layout == LayoutChoice::Compact && !is_signer {
        return Err(CompactionFault::SealsLost.into());
    }
    let defaults = BuildOptions::default();
    let build_options = BuildOptions {
        layout,
        slice_len: options
            .slice_len
            .unwrap_or_else(|| view.layout().map_or(SLICE_LEN, |layout| layout.slice_len)),
        seals: seals.is_some(),
        share: !options.unshare,
        encoding: match names_encoding {
            _ if options.recompress.is_some() => EncodingChoice::Auto,
            Encoding::BROTLI => EncodingChoice::Brotli,
            _ => EncodingChoice::None,
        },
        dictionary: match options.recompress {
            Some(Recompress::Auto) => DictionaryChoice::Auto,
            _ => DictionaryChoice::None,
        },
        quality: options.quality.unwrap_or(defaults.quality),
        threads: options.threads,
        ..defaults
    };
    let key = options.key.as_ref().filter(|_| !is_signer);
    let Some(key) = key else { return Ok((build_options, seals)) };
    let signed = seals.filter(|seals| seals.kind == Kind::Signature);
    let mut seals = signed.ok_or(CompactionFault::NothingToSign)?;
    let (expected, found) = (seals.package, key.package());
    if expected != found {
        return Err(CompactionFault::OtherPackage { expected, found }.into());
    }
    let public = *key.public().key();
    if !seals.keys.contains(&public) {
        seals.keys.push(public);
    }
    Ok((build_options, Some(seals)))
}

/// Returns an error if the seal component has more keys than the head has room for.
fn check_keys(seals: Option<&Seals>) -> Result<(), Error> {
    let room = PARTS_AT.saturating_sub(SEAL_AT);
    let Some(seals) = seals.filter(|seals| seals.emitted_len() > room) else { return Ok(()) };
    let limit = room.saturating_sub(Seals::DIGESTS.emitted_len()).checked_div(32).unwrap_or(0);
    let (found, limit) = (seals.keys.len(), usize::try_from(limit).unwrap_or(usize::MAX));
    Err(CompactionFault::TooManyKeys { found, limit }.into())
}

/// Adds the dictionary, if there is one.
fn keep_dictionary(
    builder: &mut PackageBuilder,
    from: &Arc<KeptFrom>,
    reseal: bool,
) -> Result<(), Error> {
    let dictionary = from.dictionary();
    let (Some(located), Some(read)) = (dictionary.located()?, dictionary.get()?) else {
        return Ok(());
    };
    let name = "dictionary".into();
    let kept = Kept { from: Arc::clone(from), located, name, reseal };
    builder.keep_dictionary(NewDictionary::kept(&kept, read.clone())?);
    Ok(())
}

/// Adds every region except the names list, each under its first path.
fn keep_regions(
    builder: &mut PackageBuilder,
    from: &Arc<KeptFrom>,
    scan: &IndexScan,
    names: &LiveNames<'_>,
    hot: &[Uuid],
    reseal: bool,
) {
    let paths = FirstPaths::of(names);
    for located in scan.found.iter().filter(|found| found.id != NAMES_ID) {
        let path = paths.get(located.id).map(|(path, _)| path.to_owned());
        let name = path.clone().unwrap_or_else(|| located.id.to_string());
        let is_hot = hot.binary_search(&located.id).is_ok();
        builder.keep(
            path,
            Kept { from: Arc::clone(from), located: *located, name, reseal },
            is_hot,
        );
    }
}

/// Signs a new names list, if the package is signed.
fn sign_names(
    builder: &mut PackageBuilder,
    seals: Option<&Seals>,
    options: &CompactOptions,
) -> Result<(), Error> {
    if seals.is_none_or(|seals| seals.kind == Kind::Digest) {
        return Ok(());
    }
    match &options.key {
        Some(key) => _ = builder.sign(key.clone()),
        None if options.unsigned_names => {}
        None => return Err(CompactionFault::NamesUnsigned.into()),
    }
    Ok(())
}
