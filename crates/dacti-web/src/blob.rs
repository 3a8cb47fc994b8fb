//! A local file, a `Blob`, as a transport.

use crate::slot::{Message, Slots};
use dacti::fetch::{Fetching, Location, Remote, RemoteFile};
use dacti::{Error, ErrorKind, HEAD_LEN, Span};
use std::sync::Arc;

/// The number of bytes of one read while a region is streamed.
const READ_LEN: usize = 1 << 20;

/// A file that the user has chosen.
#[derive(Debug)]
pub(crate) struct Blob {
    slots: Arc<Slots>,
    client: u32,
    file: RemoteFile,
}

impl Blob {
    /// Reads the head of a client's blob. The blob has `len` bytes.
    pub(crate) async fn open(slots: &Arc<Slots>, client: u32, len: u64) -> Result<Self, Error> {
        let head = read(slots, client, Span { start: 0, end: HEAD_LEN.min(len) }).await?;
        let mut file = RemoteFile::new(head, len);
        file.read_len = READ_LEN;
        Ok(Self { slots: Arc::clone(slots), client, file })
    }
}

/// Reads bytes of a blob.
async fn read(slots: &Arc<Slots>, client: u32, span: Span) -> Result<Vec<u8>, Error> {
    let slot = slots.open();
    slot.host().read_blob(slot.number(), client, span);
    let cause = match slot.next().await {
        Message::Bytes(bytes) => {
            slots.tools_if_wanted().await;
            return Ok(bytes);
        }
        Message::Failed(_, cause) => cause,
        _ => String::new(),
    };
    let text = format!("the file cannot be read, because it was changed or moved: {cause}");
    let place = Location::from("the file");
    Err(Error::Remote { place, kind: ErrorKind::Io, source: text.into() })
}

impl Remote for Blob {
    fn file(&self) -> &RemoteFile {
        &self.file
    }

    fn fetch(self: Arc<Self>, span: Span) -> Fetching<Vec<u8>> {
        Box::pin(async move { read(&self.slots, self.client, span).await })
    }
}
