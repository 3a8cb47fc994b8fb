//! Many regions as streams, in the order of the file, for any number of threads. Regions near each
//! other share a read. Each region can also be read alone.

use super::GetPlan;
use super::reads::{Early, Manner, Reads};
use crate::fetch::FaultStreak;
use crate::fetch::source::{Doubt, ReadAt, Told, read_span};
use crate::read::total::Total;
use crate::{Error, Package, RegionReader, UnverifiedReader};
use core::sync::atomic::{AtomicBool, Ordering};
use dacti_index::{Encoding, Located};
use daicon_core::Span;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Streams of many regions. They are handed out one by one in the order of the file, to any number
/// of threads.
///
/// Each thread takes memory for one shared read of at most
/// [`Limits::read_len_max`](crate::Limits::read_len_max) bytes, for one [`RegionReader`], and for
/// the bytes that the source reads ahead. Each region takes 150 bytes.
#[derive(Debug)]
pub struct Readers<'p, R = RegionReader> {
    package: &'p Package,
    over: Over<R>,
    total: Arc<Total>,
    reads: Reads,
    decodes: bool,
    state: Mutex<State<'p>>,
    health: Arc<Health>,
    plan: GetPlan,
}

/// A function that opens the stream of a region. Its first argument is the source of the region's
/// bytes.
type OpenOver<R> = fn(Arc<dyn ReadAt>, &Package, Located, Encoding, u64) -> Result<R, Error>;

/// The functions for streams of one kind: one opens a stream, the other makes its decoded bytes
/// count against the total limit.
struct Over<R> {
    stream: OpenOver<R>,
    share: fn(&mut R, &Arc<Total>),
}

impl<R> core::fmt::Debug for Over<R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Over")
    }
}

const VERIFIED: Over<RegionReader> =
    Over { stream: RegionReader::over, share: RegionReader::share };
const UNVERIFIED: Over<UnverifiedReader> =
    Over { stream: UnverifiedReader::over, share: UnverifiedReader::share };

/// The progress of handing out the regions.
#[derive(Debug)]
struct State<'p> {
    early: std::vec::IntoIter<(usize, Early)>,
    /// The announced reads; `None` before the first region.
    told: Option<Told<'p>>,
    /// The index of the current read, and the index of the next region in this read.
    read: usize,
    next: usize,
    bytes: Option<Arc<Shared>>,
}

/// The faults of the latest reads. They show whether the server still serves the regions.
#[derive(Debug, Default)]
struct Health(Mutex<(FaultStreak, Option<Error>)>);

impl Health {
    /// Records the result of a read.
    fn note<T>(&self, read: &io::Result<T>) {
        let fault = read.as_ref().err().and_then(|error| error.get_ref()?.downcast_ref::<Error>());
        if read.is_err() && fault.is_none() {
            return;
        }
        let mut health = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (streak, ended) = &mut *health;
        if streak.note(fault) && ended.is_none() {
            *ended = fault.map(Error::repeated);
        }
    }

    /// Returns the fault that ended the reading; `None` if it has not ended.
    fn ended(&self) -> Option<Error> {
        let health = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        health.1.as_ref().map(Error::repeated)
    }
}

/// The bytes of a read that fetched several regions.
#[derive(Debug)]
struct Shared {
    at: u64,
    bytes: Vec<u8>,
}

/// The source of the bytes of one region. A shared read may have fetched these bytes together with
/// those of other regions. If the region's bytes are wrong, they are read again for this region
/// alone. If no shared read fetched the region's bytes, dropping this value withdraws the announced
/// read.
#[derive(Debug)]
struct Part {
    source: Arc<dyn ReadAt>,
    span: Span,
    shared: Option<Arc<Shared>>,
    distrusted: AtomicBool,
    health: Arc<Health>,
}

impl Package {
    /// Opens streams of regions that were found before. Regions in memory are handed out first,
    /// then the others in the order of the file. Each stream is returned with the index of its
    /// region in `found`.
    ///
    /// If regions are at most [`Limits::gap_len_max`](crate::Limits::gap_len_max) bytes apart, they
    /// are read together, up to [`Limits::read_len_max`](crate::Limits::read_len_max) bytes.
    /// Nothing is read before the first call of [`next`](Readers::next).
    ///
    /// ```no_run
    /// use std::io::Read;
    ///
    /// let package = dacti::Package::open("site.dacti-pack")?;
    /// let found = package.regions()?;
    /// let readers = package.readers_at(found.iter().copied());
    /// println!("{} reads", readers.plan().requests());
    /// while let Some((i, reader)) = readers.next() {
    ///     let mut content = Vec::new();
    ///     reader?.read_to_end(&mut content)?;
    ///     println!("{}: {} bytes", found[i].id, content.len());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn readers_at(&self, found: impl IntoIterator<Item = Located>) -> Readers<'_> {
        Readers::new(self, found, true, Manner::VerifiedStream, VERIFIED)
    }

    /// Does the same as [`readers_at`](Self::readers_at), for the stored bytes without decoding.
    #[must_use]
    pub fn stored_readers_at(&self, found: impl IntoIterator<Item = Located>) -> Readers<'_> {
        Readers::new(self, found, false, Manner::VerifiedStream, VERIFIED)
    }

    /// Does the same as [`readers_at`](Self::readers_at), with streams that hand bytes out before
    /// the bytes are verified: see [`UnverifiedReader`].
    #[must_use]
    pub fn unverified_readers_at(
        &self,
        found: impl IntoIterator<Item = Located>,
    ) -> Readers<'_, UnverifiedReader> {
        Readers::new(self, found, true, Manner::Stream, UNVERIFIED)
    }

    /// Does the same as [`stored_readers_at`](Self::stored_readers_at), with streams that hand
    /// bytes out before the bytes are verified: see [`UnverifiedReader`].
    #[must_use]
    pub fn unverified_stored_readers_at(
        &self,
        found: impl IntoIterator<Item = Located>,
    ) -> Readers<'_, UnverifiedReader> {
        Readers::new(self, found, false, Manner::Stream, UNVERIFIED)
    }
}

impl<'p, R> Readers<'p, R> {
    fn new(
        package: &'p Package,
        found: impl IntoIterator<Item = Located>,
        decodes: bool,
        manner: Manner,
        over: Over<R>,
    ) -> Self {
        let found: Vec<Located> = found.into_iter().collect();
        let total = Arc::new(Total::of(package, &found));
        let mut plan = GetPlan::default();
        let mut early = Vec::new();
        let reads = Reads::of(package, manner, decodes, found.into_iter().map(Ok), |i, found| {
            plan.count_early(&found);
            early.push((i, found));
        });
        plan.add_reads(package, &reads);
        plan.add_look(package);
        let early = early.into_iter();
        let state = State { early, told: None, read: 0, next: 0, bytes: None };
        let (state, health) = (Mutex::new(state), Arc::default());
        Self { package, over, total, reads, decodes, state, health, plan }
    }

    /// Returns the reads of all streams. They include the last read of the head, which
    /// [`finish`](Self::finish) makes.
    #[must_use]
    pub const fn plan(&self) -> &GetPlan {
        &self.plan
    }

    /// Returns the next region's index and its stream; `None` after the last. An error for one
    /// region does not affect the others.
    ///
    /// Threads wait for each other while a shared read is made. If a fault of the server would make
    /// every further region fail, this returns `None` early, and [`finish`](Self::finish) returns
    /// the fault.
    pub fn next(&self) -> Option<(usize, Result<R, Error>)> {
        if self.health.ended().is_some() {
            return None;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.reads.needs_dictionary() {
            // A region in memory may need the dictionary, so the dictionary is read before any
            // region is handed out.
            self.announce(&mut state);
        }
        if let Some((i, early)) = state.early.next() {
            return Some((
                i,
                match early {
                    Early::InHand(located) => {
                        self.reader(located, Arc::clone(self.package.source()))
                    }
                    Early::Fault(fault) => Err(fault),
                },
            ));
        }
        let source = self.package.source();
        self.announce(&mut state);
        let mut read = self.reads.joined.get(state.read)?;
        if state.next >= self.reads.together(read).len() {
            state.read = state.read.saturating_add(1);
            (state.next, state.bytes) = (0, None);
            read = self.reads.joined.get(state.read)?;
        }
        let together = self.reads.together(read);
        // A region that shares no read is read by its own stream. So are regions whose shared read
        // fails, because the error may affect only one of them.
        if state.next == 0 && together.len() > 1 {
            let (at, bytes) = (read.span.start, read_span(&**source, read.span));
            self.health.note(&bytes);
            state.bytes = bytes.ok().map(|bytes| Arc::new(Shared { at, bytes }));
        }
        let wanted = together.get(state.next)?;
        state.next = state.next.saturating_add(1);
        let part = Part {
            source: Arc::clone(source),
            span: wanted.span,
            shared: state.bytes.clone(),
            distrusted: AtomicBool::new(false),
            health: Arc::clone(&self.health),
        };
        drop(state);
        Some((wanted.i, self.reader(wanted.located, Arc::new(part))))
    }

    /// At the first call, announces all reads, and reads the dictionary if a region needs it.
    fn announce(&self, state: &mut State<'p>) {
        if state.told.is_none() {
            self.reads.note(self.package);
            let ahead = self.reads.ahead(self.package);
            state.told = Some(Told::new(&**self.package.source(), ahead));
            self.reads.read_dictionary(self.package);
        }
    }

    /// Checks once more that the source is still the file that was opened. Call it after the last
    /// region, and before you use the regions together.
    ///
    /// # Errors
    /// The fault that made [`next`](Self::next) end early; the errors of [`Package::confirm`].
    pub fn finish(self) -> Result<(), Error> {
        self.health.ended().map_or_else(|| self.package.confirm(), Err)
    }

    fn reader(&self, located: Located, source: Arc<dyn ReadAt>) -> Result<R, Error> {
        // A removal has no content, but it may have a seal.
        let decodes = self.decodes && !located.is_removal();
        let decode_as = if decodes { located.encoding } else { Encoding::NONE };
        let len_max = self.package.limits().stream_len_max;
        let mut reader = (self.over.stream)(source, self.package, located, decode_as, len_max)?;
        (self.over.share)(&mut reader, &self.total);
        Ok(reader)
    }
}

impl Part {
    /// Returns the bytes of `span` if a shared read fetched them and no fault was found in them.
    fn shared(&self, span: Span) -> Option<&[u8]> {
        let shared = self.shared.as_ref().filter(|_| !self.distrusted.load(Ordering::Relaxed))?;
        span.slice_of(&shared.bytes, shared.at)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if self.shared.is_none() {
            self.source.will_not_read(&[self.span]);
        }
    }
}

impl ReadAt for Part {
    fn len(&self) -> u64 {
        self.source.len()
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let span = Span::new(at, u64::try_from(buf.len()).unwrap_or(u64::MAX));
        if let Some(bytes) = span.and_then(|span| self.shared(span)) {
            buf.copy_from_slice(bytes);
            Ok(bytes.len())
        } else {
            let read = self.source.read_at(at, buf);
            self.health.note(&read);
            read
        }
    }

    fn len_is_hint(&self) -> bool {
        self.source.len_is_hint()
    }

    fn read_len(&self) -> usize {
        self.source.read_len()
    }

    fn is_local(&self) -> bool {
        self.shared.is_some() || self.source.is_local()
    }

    fn doubt(&self, span: Span, why: Doubt) -> io::Result<bool> {
        self.distrusted.store(true, Ordering::Relaxed);
        self.source.doubt(span, why)
    }
}
