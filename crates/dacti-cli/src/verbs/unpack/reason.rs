//! Why a region was not written.

/// The reason: a kind for programs, and a message for people.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::verbs) struct Reason {
    pub(in crate::verbs) kind: &'static str,
    pub(in crate::verbs) message: String,
}

impl Reason {
    pub(in crate::verbs) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl<M: Into<String>> From<M> for Reason {
    /// Takes the message of a fault in the content.
    fn from(message: M) -> Self {
        Self::new("content", message)
    }
}
