//! Sends the content of a UnixFS file, as fast as the client receives it, and finds its media type.

use super::fault::Fault;
use super::sink::Sink;
use super::store::Store;
use core::ops::Range;
use dacti_dar::Cid;
use dacti_dar::unixfs::{FileWalk, Node};
use std::io::{self, Write};

/// The number of bytes at the start of a file from which its media type is found.
const START_LEN: u64 = 512;

/// A file whose top node was read.
#[derive(Debug, Clone)]
pub(super) struct FileNode {
    pub(super) cid: Cid,
    pub(super) node: Node,
}

impl FileNode {
    /// Returns the bytes of a short range of the file.
    fn read(&self, store: &Store, range: Range<u64>) -> Result<Vec<u8>, Fault> {
        let mut walk = FileWalk::new(&self.cid, self.node.clone(), Some(range))?;
        let mut bytes = walk.data().to_vec();
        while let Some(cid) = walk.want().cloned() {
            let block = store.block(&cid)?.ok_or(Fault::Missing(cid))?;
            walk.feed(&block)?;
            bytes.extend_from_slice(walk.data());
        }
        Ok(bytes)
    }

    /// Returns the media type that the first bytes show.
    pub(super) fn shown_type(&self, store: &Store) -> Result<&'static str, Fault> {
        Ok(shown_type(&self.read(store, 0..START_LEN)?))
    }

    /// Returns the length of the file. If its nodes do not state it, its bytes are counted.
    pub(super) fn content_len(&self, store: &Store, sink: &Sink) -> io::Result<u64> {
        if let Some(len) = self.node.content_len() {
            return Ok(len);
        }
        let mut len = 0_u64;
        self.clone().each_piece(store, None, |piece| {
            len = len.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
            sink.refuse_closed()
        })?;
        Ok(len)
    }

    /// Writes a range of the bytes.
    pub(super) fn write(
        self,
        store: &Store,
        range: Option<Range<u64>>,
        sink: &mut Sink,
    ) -> io::Result<()> {
        self.each_piece(store, range, |piece| {
            // After the client has left, only a write fails. Blocks without bytes cause no write,
            // and a file may have many of them, so this checks for the client at each block.
            sink.refuse_closed()?;
            sink.write_all(piece)
        })
    }

    /// Calls `take` with the bytes of each block.
    fn each_piece(
        self,
        store: &Store,
        range: Option<Range<u64>>,
        mut take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let fault = |fault: Fault| io::Error::from(fault);
        let mut walk = FileWalk::new(&self.cid, self.node, range).map_err(|e| fault(e.into()))?;
        take(walk.data())?;
        while let Some(cid) = walk.want().cloned() {
            let block = store.block(&cid).map_err(|e| fault(e.into()))?;
            let block = block.ok_or_else(|| fault(Fault::Missing(cid)))?;
            walk.feed(&block).map_err(|e| fault(e.into()))?;
            take(walk.data())?;
        }
        Ok(())
    }
}

/// Returns the media type that the first bytes of a file show.
fn shown_type(start: &[u8]) -> &'static str {
    const KINDS: &[(&[u8], &str)] = &[
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"GIF8", "image/gif"),
        (b"%PDF-", "application/pdf"),
    ];
    if let Some((_, kind)) = KINDS.iter().find(|(magic, _)| start.starts_with(magic)) {
        return kind;
    }
    // The start may end within a character.
    let text = match core::str::from_utf8(start) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => {
            start.get(..error.valid_up_to()).and_then(|start| core::str::from_utf8(start).ok())
        }
        Err(_) => None,
    };
    let is_plain = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t' | '\x0c');
    let Some(text) = text.filter(|text| text.chars().all(is_plain)) else {
        return "application/octet-stream";
    };
    let begin = text.trim_start().get(..14).unwrap_or(text.trim_start()).to_ascii_lowercase();
    if begin.starts_with("<!doctype html") || begin.starts_with("<html") {
        return "text/html; charset=utf-8";
    }
    "text/plain; charset=utf-8"
}

#[cfg(test)]
mod tests {
    use super::shown_type;

    #[test]
    fn the_first_bytes_show_the_type() {
        assert_eq!(shown_type(b"hello\n"), "text/plain; charset=utf-8");
        assert_eq!(shown_type("h\u{e4}".as_bytes()), "text/plain; charset=utf-8");
        assert_eq!(shown_type(b"cut \xc3"), "text/plain; charset=utf-8");
        assert_eq!(shown_type(b"<!DOCTYPE HTML><p>"), "text/html; charset=utf-8");
        assert_eq!(shown_type(b"a\0b"), "application/octet-stream");
        assert_eq!(shown_type(b"\xc3\x28"), "application/octet-stream");
        assert_eq!(shown_type(b"\x89PNG\r\n\x1a\n\0"), "image/png");
        assert_eq!(shown_type(b""), "text/plain; charset=utf-8");
    }
}
