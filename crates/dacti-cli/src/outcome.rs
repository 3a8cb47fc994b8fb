//! How a verb ends.

use crate::hint;
use crate::output::shown;
use std::io;
use std::path::Path;

/// A verb that did its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All of it.
    Done,
    /// What could be done; the rest was told.
    Loss,
    /// All of it, and what was compared is not the same, which the exit code is to tell.
    Differs,
}

impl Outcome {
    pub(crate) const fn with_loss(lost: bool) -> Self {
        if lost { Self::Loss } else { Self::Done }
    }
}

/// A verb that did not.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The reason, for people.
    Failed(String),
    /// The arguments do not go together.
    Usage(String),
    /// The reader of standard output is gone.
    OutputClosed,
}

impl Failure {
    /// Something that failed with a package.
    pub(crate) fn with(package: &Path, error: &dacti::Error) -> Self {
        match error {
            // These name the file already.
            dacti::Error::Io { path, .. } if !path.as_os_str().is_empty() => {
                Self::Failed(told(error))
            }
            dacti::Error::NotFound { region } => Self::Failed(format!(
                "{}: no region {region}: list what there is with `dacti ls`",
                shown(package)
            )),
            dacti::Error::NotAFile { .. } | dacti::Error::Remote { .. } => {
                Self::Failed(hint::told(error))
            }
            dacti::Error::Io { action, source, .. } => {
                let told = hint::told(source);
                Self::Failed(format!("cannot {action} {}: {told}", shown(package)))
            }
            error => Self::Failed(format!("{}: {error}", shown(package))),
        }
    }
}

/// An error, with what a name that looks like a URL can be.
fn told(error: &dacti::Error) -> String {
    match error {
        dacti::Error::Io { path, source, .. }
            if source.kind() == io::ErrorKind::NotFound
                && path.to_string_lossy().contains("://") =>
        {
            let verbs = "ls, get, unpack, inspect, verify, du and diff";
            let schemes = "http, https, s3, gs, az and file";
            format!("{error}: {verbs} read packages under {schemes} URLs, other verbs take files")
        }
        error => error.to_string(),
    }
}

/// What is wrong with a region's content, with the option that allows a longer one.
pub(crate) fn content_fault(error: &io::Error) -> String {
    with_option(&hint::told(error), error.get_ref().and_then(|error| error.downcast_ref()))
}

/// What is wrong with a region before its content is read, with that option.
pub(crate) fn region_fault(error: &dacti::Error) -> String {
    let cause = match error {
        dacti::Error::Index(cause) => Some(cause),
        _ => None,
    };
    with_option(&hint::told(error), cause)
}

fn with_option(error: &dyn core::fmt::Display, cause: Option<&dacti_index::Error>) -> String {
    match cause {
        Some(dacti_index::Error::TooLong { .. }) => format!("{error}, with --max-len BYTES"),
        _ => error.to_string(),
    }
}

impl From<dacti::Error> for Failure {
    fn from(error: dacti::Error) -> Self {
        Self::Failed(told(&error))
    }
}

/// Only standard output is written without a name.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Failed(format!("cannot write standard output: {error}")),
        }
    }
}
