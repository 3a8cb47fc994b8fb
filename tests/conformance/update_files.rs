//! Files for updates that fail. One fails, or ends the process, at a certain call. The other is a
//! disk that loses bytes that were not synced.

use crate::support::Random;
use dacti::update::{LockedFile, UpdateFile};
use dacti::{Error, Span};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// What happens at a certain call. Only calls that change the file count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process ends before the call.
    Abort,
    /// The process ends when the call has done half of its work.
    AbortHalf,
    /// The call fails with this error number of the system, and changes nothing.
    Fails(i32),
    /// A write stores half of its bytes, and fails with this error number.
    FailsHalf(i32),
    /// A write stores half of its bytes, and returns how many bytes it stored.
    Short,
}

/// The error numbers for "No space left on device" and "Input/output error".
pub const ENOSPC: i32 = 28;
pub const EIO: i32 = 5;

/// A file that fails at a certain call.
#[derive(Debug)]
pub struct Faulty {
    inner: LockedFile,
    calls: AtomicUsize,
    at: usize,
    fault: Fault,
}

impl Faulty {
    /// Opens a file that fails at call number `at`, counted from 0.
    pub fn open(path: &Path, at: usize, fault: Fault) -> Result<Arc<Self>, Error> {
        let inner = LockedFile::open(path)?;
        Ok(Arc::new(Self { inner, calls: AtomicUsize::new(0), at, fault }))
    }

    /// Returns the number of calls so far. Only calls that change the file count.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Counts a call. Returns the fault if it belongs to this call.
    fn fault(&self) -> Option<Fault> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let fault = (call == self.at).then_some(self.fault)?;
        if fault == Fault::Abort {
            std::process::abort();
        }
        Some(fault)
    }

    /// Performs a call that happens completely or not at all.
    fn whole(&self, call: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        match self.fault() {
            Some(Fault::AbortHalf) => {
                call()?;
                std::process::abort();
            }
            Some(Fault::Fails(number) | Fault::FailsHalf(number)) => {
                Err(io::Error::from_raw_os_error(number))
            }
            _ => call(),
        }
    }
}

impl UpdateFile for Faulty {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.read_at(at, buf)
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<usize> {
        let half = &bytes[..bytes.len() / 2];
        match self.fault() {
            Some(Fault::AbortHalf) => {
                self.inner.write_at(at, half)?;
                std::process::abort();
            }
            Some(Fault::Fails(number)) => Err(io::Error::from_raw_os_error(number)),
            Some(Fault::FailsHalf(number)) => {
                self.inner.write_at(at, half)?;
                Err(io::Error::from_raw_os_error(number))
            }
            Some(Fault::Short) if !half.is_empty() => self.inner.write_at(at, half),
            _ => self.inner.write_at(at, bytes),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.whole(|| self.inner.set_len(len))
    }

    fn reserve(&self, span: Span) -> io::Result<()> {
        self.whole(|| self.inner.reserve(span))
    }

    fn sync(&self) -> io::Result<()> {
        // This method needs no real sync. If only the process ends, the system keeps the bytes.
        self.whole(|| Ok(()))
    }

    fn modified(&self) -> io::Result<SystemTime> {
        self.inner.modified()
    }

    fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.whole(|| self.inner.set_modified(time))
    }

    fn is_in_place(&self) -> io::Result<bool> {
        self.inner.is_in_place()
    }
}

/// A change that is not on the disk yet.
#[derive(Debug, Clone)]
enum Pending {
    /// Bytes within one sector, which a disk writes completely or not at all.
    Sector(usize, Vec<u8>),
    Len(usize),
}

#[derive(Debug, Default)]
struct DiskState {
    durable: Vec<u8>,
    seen: Vec<u8>,
    pending: Vec<Pending>,
    modified: Option<SystemTime>,
    calls: usize,
    heads: Vec<(blake3::Hash, SystemTime)>,
}

/// A disk whose power fails before a certain call.
#[derive(Debug)]
pub struct Disk {
    state: Mutex<DiskState>,
    cut_at: usize,
}

const SECTOR: usize = 512;

impl Disk {
    pub fn new(bytes: Vec<u8>, cut_at: usize) -> Arc<Self> {
        let (durable, seen) = (bytes.clone(), bytes);
        let modified = Some(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000));
        let state = DiskState { durable, seen, modified, ..DiskState::default() };
        Arc::new(Self { state: Mutex::new(state), cut_at })
    }

    pub fn calls(&self) -> usize {
        self.state.lock().unwrap().calls
    }

    /// Returns the bytes that programs see.
    pub fn seen(&self) -> Vec<u8> {
        self.state.lock().unwrap().seen.clone()
    }

    /// Returns every head that a reader could have seen, each with the file's modification time at
    /// that moment.
    pub fn heads(&self) -> Vec<(blake3::Hash, SystemTime)> {
        self.state.lock().unwrap().heads.clone()
    }

    /// Returns the bytes that a power cut leaves. `keep` decides, for each change that was not
    /// synced, whether it reached the disk.
    pub fn remains(&self, mut keep: impl FnMut() -> bool) -> Vec<u8> {
        let state = self.state.lock().unwrap();
        let mut bytes = state.durable.clone();
        for pending in state.pending.iter().filter(|_| keep()) {
            match pending {
                Pending::Sector(at, new) => {
                    let end = at + new.len();
                    bytes.resize(bytes.len().max(end), 0);
                    bytes[*at..end].copy_from_slice(new);
                }
                Pending::Len(len) => bytes.resize((*len).max(bytes.len()), 0),
            }
        }
        bytes
    }

    /// Returns the bytes that a power cut leaves, if a random part of the unsynced changes reached
    /// the disk.
    pub fn some(&self, random: &mut Random) -> Vec<u8> {
        self.remains(|| random.below(2) == 1)
    }

    fn call<T>(&self, call: impl FnOnce(&mut DiskState) -> T) -> io::Result<T> {
        let mut state = self.state.lock().unwrap();
        if state.calls >= self.cut_at {
            return Err(io::Error::other("the power is out"));
        }
        state.calls += 1;
        Ok(call(&mut state))
    }
}

impl UpdateFile for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state.lock().unwrap().seen.len() as u64)
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let state = self.state.lock().unwrap();
        let rest = state.seen.get(usize::try_from(at).unwrap()..).unwrap_or_default();
        let len = rest.len().min(buf.len());
        buf[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<usize> {
        self.call(|state| {
            let at = usize::try_from(at).unwrap();
            let end = at + bytes.len();
            let len = state.seen.len().max(end);
            state.seen.resize(len, 0);
            state.seen[at..end].copy_from_slice(bytes);
            let mut start = at;
            while start < end {
                let stop = end.min((start / SECTOR + 1) * SECTOR);
                state.pending.push(Pending::Sector(start, state.seen[start..stop].to_vec()));
                start = stop;
            }
            // The test takes so little time that all writes happen in the same second. The update
            // itself sets the modification time forward, so each head gets a second of its own.
            state.modified = Some(SystemTime::now());
            bytes.len()
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.call(|state| {
            let len = usize::try_from(len).unwrap();
            state.seen.resize(len, 0);
            state.pending.push(Pending::Len(len));
            state.modified = Some(SystemTime::now());
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.call(|state| {
            state.durable.clone_from(&state.seen);
            state.pending.clear();
        })
    }

    fn modified(&self) -> io::Result<SystemTime> {
        Ok(self.state.lock().unwrap().modified.expect("it has a time"))
    }

    fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.call(|state| {
            state.modified = Some(time);
            let head = blake3::hash(&state.seen[..65_536]);
            state.heads.push((head, time));
        })
    }

    fn is_in_place(&self) -> io::Result<bool> {
        Ok(true)
    }
}
