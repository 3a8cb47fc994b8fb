//! The state of a file by what an answer says of it: its validator, its date, its length.
//!
//! Specification: `docs/spec/dacti-http.md`, "Heads".

/// What an answer says of the state of the file that its bytes are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Mark {
    /// A hash of the `ETag`, or else of `Last-Modified`.
    pub(crate) validator: Option<u64>,
    /// `Last-Modified`, as a number that grows with it.
    pub(crate) modified: Option<u64>,
    /// The file's length.
    pub(crate) len: Option<u64>,
}

impl Mark {
    /// Whether it is, or may be, of a later state than `known`. Caches keep bytes of earlier ones
    /// for as long as they like.
    pub(crate) fn is_later_than(&self, known: &Self) -> bool {
        match (self.modified, known.modified) {
            (Some(modified), Some(known)) if modified != known => modified > known,
            _ => {
                let other = self.validator.zip(known.validator).is_some_and(|(a, b)| a != b);
                other || self.len.zip(known.len).is_some_and(|(len, known)| len > known)
            }
        }
    }
}

/// A date as a number that grows with it: only dates as HTTP writes them today, such as
/// `Sun, 06 Nov 1994 08:49:37 GMT`.
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

/// A number of just so many digits.
fn number(text: &str, digits: usize) -> Option<u64> {
    let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::{Mark, date};

    #[test]
    fn dates_are_in_their_order() {
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
    fn what_is_no_date_is_none() {
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
    fn a_state_is_later_by_its_date_and_else_where_it_is_another() {
        // spec: R-HTTP-64
        let mark = |validator, modified, len| Mark { validator, modified, len };
        let known = mark(Some(1), Some(10), Some(100));
        for (found, is_later) in [
            (known, false),
            (mark(Some(2), Some(11), Some(100)), true),
            // An earlier state, whatever else it says.
            (mark(Some(2), Some(9), Some(100)), false),
            (mark(Some(2), Some(9), Some(200)), false),
            // Of the same second, or without a date.
            (mark(Some(2), Some(10), Some(100)), true),
            (mark(Some(1), Some(10), Some(101)), true),
            (mark(Some(1), Some(10), Some(99)), false),
            (mark(Some(2), None, None), true),
            (mark(None, None, Some(101)), true),
            (mark(None, None, Some(99)), false),
            (mark(None, None, None), false),
        ] {
            assert_eq!(found.is_later_than(&known), is_later, "{found:?}");
        }
    }
}
