//! The two calls of other crates that are `unsafe`. They are unsafe because a file can change while
//! it is mapped.
//!
//! Here, only this process writes the files, and it writes none of them after mapping it.

use heed::{Env, EnvOpenOptions};
use memmap2::Mmap;
use std::fs::File;
use std::path::Path;

/// Maps a whole file.
pub fn map(path: &Path) -> Mmap {
    let file = File::open(path).expect("it was packed");
    // SAFETY: the file belongs to this process, which does not write it after mapping it.
    unsafe { Mmap::map(&file) }.expect("it can be mapped")
}

/// Opens an LMDB environment that is a single file.
pub fn lmdb(path: &Path, options: &EnvOpenOptions<heed::WithTls>) -> Env<heed::WithTls> {
    // SAFETY: the file belongs to this process, which does not open it twice at a time.
    unsafe { options.open(path) }.expect("it can be opened")
}
