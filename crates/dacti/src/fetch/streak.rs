//! Consecutive faults that affect the server as a whole, not only one region.

use crate::{Error, ErrorKind};

/// Ends the reading of many regions if the server is at fault. Otherwise each further region would
/// fail in the same way, after more requests and waits.
///
/// A replaced file or a spent budget ends the reading at once. Three consecutive faults of one kind
/// also end it, if they say that the server is unavailable, refuses access, or lacks a feature such
/// as ranges.
#[derive(Debug, Default)]
pub struct FaultStreak {
    kind: Option<ErrorKind>,
    count: u32,
}

/// The number of consecutive faults that ends the reading.
const FAULTS_MAX: u32 = 3;

impl FaultStreak {
    /// Records the result of one region: its fault, or `None`. Call it in the order of the results.
    /// Returns whether the reading ends with this result.
    pub fn note(&mut self, fault: Option<&Error>) -> bool {
        let kind = match fault {
            Some(Error::Remote { kind, .. }) => Some(*kind),
            _ => None,
        };
        let kind = match kind {
            Some(ErrorKind::Replaced | ErrorKind::Limit) => return true,
            Some(ErrorKind::Unavailable | ErrorKind::Denied | ErrorKind::Unsupported) => kind,
            _ => None,
        };
        self.count = match kind {
            None => 0,
            Some(_) if self.kind == kind => self.count.saturating_add(1),
            Some(_) => 1,
        };
        self.kind = kind;
        self.count >= FAULTS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::FaultStreak;
    use crate::{Error, ErrorKind};

    fn fault(kind: ErrorKind) -> Error {
        Error::Remote { place: "http://h/p".into(), kind, source: "a fault".into() }
    }

    #[test]
    fn faults_of_the_server_in_a_row_end_a_run() {
        use ErrorKind::{Denied, Limit, NotFound, Replaced, Stale, Unavailable, Unsupported};
        let region = || Some(fault(Stale));
        for (faults, ends_at) in [
            (vec![Some(fault(Unavailable)), Some(fault(Unavailable)), Some(fault(Unavailable))], 3),
            (vec![Some(fault(Unavailable)), Some(fault(Denied)), Some(fault(Unavailable))], 9),
            (vec![region(), region(), region(), Some(fault(NotFound))], 9),
            (vec![Some(fault(Unsupported)), None, Some(fault(Unsupported)), region()], 9),
            (vec![None, Some(fault(Replaced))], 2),
            (vec![None, Some(fault(Limit))], 2),
        ] {
            let mut streak = FaultStreak::default();
            let ended = faults.iter().position(|fault| streak.note(fault.as_ref()));
            assert_eq!(ended.map_or(9, |at| at + 1), ends_at, "{faults:?}");
        }
    }
}
