#![doc = include_str!("../README.md")]

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
mod limits;
mod links;
mod order;
mod reader;
mod source;
mod stream;
mod table;
mod varint;
mod walk;
mod window;
mod writer;

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
pub use limits::{Limits, UnknownHash};
pub use links::{LinkSource, links};
pub use order::{Root, Summary};
pub use reader::Reader;
pub use source::{ReadAt, ReadError, ReadFrom};
pub use stream::{ByteRange, ReadOptions, StreamEvent, StreamReader};
pub use table::BlockPlace;
pub use walk::{SubDag, Walk, Walked};
pub use writer::Writer;
