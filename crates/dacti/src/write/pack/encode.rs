//! Turns inputs into stored bytes. Several short inputs form a batch; a long input is encoded piece
//! by piece.

use super::brotli;
use super::dictionary::NewDictionary;
use super::input::{Input, TOUCHED, touch};
use super::pipeline::{Lane, Stopped, Weigh};
use super::shared::Sharing;
use crate::Error;
use crate::hash::HashPool;
use dacti_index::Encoding;
use dacti_seal::{Hashes, Kind, Seal, SecretKey, digest_of_hash};
use daicon_core::to_u64;
use std::io::{self, Read, Write};
use uuid::Uuid;

/// The maximum number of content bytes in a batch of short inputs. It is also the length of the
/// pieces of a long input.
pub(crate) const PIECE_LEN: u64 = 1 << 20;

/// The number of bytes of a long input that are read at once.
const READ_LEN: usize = 256 * 1024;

/// An encoded region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Encoded {
    /// The length of its stored bytes, without the seal.
    pub(crate) stored_len: u64,
    /// The BLAKE3 of the stored bytes, or zeros if the encoder does not hash.
    pub(crate) digest: [u8; 32],
    /// The length of the seals after the stored bytes. Each region that shares these bytes has one
    /// seal.
    pub(crate) seals_len: u64,
}

impl Encoded {
    /// Returns the length of the stored bytes with their seals.
    pub(crate) const fn len(&self) -> u64 {
        self.stored_len.saturating_add(self.seals_len)
    }
}

/// Stored bytes: one or more whole regions, or a piece of one region.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    pub(crate) bytes: Vec<u8>,
    /// The regions that end in these bytes, in order. If this list is empty, the region continues
    /// in the next piece.
    pub(crate) ends: Vec<Encoded>,
}

impl Weigh for Piece {
    fn weight(&self) -> usize {
        let ends = self.ends.len().saturating_mul(size_of::<Encoded>());
        self.bytes.capacity().saturating_add(ends).saturating_add(size_of::<Self>())
    }
}

/// The seal after stored bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sealing<'k> {
    pub(crate) kind: Kind,
    /// The key that signs; `None` for digests without signatures.
    pub(crate) key: Option<&'k SecretKey>,
}

impl Sealing<'_> {
    /// Returns the length of the seal after a region; 0 for no seal.
    pub(crate) fn len_of(sealing: Option<Self>) -> u64 {
        sealing.map_or(0, |sealing| sealing.kind.seal_len())
    }

    /// Returns the bytes of a removal's seal. The digest in the seal covers the id, the encoding
    /// tag `gone` and no stored bytes.
    pub(crate) fn of_removal(self, id: Uuid) -> Result<Vec<u8>, Error> {
        self.bytes(dacti_seal::digest(id, Encoding::GONE, b""))
    }

    /// Returns the bytes of the seal with this digest.
    pub(super) fn bytes(self, digest: [u8; 32]) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; usize::try_from(self.kind.seal_len()).unwrap_or_default()];
        self.seal(digest).emit(self.kind, &mut bytes)?;
        Ok(bytes)
    }

    /// Returns the seal of a region with this digest.
    fn seal(self, digest: [u8; 32]) -> Seal {
        Seal::new(digest, self.key.filter(|_| self.kind == Kind::Signature))
    }
}

/// How regions are encoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Encoder<'k> {
    pub(crate) encoding: Encoding,
    pub(crate) quality: u8,
    /// The dictionary of regions of the encoding `brod`.
    pub(crate) dictionary: Option<&'k NewDictionary>,
    /// The kind of seal after stored bytes; `None` for no seal.
    pub(crate) sealing: Option<Sealing<'k>>,
    /// Whether stored bytes are hashed even if no seal needs it.
    pub(crate) hashes: bool,
    /// Threads that hash long regions.
    pub(crate) hash_pool: &'k HashPool,
    /// The regions that share stored bytes; `None` if there are none.
    pub(crate) sharing: Option<Sharing<'k>>,
}

impl<'k> Encoder<'k> {
    /// Encodes adjacent inputs: several short inputs, or one input of any length.
    pub(crate) fn encode(
        self,
        inputs: &[&Input],
        lane: &Lane<'_, Piece>,
    ) -> Result<Result<(), Error>, Stopped> {
        let len = inputs.iter().fold(0_u64, |sum, input| sum.saturating_add(input.len));
        match inputs {
            // An input that needs the dictionary is short enough to be encoded in memory.
            [input] if len > PIECE_LEN && self.dictionary(input).is_none() => {
                self.encode_long(input, lane)
            }
            _ => match self.encode_short(inputs, lane.spare().unwrap_or_default()) {
                Ok(piece) => lane.put(piece).map(Ok),
                Err(error) => Ok(Err(error)),
            },
        }
    }

    /// Returns the stored bytes of a short input, without a seal.
    pub(crate) fn stored(self, input: &Input) -> Result<Vec<u8>, Error> {
        let mut piece = Piece::default();
        Self { sealing: None, ..self }.put_stored(&[input], &mut piece)?;
        Ok(piece.bytes)
    }

    /// Fills a piece, and reuses its memory. The piece first gets all stored bytes, with room for
    /// the seals between them, and then the seals. Copying waits for memory, and these waits
    /// overlap only if no hashing lies between the copies. So all seals are made after all copies.
    fn encode_short(self, inputs: &[&Input], mut piece: Piece) -> Result<Piece, Error> {
        piece.bytes.clear();
        piece.ends.clear();
        piece.ends.reserve_exact(inputs.len());
        self.put_stored(inputs, &mut piece)?;
        self.put_seals(inputs, &mut piece)?;
        Ok(piece)
    }

    /// Puts the stored bytes of the inputs into a piece, with room for the seals after each.
    fn put_stored(self, inputs: &[&Input], piece: &mut Piece) -> Result<(), Error> {
        if self.encoding == Encoding::NONE {
            // Short inputs together fit into one piece, so this allocates at most a piece and its
            // seals.
            let len = inputs.iter().fold(0_usize, |sum, input| {
                let len = usize::try_from(input.len).unwrap_or(usize::MAX);
                sum.saturating_add(len).saturating_add(self.seals_len(input))
            });
            piece.bytes.reserve_exact(len);
        }
        let mut buf = Vec::new();
        let mut compressor = brotli::Compressor::default();
        for (input, i) in inputs.iter().zip(0_usize..) {
            if i.is_multiple_of(TOUCHED) {
                touch(inputs.iter().skip(i).take(TOUCHED).copied());
            }
            let start = piece.bytes.len();
            if self.is_copied(input) {
                input.read_into(&mut piece.bytes)?;
                self.check_shared(input, piece.bytes.get(start..).unwrap_or_default())?;
            } else {
                let content = input.content(&mut buf)?;
                self.check_shared(input, content)?;
                compressor
                    .compress(content, self.quality, self.dictionary(input), &mut piece.bytes)
                    .map_err(|error| input.failed(error))?;
            }
            let end = piece.bytes.len();
            let stored_len = u64::try_from(end.saturating_sub(start)).unwrap_or(u64::MAX);
            let seals_len = self.seals_len(input);
            piece.bytes.resize(end.saturating_add(seals_len), 0);
            let (digest, seals_len) = ([0; 32], to_u64(seals_len));
            piece.ends.push(Encoded { stored_len, digest, seals_len });
        }
        Ok(())
    }

    /// Hashes the stored bytes in a piece if the hashes are needed. Then puts the seals into the
    /// room between the stored bytes.
    fn put_seals(self, inputs: &[&Input], piece: &mut Piece) -> Result<(), Error> {
        let mut rest = &mut piece.bytes[..];
        for (input, encoded) in inputs.iter().zip(&mut piece.ends) {
            let stored_len = usize::try_from(encoded.stored_len).unwrap_or(usize::MAX);
            let (stored, behind) = rest.split_at_mut(stored_len.min(rest.len()));
            let seals_len = usize::try_from(encoded.seals_len).unwrap_or(usize::MAX);
            let (seals, behind) = behind.split_at_mut(seals_len.min(behind.len()));
            if self.is_hashing(input) {
                encoded.digest = blake3::hash(stored).into();
            }
            self.put_region_seals(input, encoded, seals)?;
            rest = behind;
        }
        Ok(())
    }

    fn encode_long(
        self,
        input: &Input,
        lane: &Lane<'_, Piece>,
    ) -> Result<Result<(), Error>, Stopped> {
        let mut sink = PieceSink {
            lane,
            bytes: spare_bytes(lane),
            stored_len: 0,
            stopped: false,
            hasher: self.is_hashing(input).then(blake3::Hasher::new),
            hash_pool: self.hash_pool,
        };
        let result = self.stream(input, Some(lane), &mut sink);
        if sink.stopped {
            return Err(Stopped);
        }
        if let Err(error) = result {
            return Ok(Err(error));
        }
        sink.hash();
        let digest = sink.hasher.as_ref().map_or([0; 32], |hasher| hasher.finalize().into());
        let seals_len = to_u64(self.seals_len(input));
        let encoded = Encoded { stored_len: sink.stored_len, digest, seals_len };
        if let Err(error) = self.append_seals(input, &encoded, &mut sink.bytes) {
            return Ok(Err(error));
        }
        lane.put(Piece { bytes: sink.bytes, ends: vec![encoded] }).map(Ok)
    }

    /// Returns the dictionary with which an input is encoded.
    fn dictionary(self, input: &Input) -> Option<&'k [u8]> {
        let needs = input.encoding(self.encoding).needs_dictionary();
        self.dictionary.filter(|_| needs).map(|new| &*new.dictionary.bytes)
    }

    /// Returns whether an input's bytes are stored unchanged.
    fn is_copied(self, input: &Input) -> bool {
        self.encoding == Encoding::NONE || input.as_kept().is_some()
    }

    /// Encodes one region with its seal. If the stored bytes are longer than `len_max`, the
    /// returned length is right, but the returned bytes must not be used.
    pub(super) fn encode_capped(
        self,
        input: &Input,
        len_max: u64,
    ) -> Result<(Encoded, Vec<u8>), Error> {
        if input.len <= PIECE_LEN {
            let Piece { bytes, ends } = self.encode_short(&[input], Piece::default())?;
            let encoded = ends.first().copied();
            let none = Encoded { stored_len: 0, digest: [0; 32], seals_len: 0 };
            return Ok((encoded.unwrap_or(none), bytes));
        }
        let mut sink = CappedSink { bytes: Vec::new(), len: 0, len_max };
        if self.is_copied(input) {
            // The stored bytes are longer than `len_max`, so only their length is needed.
            sink.len = input.len;
        } else {
            self.stream(input, None, &mut sink)?;
        }
        let digest = blake3::hash(&sink.bytes).into();
        let seals_len = to_u64(self.seals_len(input));
        let encoded = Encoded { stored_len: sink.len, digest, seals_len };
        self.append_seals(input, &encoded, &mut sink.bytes)?;
        Ok((encoded, sink.bytes))
    }

    /// Returns whether the hash of an input's stored bytes is needed.
    fn is_hashing(self, input: &Input) -> bool {
        self.hashes || self.sealing.is_some() || input.as_kept().is_some()
    }

    /// Returns the length of each seal.
    fn seal_len(self) -> usize {
        usize::try_from(Sealing::len_of(self.sealing)).unwrap_or_default()
    }

    /// Returns the length of the seals after an input's stored bytes.
    fn seals_len(self, input: &Input) -> usize {
        let others = self.sharing.map_or(0, |sharing| sharing.shared.others(input.id).len());
        self.seal_len().saturating_mul(others.saturating_add(1))
    }

    /// Checks that a content is unchanged since it was compared with the contents of the inputs
    /// that share it.
    fn check_shared(self, input: &Input, content: &[u8]) -> Result<(), Error> {
        let group = self.sharing.and_then(|sharing| sharing.shared.group(input.id));
        match group {
            Some(group) if group.hash != *blake3::hash(content).as_bytes() => Err(input.changed()),
            _ => Ok(()),
        }
    }

    /// Appends to `bytes` the seals of an input and of all inputs that share its stored bytes.
    fn append_seals(
        self,
        input: &Input,
        encoded: &Encoded,
        bytes: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let stored_len = bytes.len();
        bytes.resize(stored_len.saturating_add(self.seals_len(input)), 0);
        self.put_region_seals(input, encoded, bytes.get_mut(stored_len..).unwrap_or_default())
    }

    /// Puts the seals of an input, and of all inputs that share its stored bytes, into `places`.
    fn put_region_seals(
        self,
        input: &Input,
        encoded: &Encoded,
        places: &mut [u8],
    ) -> Result<(), Error> {
        let (first, places) = places.split_at_mut(self.seal_len().min(places.len()));
        self.put_seal(input, encoded, first)?;
        let Some(sharing) = self.sharing else { return Ok(()) };
        let places = places.chunks_exact_mut(self.seal_len().max(1));
        for (other, place) in sharing.others(input).zip(places) {
            self.put_seal(other, encoded, place)?;
        }
        Ok(())
    }

    /// Puts a region's seal into `place`, which has the length of one seal. A copied region keeps
    /// its seal, unless it has none or needs a new one.
    fn put_seal(self, input: &Input, encoded: &Encoded, place: &mut [u8]) -> Result<(), Error> {
        let Encoded { stored_len, digest, .. } = encoded;
        // The copied region's seal is read even if it is not used, because `Kept::seal` checks the
        // bytes against it.
        let kept = input.as_kept().map(|kept| kept.seal(digest)).transpose()?;
        let Some(sealing) = self.sealing else { return Ok(()) };
        if let Some(seal) = kept.filter(|seal| !seal.is_empty()) {
            // The seal has the right length, because the new package has seals of the same kind.
            place.copy_from_slice(&seal);
        } else {
            let encoding = input.encoding(self.encoding);
            let dictionary = self.dictionary.map(|new| new.dictionary.hash);
            let hashes = Hashes { stored: *digest, dictionary };
            let digest = digest_of_hash(input.id, encoding, *stored_len, hashes);
            sealing.seal(digest).emit(sealing.kind, place)?;
        }
        Ok(())
    }

    /// Writes the stored bytes of an input to `sink`. Idle threads of the build help.
    fn stream(
        self,
        input: &Input,
        lane: Option<&Lane<'_, Piece>>,
        sink: &mut impl Write,
    ) -> Result<(), Error> {
        let group = self.sharing.and_then(|sharing| sharing.shared.group(input.id));
        let hasher = group.map(|_| blake3::Hasher::new());
        let mut reader = Counting { reader: input.open()?, read: 0, hasher };
        // One byte more than expected is read, to detect a file that has grown.
        let mut limited = reader.by_ref().take(input.len.saturating_add(1));
        if self.is_copied(input) {
            let mut buf = vec![0; READ_LEN];
            loop {
                let read = limited.read(&mut buf).map_err(|error| input.failed(error))?;
                if read == 0 {
                    break;
                }
                let bytes = buf.get(..read).unwrap_or_default();
                sink.write_all(bytes).map_err(|error| input.failed(error))?;
            }
        } else {
            let take_idle = || lane.and_then(Lane::take_idle);
            brotli::compress_stream(&mut limited, input.len, self.quality, take_idle, sink)
                .map_err(|error| input.failed(error))?;
        }
        let hash = reader.hasher.map(|hasher| *hasher.finalize().as_bytes());
        if hash != group.map(|group| group.hash) {
            return Err(input.changed());
        }
        input.check_unchanged(reader.read)
    }
}

/// Returns an empty buffer. It reuses the memory of a written piece, if there is one.
fn spare_bytes(lane: &Lane<'_, Piece>) -> Vec<u8> {
    let mut bytes = lane.spare().unwrap_or_default().bytes;
    bytes.clear();
    bytes
}

/// Collects stored bytes and hands them over piece by piece.
struct PieceSink<'l, 's, 'k> {
    lane: &'l Lane<'s, Piece>,
    bytes: Vec<u8>,
    stored_len: u64,
    stopped: bool,
    /// `None` if the hash is not used.
    hasher: Option<blake3::Hasher>,
    hash_pool: &'k HashPool,
}

impl PieceSink<'_, '_, '_> {
    /// Hashes the bytes that were collected since the last piece.
    fn hash(&mut self) {
        if let Some(hasher) = &mut self.hasher {
            self.hash_pool.update(hasher, &self.bytes);
        }
    }
}

impl Write for PieceSink<'_, '_, '_> {
    /// Takes at most as many bytes as the piece has room for.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PIECE_LEN.saturating_sub(to_u64(self.bytes.len()));
        let taken = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        let bytes = bytes.get(..taken).unwrap_or_default();
        self.bytes.extend_from_slice(bytes);
        self.stored_len = self.stored_len.saturating_add(to_u64(taken));
        if to_u64(self.bytes.len()) >= PIECE_LEN {
            self.hash();
            let bytes = core::mem::replace(&mut self.bytes, spare_bytes(self.lane));
            if self.lane.put(Piece { bytes, ends: Vec::new() }).is_err() {
                self.stopped = true;
                return Err(io::Error::other("stopped"));
            }
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Collects stored bytes up to a limit. `len` counts all bytes, also those past the limit.
struct CappedSink {
    bytes: Vec<u8>,
    len: u64,
    len_max: u64,
}

impl Write for CappedSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.len = self.len.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.len <= self.len_max {
            self.bytes.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Counts the bytes of a content, and hashes them if other inputs share them.
struct Counting<R> {
    reader: R,
    read: u64,
    hasher: Option<blake3::Hasher>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buf)?;
        self.read = self.read.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        if let Some(hasher) = &mut self.hasher {
            hasher.update(buf.get(..read).unwrap_or_default());
        }
        Ok(read)
    }
}
