//! Builds a package: plans all positions, encodes on all cores, and writes it in one pass under a
//! temporary name.
//!
//! The same input gives the same bytes, on any number of cores. Specification:
//! `docs/spec/dacti-package.md`.

mod add_files;
mod brotli;
mod decoded;
pub(crate) mod dictionary;
mod digest_list;
pub(crate) mod encode;
mod equal;
mod head;
mod hot;
pub(crate) mod input;
mod kept;
mod output;
pub(crate) mod pipeline;
mod plan;
pub(crate) mod sections;
mod shared;
pub(crate) mod write;

pub(crate) use decoded::Decoded;
pub use dictionary::DictionaryChoice;
pub use digest_list::DigestListChoice;
pub use input::{Content, InputName};
pub(crate) use kept::{Kept, KeptFrom};

use crate::hash::HashPool;
use crate::{Encoding, Error};
use core::num::NonZeroUsize;
use core::ops::ControlFlow;
use dacti_cdn::{ExpectedUpdates, SLICE_LEN, check_slice_len};
use dacti_names::{NAMES_ID, Name, emit_segment};
use dacti_seal::{Kind, Seals, SecretKey};
use daicon_core::to_u64;
use dictionary::NewDictionary;
use encode::{Encoder, Sealing};
use equal::Equals;
use hot::Hot;
use input::{Input, Spool, Taken};
use output::Output;
use plan::Plan;
use shared::{Shared, Sharing};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use uuid::Uuid;

/// The layout of a new package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LayoutChoice {
    /// For files that are published and updated. The head has room for updates, and the file is
    /// padded to the slice length.
    #[default]
    Cdn,
    /// For files that never change. There is no room for updates and no padding, and equal contents
    /// are stored once.
    Compact,
}

/// How regions are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EncodingChoice {
    /// Brotli if it makes the package smaller, otherwise no encoding. If the hot regions fit into
    /// the head with only one of these two encodings, the packer uses that encoding. If Brotli does
    /// not make the package smaller, the packer reads the input twice.
    #[default]
    Auto,
    /// Contents are stored without compression.
    None,
    /// Brotli, even if it makes the package larger.
    Brotli,
}

/// How a package is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildOptions {
    /// The layout.
    pub layout: LayoutChoice,
    /// For the `cdn` layout: the file's length is padded to a multiple of this number of bytes. It
    /// must be a power of two from 4 KiB to 1 GiB.
    pub slice_len: u64,
    /// For the `cdn` layout: the updates that the caller expects, for which the head gets room. If
    /// this is `None`, or if there are hot regions, the head gets room for the usual amount of
    /// updates.
    pub expect: Option<ExpectedUpdates>,
    /// For the `cdn` layout: whether each region gets a digest, by which a reader detects damaged
    /// and stale bytes. A digest costs 32 bytes for each region.
    pub seals: bool,
    /// For the `cdn` layout with seals: whether equal contents are stored once for up to 16
    /// regions. A reader then fetches up to 15 more seals with each region. To compare contents of
    /// equal length, the packer reads them twice, except short files that stay in memory. If equal
    /// contents are found, older readers, which do not know this format, refuse the package. The
    /// `compact` layout always stores equal contents once.
    pub share: bool,
    /// For the `cdn` layout with seals: whether the package lists its digests in one place. With
    /// this list, a client that has an earlier version finds the regions that changed.
    pub digest_list: DigestListChoice,
    /// The encoding.
    pub encoding: EncodingChoice,
    /// Brotli's quality, 0 to 11.
    pub quality: u8,
    /// Whether a dictionary is trained for Brotli, if the caller
    /// [sets](PackageBuilder::set_dictionary) none. The training takes up to a tenth of the time of
    /// a build.
    pub dictionary: DictionaryChoice,
    /// Threads that encode; by default one for each core. Their number does not change the package.
    pub threads: Option<NonZeroUsize>,
    /// The maximum number of bytes that are encoded but not yet written. The search for equal
    /// contents may also keep up to this number of bytes of short files in memory, so that these
    /// files are not read twice. The limit does not change the package.
    pub in_flight_max: usize,
}

impl Default for BuildOptions {
    fn default() -> Self {
        Self {
            layout: LayoutChoice::default(),
            slice_len: SLICE_LEN,
            expect: None,
            seals: true,
            share: true,
            digest_list: DigestListChoice::default(),
            encoding: EncodingChoice::default(),
            quality: 5,
            dictionary: DictionaryChoice::default(),
            threads: None,
            in_flight_max: 64 << 20,
        }
    }
}

/// The progress of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// The number of regions written so far, including the names list.
    pub regions: u64,
    /// The number of all regions, including the names list.
    pub regions_total: u64,
    /// The number of bytes of content of the regions written so far.
    pub bytes: u64,
    /// The number of bytes of content of all regions.
    pub bytes_total: u64,
}

/// The result of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Built {
    /// The file's length in bytes.
    pub len: u64,
    /// The number of regions, without the names list.
    pub regions: u64,
    /// The number of bytes of content of these regions.
    pub content_len: u64,
    /// The number of stored bytes of these regions. Bytes that regions share count once for each
    /// region.
    pub stored_len: u64,
    /// The number of stored bytes of the names list.
    pub names_len: u64,
    /// The number of stored bytes of the dictionary; 0 if there is none.
    pub dictionary_len: u64,
    /// The number of bytes that the dictionary saves, minus its own length. It is estimated from a
    /// sample; 0 if no dictionary was trained.
    pub dictionary_saves: u64,
    /// The number of bytes that a reader fetches to get its first region, if that region has the
    /// average length. They include the head, one index block if the index continues after the
    /// head, the dictionary and the region.
    pub first_get_len: u64,
    /// The number of stored bytes that were not written, because an equal region was written
    /// before.
    pub shared_len: u64,
    /// The encoding of the regions.
    pub encoding: Encoding,
}

/// A written package, with its plan and the positions of its data.
struct Assembled {
    /// The length of one index block; 0 if the head has the whole index.
    block_len: u64,
    plan: Plan,
    written: write::Written,
    ids: Vec<Uuid>,
    len: u64,
}

/// A package that is complete, but whose file has no name yet.
#[derive(Debug)]
pub(crate) struct Draft<'d> {
    pub(crate) file: &'d File,
    ids: &'d [Uuid],
    hot: &'d [usize],
    order: &'d [usize],
    shared: &'d Shared,
    digests: &'d [[u8; 32]],
}

impl Draft<'_> {
    /// Returns the id of each region, and the BLAKE3 hash of its stored bytes. The hash was
    /// computed before the bytes were written.
    pub(crate) fn hashes(&self) -> impl Iterator<Item = (Uuid, [u8; 32])> {
        let ids = self.hot.iter().chain(self.order).filter_map(|i| self.ids.get(*i));
        ids.zip(self.digests).flat_map(|(id, hash)| {
            let others = self.shared.others(*id).iter().filter_map(|i| self.ids.get(*i));
            core::iter::once(id).chain(others).map(|id| (*id, *hash))
        })
    }
}

/// Collects regions and builds a package from them.
#[derive(Debug, Default)]
pub struct PackageBuilder {
    options: BuildOptions,
    key: Option<SecretKey>,
    dictionary: Option<NewDictionary>,
    /// The seals of regions that are copied; `None` if there are no such regions.
    kept_seals: Option<Seals>,
    /// A finished names list, and whether it gives explicit ids. If this is `None`, the list is
    /// made from the paths of the inputs.
    names_list: Option<(Input, bool)>,
    inputs: Vec<Input>,
    taken: Taken,
    spool: Spool,
}

impl PackageBuilder {
    /// Creates a builder of a package without regions.
    #[must_use]
    pub fn new(options: BuildOptions) -> Self {
        Self { options, ..Self::default() }
    }

    /// Signs every region with `key`. The publisher's package is the one that the key names. A
    /// signature costs 64 bytes for each region.
    ///
    /// The same key and input give the same bytes. Signatures need the `cdn` layout, with seals.
    pub fn sign(&mut self, key: SecretKey) -> &mut Self {
        self.key = Some(key);
        self
    }

    /// Uses this dictionary for the regions that Brotli encodes. It may consist of strings that
    /// occur in many regions. It may also be the [dictionary](crate::Package::read_dictionary) of
    /// an earlier package. In that case, equal contents get the same stored bytes as in the earlier
    /// package.
    ///
    /// Hot regions, and contents of about 4 MiB or more, are compressed without it. The dictionary
    /// is written even if it saves nothing, unless the package stores its regions without Brotli.
    ///
    /// # Errors
    /// A dictionary that has no bytes, has more than 1 MiB, or contains a private key; a quality
    /// below 2.
    pub fn set_dictionary(&mut self, dictionary: Vec<u8>) -> Result<&mut Self, Error> {
        let quality = self.options.quality;
        if quality < brotli::DICTIONARY_QUALITY_MIN {
            let (what, found) = ("quality with a dictionary", u64::from(quality));
            return Err(Error::Option { what, found, expected: "2 to 11" });
        }
        self.dictionary = Some(NewDictionary::new(dictionary, quality)?);
        Ok(self)
    }

    /// Adds a region. A file is opened only when the package is built, but a reader is read to its
    /// end by this call.
    ///
    /// # Errors
    /// An invalid path; a path or id that was added before; a reserved id; a file that is not
    /// regular; content of 4 GiB or more; errors of the system. If there is an error, nothing is
    /// added.
    pub fn add<'c>(
        &mut self,
        name: impl Into<InputName>,
        content: impl Into<Content<'c>>,
    ) -> Result<&mut Self, Error> {
        let input = Input::new(name.into(), content.into(), &mut self.spool)?;
        self.take(input)?;
        Ok(self)
    }

    fn take(&mut self, input: Input) -> Result<(), Error> {
        self.taken.take(&input, &self.inputs)?;
        self.inputs.push(input);
        Ok(())
    }

    /// Adds a region that lies in the head, so that the request that opens the package also fetches
    /// the region. Hot regions need the `cdn` layout. There is room for at most 255 of them, with
    /// about 50 kB of stored bytes in all.
    ///
    /// # Errors
    /// The errors of [`add`](Self::add). Only the build finds out whether the region fits into the
    /// head.
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

    /// Returns the number of regions that were added.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Returns whether no region was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// Builds the package as the file `path`, which appears only when it is complete.
    ///
    /// # Errors
    /// The errors of [`build_with`](Self::build_with).
    pub fn build(self, path: impl AsRef<Path>) -> Result<Built, Error> {
        self.build_with(path, &mut |_| ControlFlow::Continue(()))
    }

    /// Does the same as [`build`](Self::build), and calls `progress` on the calling thread. The
    /// build stops if `progress` returns `Break`.
    ///
    /// # Errors
    /// Impossible options; more regions than an index can list; a file that changed; errors of the
    /// system. If there is an error, a file that existed at `path` stays unchanged.
    pub fn build_with(
        self,
        path: impl AsRef<Path>,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Built, Error> {
        self.build_checked(path.as_ref(), progress, |_| Ok(()))
    }

    /// Builds the package and writes it to `out` from front to back. So `out` may be a pipe, a
    /// socket or a hasher.
    ///
    /// The head can be written only after everything else. So the package is first built in an
    /// unnamed temporary file and then copied. The system's folder for temporary files needs space
    /// for the whole package. Memory is limited as in [`build`](Self::build). Nothing is written to
    /// `out` before the package is complete.
    ///
    /// # Errors
    /// The errors of [`build_with`](Self::build_with), and those of `out`.
    pub fn build_to(self, out: impl Write) -> Result<Built, Error> {
        self.build_to_with(out, &mut |_| ControlFlow::Continue(()))
    }

    /// Does the same as [`build_to`](Self::build_to), and calls `progress` like
    /// [`build_with`](Self::build_with).
    ///
    /// # Errors
    /// The errors of [`build_to`](Self::build_to).
    pub fn build_to_with(
        mut self,
        mut out: impl Write,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Built, Error> {
        let mut output = Output::unnamed()?;
        let assembled = self.assemble(&mut output, progress)?;
        output.copy_to(&mut out)?;
        Ok(self.built(&assembled))
    }

    /// Builds the package in memory.
    ///
    /// ```
    /// use dacti::{BuildOptions, Package, PackageBuilder};
    ///
    /// let mut builder = PackageBuilder::new(BuildOptions::default());
    /// builder.add("hello.txt", b"hello".to_vec())?;
    /// let (bytes, built) = builder.build_to_vec()?;
    /// assert_eq!((bytes.len() as u64, built.regions), (built.len, 1));
    /// assert_eq!(Package::from_bytes(bytes)?.get("hello.txt")?, b"hello");
    /// # Ok::<(), dacti::Error>(())
    /// ```
    ///
    /// # Errors
    /// The errors of [`build_with`](Self::build_with).
    pub fn build_to_vec(mut self) -> Result<(Vec<u8>, Built), Error> {
        let mut output = Output::memory();
        let assembled = self.assemble(&mut output, &mut |_| ControlFlow::Continue(()))?;
        let built = self.built(&assembled);
        Ok((output.into_memory(), built))
    }

    /// Does the same as [`build_with`](Self::build_with), but calls `check` with the complete file
    /// before the file gets its name.
    pub(crate) fn build_checked(
        mut self,
        path: &Path,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
        check: impl FnOnce(&Draft<'_>) -> Result<(), Error>,
    ) -> Result<Built, Error> {
        let mut output = Output::create(path)?;
        let assembled = self.assemble(&mut output, progress)?;
        let Assembled { plan, written, ids, .. } = &assembled;
        let (order, digests) = (&plan.data_order, &written.digests);
        let hot = &plan.hot.order;
        let shared = &plan.shared;
        check(&Draft { file: output.file()?, ids, hot, order, shared, digests })?;
        output.commit()?;
        Ok(self.built(&assembled))
    }

    /// Writes the whole package to `output`.
    fn assemble(
        &mut self,
        output: &mut Output,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Assembled, Error> {
        self.check_options()?;
        let explicit_ids = self.add_names()?;
        self.choose_dictionary()?;
        let equals = self.find_equals(progress)?;
        let (plan, written) = match self.options.encoding {
            EncodingChoice::None => self.store(Encoding::NONE, &equals, output, progress)?,
            EncodingChoice::Brotli => self.store(self.brotli(), &equals, output, progress)?,
            EncodingChoice::Auto => self.store_shorter(&equals, output, progress)?,
        };
        let ids: Vec<_> = self.inputs.iter().map(|input| input.id).collect();
        let seals_max = plan.shared.seals_max();
        let options = &self.options;
        let seals = self.seals().map(|seals| Seals { seals_max, ..seals });
        let seals = seals.as_ref();
        let len = head::write(&plan, &written, &ids, explicit_ids, options, seals, output)?;
        let block_len = head::block_len(&plan);
        Ok(Assembled { block_len, plan, written, ids, len })
    }

    /// Stores regions with Brotli if that makes the package smaller, and otherwise without
    /// encoding. If the hot regions fit into the head with only one of these two encodings, that
    /// encoding is used.
    fn store_shorter(
        &self,
        equals: &[Equals],
        output: &mut Output,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<(Plan, write::Written), Error> {
        let too_long = match self.store(self.brotli(), equals, output, progress) {
            Ok((plan, written)) => {
                let as_it_is =
                    || self.plan(self.encoder(Encoding::NONE, &HashPool::new(None)), equals);
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
        let stored = self.store(Encoding::NONE, equals, output, progress);
        match (stored, too_long) {
            // The hot regions are too long with both encodings. The error with the smaller length
            // is returned.
            (
                Err(Error::HotTooLong { bytes, .. }),
                Some(too_long @ Error::HotTooLong { bytes: compressed, .. }),
            ) if compressed < bytes => Err(too_long),
            (stored, _) => stored,
        }
    }

    /// Makes the plan for one encoding, and writes the data by that plan.
    fn store(
        &self,
        encoding: Encoding,
        equals: &[Equals],
        output: &mut Output,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<(Plan, write::Written), Error> {
        let hash_pool = HashPool::new(self.options.threads);
        let encoder = self.encoder(encoding, &hash_pool);
        let plan = self.plan(encoder, equals)?;
        let sharing = Sharing { shared: &plan.shared, inputs: &self.inputs };
        let encoder =
            Encoder { sharing: Some(sharing).filter(|_| plan.shared.seals_max() > 1), ..encoder };
        let written = write::data(&self.inputs, &plan, &self.options, encoder, output, progress)?;
        Ok((plan, written))
    }

    /// Finds the inputs with equal contents, if these are stored once.
    fn find_equals(
        &mut self,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Vec<Equals>, Error> {
        if !self.options.share || self.sealing().is_none() {
            return Ok(Vec::new());
        }
        let BuildOptions { threads, in_flight_max, .. } = self.options;
        equal::find(&mut self.inputs, crate::threads::count(threads), in_flight_max, progress)
    }

    fn plan(&self, encoder: Encoder<'_>, equals: &[Equals]) -> Result<Plan, Error> {
        let hot = Hot::encode(&self.inputs, encoder)?;
        let dictionary = encoder.dictionary.map(|new| new.sealed(encoder.sealing)).transpose()?;
        let seal_len = Sealing::len_of(encoder.sealing);
        let dictionary = dictionary.unwrap_or_default();
        let (options, encoding) = (&self.options, encoder.encoding);
        Plan::new(&self.inputs, hot, options, seal_len, encoding, dictionary, equals)
    }

    /// Trains a dictionary if the options ask for one. Marks the regions that are encoded with a
    /// dictionary.
    fn choose_dictionary(&mut self) -> Result<(), Error> {
        let Self { inputs, options, dictionary, .. } = self;
        if options.encoding == EncodingChoice::None {
            return Ok(());
        }
        if dictionary.is_none() && options.dictionary == DictionaryChoice::Auto {
            *dictionary = dictionary::choose(inputs, options.quality)?;
        }
        let Some(dictionary) = dictionary else { return Ok(()) };
        for input in inputs.iter_mut().filter(|input| input.may_need_dictionary()) {
            if dictionary.fits(input.len) {
                input.use_dictionary();
            }
        }
        Ok(())
    }

    /// Returns the encoding of compressed regions: `brod` if there is a dictionary, otherwise
    /// `brot`.
    const fn brotli(&self) -> Encoding {
        match self.dictionary {
            Some(_) => Encoding::BROTLI_DICTIONARY,
            None => Encoding::BROTLI,
        }
    }

    fn encoder<'k>(&'k self, encoding: Encoding, hash_pool: &'k HashPool) -> Encoder<'k> {
        // The compact layout needs hashes to find equal contents. Copied regions need hashes to
        // check their bytes against their digests.
        let hashes = self.options.layout == LayoutChoice::Compact
            || self.inputs.iter().any(|input| input.as_kept().is_some());
        let (quality, sealing) = (self.options.quality, self.sealing());
        let is_used = |new: &&NewDictionary| encoding.needs_dictionary() || new.is_kept();
        let dictionary = self.dictionary.as_ref().filter(is_used);
        let sharing = None;
        Encoder { encoding, quality, dictionary, sealing, hashes, hash_pool, sharing }
    }

    /// Returns the kind of seal that follows each region's stored bytes; `None` for no seal.
    fn sealing(&self) -> Option<Sealing<'_>> {
        let kind = self.seals()?.kind;
        Some(Sealing { kind, key: self.key.as_ref() })
    }

    /// Returns the seal component; `None` for a package without seals.
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
        let (kind, package, keys) = (Kind::Signature, key.package(), vec![*key.key()]);
        Some(Seals { kind, package, keys, seals_max: 1 })
    }

    /// Sets the seals of regions that are copied.
    pub(crate) fn keep_seals(&mut self, seals: Option<Seals>) {
        self.kept_seals = seals;
    }

    /// Copies a region as it is stored in another package. If it is `hot` and has the chosen
    /// encoding, it is placed into the head.
    pub(crate) fn keep(&mut self, path: Option<String>, kept: Kept, hot: bool) {
        let mut input = Input::kept(path, kept);
        input.hot = hot;
        self.inputs.push(input);
    }

    /// Adds a region of another package whose content is encoded again. The content has `len`
    /// bytes.
    pub(crate) fn recode(
        &mut self,
        path: Option<String>,
        decoded: Decoded,
        len: u64,
        hot: bool,
    ) -> Result<(), Error> {
        let mut input = Input::decoded(path, decoded, len)?;
        input.hot = hot;
        self.inputs.push(input);
        Ok(())
    }

    /// Copies a names list as it is stored in another package. `explicit_ids` tells whether the
    /// list gives explicit ids.
    pub(crate) fn keep_names(&mut self, kept: Kept, explicit_ids: bool) {
        self.names_list = Some((Input::kept(None, kept), explicit_ids));
    }

    /// Copies the dictionary of another package, because copied regions may need it.
    pub(crate) fn keep_dictionary(&mut self, dictionary: NewDictionary) {
        self.dictionary = Some(dictionary);
    }

    /// Sets a finished names list.
    pub(crate) fn set_names(&mut self, segment: Vec<u8>, explicit_ids: bool) -> Result<(), Error> {
        self.names_list = Some((Input::names_list(segment)?, explicit_ids));
        Ok(())
    }

    fn built(&self, assembled: &Assembled) -> Built {
        let Assembled { plan, written, len, .. } = assembled;
        let mut built = Built {
            len: *len,
            regions: 0,
            content_len: 0,
            stored_len: 0,
            names_len: 0,
            dictionary_len: written.dictionary.map_or(0, |(len, _)| len),
            dictionary_saves: 0,
            first_get_len: 0,
            shared_len: written.shared_len,
            encoding: plan.encoding,
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
        if built.dictionary_len > 0 {
            built.dictionary_saves = self.dictionary.as_ref().map_or(0, |new| new.saves);
        }
        built.first_get_len = self.first_get_len(&built, assembled);
        built
    }

    /// Returns the number of bytes that a reader fetches to open the package and read one region of
    /// average length.
    fn first_get_len(&self, built: &Built, assembled: &Assembled) -> u64 {
        let seals_max = u64::from(assembled.plan.shared.seals_max());
        let seals_len = Sealing::len_of(self.sealing()).saturating_mul(seals_max);
        let mean = built.stored_len.checked_div(built.regions).unwrap_or_default();
        let dictionary = to_u64(assembled.plan.dictionary.len());
        let parts = [
            built.len.min(dacti_cdn::HEAD_LEN),
            assembled.block_len,
            dictionary,
            mean.saturating_add(seals_len),
        ];
        parts.into_iter().fold(0, u64::saturating_add)
    }

    fn check_options(&self) -> Result<(), Error> {
        check_slice_len(self.options.slice_len)?;
        if self.options.quality > 11 {
            let found = u64::from(self.options.quality);
            return Err(Error::Option { what: "quality", found, expected: "0 to 11" });
        }
        let has_hot = self.inputs.iter().any(|input| input.hot);
        if has_hot && self.options.layout == LayoutChoice::Compact {
            return Err(Error::NoHead);
        }
        if self.key.is_some() && self.sealing().is_none() {
            let why = match self.options.layout {
                LayoutChoice::Compact => "the compact layout has no seals: use the cdn layout",
                LayoutChoice::Cdn => "the options leave seals out: keep the seals",
            };
            return Err(Error::NoSealToSign { why });
        }
        Ok(())
    }

    /// Sorts the inputs into data order and puts the names list first. Returns whether a path has
    /// an explicit id.
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
