//! Why the gateway cannot answer, or cannot go on.

use core::fmt;
use dacti_dar::unixfs::UnixFsError;
use dacti_dar::{Cid, ReadError};
use std::io;

/// Why a walk ends early.
#[derive(Debug)]
pub(super) enum Fault {
    /// No archive has the block.
    Missing(Cid),
    /// More links wait than a walk may hold.
    TooManyLinks,
    /// The blocks lie in too many places for a walk that sends each block once.
    TooScattered,
    /// Too many blocks were read in a row without sending a block.
    Idle,
    /// No TAR can have this name or target.
    Name(String),
    UnixFs(UnixFsError),
    Read(ReadError),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(cid) => write!(f, "no archive on this server has the block {cid}"),
            Self::TooManyLinks => {
                f.write_str("the DAG has more unresolved links than this server can hold at a time")
            }
            Self::TooScattered => f.write_str(
                "the blocks lie in too many places to send each block once: ask for dups=y",
            ),
            Self::Idle => {
                f.write_str("the server read too many blocks in a row without sending one")
            }
            Self::Name(name) => {
                write!(f, "the name {name:?} leads out of the tree or is too long: ask for a CAR")
            }
            Self::UnixFs(error) => error.fmt(f),
            Self::Read(error) => error.fmt(f),
        }
    }
}

impl From<UnixFsError> for Fault {
    fn from(error: UnixFsError) -> Self {
        match error {
            UnixFsError::Missing(cid) => Self::Missing(cid),
            UnixFsError::Store(error) => Self::Read(error),
            error => Self::UnixFs(error),
        }
    }
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Read(error.into())
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Read(ReadError::Io(error)) => error,
            Fault::Missing(_) => Self::new(io::ErrorKind::NotFound, fault.to_string()),
            fault => Self::other(fault.to_string()),
        }
    }
}
