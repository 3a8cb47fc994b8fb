//! `dacti dar extract --files`: the files, folders and symbolic links of a UnixFS DAG, written
//! below one folder by the code that `dacti unpack` uses.

use super::failed;
use super::get::{Places, write_dar};
use super::source::Source;
use crate::keep;
use crate::outcome::{Failure, Outcome};
use crate::progress::Bar;
use crate::verbs::unpack::names::{FolderLimits, Portability, refusals, too_deep};
use crate::verbs::unpack::place::{Place, Recorded, Refusal, Writer};
use crate::{Talk, interrupt, output};
use dacti_dar::unixfs::{self, FileReader, Kind, Node, UnixFsError};
use dacti_dar::{Archive, BlockStore, Cid, ReadError, WriteOptions};
use serde::Serialize;
use std::collections::HashSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The options of writing files.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_field_names, reason = "the fields are the options' names")]
pub(super) struct Files {
    /// Write the files of a UnixFS DAG, and no archive. A folder's entries are written into DIR, a
    /// single file under the name of its CID.
    ///
    /// Nothing is written outside of DIR: names and links cannot lead out of it. A file appears
    /// whole or not at all. Entries that cannot be written are left out and listed, and the exit
    /// code is 3.
    #[arg(long, conflicts_with_all = NOT_FILES)]
    pub(super) files: bool,
    /// The folder to write into. It is made if it does not exist.
    #[arg(short = 'C', long, value_name = "DIR", default_value = ".", requires = "files",
        conflicts_with_all = NOT_FILES)]
    directory: PathBuf,
    /// Replace files that exist. Without this option they stay as they are.
    #[arg(long, requires = "files",
        conflicts_with_all = NOT_FILES)]
    overwrite: bool,
    /// Refuse names that other systems cannot have. The rules of the system that runs dacti always
    /// apply.
    #[arg(long, requires = "files",
        conflicts_with_all = NOT_FILES)]
    portable: bool,
    /// The maximum length of a file that is written, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 40, requires = "files",
        conflicts_with_all = NOT_FILES)]
    max_len: u64,
    /// The maximum number of bytes of all files together. The default is 256 times the archive's
    /// length, but at least 1 GiB, because files may repeat blocks that the archive holds once.
    #[arg(long, value_name = "BYTES", requires = "files",
        conflicts_with_all = NOT_FILES)]
    max_total: Option<u64>,
    /// The maximum number of nested folders around one entry. Deeper entries are refused, and the
    /// others are written.
    #[arg(long, value_name = "N", default_value_t = 128, requires = "files",
        conflicts_with_all = NOT_FILES)]
    max_depth: usize,
    /// The maximum number of files, folders and links that are written.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, requires = "files",
        conflicts_with_all = NOT_FILES)]
    max_files: usize,
}

/// The options that apply only if the output is an archive or a CAR. Each option about files names
/// them as conflicts. `requires = "files"` alone is not enough, because clap drops this requirement
/// if `--files` conflicts with another given option.
const NOT_FILES: [&str; 3] = ["output", "car", "no_index"];

/// The maximum lengths of a path, and of each name in it.
const PATH_LEN_MAX: usize = 4096;
const NAME_LEN_MAX: usize = 255;

#[derive(Debug, Default, Serialize)]
struct Summary {
    files: u64,
    folders: u64,
    symlinks: u64,
    bytes: u64,
    refused: Vec<Refused>,
}

#[derive(Debug, Serialize)]
struct Refused {
    path: String,
    reason: String,
}

/// An entry to write: a file, a folder or a symbolic link.
struct Job {
    path: String,
    cid: Cid,
    node: Kind,
    recorded: Recorded,
}

impl Files {
    pub(super) fn run(
        &self,
        opened: Archive<Source>,
        archive: &Path,
        cid: &Cid,
        json: bool,
        talk: Talk,
    ) -> Result<Outcome, Failure> {
        let len = opened.len();
        let opened = local(opened, cid, talk).map_err(failed(archive))?;
        let mut store = Places::walk(&opened, cid).map_err(failed(archive))?;
        let mut summary = Summary::default();
        let jobs = self.jobs(archive, &mut store, cid, &mut summary)?;
        let shown = output::shown(&self.directory);
        let place = Place::open(&self.directory, self.overwrite)
            .map_err(|error| Failure::Failed(format!("cannot open {shown}: {error}")))?;
        interrupt::listen();
        let total = self.max_total.unwrap_or(len.saturating_mul(256).max(1 << 30));
        let writer = place.writer();
        let mut writing = Writing { place: &place, writer, left: total, max_len: self.max_len };
        let bar = Bar::bytes("writing", 0, talk);
        writing.all(&jobs, &mut store, &mut summary, bar)?;
        interrupt::check()?;
        if json {
            output::json(&mut io::stdout().lock(), &summary)?;
        }
        let line =
            |Refused { path, reason }: &Refused| format!("{}: {reason}", output::printable(path));
        output::errors(summary.refused.iter().map(line), ": --json lists all");
        let Summary { files, symlinks, bytes, refused, .. } = &summary;
        if files.saturating_add(*symlinks) == 0 && !refused.is_empty() {
            return Err(Failure::Failed(format!("nothing was written to {shown}")));
        }
        if talk >= Talk::Normal && !json {
            let bytes = output::bytes(*bytes);
            let files = output::counted(*files, "file", "files");
            let links = output::counted(*symlinks, "link", "links");
            let links = if *symlinks > 0 { format!(", {links}") } else { String::new() };
            output::note(&format!("{files}{links}, {bytes}, written to {shown}"));
        }
        Ok(Outcome::with_loss(!refused.is_empty()))
    }

    /// Returns the entries to write: each folder before its entries.
    fn jobs(
        &self,
        archive: &Path,
        store: &mut impl BlockStore,
        cid: &Cid,
        summary: &mut Summary,
    ) -> Result<Vec<Job>, Failure> {
        let failed =
            |error: UnixFsError| Failure::Failed(format!("{}: {error}", output::shown(archive)));
        let root = node(store, cid).map_err(failed)?;
        let top = match root.kind {
            Kind::Folder | Kind::Shard => String::new(),
            _ => cid.to_string(),
        };
        let mut jobs = Vec::new();
        let mut to_read = vec![(top, cid.clone())];
        let mut count = 0_usize;
        while let Some((path, cid)) = to_read.pop() {
            interrupt::check()?;
            let node = match node(store, &cid) {
                Ok(node) => node,
                Err(error) => {
                    summary.refuse(path, error.to_string());
                    continue;
                }
            };
            let (kind, recorded) = (node.kind, recorded(&node));
            if !path.is_empty() || !matches!(kind, Kind::Folder | Kind::Shard) {
                jobs.push(Job { path: path.clone(), cid: cid.clone(), node: kind, recorded });
            }
            if !matches!(kind, Kind::Folder | Kind::Shard) {
                continue;
            }
            let left = self.max_files.saturating_sub(count);
            let entries = match unixfs::list(store, &cid, node, left) {
                Ok(Some(entries)) => entries,
                Ok(None) => {
                    return Err(Failure::Failed(format!(
                        "{}: more than {} files, folders and links (--max-files N allows more)",
                        output::shown(archive),
                        self.max_files,
                    )));
                }
                Err(error) => {
                    summary.refuse(path, error.to_string());
                    continue;
                }
            };
            count = count.saturating_add(entries.len());
            let (mut names, mut accepted) = (HashSet::new(), Vec::new());
            for entry in entries {
                let name = String::from_utf8_lossy(&entry.name).into_owned();
                let at = if path.is_empty() { name } else { format!("{path}/{name}") };
                let first = names.insert(entry.name.clone());
                let fault = name_fault(&entry.name, &at, first).map(String::from);
                match fault.or_else(|| too_deep(&at, self.max_depth)) {
                    Some(reason) => summary.refuse(at, reason),
                    None => accepted.push((at, entry.cid)),
                }
            }
            to_read.extend(accepted.into_iter().rev());
        }
        self.refuse_clashes(&mut jobs, summary);
        Ok(jobs)
    }

    /// Removes the jobs whose names clash with others, and records the reasons.
    fn refuse_clashes(&self, jobs: &mut Vec<Job>, summary: &mut Summary) {
        let portability = Portability {
            reserved: self.portable || cfg!(windows),
            case: self.portable || cfg!(any(windows, target_os = "macos")),
        };
        let is_folder = |job: &Job| matches!(job.node, Kind::Folder | Kind::Shard);
        let names: Vec<String> =
            jobs.iter().filter(|job| !is_folder(job)).map(|job| job.path.clone()).collect();
        // These limits allow everything, because the walk has already limited the depth and the
        // number of entries.
        let limits = FolderLimits { depth_max: usize::MAX, count_max: u64::MAX };
        let mut told = refusals(&names, portability, limits).unwrap_or_default().into_iter();
        jobs.retain(|job| {
            if is_folder(job) {
                return true;
            }
            match told.next().flatten() {
                Some(reason) => {
                    summary.refuse(job.path.clone(), reason.message);
                    false
                }
                None => true,
            }
        });
    }
}

impl Summary {
    fn refuse(&mut self, path: String, reason: String) {
        self.refused.push(Refused { path, reason });
    }

    /// Records why one entry was refused. If the refusal concerns all entries, returns it as a
    /// failure.
    fn note(&mut self, path: &str, refusal: Refusal) -> Result<(), Failure> {
        match refusal {
            Refusal::Refused(reason) => {
                self.refuse(path.to_owned(), reason.message);
                Ok(())
            }
            Refusal::Failed(failure) => Err(failure),
        }
    }
}

/// Returns an archive that is read without requests. If the archive is remote, the DAG is first
/// copied to a temporary file by few requests, because the files are not read in the order in which
/// their blocks are stored.
fn local(archive: Archive<Source>, cid: &Cid, talk: Talk) -> Result<Archive<Source>, ReadError> {
    if !archive.source().is_remote() {
        return Ok(archive);
    }
    let options = WriteOptions { index: true, ..WriteOptions::default() };
    let sink = io::BufWriter::new(tempfile::tempfile()?);
    let (sink, _) = write_dar(&archive, cid, sink, &options, talk)?;
    let file = sink.into_inner().map_err(io::IntoInnerError::into_error)?;
    Archive::open(Source::of_file(file))
}

/// Returns why an entry cannot be written under its name. `first` tells whether the entry is the
/// first one of its folder with this name.
fn name_fault(name: &[u8], path: &str, first: bool) -> Option<&'static str> {
    match core::str::from_utf8(name) {
        Err(_) => Some("the name is not UTF-8"),
        Ok("" | "." | "..") => Some("is not a valid file name"),
        Ok(name) if name.contains(['/', '\0']) || (cfg!(windows) && name.contains('\\')) => {
            Some("the name has a slash or a zero byte in it")
        }
        Ok(name) if name.len() > NAME_LEN_MAX || path.len() > PATH_LEN_MAX => {
            Some("the name or the path is too long")
        }
        Ok(_) if !first => Some("another entry of the folder has that name"),
        Ok(_) => None,
    }
}

fn node(store: &mut impl BlockStore, cid: &Cid) -> Result<Node, UnixFsError> {
    let mut block = Vec::new();
    if cid.is_identity() {
        block.extend_from_slice(cid.digest());
    } else if !store.get(cid, &mut block)? {
        return Err(UnixFsError::Missing(cid.clone()));
    }
    Node::read(cid, &block)
}

fn recorded(node: &Node) -> Recorded {
    let modified = node.mtime.and_then(|(s, n)| modified(s, n));
    Recorded { mode: node.mode, modified, executable: false }
}

fn modified(seconds: i64, nanoseconds: u32) -> Option<SystemTime> {
    dacti::Time::new(seconds, nanoseconds).and_then(keep::system_time)
}

/// The state of writing.
struct Writing<'a> {
    place: &'a Place,
    writer: Writer<'a>,
    /// How many more bytes may be written.
    left: u64,
    max_len: u64,
}

impl Writing<'_> {
    fn all(
        &mut self,
        jobs: &[Job],
        store: &mut impl BlockStore,
        summary: &mut Summary,
        mut bar: Bar,
    ) -> Result<(), Failure> {
        for job in jobs {
            interrupt::check()?;
            let written = match job.node {
                Kind::Folder | Kind::Shard => {
                    let made = self.place.make_folder(&job.path);
                    made.map(|()| summary.folders = summary.folders.saturating_add(1))
                }
                Kind::File => self.file(job, store).map(|len| {
                    summary.files = summary.files.saturating_add(1);
                    summary.bytes = summary.bytes.saturating_add(len);
                    bar.set(summary.bytes, summary.bytes);
                }),
                _ => Ok(()),
            };
            if let Err(refusal) = written {
                summary.note(&job.path, refusal)?;
            }
        }
        // Links are written last, so that no file is written through a link. The modes and times of
        // folders follow, the innermost folders first.
        for job in jobs.iter().filter(|job| job.node == Kind::Symlink) {
            match self.symlink(job, store) {
                Ok(()) => summary.symlinks = summary.symlinks.saturating_add(1),
                Err(refusal) => summary.note(&job.path, refusal)?,
            }
        }
        let folders = jobs.iter().filter(|job| matches!(job.node, Kind::Folder | Kind::Shard));
        for job in folders.rev() {
            if let Err(refusal) = self.place.finish_folder(&job.path, &job.recorded) {
                summary.note(&job.path, refusal)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, job: &Job, store: &mut impl BlockStore) -> Result<u64, Refusal> {
        let refused = |error: UnixFsError| Refusal::Refused(error.to_string().into());
        let node = node(store, &job.cid).map_err(refused)?;
        let reader = FileReader::new(store, &job.cid, node).map_err(refused)?;
        let mut bounded = Bounded { reader, len: self.max_len, left: self.left, done: 0 };
        let len = self.writer.write(&job.path, &mut bounded, &job.recorded)?;
        self.left = self.left.saturating_sub(len);
        Ok(len)
    }

    fn symlink(&self, job: &Job, store: &mut impl BlockStore) -> Result<(), Refusal> {
        let node =
            node(store, &job.cid).map_err(|error| Refusal::Refused(error.to_string().into()))?;
        match node.target() {
            Some(target) => self.place.symlink(&job.path, &target),
            None => Err(Refusal::Refused("is a symbolic link whose target is not UTF-8".into())),
        }
    }
}

/// A reader that reads no more than the limits allow.
struct Bounded<R> {
    reader: R,
    len: u64,
    left: u64,
    done: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.reader.read(buffer)?;
        self.done = self.done.saturating_add(u64::try_from(got).unwrap_or(u64::MAX));
        let Self { len, left, done, .. } = self;
        let refusal = if *done > *len {
            format!("more than the limit of {len} bytes for one file (--max-len BYTES allows more)")
        } else if *done > *left {
            format!(
                "more than the {left} bytes left of the limit for all files (--max-total BYTES \
                     allows more)"
            )
        } else {
            return Ok(got);
        };
        Err(io::Error::other(refusal))
    }
}
