//! Prepares an answer: follows the path and reads the block at its end, so that the status of the
//! answer is known. This may block on reads from the disk.

use super::accept::{CBOR, DAG_CBOR, DAG_JSON, Format, JSON, media_type};
use super::archives::Shelf;
use super::dar;
use super::fault::Fault;
use super::file::FileNode;
use super::selection::{Part, Selection};
use super::sink::Sink;
use super::store::Store;
use super::tar::Tree;
use super::wanted::{Refusal, Wanted};
use dacti_dar::unixfs::{self, Entry, Kind, Node, ShardWalk, UnixFsError};
use dacti_dar::{Cid, PathEnd, PathWalk, ReadError};
use hyper::StatusCode;
use std::io;

const DAG_PB: u64 = 0x70;
const RAW: u64 = 0x55;
const INDEX: &[u8] = b"index.html";
/// The maximum number of names of a folder that are read for its page.
const NAMES_MAX: usize = 2_001;

/// A path that was followed to its end.
pub(super) struct Prepared {
    /// The first block of the path, and the blocks that its names led to.
    pub(super) roots: Vec<Cid>,
    /// The block at the end.
    pub(super) end: Cid,
    /// The format of the answer.
    pub(super) format: Format,
    pub(super) content: Content,
}

/// The thing at the end of a path, in the form that was asked for.
pub(super) enum Content {
    /// Bytes in memory, and their media type.
    Bytes { bytes: Vec<u8>, kind: String },
    /// A file, its media type and its length.
    File { file: Box<FileNode>, store: Store, kind: String, len: Option<u64> },
    /// A CAR or a DAR.
    Blocks(Box<Blocks>),
    /// A TAR.
    Tree(Box<Tree>),
    /// The links of a document, for its page.
    Document(Vec<Cid>),
    /// The names of a folder. At most [`NAMES_MAX`] are read.
    Names(Vec<String>),
    /// A folder whose path lacks the final `/`.
    Moved,
}

/// The blocks of a CAR or a DAR, before they are read.
pub(super) struct Blocks {
    store: Store,
    selection: Selection,
    format: Format,
}

impl Blocks {
    pub(super) fn write(mut self, sink: &mut Sink) -> io::Result<()> {
        let selection = self.selection;
        if self.format == Format::Dar {
            return dar::write(&mut self.store, &selection.path, &selection.end, sink);
        }
        selection.write(&mut self.store, sink)
    }
}

/// Follows the path of a request.
pub(super) fn prepare(shelf: &Shelf, wanted: &Wanted, pages: bool) -> Result<Prepared, Refusal> {
    let store = Store::of(&shelf.archives, &wanted.cid).map_err(|error| refusal(&error.into()))?;
    let Some(mut store) = store else {
        if wanted.only_if_cached {
            return Err((StatusCode::PRECONDITION_FAILED, String::new()));
        }
        let mut why = Fault::Missing(wanted.cid.clone()).to_string();
        for refused in shelf.refused.iter() {
            why.push_str("\nnot served: ");
            why.push_str(refused);
        }
        return Err((StatusCode::NOT_FOUND, why));
    };
    let (path, roots, end) = follow(&store, wanted)?;
    let block = store.block(&end).map_err(Fault::from).and_then(|block| {
        let missing = || Fault::Missing(end.clone());
        block.ok_or_else(missing)
    });
    let block = block.map_err(|fault| refusal(&fault))?;
    let format = format_of(wanted, &end)?;
    let content = match format {
        Format::Raw => Content::Bytes { bytes: block, kind: "application/vnd.ipld.raw".into() },
        Format::Codec(codec) => as_it_is(&end, block, codec)?,
        Format::Car { dups } => {
            let part = Part::of(wanted.scope, wanted.bytes.as_ref(), &end, &block);
            let part = part.map_err(|len| {
                let why = format!("entity-bytes lies outside of the file's {len} bytes");
                (StatusCode::BAD_REQUEST, why)
            })?;
            let root = wanted.cid.clone();
            let selection = Selection { root, path, end: end.clone(), part, dups };
            Content::Blocks(Box::new(Blocks { store, selection, format }))
        }
        Format::Dar => {
            let (root, part) = (wanted.cid.clone(), Part::All);
            let selection = Selection { root, path, end: end.clone(), part, dups: false };
            Content::Blocks(Box::new(Blocks { store, selection, format }))
        }
        Format::Tar => {
            let node = Node::read(&end, &block).map_err(|error| {
                let why =
                    format!("{error}: only files, folders and symbolic links can be in a TAR");
                (StatusCode::BAD_REQUEST, why)
            })?;
            let (top, name) = (FileNode { cid: end.clone(), node }, wanted.names.last());
            Content::Tree(Box::new(Tree::new(store, top, name.map(Vec::as_slice))))
        }
        Format::Whole => {
            let whole = whole(&mut store, wanted, &end, block, pages);
            match whole? {
                Whole::Content(content) => content,
                Whole::File(file, name) => sized(store, file, name.as_deref())?,
            }
        }
    };
    Ok(Prepared { roots, end, format, content })
}

/// Follows the path. Returns three results: the CIDs of the blocks that were read on the way to the
/// end, the CIDs of the first block and of each block that a name led to, and the CID at the end.
fn follow(store: &Store, wanted: &Wanted) -> Result<(Vec<Cid>, Vec<Cid>, Cid), Refusal> {
    let mut walk = PathWalk::new(&wanted.cid, wanted.names.clone());
    let mut path = Vec::new();
    while let Some(cid) = walk.want().cloned() {
        let missing = || Fault::Missing(cid.clone());
        let block = store.block(&cid).map_err(Fault::from).and_then(|b| b.ok_or_else(missing));
        let fed = block.and_then(|block| Ok(walk.feed(&block)?));
        fed.map_err(|fault| match fault {
            // The path has a further name, but the block has no named entries.
            Fault::UnixFs(error @ (UnixFsError::Kind { .. } | UnixFsError::NoNode(_))) => {
                (StatusCode::NOT_FOUND, error.to_string())
            }
            fault => refusal(&fault),
        })?;
        path.push(cid);
    }
    match walk.end() {
        Some(PathEnd::At(end)) => Ok((path, walk.roots().to_vec(), end.clone())),
        Some(PathEnd::Inside(number)) => {
            let why = format!(
                "{} is a value inside a block: only paths that lead to a block are served",
                wanted.shown(*number)
            );
            Err((StatusCode::NOT_IMPLEMENTED, why))
        }
        Some(PathEnd::Missing(number)) => {
            let shown = wanted.shown(number.saturating_add(1));
            Err((StatusCode::NOT_FOUND, format!("nothing is at {shown}")))
        }
        None => Err((StatusCode::NOT_FOUND, "the path leads nowhere".into())),
    }
}

/// Returns the refusal for a fault before the answer has begun.
fn refusal(fault: &Fault) -> Refusal {
    let status = match fault {
        Fault::Missing(_) => StatusCode::NOT_FOUND,
        Fault::Read(ReadError::Io(error)) if error.kind() == io::ErrorKind::QuotaExceeded => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, fault.to_string())
}

/// Returns the format of the answer: the format that was asked for, or a file.
///
/// The gateway converts no codec into another: see IPIP-0524.
fn format_of(wanted: &Wanted, end: &Cid) -> Result<Format, Refusal> {
    let Format::Codec(codec) = wanted.format else { return Ok(wanted.format) };
    let found = end.codec();
    if found == codec || matches!((codec, found), (JSON, DAG_JSON) | (CBOR, DAG_CBOR)) {
        return Ok(wanted.format);
    }
    // A client that asks for JSON or CBOR may mean a file with such content. So if the block can be
    // a file, the answer is that file.
    let may_be_file = matches!(codec, JSON | CBOR) && matches!(found, RAW | DAG_PB);
    if may_be_file || wanted.takes_whole {
        return Ok(Format::Whole);
    }
    let why = format!(
        "block {end} has codec {found:#x}, and this gateway converts no codecs: ask for format=raw"
    );
    Err((StatusCode::NOT_ACCEPTABLE, why))
}

/// Returns a block that is asked for in its own codec.
fn as_it_is(end: &Cid, bytes: Vec<u8>, codec: u64) -> Result<Content, Refusal> {
    let kind = media_type(codec).unwrap_or("application/vnd.ipld.raw");
    let valid =
        dacti_dar::links(end.codec(), &bytes, dacti_dar::LinkOrder::default(), &mut Vec::new());
    if valid == dacti_dar::LinkSource::Undecodable {
        let why = format!("block {end} is not valid in its codec");
        return Err((StatusCode::INTERNAL_SERVER_ERROR, why));
    }
    Ok(Content::Bytes { bytes, kind: kind.into() })
}

/// The content for a request that asks for no block format: a file, or other content.
enum Whole {
    Content(Content),
    /// The file, and its name.
    File(FileNode, Option<String>),
}

fn whole(
    store: &mut Store,
    wanted: &Wanted,
    end: &Cid,
    block: Vec<u8>,
    pages: bool,
) -> Result<Whole, Refusal> {
    let refused = |fault: Fault| refusal(&fault);
    match end.codec() {
        RAW | DAG_PB => {}
        codec => {
            let Some(kind) = media_type(codec) else {
                let why = format!("block {end} is not a file: ask for format=raw or format=car");
                return Err((StatusCode::NOT_ACCEPTABLE, why));
            };
            if wanted.takes_page && pages && matches!(codec, DAG_JSON | DAG_CBOR) {
                let mut links = Vec::new();
                dacti_dar::links(codec, &block, dacti_dar::LinkOrder::default(), &mut links);
                return Ok(Whole::Content(Content::Document(links)));
            }
            return Ok(Whole::Content(Content::Bytes { bytes: block, kind: kind.into() }));
        }
    }
    let node = Node::read(end, &block).map_err(|error| refused(error.into()))?;
    drop(block);
    let name = wanted.filename.clone().or_else(|| wanted.last_name());
    match node.kind {
        Kind::File => return Ok(Whole::File(FileNode { cid: end.clone(), node }, name)),
        Kind::Symlink => {
            let content = Content::Bytes { bytes: node.data, kind: "inode/symlink".into() };
            return Ok(Whole::Content(content));
        }
        _ if !wanted.directory => return Ok(Whole::Content(Content::Moved)),
        _ => {}
    }
    let index = unixfs::find(store, end, node.clone(), INDEX);
    if let Some(cid) = index.map_err(|error| refused(error.into()))? {
        let block = store.block(&cid).map_err(|error| refused(error.into()))?;
        let block = block.ok_or_else(|| refused(Fault::Missing(cid.clone())))?;
        let index = Node::read(&cid, &block).map_err(|error| refused(error.into()))?;
        if index.kind == Kind::File {
            let name = wanted.filename.clone().unwrap_or("index.html".into());
            return Ok(Whole::File(FileNode { cid, node: index }, Some(name)));
        }
    }
    if !pages {
        let why = "there is no index.html in this folder, and folders are not listed";
        return Err((StatusCode::NOT_FOUND, why.into()));
    }
    let names = names(store, end, node).map_err(refused)?;
    Ok(Whole::Content(Content::Names(names)))
}

/// Returns the names of a folder, at most [`NAMES_MAX`].
fn names(store: &Store, cid: &Cid, folder: Node) -> Result<Vec<String>, Fault> {
    let text = |entry: Entry| String::from_utf8(entry.name).ok();
    if folder.kind == Kind::Folder {
        return Ok(folder.into_entries().into_iter().filter_map(text).take(NAMES_MAX).collect());
    }
    let mut walk = ShardWalk::new(cid, folder)?;
    let mut names: Vec<String> = walk.take_entries().into_iter().filter_map(text).collect();
    while let Some(cid) = walk.want().cloned().filter(|_| names.len() < NAMES_MAX) {
        let block = store.block(&cid)?.ok_or(Fault::Missing(cid))?;
        walk.feed(&block)?;
        names.extend(walk.take_entries().into_iter().filter_map(text));
    }
    names.truncate(NAMES_MAX);
    names.sort_unstable();
    Ok(names)
}

/// Returns a file with its length and its media type. The media type follows from the file's name,
/// or else from its first bytes.
fn sized(store: Store, file: FileNode, name: Option<&str>) -> Result<Content, Refusal> {
    let by_name = name.and_then(crate::answer::known_type);
    let kind = match by_name {
        Some(kind) => kind,
        None => file.shown_type(&store).map_err(|fault| refusal(&fault))?.into(),
    };
    let len = file.node.content_len();
    Ok(Content::File { file: Box::new(file), store, kind, len })
}
