//! The two calls of foreign crates that are `unsafe`, because a file may change under a map of it.
//!
//! Nothing else writes the files of a run, so nothing changes under these.

use heed::{Env, EnvOpenOptions};
use memmap2::Mmap;
use std::fs::File;
use std::path::Path;

/// Maps a whole file.
pub fn map(path: &Path) -> Mmap {
    let file = File::open(path).expect("it was packed");
    // SAFETY: the file is of this run, and no longer written when it is mapped.
    unsafe { Mmap::map(&file) }.expect("it can be mapped")
}

/// Opens an LMDB environment in one file.
pub fn lmdb(path: &Path, options: &EnvOpenOptions<heed::WithTls>) -> Env<heed::WithTls> {
    // SAFETY: the file is of this run, opened once at a time, by nobody else.
    unsafe { options.open(path) }.expect("it can be opened")
}
