//! How a verb ends.

use crate::output::{printable, shown};
use crate::{hint, sniff};
use std::io;
use std::path::Path;

/// How a verb has succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The verb has done all its work.
    Done,
    /// The verb has left some work undone. Messages have named that work.
    Loss,
    /// The verb has done all its work, and the exit code tells that the packages differ.
    Differs,
}

impl Outcome {
    pub(crate) const fn with_loss(lost: bool) -> Self {
        if lost { Self::Loss } else { Self::Done }
    }
}

/// Why a verb has failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The reason, for people.
    Failed(String),
    /// The arguments contradict each other.
    Usage(String),
    /// The reader of standard output is gone.
    OutputClosed,
    /// A signal asked the program to stop.
    Interrupted,
}

impl Failure {
    /// Returns the failure of work on a package.
    pub(crate) fn with(package: &Path, error: &dacti::Error) -> Self {
        if let Some(failure) = Self::of_input(error) {
            return failure;
        }
        match error {
            // The messages of these errors name the file already.
            dacti::Error::Io { path, .. } if !path.as_os_str().is_empty() => {
                Self::Failed(told(error))
            }
            dacti::Error::NotFound { region } => Self::Failed(format!(
                "{}: no region {region}: list the regions with `dacti ls`",
                shown(package)
            )),
            dacti::Error::NotAFile { .. } | dacti::Error::Remote { .. } => {
                Self::Failed(hint::told(error))
            }
            dacti::Error::Io { action, source, .. } => {
                let told = hint::told(source);
                Self::Failed(format!("cannot {action} {}: {told}", shown(package)))
            }
            dacti::Error::Container(cause) => Self::Failed(container_fault(package, cause)),
            error => Self::Failed(format!("{}: {}", shown(package), hint::told(error))),
        }
    }

    /// Returns the failure if the user or an input has caused the error, and not the package.
    fn of_input(error: &dacti::Error) -> Option<Self> {
        match error {
            dacti::Error::Stopped => Some(Self::Interrupted),
            dacti::Error::PrivateKey { name, file } => {
                let what = "is a private key and would be published";
                Some(Self::Failed(match file {
                    Some(file) => format!("{} {what}: leave it out with --exclude", shown(file)),
                    None => format!("the content of {} {what}", printable(name)),
                }))
            }
            _ => None,
        }
    }
}

/// Returns the message for a fault of a container. If the file is of another known kind, the
/// message names that kind.
fn container_fault(package: &Path, fault: &daicon_core::Error) -> String {
    let shown = shown(package);
    if let daicon_core::Error::NotDaicon { found } = fault
        && let Some(kind) = sniff::kind_of(package, found)
    {
        return format!("{shown} is not a daicon container: {kind}");
    }
    format!("{shown}: {fault}")
}

/// Returns the text of an error. If the name looks like a URL, the text lists the verbs that take
/// URLs. If an option helps, the text names it.
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
        error => hint::told(error),
    }
}

/// Returns the text of a fault in a region's content. If an option would allow longer content, the
/// text names the option.
pub(crate) fn content_fault(error: &io::Error) -> String {
    with_option(&hint::told(error), error.get_ref().and_then(|error| error.downcast_ref()))
}

/// Returns whether all regions together have exceeded their limit.
pub(crate) fn is_total(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|error| error.downcast_ref());
    matches!(cause, Some(dacti::Error::TotalTooLong { .. }))
}

/// Does the same as [`content_fault`], for a fault found before the region's content is read.
pub(crate) fn region_fault(error: &dacti::Error) -> String {
    let cause = match error {
        dacti::Error::Index(cause) => Some(cause),
        _ => None,
    };
    with_option(&hint::told(error), cause)
}

fn with_option(error: &dyn core::fmt::Display, cause: Option<&dacti_index::Error>) -> String {
    match cause {
        Some(dacti_index::Error::TooLong { .. }) => format!("{error} (option: --max-len BYTES)"),
        _ => error.to_string(),
    }
}

impl From<dacti::Error> for Failure {
    fn from(error: dacti::Error) -> Self {
        Self::of_input(&error).unwrap_or_else(|| Self::Failed(told(&error)))
    }
}

/// An IO error without further context concerns standard output, because errors of files name their
/// file.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Failed(format!("cannot write standard output: {error}")),
        }
    }
}
