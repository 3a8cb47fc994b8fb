//! The inputs of a package: a name and the source of the content.

use super::decoded::Decoded;
use super::kept::Kept;
use crate::Error;
use crate::fetch::source::{read_file_at, write_file_at};
use core::fmt;
use core::hash::BuildHasher;
use core::ops::Range;
use dacti_index::{Encoding, REGION_LEN_MAX};
use dacti_names::{Attributes, NAMES_ID, Name, region_id};
use dacti_seal::KeySearch;
use daicon_core::to_u64;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use uuid::Uuid;

/// If a reader gives at least this many bytes, its content is kept in a temporary file. Shorter
/// content stays in memory.
const SPOOL_MIN: u64 = 64 * 1024;

/// The name of a new region: a path, an id, or a path with an explicit id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputName {
    path: Option<String>,
    id: Option<Uuid>,
    attributes: Attributes,
}

impl InputName {
    /// Creates the name of a path with an explicit id.
    #[must_use]
    pub fn path_with_id(path: impl Into<String>, id: Uuid) -> Self {
        Self { path: Some(path.into()), id: Some(id), attributes: Attributes::default() }
    }

    /// Stores these attributes in the names list. Attributes belong to a path, so a region without
    /// a path has none.
    #[must_use]
    pub fn with_attributes(self, attributes: Attributes) -> Self {
        Self { attributes, ..self }
    }
}

impl From<&str> for InputName {
    fn from(path: &str) -> Self {
        Self::from(String::from(path))
    }
}

impl From<String> for InputName {
    fn from(path: String) -> Self {
        Self { path: Some(path), id: None, attributes: Attributes::default() }
    }
}

impl From<Uuid> for InputName {
    fn from(id: Uuid) -> Self {
        Self { path: None, id: Some(id), attributes: Attributes::default() }
    }
}

/// A range of bytes that the caller shares with the builder.
#[derive(Clone)]
struct Shared {
    whole: Arc<dyn AsRef<[u8]> + Send + Sync>,
    range: Range<usize>,
}

impl Shared {
    fn bytes(&self) -> &[u8] {
        // The range was checked when the input was added. If the bytes have become too short for
        // the range since then, this returns no bytes.
        (*self.whole).as_ref().get(self.range.clone()).unwrap_or_default()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared({:?})", self.range)
    }
}

/// The source of a region's content.
pub struct Content<'c>(Repr<'c>);

enum Repr<'c> {
    File(PathBuf),
    Bytes(Vec<u8>),
    Shared(Shared),
    Reader(Box<dyn Read + 'c>),
}

impl<'c> Content<'c> {
    /// Takes a file, which is read when the package is built. The file must not change until then.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Repr::File(path.into()))
    }

    /// Takes a range of bytes in memory. For example, one buffer or one mapped file may have the
    /// contents of many regions. Nothing is copied until the package is built. Returns `None` if
    /// the range extends past the end of the bytes.
    #[must_use]
    pub fn shared<T>(bytes: &Arc<T>, range: Range<usize>) -> Option<Self>
    where
        T: AsRef<[u8]> + Send + Sync + 'static,
    {
        bytes.as_ref().as_ref().get(range.clone())?;
        let whole: Arc<dyn AsRef<[u8]> + Send + Sync> = Arc::<T>::clone(bytes);
        Some(Self(Repr::Shared(Shared { whole, range })))
    }

    /// Takes all bytes of `reader`. Content of less than 64 KiB is kept in memory, and longer
    /// content in a temporary file.
    #[must_use]
    pub fn reader(reader: impl Read + 'c) -> Self {
        Self(Repr::Reader(Box::new(reader)))
    }
}

impl fmt::Debug for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::File(path) => write!(f, "Content::file({path:?})"),
            Repr::Bytes(bytes) => write!(f, "Content({} bytes)", bytes.len()),
            Repr::Shared(shared) => write!(f, "Content::shared({:?})", shared.range),
            Repr::Reader(_) => f.write_str("Content::reader(..)"),
        }
    }
}

impl From<Vec<u8>> for Content<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Repr::Bytes(bytes))
    }
}

impl From<PathBuf> for Content<'_> {
    fn from(path: PathBuf) -> Self {
        Self(Repr::File(path))
    }
}

impl From<&Path> for Content<'_> {
    fn from(path: &Path) -> Self {
        Self(Repr::File(path.into()))
    }
}

/// The paths and ids of all inputs so far, so that none is used twice.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// The inputs by their ids.
    ids: Numbers,
    /// The inputs with a path, by the id to which the path hashes. If this is the id of the input,
    /// the input may be in `ids` only.
    paths: Numbers,
}

impl Taken {
    /// Records the path and the id of `input`, which the caller then appends to `inputs`.
    ///
    /// # Errors
    /// `DuplicatePath` or `DuplicateId` if one of `inputs` has the path or the id.
    pub(crate) fn take(&mut self, input: &Input, inputs: &[Input]) -> Result<(), Error> {
        let hashed = self.check_path(input, inputs)?;
        let same = |other: &Input| other.id == input.id;
        if let Some(first) = self.ids.find(input.id, inputs, same) {
            let (first, second, id) = (first.to_string(), input.to_string(), input.id);
            return Err(Error::DuplicateId { id, first, second });
        }
        self.ids.insert(input.id, inputs.len());
        if let Some(hashed) = hashed.filter(|hashed| *hashed != input.id) {
            self.paths.insert(hashed, inputs.len());
        }
        Ok(())
    }

    /// Records the path of `input`, which the caller then appends to `inputs`.
    ///
    /// # Errors
    /// `DuplicatePath` if one of `inputs` has the path.
    pub(crate) fn take_path(&mut self, input: &Input, inputs: &[Input]) -> Result<(), Error> {
        if let Some(hashed) = self.check_path(input, inputs)? {
            self.paths.insert(hashed, inputs.len());
        }
        Ok(())
    }

    /// Checks that none of `inputs` has the path of `input`. Returns the id to which the path
    /// hashes.
    fn check_path(&self, input: &Input, inputs: &[Input]) -> Result<Option<Uuid>, Error> {
        let Some(path) = &input.path else { return Ok(None) };
        let hashed = if input.explicit {
            region_id(path).map_err(|error| Error::with_path(error, path))?
        } else {
            input.id
        };
        let same = |other: &Input| other.path.as_ref() == Some(path);
        let by_path = || self.paths.find(hashed, inputs, same);
        if let Some(first) = self.ids.find(hashed, inputs, same).or_else(by_path) {
            let (path, first, second) = (path.to_string(), first.origin(), input.origin());
            return Err(Error::DuplicatePath { path, first, second });
        }
        Ok(Some(hashed))
    }
}

/// The numbers of inputs by an id. The ids are not stored, so that more of the table fits into the
/// processor's cache.
///
/// Memory: about 9 to 18 bytes for each input.
#[derive(Debug, Default)]
struct Numbers {
    state: RandomState,
    /// Half of the hash of each id, and the number of the input.
    table: HashTable<(u32, u32)>,
}

impl Numbers {
    /// Finds an input that was inserted with `id` and for which `is` holds.
    fn find<'i>(
        &self,
        id: Uuid,
        inputs: &'i [Input],
        is: impl Fn(&Input) -> bool,
    ) -> Option<&'i Input> {
        let hash = self.hash(id);
        let input = |number: u32| inputs.get(usize::try_from(number).ok()?);
        let same = |(other, number): &(u32, u32)| *other == hash && input(*number).is_some_and(&is);
        self.table.find(spread(hash), same).and_then(|(_, number)| input(*number))
    }

    fn insert(&mut self, id: Uuid, number: usize) {
        let (hash, number) = (self.hash(id), u32::try_from(number).unwrap_or(u32::MAX));
        self.table.insert_unique(spread(hash), (hash, number), |(hash, _)| spread(*hash));
    }

    fn hash(&self, id: Uuid) -> u32 {
        let [a, b, c, d, ..] = self.state.hash_one(id).to_ne_bytes();
        u32::from_ne_bytes([a, b, c, d])
    }
}

/// Returns a hash of which both ends have the bits of `hash`, because a table uses both ends.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

/// The temporary file for the contents of all readers that give [`SPOOL_MIN`] bytes or more. It is
/// created for the first such reader.
#[derive(Debug, Default)]
pub(crate) struct Spool {
    file: Option<Arc<File>>,
    end: u64,
}

/// A region to be built.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) path: Option<Box<str>>,
    pub(crate) id: Uuid,
    /// Whether the id may differ from the hashed id of the path.
    explicit: bool,
    /// The length of its content in bytes, or, for a copied region, of its stored bytes.
    pub(crate) len: u64,
    /// The attributes that the names list keeps. Boxed, because most inputs have none, and a large
    /// field makes every input larger.
    attributes: Option<Box<Attributes>>,
    /// Whether the region lies in the head.
    pub(super) hot: bool,
    /// Whether the region is encoded with the package's dictionary, if the package's encoding is
    /// `brod`.
    has_dictionary: bool,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// Boxed, because a large variant makes every input larger, and the packer walks all inputs
    /// several times.
    Kept(Box<Kept>),
    Decoded(Box<Decoded>),
    File {
        path: PathBuf,
        modified: Option<SystemTime>,
    },
    /// Boxed, because a large variant makes every input larger.
    HeldFile(Box<HeldFile>),
    Bytes(Vec<u8>),
    Shared(Shared),
    Spooled {
        file: Arc<File>,
        at: u64,
    },
}

/// A file whose content the search for equal contents has read and keeps in memory.
#[derive(Debug)]
struct HeldFile {
    path: PathBuf,
    content: Shared,
}

impl Input {
    pub(crate) fn new(
        name: InputName,
        content: Content<'_>,
        spool: &mut Spool,
    ) -> Result<Self, Error> {
        let hashed = |path: &String| region_id(path).map_err(|error| Error::with_path(error, path));
        let hashed = name.path.as_ref().map(hashed).transpose()?;
        let id = name.id.or(hashed).ok_or(Error::Unnamed)?;
        let explicit = Some(id) != hashed;
        if id.is_nil() || id == NAMES_ID {
            return Err(Error::ReservedId { id });
        }
        let (source, len) = match content.0 {
            Repr::File(path) => Source::file(path, spool)?,
            Repr::Bytes(bytes) => Source::bytes(bytes),
            Repr::Shared(shared) => {
                let len = to_u64(shared.range.len());
                (Source::Shared(shared), len)
            }
            Repr::Reader(mut reader) => spool.take(&mut *reader)?,
        };
        let path = name.path.map(String::into_boxed_str);
        let attributes = Some(name.attributes).filter(|attributes| !attributes.is_empty());
        let (attributes, hot, has_dictionary) = (attributes.map(Box::new), false, false);
        Self { path, id, explicit, len, attributes, hot, has_dictionary, source }.checked()
    }

    /// Creates the names list of a package as an input.
    pub(crate) fn names_list(segment: Vec<u8>) -> Result<Self, Error> {
        let (source, len) = Source::bytes(segment);
        let (attributes, hot, has_dictionary) = (None, false, false);
        let (path, id, explicit) = (None, NAMES_ID, true);
        Self { path, id, explicit, len, attributes, hot, has_dictionary, source }.checked()
    }

    /// Creates an input that copies a region of another package. The input's `len` is the length of
    /// the region's stored bytes.
    pub(crate) fn kept(path: Option<String>, kept: Kept) -> Self {
        let (id, len) = (kept.located.id, kept.located.span.len());
        let (source, attributes) = (Source::Kept(Box::new(kept)), None);
        let (explicit, hot, has_dictionary) = (true, false, false);
        let path = path.map(String::into_boxed_str);
        Self { path, id, explicit, len, attributes, hot, has_dictionary, source }
    }

    /// Creates an input from the content of a region of another package, of `len` bytes.
    pub(crate) fn decoded(path: Option<String>, decoded: Decoded, len: u64) -> Result<Self, Error> {
        let (id, attributes) = (decoded.located.id, None);
        let (explicit, hot, has_dictionary) = (true, false, false);
        let source = Source::Decoded(Box::new(decoded));
        let path = path.map(String::into_boxed_str);
        Self { path, id, explicit, len, attributes, hot, has_dictionary, source }.checked()
    }

    /// Returns the region of another package that this input copies; `None` for other inputs.
    pub(crate) const fn as_kept(&self) -> Option<&Kept> {
        match &self.source {
            Source::Kept(kept) => Some(kept),
            _ => None,
        }
    }

    /// Returns the encoding of this input in a package whose default encoding is `encoding`.
    pub(crate) fn encoding(&self, encoding: Encoding) -> Encoding {
        match self.as_kept() {
            Some(kept) => kept.located.encoding,
            None if encoding.needs_dictionary() && !self.has_dictionary => Encoding::BROTLI,
            None => encoding,
        }
    }

    /// Returns whether a packer may encode this input with the package's dictionary. The names list
    /// is encoded without it, so that a listing of the paths does not fetch the dictionary. Hot
    /// regions are encoded without it, because the first request of a reader does not fetch the
    /// dictionary.
    pub(super) fn may_need_dictionary(&self) -> bool {
        self.as_kept().is_none() && self.id != NAMES_ID && !self.hot
    }

    /// Marks this input to be encoded with the package's dictionary.
    pub(crate) const fn use_dictionary(&mut self) {
        self.has_dictionary = true;
    }

    fn checked(self) -> Result<Self, Error> {
        if self.len > REGION_LEN_MAX {
            return Err(Error::RegionTooLong { name: self.to_string(), len: self.len });
        }
        Ok(self)
    }

    pub(crate) fn to_name(&self) -> Option<Name<'_>> {
        let path = self.path.as_deref()?;
        let Self { id, explicit, len, ref attributes, .. } = *self;
        let attributes = attributes.as_deref().copied().unwrap_or_default();
        let explicit_id = explicit.then_some(id);
        let decoded_len = self.as_kept().is_none().then_some(len);
        Some(Name { path, explicit_id, decoded_len, attributes })
    }

    /// Gives this input the id that the names list has for its path.
    pub(crate) fn set_id(&mut self, listed: &Name<'_>) {
        self.id = listed.id();
        self.explicit = listed.explicit_id.is_some();
    }

    /// Returns the whole content if it is in memory.
    pub(super) fn in_memory(&self) -> Option<&[u8]> {
        match &self.source {
            Source::Bytes(bytes) => Some(bytes),
            Source::Shared(shared) => Some(shared.bytes()),
            Source::HeldFile(held) => Some(held.content.bytes()),
            Source::File { .. } | Source::Spooled { .. } | Source::Kept(_) | Source::Decoded(_) => {
                None
            }
        }
    }

    /// Returns whether the content is read from a file of the caller, which is not in memory.
    pub(super) const fn is_file(&self) -> bool {
        matches!(self.source, Source::File { .. })
    }

    /// Keeps the content of a file in memory, after [`read_into`](Self::read_into) has read it into
    /// this range of `whole`. The build then does not open the file again.
    pub(super) fn hold_content(&mut self, whole: &Arc<Vec<u8>>, range: Range<usize>) {
        if let Source::File { path, .. } = &mut self.source {
            let path = core::mem::take(path);
            let whole: Arc<dyn AsRef<[u8]> + Send + Sync> = Arc::<Vec<u8>>::clone(whole);
            let content = Shared { whole, range };
            self.source = Source::HeldFile(Box::new(HeldFile { path, content }));
        }
    }

    /// Returns the file from which the content is read, if it is a file of the caller.
    fn file(&self) -> Option<&Path> {
        match &self.source {
            Source::File { path, .. } => Some(path),
            Source::HeldFile(held) => Some(&held.path),
            _ => None,
        }
    }

    /// Returns the whole content if it lies in memory and contains no private key.
    fn checked_in_memory(&self) -> Result<Option<&[u8]>, Error> {
        let bytes = self.in_memory();
        // The content of a held file was searched when it was read.
        let is_searched = matches!(self.source, Source::HeldFile(_));
        if !is_searched && bytes.is_some_and(KeySearch::finds_in) {
            return Err(self.private_key());
        }
        Ok(bytes)
    }

    /// Appends the whole content to `out`. The content must be short.
    pub(crate) fn read_into(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        if let Some(bytes) = self.checked_in_memory()? {
            out.extend_from_slice(bytes);
            return Ok(());
        }
        if let Source::File { path, modified } = &self.source {
            return self.read_file(path, *modified, out);
        }
        let before = out.len();
        let mut reader = self.open()?;
        // One byte more than expected is read, to detect a content that has grown.
        let len = self.len.saturating_add(1);
        reader.by_ref().take(len).read_to_end(out).map_err(|error| self.failed(error))?;
        let read = out.len().saturating_sub(before);
        self.check_unchanged(u64::try_from(read).unwrap_or(u64::MAX))
    }

    /// Appends the whole content of a short file to `out`, by one read.
    fn read_file(
        &self,
        path: &Path,
        modified: Option<SystemTime>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let before = out.len();
        out.reserve(usize::try_from(self.len).unwrap_or(usize::MAX));
        let mut file = File::open(path).map_err(|error| Error::io("open", path, error))?;
        let read = file.by_ref().take(self.len).read_to_end(out);
        // The metadata come from the open file, so they show whether another file has replaced the
        // file that was added. They are read after the bytes, so they also show a change during the
        // read.
        let found = file.metadata().map_err(|error| self.failed(error))?;
        self.check_same(path, modified, &found)?;
        let read = to_u64(read.map_err(|error| self.failed(error))?);
        if read != self.len {
            let (path, expected) = (path.into(), self.len);
            return Err(Error::Changed { path, expected, found: read });
        }
        if KeySearch::finds_in(out.get(before..).unwrap_or_default()) {
            return Err(self.private_key());
        }
        Ok(())
    }

    /// Returns the first bytes of the content, at most `len_max`; `None` if they cannot be read.
    ///
    /// Nothing else is checked, because the build reads the input again.
    pub(super) fn start<'b>(&'b self, len_max: u64, buf: &'b mut Vec<u8>) -> Option<&'b [u8]> {
        let len_max = self.len.min(len_max);
        let len = usize::try_from(len_max).ok()?;
        if let Some(content) = self.in_memory() {
            return content.get(..len);
        }
        buf.clear();
        buf.reserve(len);
        match &self.source {
            Source::File { path, .. } => File::open(path).ok()?.take(len_max).read_to_end(buf),
            _ => self.open().ok()?.take(len_max).read_to_end(buf),
        }
        .ok()?;
        (buf.len() == len).then_some(&buf[..])
    }

    /// Returns the whole content from memory, or reads it into `buf`. The content must be short.
    pub(super) fn content<'b>(&'b self, buf: &'b mut Vec<u8>) -> Result<&'b [u8], Error> {
        if let Some(bytes) = self.checked_in_memory()? {
            return Ok(bytes);
        }
        buf.clear();
        self.read_into(buf)?;
        Ok(buf)
    }

    /// Opens the content as a stream. After its end, [`check_unchanged`](Self::check_unchanged)
    /// tells whether the content has changed since it was added.
    ///
    /// If the content contains a private key, reading ends with an error. A region of another
    /// package is not searched, because it was already published there.
    pub(crate) fn open(&self) -> Result<Box<dyn Read + '_>, Error> {
        let reader: Box<dyn Read + '_> = match &self.source {
            Source::Kept(kept) => return Ok(Box::new(kept.open()?)),
            Source::Decoded(decoded) => return Ok(Box::new(decoded.open()?)),
            Source::Bytes(bytes) => Box::new(&bytes[..]),
            Source::Shared(shared) => Box::new(shared.bytes()),
            Source::HeldFile(held) => Box::new(held.content.bytes()),
            Source::File { path, modified } => {
                let file = File::open(path).map_err(|error| Error::io("open", path, error))?;
                // The metadata are taken from the open file, because the path may now lead to
                // another file.
                let found = file.metadata().map_err(|error| self.failed(error))?;
                self.check_same(path, *modified, &found)?;
                Box::new(file)
            }
            Source::Spooled { file, at } => {
                Box::new(Spooled { file, at: *at, end: at.saturating_add(self.len) })
            }
        };
        Ok(Box::new(Searched { reader, search: KeySearch::default() }))
    }

    /// Returns the error of an input that contains a private key.
    fn private_key(&self) -> Error {
        Error::PrivateKey { name: self.to_string(), file: self.file().map(Path::to_path_buf) }
    }

    /// Returns the error of a content that has changed since it was added.
    pub(super) fn changed(&self) -> Error {
        match self.file() {
            Some(path) => Error::Changed { path: path.into(), expected: self.len, found: self.len },
            None => self.failed(io::Error::other("the bytes have changed during the build")),
        }
    }

    /// Checks that the content, of which `read` bytes were read, has not changed since it was
    /// added.
    pub(crate) fn check_unchanged(&self, read: u64) -> Result<(), Error> {
        if let Source::Decoded(decoded) = &self.source {
            return decoded.check_len(self.len, read);
        }
        let Source::File { path, modified } = &self.source else { return Ok(()) };
        if read != self.len {
            let (path, expected) = (path.clone(), self.len);
            return Err(Error::Changed { path, expected, found: read });
        }
        let found = std::fs::metadata(path).map_err(|error| self.failed(error))?;
        self.check_same(path, *modified, &found)
    }

    fn check_same(
        &self,
        path: &Path,
        modified: Option<SystemTime>,
        found: &Metadata,
    ) -> Result<(), Error> {
        if found.is_file() && found.len() == self.len && found.modified().ok() == modified {
            return Ok(());
        }
        Err(Error::Changed { path: path.into(), expected: self.len, found: found.len() })
    }

    /// Returns the origin of the content, for messages.
    pub(crate) fn origin(&self) -> String {
        match &self.source {
            Source::File { path, .. } => crate::error::shown(path),
            Source::HeldFile(held) => crate::error::shown(&held.path),
            Source::Bytes(_) | Source::Shared(_) | Source::Spooled { .. } => {
                "the caller's bytes".into()
            }
            Source::Kept(_) | Source::Decoded(_) => "a package".into(),
        }
    }

    /// Converts the IO error of a failed read of this input. The result names the origin of the
    /// content.
    pub(crate) fn failed(&self, error: io::Error) -> Error {
        if error
            .get_ref()
            .is_some_and(<dyn core::error::Error + Send + Sync + 'static>::is::<ShowsPrivateKey>)
        {
            return self.private_key();
        }
        match &self.source {
            Source::File { path, .. } => Error::io("read", path, error),
            Source::HeldFile(held) => Error::io("read", &held.path, error),
            Source::Kept(kept) => kept.failed(error),
            Source::Decoded(decoded) => decoded.failed(error),
            Source::Bytes(_) | Source::Shared(_) | Source::Spooled { .. } => {
                Error::io("read", Path::new("a temporary file"), error)
            }
        }
    }
}

/// The number of inputs to [`touch`] at once.
pub(super) const TOUCHED: usize = 32;

/// Reads the first byte of each content that is in memory. A content that is not in the processor's
/// cache must be waited for, and these waits overlap here.
pub(super) fn touch<'i>(inputs: impl Iterator<Item = &'i Input>) {
    let firsts = inputs.filter_map(|input| input.in_memory()?.first());
    core::hint::black_box(firsts.fold(0, |all, first| all ^ first));
}

/// A reader that ends with an error if the content contains a private key.
struct Searched<R> {
    reader: R,
    search: KeySearch,
}

impl<R: Read> Read for Searched<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buf)?;
        self.search.feed(buf.get(..read).unwrap_or_default());
        if self.search.has_found() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, ShowsPrivateKey));
        }
        Ok(read)
    }
}

/// The error of content that contains a private key.
#[derive(Debug, thiserror::Error)]
#[error("it contains a private key")]
struct ShowsPrivateKey;

/// Sorts inputs by path. Inputs without a path follow, sorted by id. A path that occurs twice is an
/// error.
pub(crate) fn sort(inputs: &mut Vec<Input>) -> Result<(), Error> {
    // Most paths differ in the bytes after their common start. So the sort compares numbers, and
    // reads few paths and ids. Then each input is moved once.
    let common = common_start_len(inputs);
    let number = |input: &Input| match &input.path {
        Some(path) => number_at(path.as_bytes(), common) >> 1,
        None => (1 << 63) | (number_at(input.id.as_bytes(), 0) >> 1),
    };
    let mut order: Vec<(u64, usize)> = inputs.iter().map(number).zip(0..).collect();
    order.sort_unstable_by(|(a, i), (b, j)| {
        let name = |i: usize| inputs.get(i).map(|input| (&input.path, input.id));
        let by_name = || name(*i).cmp(&name(*j)).then(i.cmp(j));
        a.cmp(b).then_with(by_name)
    });
    if !order.iter().map(|(_, i)| i).is_sorted() {
        let mut unsorted: Vec<_> = core::mem::take(inputs).into_iter().map(Some).collect();
        inputs.reserve_exact(unsorted.len());
        inputs.extend(order.iter().filter_map(|(_, i)| unsorted.get_mut(*i)?.take()));
    }
    for pair in inputs.windows(2) {
        if let [a @ Input { path: Some(path), .. }, b] = pair
            && b.path.as_ref() == Some(path)
        {
            let (path, first, second) = (path.to_string(), a.origin(), b.origin());
            return Err(Error::DuplicatePath { path, first, second });
        }
    }
    Ok(())
}

/// Returns the number of bytes with which all paths start.
fn common_start_len(inputs: &[Input]) -> usize {
    let mut paths = inputs.iter().filter_map(|input| input.path.as_deref());
    let Some(first) = paths.next() else { return 0 };
    paths.fold(first.len(), |len, path| {
        let pairs = first.bytes().take(len).zip(path.bytes());
        pairs.take_while(|(a, b)| a == b).count()
    })
}

/// Returns the 8 bytes from `at` on as a number that sorts like them. Bytes after the end count as
/// zeros.
fn number_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    let rest = bytes.get(at..).unwrap_or_default();
    number.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    u64::from_be_bytes(number)
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{path:?}"),
            None if self.id == NAMES_ID => f.write_str("the names list"),
            None => write!(f, "{}", self.id),
        }
    }
}

impl Source {
    fn file(path: PathBuf, spool: &mut Spool) -> Result<(Self, u64), Error> {
        let metadata = std::fs::metadata(&path).map_err(|error| Error::io("open", &path, error))?;
        if !metadata.is_file() {
            return Err(Error::NotAFile { path });
        }
        if is_made_on_read(&path, &metadata) {
            let mut file = File::open(&path).map_err(|error| Error::io("open", &path, error))?;
            return spool.take_from(&mut file, &path);
        }
        let (len, modified) = (metadata.len(), Metadata::modified(&metadata).ok());
        Ok((Self::File { path, modified }, len))
    }

    fn bytes(bytes: Vec<u8>) -> (Self, u64) {
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        (Self::Bytes(bytes), len)
    }
}

/// Returns whether the length that the system reports for a file may be wrong, as for files in
/// `/proc` and `/sys`. This includes all files of the reported length 0. Such files are read when
/// they are added, and a file that is really empty then gives no bytes.
fn is_made_on_read(path: &Path, metadata: &Metadata) -> bool {
    metadata.len() == 0 || is_of_kernel(path, metadata)
}

/// Returns whether a file lies in a file system whose files the kernel generates when they are
/// read.
#[cfg(target_os = "linux")]
fn is_of_kernel(path: &Path, metadata: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    /// `/proc`, `/sys`, and the file systems below `/sys`: debugging, tracing, security, cgroups.
    const MAGICS: [u64; 7] =
        [0x9fa0, 0x6265_6572, 0x6462_6720, 0x7472_6163, 0x7363_6673, 0x0027_e0eb, 0x6367_7270];
    // Such a file occupies no block of a disk. So `statfs` is called only for files without blocks,
    // which are rare elsewhere.
    let found = (metadata.blocks() == 0).then(|| rustix::fs::statfs(path).ok()).flatten();
    let magic = found.and_then(|found| u64::try_from(found.f_type).ok());
    magic.is_some_and(|magic| MAGICS.contains(&magic))
}

#[cfg(not(target_os = "linux"))]
const fn is_of_kernel(_: &Path, _: &Metadata) -> bool {
    false
}

impl Spool {
    fn take(&mut self, reader: &mut dyn Read) -> Result<(Source, u64), Error> {
        self.take_from(reader, Path::new("a reader or its temporary file"))
    }

    /// Takes all bytes of a reader. Messages refer to the reader as `name`.
    fn take_from(&mut self, reader: &mut dyn Read, name: &Path) -> Result<(Source, u64), Error> {
        let failed = |action| move |error| Error::io(action, name, error);
        let mut start = Vec::new();
        (&mut *reader).take(SPOOL_MIN).read_to_end(&mut start).map_err(failed("read"))?;
        if u64::try_from(start.len()).unwrap_or(u64::MAX) < SPOOL_MIN {
            return Ok(Source::bytes(start));
        }
        let file = if let Some(file) = &self.file {
            Arc::clone(file)
        } else {
            let file = Arc::new(tempfile::tempfile().map_err(failed("create"))?);
            Arc::clone(self.file.insert(file))
        };
        // The bytes are written at `self.end`, which is increased only after success. So if a
        // reader fails, the next reader overwrites its bytes.
        let at = self.end;
        let mut len = 0_u64;
        let mut piece = start;
        while !piece.is_empty() && len <= REGION_LEN_MAX {
            write_file_at(&file, at.saturating_add(len), &piece).map_err(failed("write"))?;
            len = len.saturating_add(to_u64(piece.len()));
            piece.clear();
            (&mut *reader).take(SPOOL_MIN).read_to_end(&mut piece).map_err(failed("read"))?;
        }
        self.end = at.saturating_add(len);
        Ok((Source::Spooled { file, at }, len))
    }
}

/// The content of one reader in the spool, read by position.
struct Spooled<'f> {
    file: &'f File,
    at: u64,
    end: u64,
}

impl Read for Spooled<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let len = left.min(buf.len());
        let buf = buf.get_mut(..len).unwrap_or_default();
        let read = read_file_at(self.file, self.at, buf)?;
        self.at = self.at.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::{Content, Input, InputName, Spool, Taken, sort};
    use crate::Error;
    use std::io::{self, Read};
    use uuid::Uuid;

    fn input(name: impl Into<InputName>) -> Input {
        Input::new(name.into(), Vec::new().into(), &mut Spool::default()).unwrap()
    }

    #[test]
    fn inputs_are_sorted_by_path_and_then_by_id() {
        // The paths differ at once, after more bytes than the sort compares as a number, or only by
        // their length. The highest bytes of ids and paths occur.
        let paths =
            ["12345678", "12345678/1", "12345678/2", "123456789", "1234567", "é", "\u{10ffff}"];
        let ids = [u128::MAX, 1, 1 << 64, 1 << 127];
        for common in ["", "folder/", "a folder with a long name/"] {
            let mut names: Vec<InputName> = Vec::new();
            names.extend(paths.iter().map(|path| format!("{common}{path}").into()));
            names.extend(ids.map(|id| Uuid::from_u128(id).into()));
            if !common.is_empty() {
                names.push(common.trim_end_matches('/').into());
            }
            let mut expected = names.clone();
            expected.sort_by_key(|name| (name.path.is_none(), name.path.clone(), name.id));
            let expected: Vec<_> = expected.iter().map(|e| (e.path.as_deref(), e.id)).collect();
            for _ in 0..names.len() {
                names.rotate_left(1);
                let mut inputs: Vec<Input> = names.iter().cloned().map(input).collect();
                sort(&mut inputs).unwrap();
                let id = |input: &Input| input.path.is_none().then_some(input.id);
                let found = inputs.iter().map(|input| (input.path.as_deref(), id(input)));
                assert_eq!(found.collect::<Vec<_>>(), expected);
            }
        }
    }

    #[test]
    fn each_path_and_id_is_taken_once() {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let of_path = dacti_names::region_id("p").unwrap();
        let names: [(InputName, Option<&str>); 8] = [
            ("p".into(), None),
            ("p".into(), Some("path")),
            (InputName::path_with_id("p", a), Some("path")),
            (of_path.into(), Some("id")),
            (InputName::path_with_id("q", a), None),
            ("q".into(), Some("path")),
            (InputName::path_with_id("q", b), Some("path")),
            (a.into(), Some("id")),
        ];
        let (mut taken, mut inputs) = (Taken::default(), Vec::new());
        for (name, fault) in names {
            let input = input(name);
            match (taken.take(&input, &inputs), fault) {
                (Ok(()), None) => inputs.push(input),
                (Err(Error::DuplicatePath { .. }), Some("path"))
                | (Err(Error::DuplicateId { .. }), Some("id")) => {}
                (found, _) => panic!("{input}: {found:?}"),
            }
        }
    }

    /// A reader that fails after some bytes.
    struct Failing(usize);

    impl Read for Failing {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let len = self.0.min(buf.len());
            if len == 0 {
                return Err(io::Error::other("cable pulled"));
            }
            buf[..len].fill(b'X');
            self.0 = self.0.saturating_sub(len);
            Ok(len)
        }
    }

    #[test]
    fn what_a_failing_reader_left_is_in_no_region() {
        let mut spool = Spool::default();
        let mut add = |name: &str, content: Content<'_>| {
            Input::new(InputName::from(name), content, &mut spool)
        };
        let first = add("first", Content::reader(io::repeat(b'F').take(100_000))).unwrap();
        let error = add("bad", Content::reader(Failing(100_000))).unwrap_err();
        assert!(error.to_string().contains("cable pulled"), "{error}");
        let good = add("good", Content::reader(io::repeat(b'G').take(200_000))).unwrap();
        for (input, byte, len) in [(first, b'F', 100_000), (good, b'G', 200_000)] {
            let mut content = Vec::new();
            input.read_into(&mut content).unwrap();
            assert_eq!(content, vec![byte; len]);
        }
    }
}
