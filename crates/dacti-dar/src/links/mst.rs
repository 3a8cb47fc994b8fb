//! Nodes of a Merkle search tree, as in repositories of the AT protocol, and their links in the
//! order of keys.

use alloc::vec::Vec;

use crate::cbor::{Attempt, item_head};

/// Reads items one after another. Returns `None` at the first item of an unexpected type.
struct Cursor<'b>(&'b [u8]);

impl<'b> Cursor<'b> {
    /// Reads the head of an item of this major type. Returns the number in the head.
    fn head(&mut self, major: u8) -> Option<u64> {
        let Attempt::Done(head) = item_head(self.0) else { return None };
        self.0 = self.0.get(head.len..)?;
        (head.major == major).then_some(head.value)
    }

    fn bytes(&mut self) -> Option<&'b [u8]> {
        let len = usize::try_from(self.head(2)?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    fn key(&mut self, key: u8) -> Option<()> {
        self.0 = self.0.strip_prefix(&[0x61, key])?;
        Some(())
    }

    fn link(&mut self) -> Option<&'b [u8]> {
        (self.head(6)? == 42).then_some(())?;
        self.bytes()?.strip_prefix(&[0])
    }

    #[expect(clippy::option_option, reason = "`None` is a fault, and `Some(None)` a null")]
    fn link_or_null(&mut self) -> Option<Option<&'b [u8]>> {
        match self.0.strip_prefix(&[0xf6]) {
            Some(rest) => {
                self.0 = rest;
                Some(None)
            }
            None => self.link().map(Some),
        }
    }
}

/// Returns the CID bytes of a node's links in the order of keys: the left subtree, then the value
/// of each entry, followed by the subtree after that entry. `None` if the block is not such a node.
///
/// A node is `{e: [{k: bytes, p: number, t: link or null, v: link}], l: link or null}`, in the
/// order of keys that DAG-CBOR demands.
pub(super) fn links(data: &[u8]) -> Option<Vec<&[u8]>> {
    let mut cursor = Cursor(data);
    (cursor.head(5)? == 2).then_some(())?;
    cursor.key(b'e')?;
    let mut links = Vec::new();
    for _ in 0..cursor.head(4)? {
        (cursor.head(5)? == 4).then_some(())?;
        cursor.key(b'k')?;
        cursor.bytes()?;
        cursor.key(b'p')?;
        cursor.head(0)?;
        cursor.key(b't')?;
        let after = cursor.link_or_null()?;
        cursor.key(b'v')?;
        links.push(cursor.link()?);
        links.extend(after);
    }
    cursor.key(b'l')?;
    let left = cursor.link_or_null()?;
    cursor.0.is_empty().then_some(())?;
    links.splice(0..0, left);
    Some(links)
}
