//! A thread that hashes blocks while its caller does other work. It receives batches of bytes, and
//! the places of the blocks in these bytes.

use alloc::vec::Vec;
use core::ops::Range;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Builder;

use multihash::Multihash;

use crate::cid::{Cid, DIGEST_LEN_MAX};
use crate::hash::multihash;

/// The size of a batch: small enough for the private cache of a CPU core.
pub(crate) const BATCH_LEN: usize = 128 << 10;
/// The maximum number of batches that the thread holds at once.
const BATCHES_MAX: usize = 3;
/// The minimum length of an archive for which a thread is started.
pub(crate) const START_AT: u64 = 256 << 10;

/// One block in a batch.
#[derive(Debug)]
pub(crate) struct Piece {
    /// The archive offset of the block's frame.
    pub(crate) at: u64,
    /// The position of the block in the batch.
    pub(crate) data: Range<usize>,
    /// The hash function to use.
    pub(crate) code: u64,
    /// The CID that the caller expects. The thread ignores it.
    pub(crate) expected: Option<Cid>,
    /// The multihash that the thread has computed; `None` if the thread does not know the function.
    pub(crate) found: Option<Multihash<DIGEST_LEN_MAX>>,
}

impl Piece {
    /// Tells whether the block hashes to the expected CID, whose digest may be truncated.
    pub(crate) fn is_proved(&self) -> bool {
        match (&self.found, &self.expected) {
            (Some(found), Some(cid)) => found.digest().starts_with(cid.digest()),
            _ => false,
        }
    }
}

/// Bytes, and the blocks in them. Either the caller or the thread owns a batch.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) bytes: Vec<u8>,
    pub(crate) pieces: Vec<Piece>,
}

impl Batch {
    fn hash(&mut self) {
        for piece in &mut self.pieces {
            let data = self.bytes.get(piece.data.clone());
            piece.found = data.and_then(|data| multihash(piece.code, data));
        }
    }
}

/// A thread that hashes batches and returns them in the same order. The thread ends when this value
/// is dropped.
#[derive(Debug)]
pub(crate) struct HashThread {
    sender: SyncSender<Batch>,
    receiver: Receiver<Batch>,
    out: usize,
    spare: Vec<Batch>,
}

impl HashThread {
    /// Starts the thread; `None` if the system refuses.
    pub(crate) fn start() -> Option<Self> {
        let (sender, batches) = sync_channel::<Batch>(BATCHES_MAX);
        let (done, receiver) = sync_channel(BATCHES_MAX);
        let run = move || {
            for mut batch in batches {
                batch.hash();
                if done.send(batch).is_err() {
                    return;
                }
            }
        };
        Builder::new().name("dar hashes".into()).spawn(run).ok()?;
        Some(Self { sender, receiver, out: 0, spare: Vec::new() })
    }

    /// Tells whether the thread holds its maximum number of batches.
    pub(crate) fn is_full(&self) -> bool {
        self.out >= BATCHES_MAX
    }

    /// Tells whether the thread has returned every batch.
    pub(crate) fn is_idle(&self) -> bool {
        self.out == 0
    }

    /// Sends a batch. Before this, the caller must check that [`Self::is_full`] returns false.
    pub(crate) fn send(&mut self, batch: Batch) -> io::Result<()> {
        debug_assert!(!self.is_full(), "more batches are in progress than the channel holds");
        self.sender.send(batch).map_err(|_| ended())?;
        self.out = self.out.saturating_add(1);
        Ok(())
    }

    /// Waits until the thread has hashed the oldest batch that was sent. Returns this batch.
    pub(crate) fn receive(&mut self) -> io::Result<Batch> {
        let batch = self.receiver.recv().map_err(|_| ended())?;
        self.out = self.out.saturating_sub(1);
        Ok(batch)
    }

    /// Keeps the memory of a batch for a later batch.
    pub(crate) fn put_back(&mut self, mut batch: Batch) {
        batch.pieces.clear();
        self.spare.push(batch);
    }

    /// Returns a batch without blocks. Its buffer may still hold the bytes of an earlier batch.
    pub(crate) fn spare(&mut self) -> Batch {
        self.spare.pop().unwrap_or_default()
    }
}

/// Returns the error for a thread that has ended early. The thread cannot panic, so this is
/// unexpected.
fn ended() -> io::Error {
    io::Error::other("the thread that hashes blocks has ended")
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use sha2::{Digest as _, Sha256};

    #[test]
    fn batches_come_back_in_order() {
        let mut thread = HashThread::start().expect("a thread");
        let (mut sent, mut got) = (0_u8, 0_u8);
        while got < 200 {
            while sent < 200 && !thread.is_full() {
                let pieces = [0x12, 0xfff].map(|code| Piece {
                    at: 0,
                    data: 1..3,
                    code,
                    expected: None,
                    found: None,
                });
                let mut batch = thread.spare();
                assert!(batch.pieces.is_empty());
                batch.bytes = vec![9, sent, 7, 9];
                batch.pieces.extend(pieces);
                thread.send(batch).expect("it runs");
                sent += 1;
            }
            let batch = thread.receive().expect("it runs");
            let found: Vec<_> = batch.pieces.iter().map(|piece| piece.found).collect();
            let expected = Multihash::wrap(0x12, &Sha256::digest([got, 7])).expect("32 bytes");
            assert_eq!(found, [Some(expected), None]);
            thread.put_back(batch);
            got += 1;
        }
        assert!(thread.is_idle());
    }
}
