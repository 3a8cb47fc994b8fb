//! The links that a walk must still follow: a stack, stored as bytes.

use dacti_dar::Cid;

/// The maximum length of all waiting links in bytes: 400,000 links of the usual length.
const LEN_MAX: usize = 16 << 20;

/// A stack of CIDs. Each is followed by its length.
#[derive(Debug, Default)]
pub(super) struct Pending(Vec<u8>);

impl Pending {
    /// Puts links on the stack, so that the first link is on top. Returns false if too many links
    /// wait.
    #[must_use]
    pub(super) fn push(&mut self, links: &[Cid]) -> bool {
        for link in links.iter().rev() {
            let bytes = link.to_bytes();
            // No link is left out here: links are never identity CIDs, and all other CIDs are
            // shorter than 255 bytes.
            let Ok(len) = u8::try_from(bytes.len()) else { continue };
            self.0.extend_from_slice(&bytes);
            self.0.push(len);
            if self.0.len() > LEN_MAX {
                return false;
            }
        }
        true
    }

    pub(super) fn pop(&mut self) -> Option<Cid> {
        let len = usize::from(self.0.pop()?);
        let at = self.0.len().checked_sub(len)?;
        let cid = Cid::try_from(self.0.get(at..)?).ok();
        self.0.truncate(at);
        cid
    }

    /// Returns the height of the stack in bytes.
    pub(super) fn height(&self) -> usize {
        self.0.len()
    }
}
