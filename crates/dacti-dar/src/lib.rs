//! DAR archives: whole IPLD DAGs in one stream, found and cut by one look-up.
//!
//! A DAR holds the blocks of DAGs in depth-first order. No CID stands before a block, as its link
//! stood in an earlier block already; a block stands once, and further links to it are
//! back-references. What is only known at the end stands at the end: an optional index, roots, a
//! digest of all CIDs. The format is specified in `docs/spec/dar.md`.
//!
//! # Who needs this crate
//! Whoever stores or sends DAGs (file trees, repositories, chains) as one file, and wants
//! truncation detected, a deterministic order, and one block or one sub-DAG out of a large archive
//! in three reads.
//!
//! ```
//! use dacti_dar::{Archive, Cid, Reader, WriteOptions, Writer, multihash};
//!
//! # fn main() -> Result<(), dacti_dar::ReadError> {
//! // Two raw blocks, each a root. Blocks with links are followed by what they link to.
//! let raw = |data: &[u8]| Cid::new_v1(0x55, multihash(0x12, data).expect("sha2-256 is known"));
//! let options = WriteOptions { index: true, ..WriteOptions::default() };
//! let mut writer = Writer::with_options(Vec::new(), &options)?;
//! writer.root(&raw(b"one"), b"one")?;
//! writer.root(&raw(b"two"), b"two")?;
//! let (bytes, summary) = writer.finish()?;
//! assert_eq!(summary.blocks, 2);
//!
//! // In one pass, every block checked against its CID, the whole against its trailer.
//! let mut reader = Reader::new(&bytes[..]);
//! while let Some((cid, data)) = reader.next_block()? {
//!     println!("{cid}: {} bytes", data.len());
//! }
//!
//! // Or one block, by the index.
//! let archive = Archive::open(bytes)?;
//! assert_eq!(archive.get(&raw(b"two"))?.as_deref(), Some(&b"two"[..]));
//! # Ok(())
//! # }
//! ```
//!
//! # Untrusted input
//! Archives and CARs cannot make this crate panic, loop, recurse, or allocate beyond [`Limits`].
//! Depth of a DAG costs memory, 16 bytes a level, and no stack.
//!
//! # Cost
//! - Reading or writing a stream: 66 to 133 bytes of memory for each distinct block whose digest
//!   has 32 bytes, and 34 bytes for each link that waits for its block.
//! - Opening an archive: one read of 64 KiB. A look-up: one read of 64 KiB, rarely two, and the
//!   block.
//! - A sub-DAG: that look-up, and one read of its range; one more for each block in it that stood
//!   in the archive before it, and its own look-up.
//! - Streams cost the hash of each block and SHA3-512 over all CIDs, and a fifth more. Where
//!   `threads` is set, one thread takes the SHA3-512 and another the blocks' hashes.
//!
//! # What it does not do
//! No network, no async: [`StreamReader`], [`CarReader`] and [`Encoder`] do no IO, so that callers
//! can; [`ReadAt`] is all that random access asks of a source. No compression, no encryption.
//!
//! The `cid` and `multihash` crates are public dependencies. There are no features.
//!
//! # The three machines
//! [`StreamReader`] says what it wants and is fed; the loop is the same in async code:
//!
//! ```
//! # fn read(file: &[u8]) -> Result<u64, dacti_dar::Error> {
//! let mut machine = dacti_dar::StreamReader::new(&dacti_dar::ReadOptions::default());
//! while let Some(want) = machine.want() {
//!     let from = file.len().min(want.start as usize);
//!     let to = file.len().min(want.end() as usize);
//!     machine.feed(&file[from..to])?;
//! }
//! # Ok(machine.summary().blocks)
//! # }
//! # assert_eq!(read(b"dar\x01").unwrap_err().kind(), dacti_dar::ErrorKind::Truncated);
//! ```

extern crate alloc;

mod ahead;
mod archive;
mod car;
mod cbor;
mod cid_digest;
mod content;
mod convert;
mod encode;
mod error;
mod frame;
mod hash_thread;
mod header;
mod index;
mod io;
mod limits;
mod links;
mod order;
mod stream;
mod table;
mod varint;
mod walk;

pub use archive::Archive;
pub use car::{CarBlock, CarEvent, CarHeader, CarReader, CarStream, CarWriter};
pub use cid::Cid;
pub use content::{Fit, Prefix, fits, hash_is_known, is_identity, multihash};
pub use convert::{BlockStore, FromCar, ToCar, copy, from_car, to_car, write_dag};
pub use encode::{Encoder, Placed, WriteOptions};
pub use error::{Error, ErrorKind, Misuse, Structure, Wrong};
pub use frame::MAGIC;
pub use header::Header;
pub use index::IndexBucket;
pub use io::{ReadAt, ReadError, ReadFrom, Reader, Writer};
pub use limits::{Limits, UnknownHash};
pub use links::{LinkSource, links};
pub use order::{Root, Summary};
pub use stream::{Event, ReadOptions, Span, StreamReader};
pub use table::Located;
pub use walk::{SubDag, Walk, Walked};
