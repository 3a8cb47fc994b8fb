//! Builds a package: plans where everything goes, encodes on all cores, and writes it in one pass
//! under a temporary name.
//!
//! The same input gives the same bytes, on any number of cores. Specification:
//! `docs/spec/dacti-package.md`.

mod brotli;
pub(crate) mod encode;
mod head;
mod hot;
pub(crate) mod input;
mod kept;
mod output;
pub(crate) mod pipeline;
mod plan;
pub(crate) mod write;

pub use input::{Content, InputName};
pub(crate) use kept::{Kept, KeptFrom};

use crate::hash::HashPool;
use crate::{Encoding, Error};
use core::num::NonZeroUsize;
use core::ops::ControlFlow;
use dacti_cdn::{ExpectedUpdates, SLICE_LEN, check_slice_len};
use dacti_names::{NAMES_ID, Name, emit_segment};
use dacti_seal::{Kind, Seals, SecretKey};
use encode::{Encoder, Sealing};
use hot::Hot;
use input::{Input, Spool};
use output::Output;
use plan::Plan;
use std::fs::File;
use std::path::Path;
use uuid::Uuid;

/// How a package is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LayoutChoice {
    /// For files that are published and updated: room in the head, padded to the slice length.
    #[default]
    Cdn,
    /// For files that never change: no room, no padding, equal contents stored once.
    Compact,
}

/// How regions are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EncodingChoice {
    /// Brotli where it makes the whole smaller, else as they are; the other of the two where hot
    /// regions fit the head in that alone. Where Brotli does not, the input is read twice.
    #[default]
    Auto,
    /// As they are.
    None,
    /// Brotli, whatever comes of it.
    Brotli,
}

/// How to build a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildOptions {
    /// The layout.
    pub layout: LayoutChoice,
    /// For the `cdn` layout: the end is padded to a multiple of this, in bytes. A power of two
    /// from 4 KiB to 1 GiB.
    pub slice_len: u64,
    /// For the `cdn` layout: the updates for which room is left in the head. Without, and where
    /// there are hot regions, as much as is common.
    pub expect: Option<ExpectedUpdates>,
    /// For the `cdn` layout: a digest behind each region, by which a reader tells damaged and
    /// stale bytes. Costs 32 bytes a region.
    pub seals: bool,
    /// The encoding.
    pub encoding: EncodingChoice,
    /// Brotli's quality, 0 to 11.
    pub quality: u8,
    /// Threads that encode; by default as many as there are cores. Changes no byte.
    pub threads: Option<NonZeroUsize>,
    /// Bytes that may be encoded and not written yet. Changes no byte.
    pub in_flight_max: usize,
}

impl Default for BuildOptions {
    fn default() -> Self {
        Self {
            layout: LayoutChoice::default(),
            slice_len: SLICE_LEN,
            expect: None,
            seals: true,
            encoding: EncodingChoice::default(),
            quality: 5,
            threads: None,
            in_flight_max: 64 << 20,
        }
    }
}

/// How far a build has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Regions written.
    pub regions: u64,
    /// Regions in all.
    pub regions_total: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// Bytes of content in all.
    pub bytes_total: u64,
}

/// What was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Built {
    /// The file's length in bytes.
    pub len: u64,
    /// Regions, without the names list's own.
    pub regions: u64,
    /// Bytes of their content.
    pub content_len: u64,
    /// Bytes that they take, once for each region that was asked for.
    pub stored_len: u64,
    /// Bytes that the names list takes.
    pub names_len: u64,
    /// Bytes of those that were not written, as an equal region had them.
    pub shared_len: u64,
    /// How they are stored.
    pub encoding: Encoding,
}

/// A package that is whole and has no name yet.
#[derive(Debug)]
pub(crate) struct Draft<'d> {
    pub(crate) file: &'d File,
    ids: &'d [Uuid],
    hot: &'d [usize],
    order: &'d [usize],
    digests: &'d [[u8; 32]],
}

impl Draft<'_> {
    /// The BLAKE3 hash of each region's stored bytes, as they were read.
    pub(crate) fn hashes(&self) -> impl Iterator<Item = (Uuid, [u8; 32])> {
        let ids = self.hot.iter().chain(self.order).filter_map(|i| self.ids.get(*i));
        ids.zip(self.digests).map(|(id, hash)| (*id, *hash))
    }
}

/// Collects regions and builds a package of them.
#[derive(Debug, Default)]
pub struct PackageBuilder {
    options: BuildOptions,
    key: Option<SecretKey>,
    /// Seals that regions have which are kept; `None` where there are no such regions.
    kept_seals: Option<Seals>,
    /// The names list, where it is not the one that follows from the inputs, and whether it gives
    /// ids of its own.
    names_list: Option<(Input, bool)>,
    inputs: Vec<Input>,
    spool: Spool,
}

impl PackageBuilder {
    /// A package without regions.
    #[must_use]
    pub fn new(options: BuildOptions) -> Self {
        Self { options, ..Self::default() }
    }

    /// Has every region signed with `key`, for the publisher's package that the key is for. Costs
    /// 64 bytes a region more than digests alone.
    ///
    /// The same key and input give the same bytes. Needs the `cdn` layout, with seals.
    pub fn sign(&mut self, key: SecretKey) -> &mut Self {
        self.key = Some(key);
        self
    }

    /// Adds a region. A file is opened only when the package is built; a reader is read now, to its
    /// end.
    ///
    /// # Errors
    /// A path that breaks the rules, an id that is reserved, what is no regular file, what the
    /// system says, and content of 4 GiB or more.
    pub fn add<'c>(
        &mut self,
        name: impl Into<InputName>,
        content: impl Into<Content<'c>>,
    ) -> Result<&mut Self, Error> {
        let input = Input::new(name.into(), content.into(), &mut self.spool)?;
        self.inputs.push(input);
        Ok(self)
    }

    /// Adds a region that is to lie in the head, so that the request that opens the package brings
    /// it. Needs the `cdn` layout; there is room for at most 255 such regions, of some 50 kB in all
    /// as they are stored.
    ///
    /// # Errors
    /// As [`add`](Self::add). Whether it fits is known when the package is built.
    pub fn add_hot<'c>(
        &mut self,
        name: impl Into<InputName>,
        content: impl Into<Content<'c>>,
    ) -> Result<&mut Self, Error> {
        self.add(name, content)?;
        if let Some(input) = self.inputs.last_mut() {
            input.hot = true;
        }
        Ok(self)
    }

    /// How many regions were added.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Whether none was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// Builds the package and puts it at `path`, where it appears whole or not at all.
    ///
    /// # Errors
    /// As [`build_with`](Self::build_with).
    pub fn build(self, path: impl AsRef<Path>) -> Result<Built, Error> {
        self.build_with(path, &mut |_| ControlFlow::Continue(()))
    }

    /// Builds the package and tells `progress` how far it has come, from this thread. What it
    /// returns decides whether the build goes on.
    ///
    /// # Errors
    /// A path or id given twice, options that cannot be, more than an index can hold, a file that
    /// changed, and what the system says. What stood at `path` before still does then.
    pub fn build_with(
        self,
        path: impl AsRef<Path>,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Built, Error> {
        self.build_checked(path.as_ref(), progress, |_| Ok(()))
    }

    /// As [`build_with`](Self::build_with), where `check` sees what was made before it gets its
    /// name.
    pub(crate) fn build_checked(
        mut self,
        path: &Path,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
        check: impl FnOnce(&Draft<'_>) -> Result<(), Error>,
    ) -> Result<Built, Error> {
        self.check_options()?;
        let explicit_ids = self.add_names()?;
        let mut output = Output::create(path)?;
        let (plan, written) = match self.options.encoding {
            EncodingChoice::None => self.store(Encoding::NONE, &mut output, progress)?,
            EncodingChoice::Brotli => self.store(Encoding::BROTLI, &mut output, progress)?,
            EncodingChoice::Auto => self.store_shorter(&mut output, progress)?,
        };
        let ids: Vec<_> = self.inputs.iter().map(|input| input.id).collect();
        let (options, seals) = (&self.options, self.seals());
        let seals = seals.as_ref();
        let len = head::write(&plan, &written, &ids, explicit_ids, options, seals, &mut output)?;
        let (order, digests) = (&plan.data_order, &written.digests);
        let hot = &plan.hot.order;
        check(&Draft { file: output.file(), ids: &ids, hot, order, digests })?;
        output.commit()?;
        Ok(self.built(len, &written, plan.encoding))
    }

    /// Stores with Brotli where the whole shrinks, and else as it is; with the other encoding where
    /// hot regions fit the head in that alone.
    fn store_shorter(
        &self,
        output: &mut Output,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<(Plan, write::Written), Error> {
        let too_long = match self.store(Encoding::BROTLI, output, progress) {
            Ok((plan, written)) => {
                let as_it_is = || self.plan(self.encoder(Encoding::NONE, &HashPool::new(None)));
                let has_hot = !plan.hot.order.is_empty();
                if written.stored_len < plan.content_len
                    || (has_hot && matches!(as_it_is(), Err(Error::HotTooLong { .. })))
                {
                    return Ok((plan, written));
                }
                None
            }
            Err(error @ Error::HotTooLong { .. }) => Some(error),
            Err(error) => return Err(error),
        };
        output.truncate(0)?;
        let stored = self.store(Encoding::NONE, output, progress);
        match (stored, too_long) {
            // Compressed they are shorter, and so nearer to what fits.
            (
                Err(Error::HotTooLong { bytes, .. }),
                Some(too_long @ Error::HotTooLong { bytes: compressed, .. }),
            ) if compressed < bytes => Err(too_long),
            (stored, _) => stored,
        }
    }

    /// Plans with an encoding and writes the data by that plan.
    fn store(
        &self,
        encoding: Encoding,
        output: &mut Output,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<(Plan, write::Written), Error> {
        let hash_pool = HashPool::new(self.options.threads);
        let encoder = self.encoder(encoding, &hash_pool);
        let plan = self.plan(encoder)?;
        let written = write::data(&self.inputs, &plan, &self.options, encoder, output, progress)?;
        Ok((plan, written))
    }

    fn plan(&self, encoder: Encoder<'_>) -> Result<Plan, Error> {
        let hot = Hot::encode(&self.inputs, encoder)?;
        let seal_len = Sealing::len_of(encoder.sealing);
        Plan::new(&self.inputs, hot, &self.options, seal_len, encoder.encoding)
    }

    fn encoder<'k>(&'k self, encoding: Encoding, hash_pool: &'k HashPool) -> Encoder<'k> {
        // Equal contents are told by their digests, and what was copied is held against them.
        let hashes = self.options.layout == LayoutChoice::Compact
            || self.inputs.iter().any(|input| input.as_kept().is_some());
        let (quality, sealing) = (self.options.quality, self.sealing());
        Encoder { encoding, quality, sealing, hashes, hash_pool }
    }

    /// What stands behind each region's stored bytes; `None` for nothing.
    fn sealing(&self) -> Option<Sealing<'_>> {
        let kind = self.seals()?.kind;
        Some(Sealing { kind, key: self.key.as_ref() })
    }

    /// What the seal component says; `None` where there is none.
    fn seals(&self) -> Option<Seals> {
        if !self.options.seals || self.options.layout != LayoutChoice::Cdn {
            return None;
        }
        if let Some(seals) = &self.kept_seals {
            return Some(seals.clone());
        }
        let Some(key) = self.key.as_ref().map(SecretKey::public) else {
            return Some(Seals::DIGESTS);
        };
        Some(Seals { kind: Kind::Signature, package: key.package(), keys: vec![*key.key()] })
    }

    /// Takes over regions that have such seals, or none.
    pub(crate) fn keep_seals(&mut self, seals: Option<Seals>) {
        self.kept_seals = seals;
    }

    /// Takes over a region as it is stored in another package; in the head, where it is `hot` and
    /// its encoding is the one that was chosen.
    pub(crate) fn keep(&mut self, path: Option<String>, kept: Kept, hot: bool) {
        let mut input = Input::kept(path, kept);
        input.hot = hot;
        self.inputs.push(input);
    }

    /// Takes over a names list as it is stored in another package. `explicit_ids`: it gives ids of
    /// its own.
    pub(crate) fn keep_names(&mut self, kept: Kept, explicit_ids: bool) {
        self.names_list = Some((Input::kept(None, kept), explicit_ids));
    }

    /// Takes a names list that is ready.
    pub(crate) fn set_names(&mut self, segment: Vec<u8>, explicit_ids: bool) -> Result<(), Error> {
        self.names_list = Some((Input::names_list(segment)?, explicit_ids));
        Ok(())
    }

    fn built(&self, len: u64, written: &write::Written, encoding: Encoding) -> Built {
        let mut built = Built {
            len,
            regions: 0,
            content_len: 0,
            stored_len: 0,
            names_len: 0,
            shared_len: written.shared_len,
            encoding,
        };
        for (input, stored) in self.inputs.iter().zip(&written.spans) {
            if input.id == NAMES_ID {
                built.names_len = stored.len();
            } else {
                built.regions = built.regions.saturating_add(1);
                built.content_len = built.content_len.saturating_add(input.len);
                built.stored_len = built.stored_len.saturating_add(stored.len());
            }
        }
        built
    }

    fn check_options(&self) -> Result<(), Error> {
        check_slice_len(self.options.slice_len)?;
        if self.options.quality > 11 {
            let found = u64::from(self.options.quality);
            return Err(Error::Option { what: "quality", found, expected: "0 to 11 are" });
        }
        let has_hot = self.inputs.iter().any(|input| input.hot);
        if has_hot && self.options.layout == LayoutChoice::Compact {
            return Err(Error::NoHead);
        }
        if self.key.is_some() && self.sealing().is_none() {
            let why = match self.options.layout {
                LayoutChoice::Compact => "the compact layout has none: take the cdn layout",
                LayoutChoice::Cdn => "seals are to be left out: leave them in",
            };
            return Err(Error::NoSealToSign { why });
        }
        Ok(())
    }

    /// Sorts the inputs into data order and puts the names list in front of them. Says whether a
    /// path has an id of its own.
    fn add_names(&mut self) -> Result<bool, Error> {
        input::sort(&mut self.inputs)?;
        if let Some((list, explicit)) = self.names_list.take() {
            self.inputs.insert(0, list);
            return Ok(explicit);
        }
        let names: Vec<Name<'_>> = self.inputs.iter().filter_map(Input::to_name).collect();
        if names.is_empty() {
            return Ok(false);
        }
        let explicit = names.iter().any(Name::is_explicit);
        let list = Input::names_list(emit_segment(&names, None)?)?;
        self.inputs.insert(0, list);
        Ok(explicit)
    }
}
