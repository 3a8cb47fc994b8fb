//! The two `unsafe` calls to other crates. They are unsafe because a file can change while it is
//! mapped.
//!
//! Only this run writes the files, and never after they are mapped.

use heed::{Env, EnvOpenOptions};
use memmap2::Mmap;
use std::fs::File;
use std::path::Path;

/// Maps a whole file.
pub fn map(path: &Path) -> Mmap {
    let file = File::open(path).expect("it was packed");
    // SAFETY: the file belongs to this run, and is not written after it is mapped.
    unsafe { Mmap::map(&file) }.expect("it can be mapped")
}

/// Opens an LMDB environment in one file.
pub fn lmdb(path: &Path, options: &EnvOpenOptions<heed::WithTls>) -> Env<heed::WithTls> {
    // SAFETY: the file belongs to this run, and is opened only once at a time.
    unsafe { options.open(path) }.expect("it can be opened")
}
