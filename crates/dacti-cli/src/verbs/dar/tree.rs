//! A UnixFS DAG of local files and folders: its blocks, and the place from which the bytes of each
//! block are read.
//!
//! A first pass computes CIDs and keeps inner nodes in memory. The bytes of a file are read again,
//! and checked, when its block is written.

use super::create::{Guards, Links};
use crate::collect::is_leftover;
use crate::outcome::Failure;
use crate::output::shown;
use crate::progress::Bar;
use crate::{Talk, files};
use dacti::seal::KeySearch;
use dacti_dar::unixfs::{Builder, Item, Metadata, Profile};
use dacti_dar::{BlockStore, Cid, ReadError, fits};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The maximum depth of folders. It limits the recursion.
const DEPTH_MAX: u32 = 1000;

/// The place of a block's bytes.
enum Place {
    Memory(Vec<u8>),
    File { file: usize, offset: u64, len: u32 },
}

/// The blocks of local files and folders.
pub(super) struct Tree {
    profile: Profile,
    guards: Guards,
    files: Vec<PathBuf>,
    places: HashMap<Cid, Place>,
    open: Option<(usize, File)>,
    bar: Bar,
    done: u64,
}

impl Tree {
    pub(super) fn new(profile: Profile, guards: Guards, talk: Talk) -> Self {
        Self {
            profile,
            guards,
            files: Vec::new(),
            places: HashMap::new(),
            open: None,
            bar: Bar::bytes("hashing", 0, talk),
            done: 0,
        }
    }

    /// Returns the number of bytes in the files that were added.
    pub(super) fn len(&self) -> u64 {
        self.done
    }

    /// Returns the guards, with their counts of entries left out.
    pub(super) fn guards(&self) -> &Guards {
        &self.guards
    }

    /// Adds a file or a folder that the command line names. Returns its root.
    pub(super) fn add(&mut self, path: &Path) -> Result<Cid, Failure> {
        // If the command line names a link, the target of the link is added.
        let found = fs::metadata(path).map_err(|error| cannot_read(path, &error))?;
        if found.is_dir() {
            return Ok(self.folder(path, DEPTH_MAX)?.cid);
        }
        if self.guards.is_output(path) {
            return Err(Failure::Failed(format!(
                "{} is both input and output: name another output with -o",
                shown(path)
            )));
        }
        Ok(self.file(path, &found)?.cid)
    }

    fn folder(&mut self, path: &Path, depth: u32) -> Result<Item, Failure> {
        let unreadable = |error| cannot_read(path, &error);
        let Some(depth) = depth.checked_sub(1) else {
            return Err(Failure::Failed(format!("{}: folders are nested too deep", shown(path))));
        };
        let found = fs::metadata(path).map_err(unreadable)?;
        let mut entries = Vec::new();
        for entry in fs::read_dir(path).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
            let name = name.ok_or_else(|| {
                Failure::Failed(format!("{}: the name is not UTF-8: rename it", shown(&path)))
            })?;
            entries.push((name, path));
        }
        entries.sort();
        let mut items = Vec::new();
        for (name, path) in entries {
            if let Some(item) = self.entry(&path, depth)? {
                items.push((name, item));
            }
        }
        let metadata = self.metadata(&found);
        let item = self.build(|builder| builder.folder(items, &metadata));
        item.ok_or_else(|| {
            let what = "two names have the same hash, so a sharded folder cannot hold both";
            Failure::Failed(format!("{}: {what}", shown(path)))
        })
    }

    /// Adds an entry of a folder, unless it is left out.
    fn entry(&mut self, path: &Path, depth: u32) -> Result<Option<Item>, Failure> {
        let unreadable = |error| cannot_read(path, &error);
        let mut found = fs::symlink_metadata(path).map_err(unreadable)?;
        if found.is_symlink() {
            match self.guards.links {
                Links::Keep => return self.symlink(path, &found).map(Some),
                Links::Skip => {
                    self.guards.left_out.symlinks = self.guards.left_out.symlinks.saturating_add(1);
                    return Ok(None);
                }
                Links::Refuse => {
                    let what = "is a symbolic link: choose `--symlinks keep`, `follow` or `skip`";
                    return Err(Failure::Failed(format!("{} {what}", shown(path))));
                }
                Links::Follow => found = fs::metadata(path).map_err(unreadable)?,
            }
        }
        if found.is_dir() {
            return self.folder(path, depth).map(Some);
        }
        if path.file_name().is_some_and(is_leftover) {
            self.guards.left_out.leftovers = self.guards.left_out.leftovers.saturating_add(1);
            return Ok(None);
        }
        if self.guards.is_output(path) {
            refuse_what_is_no_archive(path)?;
            self.guards.left_out.own_output = true;
            return Ok(None);
        }
        self.file(path, &found).map(Some)
    }

    fn symlink(&mut self, path: &Path, found: &fs::Metadata) -> Result<Item, Failure> {
        let target = fs::read_link(path).map_err(|error| cannot_read(path, &error))?;
        let Some(target) = target.to_str() else {
            return Err(Failure::Failed(format!(
                "{}: the target of this symbolic link is not UTF-8",
                shown(path)
            )));
        };
        let metadata = Metadata { mode: None, ..self.metadata(found) };
        Ok(self.build(|builder| builder.symlink(target.as_bytes(), &metadata)))
    }

    fn file(&mut self, path: &Path, found: &fs::Metadata) -> Result<Item, Failure> {
        if !found.is_file() {
            return Err(Failure::Failed(format!("{} is neither a file nor a folder", shown(path))));
        }
        let metadata = self.metadata(found);
        let leaves = self.leaves(path).map_err(|error| cannot_read(path, &error))?;
        // Anybody who reads a private key in a published archive can sign with it.
        let Some(leaves) = leaves else {
            let what = "is a private key and would be published: move it out of the folder";
            return Err(Failure::Failed(format!("{} {what}", shown(path))));
        };
        Ok(self.build(|builder| builder.file(leaves, &metadata)))
    }

    /// Reads a file and computes its leaves; `None` if the file contains a private key.
    fn leaves(&mut self, path: &Path) -> Result<Option<Vec<Item>>, std::io::Error> {
        let number = self.files.len();
        self.files.push(path.into());
        let mut source = File::open(path)?;
        let mut leaves = Vec::new();
        let mut offset = 0_u64;
        let mut search = KeySearch::default();
        loop {
            let mut chunk = Vec::new();
            source.by_ref().take(u64::from(self.profile.chunk_len)).read_to_end(&mut chunk)?;
            // If the file's length is a multiple of the chunk length, the last read is empty, and
            // makes no leaf.
            if chunk.is_empty() && !leaves.is_empty() {
                return Ok(Some(leaves));
            }
            search.feed(&chunk);
            if search.has_found() {
                return Ok(None);
            }
            let len = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
            let item = Item::leaf(&chunk);
            let place = Place::File { file: number, offset, len };
            self.places.entry(item.cid.clone()).or_insert(place);
            leaves.push(item);
            offset = offset.saturating_add(u64::from(len));
            self.done = self.done.saturating_add(u64::from(len));
            self.bar.set(self.done, self.done);
            if len < self.profile.chunk_len {
                return Ok(Some(leaves));
            }
        }
    }

    /// Builds nodes and keeps their blocks.
    fn build<T>(
        &mut self,
        build: impl FnOnce(&mut Builder<&mut dyn FnMut(&Cid, Vec<u8>)>) -> T,
    ) -> T {
        let places = &mut self.places;
        let mut keep = |cid: &Cid, block: Vec<u8>| {
            places.entry(cid.clone()).or_insert(Place::Memory(block));
        };
        build(&mut Builder::new(self.profile, &mut keep))
    }

    fn metadata(&self, found: &fs::Metadata) -> Metadata {
        Metadata {
            mode: self.guards.keep_modes.then(|| mode(found)).flatten(),
            mtime: self.guards.keep_times.then(|| found.modified().ok()).flatten().and_then(time),
        }
    }
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems have no modes")]
fn mode(found: &fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    Some(found.permissions().mode() & 0o7777)
}

#[cfg(not(unix))]
fn mode(_: &fs::Metadata) -> Option<u32> {
    None
}

/// Returns seconds since 1970 and nanoseconds; the seconds of an earlier time are negative.
fn time(time: SystemTime) -> Option<(i64, u32)> {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => Some((i64::try_from(after.as_secs()).ok()?, after.subsec_nanos())),
        Err(error) => {
            let before = error.duration();
            let seconds = i64::try_from(before.as_secs()).ok()?.checked_neg()?;
            match before.subsec_nanos() {
                0 => Some((seconds, 0)),
                part => Some((seconds.checked_sub(1)?, 1_000_000_000_u32.checked_sub(part)?)),
            }
        }
    }
}

/// Refuses to replace a file that is not an archive, because it would be lost.
fn refuse_what_is_no_archive(path: &Path) -> Result<(), Failure> {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(4).read_to_end(&mut start));
    if read.is_ok() && (start.is_empty() || start == dacti_dar::MAGIC) {
        return Ok(());
    }
    let what = "lies in the folder that is read and is not a DAR, but it would be replaced by the \
                output: name another output with -o";
    Err(Failure::Failed(format!("{} {what}", shown(path))))
}

fn cannot_read(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Failed(format!("cannot read {}: {error}", shown(path)))
}

impl BlockStore for Tree {
    fn get(&mut self, cid: &Cid, into: &mut Vec<u8>) -> Result<bool, ReadError> {
        match self.places.get(cid) {
            None => return Ok(false),
            Some(Place::Memory(block)) => into.extend_from_slice(block),
            Some(&Place::File { file, offset, len }) => {
                let Some(path) = self.files.get(file) else { return Ok(false) };
                if self.open.as_ref().is_none_or(|(open, _)| *open != file) {
                    self.open = Some((file, File::open(path)?));
                }
                if let Some((_, source)) = &mut self.open {
                    source.seek(SeekFrom::Start(offset))?;
                    source.take(u64::from(len)).read_to_end(into)?;
                }
                if fits(cid, into) != dacti_dar::Fit::Yes {
                    let what = "has changed since it was hashed: run the command again";
                    let message = format!("{} {what}", shown(path));
                    return Err(std::io::Error::other(message).into());
                }
            }
        }
        Ok(true)
    }
}

impl Guards {
    /// Returns whether a path is the output, or a link to it.
    pub(super) fn is_output(&self, path: &Path) -> bool {
        self.output.as_ref().is_some_and(|output| files::is_at(path, output))
    }
}
