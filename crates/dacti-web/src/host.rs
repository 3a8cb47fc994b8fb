//! The functions that the JavaScript around the engine provides.

use crate::OutcomeKind;
use core::fmt;
use core::time::Duration;
use dacti::Span;

/// The JavaScript around an [`Engine`](crate::Engine).
///
/// Each function only starts its work: it returns at once, and does not call the engine. The host
/// later passes the answer to [`Engine::feed`](crate::Engine::feed), with the number of the slot.
pub trait Host: fmt::Debug + Send + Sync {
    /// Sends a request. `client` is the host's number for a package and its options. `fields` are
    /// lines of the form `name: value`. `times` are three maximum times: until the answer begins,
    /// between two pieces of the answer, and for the whole answer.
    fn send(&self, slot: u32, client: u32, url: &str, fields: &str, times: [Duration; 3]);

    /// Asks for the next piece of an answer's body.
    fn more(&self, slot: u32);

    /// Ends an exchange, because the rest of its answer is not needed.
    fn stop(&self, slot: u32);

    /// Answers the slot after `time`.
    fn sleep(&self, slot: u32, time: Duration);

    /// Reads bytes of a local file, the `Blob` of a client.
    fn read_blob(&self, slot: u32, client: u32, span: Span);

    /// Asks for the bytes of a part from the cache of a client.
    fn cached(&self, slot: u32, client: u32, name: &str, span: Span);

    /// Stores bytes of a part in the cache of a client.
    fn keep(&self, client: u32, name: &str, span: Span, bytes: &[u8]);

    /// Loads the module of the [`Tools`](crate::Tools), unless it is loaded already. An answer to
    /// the slot says that the module is loaded, or that loading failed.
    fn load_tools(&self, slot: u32);

    /// Returns 32 random bits.
    fn random(&self) -> u32;

    /// Receives the outcome of a task.
    fn done(&self, task: u32, kind: OutcomeKind, bytes: &[u8]);
}
