//! Which file a head is of, and in which state.
//!
//! Specification: `docs/spec/dacti-http.md`, "Heads".

use crate::View;
use crate::fetch::source::ReadAt;
use dacti_http::Identity;
use std::io;

/// Which file a view is of, and in which state.
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
    Identity { file_id, generation: [view.index().start, view.delta_entries(), 0] }
}

/// The same of a head alone; `None` where it cannot be read without what lies behind it.
pub(crate) fn identity_of_head(head: Vec<u8>) -> Option<Identity> {
    View::read(&HeadAlone(head)).ok().map(|view| identity(&view))
}

/// A head, and nothing of the file behind it.
#[derive(Debug)]
struct HeadAlone(Vec<u8>);

impl ReadAt for HeadAlone {
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
