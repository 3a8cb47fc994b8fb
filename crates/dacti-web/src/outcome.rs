//! The outcomes of tasks, as the host receives them.

use crate::json::Object;
use dacti::Error;

/// The form of an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeKind {
    /// Bytes of content.
    Bytes,
    /// A JSON text.
    Json,
    /// A JSON object that describes an error.
    Failed,
    /// The end of a stream.
    End,
}

/// The result of a task that did not fail.
#[derive(Debug)]
pub(crate) enum Outcome {
    Bytes(Vec<u8>),
    Json(String),
    End,
}

/// Returns a JSON object that describes an error. `path` is the region that was asked for.
pub(crate) fn described(error: &Error, path: Option<&str>) -> String {
    let mut object = Object::new()
        .text("kind", &error.kind().to_string())
        .text("message", &error.to_string())
        .optional("path", path);
    if let Some(what) = error.what() {
        object = object.text("what", &what);
    }
    if let Some(at) = error.at() {
        object = object.number("offset", at);
    }
    if let Some((expected, found)) = error.expected_and_found() {
        object = object.text("expected", &expected).text("found", &found);
    }
    object.end()
}
