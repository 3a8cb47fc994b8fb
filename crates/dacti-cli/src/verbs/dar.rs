//! `dacti dar`: DAR archives and CARs. Each of its verbs has a file of its own; the sources, sinks
//! and messages that they share are here.

mod convert;
mod create;
mod files;
mod get;
mod inspect;
mod list;
mod plan;
mod salvage;
mod source;
mod tree;
mod verify;

use crate::files::Output;
use crate::outcome::{Failure, Outcome};
use crate::progress::Bar;
use crate::remote::Remote;
use crate::{Talk, hint, output};
use dacti::AtomicFile;
use dacti_dar::{Archive, Cid, CidList, Error, Limits, LinkOrder, ReadAt, ReadError, ReadFrom};
use dacti_dar::{ReadOptions, Reader, Structure, Summary, UnknownHash, Wrong};
use serde::Serialize;
use source::Source;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

/// Work on DAR archives: whole DAGs in one file, each block found by one look-up.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Create(create::Args),
    Ls(list::Ls),
    Roots(list::Roots),
    Get(get::Get),
    Extract(get::Extract),
    Verify(verify::Args),
    Index(convert::Index),
    FromCar(convert::FromCar),
    ToCar(convert::ToCar),
    Inspect(inspect::Args),
    Salvage(salvage::Args),
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        match self.verb {
            Verb::Create(args) => args.run(talk),
            Verb::Ls(args) => args.run(talk),
            Verb::Roots(args) => args.run(talk),
            Verb::Get(args) => args.run(talk),
            Verb::Extract(args) => args.run(talk),
            Verb::Verify(args) => args.run(talk),
            Verb::Index(args) => args.run(talk),
            Verb::FromCar(args) => args.run(talk),
            Verb::ToCar(args) => args.run(talk),
            Verb::Inspect(args) => args.run(talk),
            Verb::Salvage(args) => args.run(talk),
        }
    }
}

/// The options of reading archives and CARs.
#[derive(Debug, Clone, clap::Args)]
struct Reading {
    /// The maximum length of a block that is accepted, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().block_len_max)]
    max_block: u32,
    /// Accept blocks without proof if their hash function is unknown or their digest is too short.
    #[arg(long)]
    trust_unknown_hashes: bool,
    /// Print the bytes that this command would read, and write nothing. To plan them, the command
    /// reads the end of the archive, and the parts of the index and of the path that locate the
    /// blocks.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    remote: Remote,
}

/// At most this many missing blocks are listed.
const MISSING_MAX: u32 = 10_000;

impl Reading {
    fn options(&self) -> ReadOptions {
        let limits = Limits { block_len_max: self.max_block, ..Limits::default() };
        let unknown_hash =
            if self.trust_unknown_hashes { UnknownHash::Trust } else { UnknownHash::Refuse };
        ReadOptions {
            limits,
            unknown_hash,
            missing_max: MISSING_MAX,
            threads: true,
            allow_padding: false,
        }
    }
}

/// Returns whether a path is `-`, which means standard input or standard output.
fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Returns a function that turns an error of a file into a failure. If an option would accept the
/// input, the message names the option.
fn failed(path: &Path) -> impl Fn(ReadError) -> Failure + '_ {
    move |error| match error {
        ReadError::Io(error) if error.kind() == io::ErrorKind::BrokenPipe => Failure::OutputClosed,
        ReadError::Format(error) => {
            Failure::Failed(format!("{}: {error}{}", shown(path), way_out(&error)))
        }
        ReadError::Io(error) => {
            let (name, told) = (shown(path), hint::told(&error));
            // The error of a URL already names the URL.
            let is_named = told.starts_with(&format!("{name}: "));
            Failure::Failed(if is_named { told } else { format!("{name}: {told}") })
        }
        error => Failure::Failed(format!("{}: {error}", shown(path))),
    }
}

/// Returns the end of an error message: the option that would accept the input, or an empty text.
fn way_out(error: &Error) -> &'static str {
    match error {
        Error::UnknownHash { .. } | Error::DigestLength { .. } => {
            " (--trust-unknown-hashes accepts it without proof)"
        }
        Error::LimitExceeded { what: Structure::Block | Structure::CarSection, .. } => {
            " (--max-block BYTES allows longer blocks)"
        }
        Error::Invalid { what: Structure::CarSection, wrong: Wrong::Empty, .. } => {
            " (--allow-padding accepts zeros up to the end of a CAR)"
        }
        _ => "",
    }
}

fn shown(path: &Path) -> String {
    if is_standard(path) { "standard input".into() } else { output::shown(path) }
}

/// Opens an archive or a CAR: a file, a URL, or standard input, which is copied to a temporary file
/// first.
fn open(path: &Path, reading: &Reading, talk: Talk) -> Result<Source, Failure> {
    Source::open(path, &reading.remote, reading.dry_run, talk)
}

fn open_archive(path: &Path, reading: &Reading, talk: Talk) -> Result<Archive<Source>, Failure> {
    Archive::open_with(open(path, reading, talk)?, &reading.options()).map_err(failed(path))
}

/// Opens an archive to read it in order: directly from standard input, or from its file. Archives
/// of the first implementation are read only from files, because reading them needs their trailer.
fn open_stream(
    path: &Path,
    what: &'static str,
    reading: &Reading,
    talk: Talk,
) -> Result<Reader<Box<dyn Read>>, Failure> {
    if is_standard(path) {
        return Ok(Reader::with_options(Box::new(io::stdin().lock()), &reading.options()));
    }
    let source = open(path, reading, talk)?;
    // A truncated archive has no trailer. Reading it in order finds the place where it ends.
    if let Ok(archive) = Archive::open_with(source.clone(), &reading.options())
        && !archive.has_marks().map_err(failed(path))?
    {
        return archive.into_stream().map_err(failed(path));
    }
    Ok(Reader::with_options(in_order(source, what, talk), &reading.options()))
}

/// The target of an archive: standard output, or a file that gets its name only when it is
/// complete.
enum Sink {
    File(io::BufWriter<AtomicFile>),
    Standard(io::Stdout),
}

impl Sink {
    /// Opens the output of a verb with these inputs.
    fn create(path: &Path, inputs: &[&Path]) -> Result<Self, Failure> {
        if !is_standard(path) {
            Output { path, option: "-o", has_standard: true }.check(inputs)?;
            return Ok(Self::File(io::BufWriter::new(AtomicFile::create(path)?)));
        }
        let out = io::stdout();
        if out.is_terminal() {
            let message = "an archive is binary: write it to a file with -o FILE, or to a pipe";
            return Err(Failure::Failed(message.into()));
        }
        Ok(Self::Standard(out))
    }

    /// Gives a finished file its name.
    fn commit(self) -> Result<(), Failure> {
        match self {
            Self::File(file) => {
                let file = file.into_inner().map_err(|error| Failure::from(error.into_error()))?;
                Ok(file.commit()?)
            }
            Self::Standard(mut out) => Ok(out.flush()?),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Standard(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Standard(out) => out.flush(),
        }
    }
}

/// Moves a progress bar as bytes are read or written.
struct Watched<T> {
    inner: T,
    bar: Bar,
    done: u64,
    total: u64,
}

impl<T> Watched<T> {
    fn new(inner: T, what: &'static str, total: u64, talk: Talk) -> Self {
        Self { inner, bar: Bar::bytes(what, total, talk), done: 0, total }
    }

    fn moved(&mut self, by: usize) -> usize {
        self.done = self.done.saturating_add(by as u64);
        self.bar.set(self.done, self.total.max(self.done));
        by
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        Ok(self.moved(got))
    }
}

impl<W: Write> Write for Watched<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let got = self.inner.write(bytes)?;
        Ok(self.moved(got))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The number of bytes of one read, if each read is a request.
const REQUEST_LEN: usize = 4 << 20;

/// Returns the bytes of a source in order. Shows a progress bar.
fn in_order(source: Source, what: &'static str, talk: Talk) -> Box<dyn Read> {
    let total = source.len().unwrap_or(0);
    let len = if source.is_remote() { REQUEST_LEN } else { 128 << 10 };
    let bytes = io::BufReader::with_capacity(len, ReadFrom::new(source, 0));
    Box::new(Watched::new(bytes, what, total, talk))
}

/// Counts of an archive, for JSON.
#[derive(Debug, Serialize)]
struct Counts {
    blocks: u64,
    block_bytes: u64,
    repeats: u64,
    roots: u64,
    skipped_links: u64,
    missing: Vec<String>,
    missing_more: bool,
    absent_car_roots: Texts,
    unknown_header_elements: u64,
    link_order: &'static str,
    unknown_codec: u64,
    undecodable: u64,
    unproven: u64,
    indexed: bool,
    len: u64,
}

fn texts(cids: &[Cid]) -> Vec<String> {
    cids.iter().map(Cid::to_string).collect()
}

/// A list of CIDs as JSON texts. There may be millions, so they are written one by one.
#[derive(Debug)]
struct Texts(CidList);

impl Serialize for Texts {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|cid| cid.to_string()))
    }
}

impl From<&Summary> for Counts {
    fn from(summary: &Summary) -> Self {
        Self {
            blocks: summary.blocks,
            block_bytes: summary.block_bytes,
            repeats: summary.repeats,
            roots: summary.roots,
            skipped_links: summary.skipped_links,
            missing: texts(&summary.missing),
            missing_more: summary.missing_more,
            absent_car_roots: Texts(summary.absent_car_roots.clone()),
            unknown_header_elements: summary.unknown_elements,
            link_order: match summary.link_order {
                LinkOrder::MerkleSearchTree => "mst",
                _ => "bytes",
            },
            unknown_codec: summary.unknown_codec,
            undecodable: summary.undecodable,
            unproven: summary.unproven,
            indexed: summary.indexed,
            len: summary.len,
        }
    }
}

/// Warns of the oddities of an archive.
fn warn(summary: &Summary, talk: Talk) {
    if talk == Talk::Quiet {
        return;
    }
    let shown = if talk == Talk::Verbose { usize::MAX } else { 10 };
    for cid in summary.missing.iter().take(shown) {
        output::warning(&format!("{cid} is linked, but not in the archive"));
    }
    let rest = summary.missing.len().saturating_sub(shown);
    if rest > 0 || summary.missing_more {
        output::warning(&format!("{rest} more blocks are missing: --verbose lists them"));
    }
    for cid in summary.absent_car_roots.iter().take(shown) {
        output::warning(&format!("{cid} was a root of the CAR, but is not in the archive"));
    }
    let rest = summary.absent_car_roots.len().saturating_sub(shown);
    if rest > 0 {
        output::warning(&format!("{rest} more roots of the CAR are absent: --verbose lists them"));
    }
    let counted = [
        (summary.unknown_codec, "blocks have an unknown codec and count as blocks without links"),
        (
            summary.undecodable,
            "blocks are invalid in their codec and count as blocks without links",
        ),
        (
            summary.unproven,
            "blocks have an unknown hash or a digest that is too short, so they cannot be proved",
        ),
        (summary.unknown_elements, "elements of the header are not understood"),
    ];
    for (count, what) in counted.into_iter().filter(|(count, _)| *count > 0) {
        output::warning(&format!("{count} {what}"));
    }
}

/// Returns the numbers of blocks and roots, for a line of text.
fn blocks_and_roots(summary: &Summary) -> String {
    let blocks = output::counted(summary.blocks, "block", "blocks");
    format!("{blocks}, {}", output::counted(summary.roots, "root", "roots"))
}

/// Prints one line about the written archive.
fn note_written(path: &Path, summary: &Summary, talk: Talk) {
    if talk >= Talk::Normal {
        let name = if is_standard(path) { "standard output".into() } else { shown(path) };
        output::note(&format!(
            "{name}: {}, {} in {}",
            blocks_and_roots(summary),
            output::bytes(summary.block_bytes),
            output::bytes(summary.len),
        ));
    }
}

/// Prints a result to standard output, or to standard error if the archive is on standard output.
fn print_json(path: &Path, value: &impl Serialize) -> Result<(), Failure> {
    if is_standard(path) {
        return Ok(output::json(&mut io::stderr().lock(), value)?);
    }
    Ok(output::json(&mut io::stdout().lock(), value)?)
}

/// Parses a CID of the command line.
fn parse_cid(text: &str) -> Result<Cid, String> {
    text.parse().map_err(|error| format!("{error}"))
}

/// The target of an archive.
#[derive(Debug, Clone, clap::Args)]
struct Out {
    /// The file to write; - is standard output.
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
}
