//! The host's cache of ranges of parts.

use crate::slot::{Message, Slots};
use dacti::Span;
use dacti::fetch::{Exchange, PartCache};
use std::sync::Arc;

/// The host as a cache.
#[derive(Debug)]
pub(crate) struct HostCache {
    pub(crate) slots: Arc<Slots>,
    /// The host's number for the package and its options.
    pub(crate) client: u32,
}

impl PartCache for HostCache {
    fn cached(&self, name: &str, span: Span) -> Exchange<'static, Option<Vec<u8>>> {
        let slot = self.slots.open();
        slot.host().cached(slot.number(), self.client, name, span);
        Box::pin(async move {
            match slot.next().await {
                Message::Bytes(bytes) => {
                    slot.slots().tools_if_wanted().await;
                    Some(bytes)
                }
                _ => None,
            }
        })
    }

    fn keep(&self, name: &str, span: Span, bytes: &[u8]) {
        self.slots.host().keep(self.client, name, span, bytes);
    }
}
