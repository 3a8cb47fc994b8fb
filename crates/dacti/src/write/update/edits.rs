//! The changes of an update: the result of comparing its inputs with the package. The changed
//! regions are encoded, and the changes become edits for the planner.
//!
//! Specification: `docs/spec/dacti-cdn.md`, "Edits"; `docs/spec/dacti-names.md`, "Earlier
//! segments".

use super::UpdateFault;
use super::chain::Chain;
use super::compare::{self, Encoded};
use super::stage::{Effort, Stage};
use super::{Removed, UpdateOptions};
use crate::write::pack::dictionary::{DICTIONARY_QUALITY_MIN, NewDictionary};
use crate::write::pack::encode::{Encoder, Sealing};
use crate::write::pack::input::Input;
use crate::{Encoding, Error, HEAD_LEN, Located, Package, Progress};
use core::ops::ControlFlow;
use dacti_cdn::{ComponentContent, Digest, Edit, NewComponent, Put, Remove};
use dacti_names::{NAMES_ID, Name};
use std::collections::BTreeMap;
use uuid::Uuid;

/// The change of a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The kind of the change.
    pub kind: ChangeKind,
    /// The region's path, or its id if it has no path.
    pub name: String,
    /// The region's id.
    pub id: Uuid,
    /// The length of its content in bytes. For a removed region, the length of its stored bytes.
    pub len: u64,
}

/// The kinds of change of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// The region is new.
    Added,
    /// The region gets a new content.
    Replaced,
    /// The region is removed.
    Removed,
    /// The package already has the region with this content.
    Unchanged,
}

/// An input and the region that it replaces.
type Replacing = (Input, Option<Located>);

/// The changes, before anything is encoded.
#[derive(Debug)]
pub(super) struct Edits {
    /// The new and changed regions, in the order in which they will be stored.
    puts: Vec<Replacing>,
    removed: Removed,
    /// The input for the next names segment, and the region that this segment replaces.
    names: Option<Replacing>,
    explicit_ids: bool,
    /// The encoding of the new regions; `None` if the package has no region yet.
    encoding: Option<Encoding>,
    /// The dictionary of the package.
    dictionary: Option<NewDictionary>,
    changes: Vec<Change>,
}

/// The edits, after their bytes were encoded and sealed.
#[derive(Debug, Default)]
pub(super) struct StagedEdits {
    /// The next names segment.
    pub(super) names: Option<StagedEdit>,
    pub(super) others: Vec<StagedEdit>,
    pub(super) changes: Vec<Change>,
}

/// An edit, and the number of the staged region that has its bytes, if the edit has bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct StagedEdit {
    pub(super) edit: Edit,
    pub(super) staged: Option<usize>,
}

impl Edits {
    pub(super) fn new(
        package: &Package,
        options: &UpdateOptions,
        mut inputs: Vec<Input>,
        mut removed: Removed,
        effort: Effort,
    ) -> Result<Self, Error> {
        // Only an index that lies in the head is checked here. Any other index is checked before a
        // fold, which reads the whole index anyway.
        if package.view().index().end <= HEAD_LEN {
            package.refuse_part_overlaps(&package.scan_index()?.found)?;
        }
        crate::write::pack::input::sort(&mut inputs)?;
        let flags = package.view().name_flags();
        let explicit = flags.is_some_and(|flags| flags.explicit_ids);
        let chain = if inputs.iter().any(|input| input.path.is_some()) {
            // A package without a names component has no flags, so any path may have an explicit
            // id.
            Chain::read(package, flags.is_none_or(|flags| flags.explicit_ids))?
        } else {
            Chain::default()
        };
        let explicit_ids = resolve_ids(package, &chain, &mut inputs, &mut removed)? && !explicit;
        refuse_clashes(&inputs, &removed)?;
        let found = find_all(package, &inputs)?;
        let dictionary = if inputs.is_empty() { None } else { dictionary_of(package, options)? };
        if dictionary.is_some() {
            inputs.iter_mut().for_each(Input::use_dictionary);
        }
        let inputs: Vec<_> = inputs.into_iter().zip(found).collect();
        let unchanged = if options.force {
            vec![false; inputs.len()]
        } else {
            let (quality, dictionary) = (options.quality, dictionary.as_ref());
            compare::unchanged(package, &inputs, Encoded { quality, dictionary }, effort)?
        };
        let encoding = match options.encoding {
            Some(encoding) => Some(encoding),
            None => encoding_of(package)?,
        };
        let names = names_to_write(&chain, &inputs, &unchanged, encoding);
        let names = (!names.is_empty()).then(|| chain.next(&names)).transpose()?;
        let mut names = names.map(Input::names_list).transpose()?;
        if dictionary.is_some() {
            names.iter_mut().for_each(Input::use_dictionary);
        }
        let names = match names {
            Some(names) => Some((names, package.find(NAMES_ID)?)),
            None => None,
        };
        let mut changes: Vec<_> = removed.iter().map(change_of_removed).collect();
        changes.extend(inputs.iter().zip(&unchanged).map(change_of));
        let puts = inputs.into_iter().zip(unchanged).filter(|(_, unchanged)| !unchanged);
        let puts: Vec<Replacing> = puts.map(|(put, _)| put).collect();
        let encoding = match &dictionary {
            // All entries of a delta group have one encoding. So the regions of an update and its
            // names segment all use the dictionary, or none of them does.
            Some(dictionary) if encoding == Some(Encoding::BROTLI) => {
                let mut all = puts.iter().chain(&names);
                let fit = all.all(|(input, _)| dictionary.fits(input.len));
                Some(if fit { Encoding::BROTLI_DICTIONARY } else { Encoding::BROTLI })
            }
            _ => encoding,
        };
        Ok(Self { puts, removed, names, explicit_ids, encoding, dictionary, changes })
    }

    /// Encodes and seals the new regions.
    pub(super) fn stage(
        self,
        encoder: Encoder<'_>,
        components: &[(NewComponent, Vec<u8>)],
        stage: &mut Stage,
        effort: Effort,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<StagedEdits, Error> {
        let puts = || self.names.iter().chain(&self.puts);
        let inputs: Vec<&Input> = puts().map(|(input, _)| input).collect();
        let dictionary = self.dictionary.as_ref();
        let encoder = |encoding| Encoder { encoding, dictionary, ..encoder };
        let first = self.encoding.unwrap_or(Encoding::BROTLI);
        stage.add(&inputs, encoder(first), effort, progress)?;
        let content_len = inputs.iter().fold(0_u64, |sum, input| sum.saturating_add(input.len));
        if self.encoding.is_none() && stage.stored_len() >= content_len {
            // These are the first regions of the package. As in packing, Brotli is used only if it
            // makes them smaller.
            stage.clear();
            stage.add(&inputs, encoder(Encoding::NONE), effort, progress)?;
        }
        let sealing = encoder(first).sealing;
        let seal_len = Sealing::len_of(sealing);
        let replaced = puts().map(|(_, replaced)| *replaced);
        let staged = stage.staged().iter().zip(replaced).enumerate();
        let mut edits = staged.map(|(i, (staged, replaced))| {
            let replaced_len = replaced.map_or(0, |old| len_of(&old, seal_len));
            StagedEdit {
                edit: Edit::Put(Put {
                    id: staged.id,
                    encoding: staged.encoding,
                    size: staged.stored_len,
                    seal_len: staged.seal_len,
                    digest: Digest(staged.digest),
                    replaced_len,
                }),
                staged: Some(i),
            }
        });
        let names = if self.names.is_some() { edits.next() } else { None };
        let mut others: Vec<_> = edits.collect();
        for (id, (_, old)) in &self.removed {
            let staged = sealing.map(|sealing| stage.add_removal(*id, sealing)).transpose()?;
            let seal = staged.and_then(|number| stage.staged().get(number));
            let digest = Digest(seal.map_or([0; 32], |seal| seal.digest));
            let replaced_len = len_of(old, seal_len);
            let edit = Edit::Remove(Remove { id: *id, seal_len, digest, replaced_len });
            others.push(StagedEdit { edit, staged });
        }
        for (component, region) in components {
            let staged = match component.content {
                ComponentContent::Region { .. } => Some(stage.add_component(component.id, region)?),
                ComponentContent::Data(_) => None,
            };
            others.push(StagedEdit { edit: Edit::Component(*component), staged });
        }
        if self.explicit_ids {
            others.push(StagedEdit { edit: Edit::ExplicitIds, staged: None });
        }
        Ok(StagedEdits { names, others, changes: self.changes })
    }
}

/// Returns the length of a region with its seal.
fn len_of(located: &Located, seal_len: u64) -> u64 {
    located.span.len().saturating_add(seal_len)
}

impl StagedEdits {
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_none() && self.others.is_empty()
    }

    /// Splits the edits into turns, each of which fits into one delta group. Returns an empty list
    /// if one turn is enough, or if turns cannot avoid a fold.
    ///
    /// In a package of one file, each turn is published by its own switch. So between turns,
    /// readers see only some of the edits. Only names may be published first, because a name
    /// without an entry does no harm. In a package in parts, one head publishes all turns at once.
    pub(super) fn turns(&self, is_in_parts: bool) -> Vec<Vec<StagedEdit>> {
        let puts = self.others.iter().all(|edit| matches!(edit.edit, Edit::Put(_)));
        if let Some(names) = self.names.filter(|_| !is_in_parts && puts)
            && self.others.len() == dacti_index::GROUP_ENTRIES
        {
            return vec![vec![names], self.others.clone()];
        }
        let all = self.all();
        let kinds = all.iter().map(|edit| match edit.edit {
            Edit::Put(put) => Some(put.encoding),
            Edit::Remove(_) => Some(Encoding::GONE),
            _ => None,
        });
        let Some(kinds) = kinds.collect::<Option<Vec<_>>>().filter(|_| is_in_parts) else {
            return Vec::new();
        };
        // spec: R-PART-32
        let mut by_kind: BTreeMap<[u8; 4], Vec<StagedEdit>> = BTreeMap::new();
        for (edit, kind) in all.into_iter().zip(kinds) {
            by_kind.entry(kind.tag()).or_default().push(edit);
        }
        let turns = by_kind.values().flat_map(|edits| edits.chunks(dacti_index::GROUP_ENTRIES));
        let turns: Vec<_> = turns.map(<[_]>::to_vec).collect();
        if turns.len() > 1 { turns } else { Vec::new() }
    }

    pub(super) fn all(&self) -> Vec<StagedEdit> {
        self.names.iter().chain(&self.others).copied().collect()
    }
}

/// Gives each input without an explicit id the id that the names list has for its path. If the path
/// of an input with an explicit id had another id before, the region of that id is removed. Returns
/// whether an input has an explicit id.
fn resolve_ids(
    package: &Package,
    chain: &Chain,
    inputs: &mut [Input],
    removed: &mut Removed,
) -> Result<bool, Error> {
    let hashed_only = package.view().name_flags().is_some_and(|flags| !flags.explicit_ids);
    let explicit = |input: &&Input| input.to_name().is_some_and(|name| name.is_explicit());
    let explicit: Vec<&Input> = inputs.iter().filter(explicit).collect();
    let paths: Vec<&str> = explicit.iter().filter_map(|input| input.path.as_deref()).collect();
    let has_explicit = !explicit.is_empty();
    for (input, found) in explicit.iter().zip(package.find_many(paths)) {
        if let Some(old) = found?.filter(|old| old.id != input.id) {
            removed.insert(old.id, (input.path.as_deref().unwrap_or_default().into(), old));
        }
    }
    for input in inputs {
        let Some(name) = input.to_name().filter(|name| !name.is_explicit()) else { continue };
        if !hashed_only && let Some(listed) = chain.find(name.path) {
            input.set_id(&listed);
        }
    }
    Ok(has_explicit)
}

fn refuse_clashes(inputs: &[Input], removed: &Removed) -> Result<(), Error> {
    let mut by_id: BTreeMap<Uuid, &Input> = BTreeMap::new();
    for input in inputs {
        if removed.contains_key(&input.id) {
            return Err(UpdateFault::PutAndRemoved { name: input.to_string() }.into());
        }
        if let Some(first) = by_id.insert(input.id, input) {
            let (first, second, id) = (first.to_string(), input.to_string(), input.id);
            return Err(Error::DuplicateId { id, first, second });
        }
    }
    Ok(())
}

/// Returns the regions that have the inputs' ids.
fn find_all(package: &Package, inputs: &[Input]) -> Result<Vec<Option<Located>>, Error> {
    package.find_many(inputs.iter().map(|input| input.id)).into_iter().collect()
}

/// Returns the encoding of the package's regions; `None` if the package has no region. This is the
/// encoding of the names list, or, without a names list, of the first group with entries. This
/// crate writes a names list into every package with paths.
fn encoding_of(package: &Package) -> Result<Option<Encoding>, Error> {
    let encoding = if let Some(names) = package.find(NAMES_ID)? {
        Some(names.encoding)
    } else {
        let groups = package.groups()?;
        groups.iter().find(|group| group.length > 0).map(|group| group.encoding)
    };
    Ok(encoding.map(|encoding| match encoding {
        Encoding::BROTLI | Encoding::BROTLI_DICTIONARY => Encoding::BROTLI,
        _ => Encoding::NONE,
    }))
}

/// Returns the dictionary of the package, for its new regions.
fn dictionary_of(
    package: &Package,
    options: &UpdateOptions,
) -> Result<Option<NewDictionary>, Error> {
    if options.quality < DICTIONARY_QUALITY_MIN {
        return Ok(None);
    }
    Ok(package.dictionary().get()?.cloned().map(NewDictionary::of_package))
}

/// Returns the names that the list lacks, or has with another id, length or attributes.
fn names_to_write<'i>(
    chain: &Chain,
    inputs: &'i [Replacing],
    unchanged: &[bool],
    encoding: Option<Encoding>,
) -> Vec<Name<'i>> {
    let named = inputs.iter().zip(unchanged).filter_map(|((input, found), unchanged)| {
        let name = input.to_name()?;
        // If a region is stored without encoding, the index tells its length. So a wrong length in
        // the list does no harm.
        let is_told = encoding == Some(Encoding::NONE) || *unchanged;
        let is_listed = if let Some(listed) = chain.find(name.path) {
            let len_is_right = is_told || listed.decoded_len == name.decoded_len;
            // If the content is unchanged and the input has no attributes, the listed attributes
            // stay.
            let attributes_are_right =
                listed.attributes == name.attributes || (*unchanged && name.attributes.is_empty());
            listed.id() == name.id() && len_is_right && attributes_are_right
        } else {
            // Some segments were not read. If the package has the region, one of them most likely
            // lists its name.
            let is_in_rest = found.is_some() && !chain.is_whole();
            is_in_rest && is_told && name.attributes.is_empty()
        };
        (!is_listed).then_some(name)
    });
    named.collect()
}

fn change_of(((input, found), unchanged): (&Replacing, &bool)) -> Change {
    let kind = match (found, unchanged) {
        (_, true) => ChangeKind::Unchanged,
        (Some(_), false) => ChangeKind::Replaced,
        (None, false) => ChangeKind::Added,
    };
    let name = input.path.as_deref().map_or_else(|| input.id.to_string(), Into::into);
    Change { kind, name, id: input.id, len: input.len }
}

fn change_of_removed((id, (name, located)): (&Uuid, &(String, Located))) -> Change {
    let (name, len) = (name.clone(), located.span.len());
    Change { kind: ChangeKind::Removed, name, id: *id, len }
}
