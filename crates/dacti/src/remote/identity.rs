//! Identifies the file to which a head belongs, and the file's state.
//!
//! Specification: `docs/spec/dacti-http.md`, "Heads".

use crate::View;
use crate::fetch::source::ReadAt;
use dacti_cdn::parts::is_in_parts;
use dacti_http::Identity;
use std::io;

/// Returns the identity of the file that a view belongs to, and the file's state.
pub(crate) fn identity(view: &View) -> Identity {
    let file_id = view.layout().map_or_else(
        || {
            let head = view.head();
            let bytes = head.answer(head.span()).unwrap_or_default();
            let [hash @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] =
                *blake3::hash(bytes).as_bytes();
            hash
        },
        |layout| layout.file_id,
    );
    // The sequence of a package in parts grows with every publication, even with a rollback.
    let generation = match view.parts() {
        Some(parts) => [parts.region.sequence, 0, 0],
        None => [view.index().start, view.delta_entries(), 0],
    };
    Identity { file_id, generation }
}

/// Returns the file and the state to which a head belongs; `None` if tables lie after the head.
pub(crate) fn identity_of_head(head: Vec<u8>) -> Option<Identity> {
    View::read(&HeadAlone(head)).ok().map(|view| identity(&view))
}

/// A source with only the head of a file.
#[derive(Debug)]
struct HeadAlone(Vec<u8>);

impl ReadAt for HeadAlone {
    fn is_in_parts(&self) -> bool {
        is_in_parts(&self.0)
    }

    fn len(&self) -> u64 {
        u64::MAX >> 1
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(at).ok().and_then(|at| self.0.get(at..)).unwrap_or_default();
        if rest.is_empty() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let len = rest.len().min(buf.len());
        for (to, from) in buf.iter_mut().zip(rest) {
            *to = *from;
        }
        Ok(len)
    }
}
