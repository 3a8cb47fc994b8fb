//! The states of a file as answers describe them: validator, date, length.
//!
//! Specification: `docs/spec/dacti-http.md`, "Heads".

use alloc::vec::Vec;

/// The state of the file from which the bytes of an answer were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Mark {
    /// A hash of the `ETag`, or else of `Last-Modified`.
    pub(crate) validator: Option<u64>,
    /// `Last-Modified` as a number: a later date has a larger number.
    pub(crate) modified: Option<u64>,
    /// The file's length.
    pub(crate) len: Option<u64>,
}

impl Mark {
    /// Returns whether the two states differ in a property that both have.
    fn differs_from(&self, other: &Self) -> bool {
        let differ = |a: Option<u64>, b: Option<u64>| a.zip(b).is_some_and(|(a, b)| a != b);
        differ(self.validator, other.validator)
            || differ(self.modified, other.modified)
            || differ(self.len, other.len)
    }
}

/// The maximum number of remembered states. Each judged head adds at most one state. So does each
/// look: a fetch of the head that confirms the state of other bytes.
const STATES_MAX: usize = 16;

/// The states that are known to belong to the session's file.
#[derive(Debug, Clone, Default)]
pub(crate) struct States {
    known: Vec<Mark>,
    looks: u32,
}

impl States {
    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Makes `mark` the only known state.
    pub(crate) fn begin_with(&mut self, mark: Mark) {
        self.known.clear();
        self.known.push(mark);
    }

    /// Adds a state of the session's file.
    pub(crate) fn note(&mut self, mark: Mark) {
        if self.knows(&mark) {
            return;
        }
        if self.known.len() >= STATES_MAX {
            self.known.remove(0);
        }
        self.known.push(mark);
    }

    pub(crate) fn knows(&self, mark: &Mark) -> bool {
        self.known.iter().any(|known| !mark.differs_from(known))
    }

    /// Returns whether fewer than `max` looks at the head were made.
    pub(crate) const fn has_looks_left(&self, max: u32) -> bool {
        self.looks < max
    }

    pub(crate) const fn count_look(&mut self) {
        self.looks = self.looks.saturating_add(1);
    }
}

/// Reads a date as a number: a later date has a larger number. Only the form that HTTP prescribes
/// today is accepted: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(crate) fn date(value: &[u8]) -> Option<u64> {
    let value = core::str::from_utf8(value).ok().filter(|value| value.is_ascii())?;
    let (_, value) = value.split_once(", ")?;
    let mut words = value.split(' ');
    let mut word = || words.next();
    let (day, month, year, time) = (word()?, word()?, word()?, word()?);
    if (word()?, words.next()) != ("GMT", None) {
        return None;
    }
    let names = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let month = (names.find(month).filter(|at| month.len() == 3 && at % 3 == 0)? / 3).to_be_bytes();
    let mut date = number(year, 4)?;
    date = date << 8 | u64::from(*month.last()?);
    date = date << 8 | number(day, 2)?;
    let mut parts = time.split(':');
    for _ in 0..3 {
        date = date << 8 | number(parts.next()?, 2)?;
    }
    parts.next().is_none().then_some(date)
}

/// Reads a number of exactly `digits` digits.
fn number(text: &str, digits: usize) -> Option<u64> {
    let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::{Mark, STATES_MAX, States, date};

    #[test]
    fn dates_keep_their_order() {
        let dates = [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:38 GMT",
            "Sun, 06 Nov 1994 08:50:00 GMT",
            "Sun, 06 Nov 1994 10:00:00 GMT",
            "Mon, 07 Nov 1994 00:00:00 GMT",
            "Thu, 01 Dec 1994 00:00:00 GMT",
            "Sun, 01 Jan 1995 00:00:00 GMT",
            "Fri, 31 Dec 9999 23:59:59 GMT",
        ];
        let numbers = dates.map(|value| date(value.as_bytes()).expect(value));
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    }

    #[test]
    fn other_texts_are_no_dates() {
        for value in [
            "",
            "yesterday",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 1994 08:49:37 GMT ",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 anF 1994 08:49:37 GMT",
            "Sun, 06 No 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 08:49:37:00 GMT",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 0\u{665}:49:37 GMT",
        ] {
            assert_eq!(date(value.as_bytes()), None, "{value:?}");
        }
    }

    #[test]
    fn a_state_is_another_if_any_property_that_both_have_differs() {
        // spec: R-HTTP-64
        let mark = |validator, modified, len| Mark { validator, modified, len };
        let mut states = States::default();
        states.begin_with(mark(Some(1), Some(10), Some(100)));
        for (found, is_known) in [
            (mark(Some(1), Some(10), Some(100)), true),
            (mark(Some(1), None, None), true),
            (mark(None, None, Some(100)), true),
            (mark(None, None, None), true),
            // Another date makes another state, whether the date is later or earlier.
            (mark(Some(2), Some(11), Some(100)), false),
            (mark(Some(2), Some(9), Some(100)), false),
            (mark(None, Some(9), None), false),
            // Another validator or length makes another state, even within the same second or
            // without a date.
            (mark(Some(2), Some(10), Some(100)), false),
            (mark(Some(2), None, None), false),
            (mark(None, None, Some(101)), false),
            (mark(None, None, Some(99)), false),
        ] {
            assert_eq!(states.knows(&found), is_known, "{found:?}");
        }
    }

    #[test]
    fn a_bounded_number_of_states_is_remembered() {
        let mark = |n| Mark { validator: Some(n), ..Mark::default() };
        let mut states = States::default();
        (0..100).for_each(|n| states.note(mark(n)));
        assert_eq!(states.known.len(), STATES_MAX);
        assert!(states.knows(&mark(99)) && !states.knows(&mark(0)));
    }
}
