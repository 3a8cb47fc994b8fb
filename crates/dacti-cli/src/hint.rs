//! Names the option that helps against an error of reading.

use core::error::Error;
use dacti::Error as PackageError;
use dacti::fetch::FetchError;
use dacti::report::Finding;
use std::io;

/// Returns the text of an error. If an option helps, the text names it.
pub(crate) fn told(error: &(dyn Error + 'static)) -> String {
    option(error).map_or_else(|| error.to_string(), |option| format!("{error} (option: {option})"))
}

/// Returns the text of a finding. If an option helps, the text names it.
pub(crate) fn of_finding(finding: &Finding) -> String {
    match finding {
        Finding::Region { name, error } => format!("{name:?}: {}", told(&**error)),
        Finding::Removal { id, error } => format!("removal of {id}: {}", told(&**error)),
        finding => finding.to_string(),
    }
}

/// Finds the option that helps against an error.
fn option(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut next = Some(error);
    // The loop ends, because each step continues with the cause of an error, and the chain of
    // causes is finite.
    while let Some(error) = next {
        if let Some(PackageError::TotalTooLong { .. }) = error.downcast_ref() {
            return Some("--max-total BYTES");
        }
        if let Some(fetch) = error.downcast_ref::<FetchError>() {
            return match fetch {
                FetchError::RequestsSpent { .. } => Some("--max-requests N"),
                FetchError::BytesSpent { .. } => Some("--max-bytes BYTES"),
                FetchError::NoRanges { .. } => Some("--allow-whole"),
                _ => None,
            };
        }
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::told;
    use dacti::fetch::FetchError;
    use std::io;

    #[test]
    fn the_option_is_found_in_the_causes() {
        let spent = FetchError::RequestsSpent { max: 3 };
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::QuotaExceeded, spent));
        assert!(told(&wrapped).ends_with("or ask for less (option: --max-requests N)"));
        assert!(told(&spent).contains("--max-requests"));
        assert_eq!(told(&io::Error::other("else")), "else");
    }
}
