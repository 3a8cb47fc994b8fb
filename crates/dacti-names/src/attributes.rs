//! The attributes of the file at a path: its modification time, and whether it is a program.
//!
//! Specification: `docs/spec/dacti-names.md`, "Attributes".

use crate::wire::NamesAttributes;

/// The number of nanoseconds in a second.
const NANOS: u32 = 1_000_000_000;

/// The attributes of a file, as a names list records them. The default has no attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Attributes {
    /// The modification time.
    pub modified: Option<Time>,
    /// Whether the file is a program that its owner may execute.
    pub executable: Option<bool>,
}

/// A time in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    secs: i64,
    nanos: u32,
}

impl Time {
    /// Creates a time from whole seconds since the start of 1970, rounded down, and the nanoseconds
    /// after them. Returns `None` if the nanoseconds are a second or more.
    #[must_use]
    pub const fn new(secs: i64, nanos: u32) -> Option<Self> {
        if nanos < NANOS { Some(Self { secs, nanos }) } else { None }
    }

    /// Returns the whole seconds since the start of 1970, rounded down.
    #[must_use]
    pub const fn secs(self) -> i64 {
        self.secs
    }

    /// Returns the nanoseconds after the whole seconds.
    #[must_use]
    pub const fn nanos(self) -> u32 {
        self.nanos
    }
}

impl Attributes {
    const TIME: u32 = 1;
    const MODE: u32 = 2;
    const EXECUTABLE: u32 = 4;

    /// Returns whether no attribute is recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn to_wire(self) -> NamesAttributes {
        let (secs, nanos) = self.modified.map_or((0, 0), |time| (time.secs, time.nanos));
        let time = if self.modified.is_some() { Self::TIME } else { 0 };
        let mode = match self.executable {
            None => 0,
            Some(false) => Self::MODE,
            Some(true) => Self::MODE | Self::EXECUTABLE,
        };
        NamesAttributes {
            secs: secs.cast_unsigned().into(),
            nanos: nanos.into(),
            flags: (time | mode).into(),
        }
    }

    /// Reads attributes. If the nanoseconds are a second or more, returns them as the error.
    pub(crate) fn from_wire(stored: &NamesAttributes) -> Result<Self, u32> {
        let (flags, nanos) = (stored.flags.get(), stored.nanos.get());
        let has = |flag: u32| flags & flag != 0;
        let modified = if has(Self::TIME) {
            Some(Time::new(stored.secs.get().cast_signed(), nanos).ok_or(nanos)?)
        } else {
            None
        };
        let executable = has(Self::MODE).then(|| has(Self::EXECUTABLE));
        Ok(Self { modified, executable })
    }
}

#[cfg(test)]
mod tests {
    use super::{Attributes, Time};

    #[test]
    fn attributes_come_back_with_reserved_bits_ignored() {
        // spec: R-NAME-18
        let times = [None, Time::new(0, 0), Time::new(-1, 999_999_999), Time::new(i64::MAX, 1)];
        for modified in times {
            for executable in [None, Some(false), Some(true)] {
                let attributes = Attributes { modified, executable };
                let mut stored = attributes.to_wire();
                assert_eq!(Attributes::from_wire(&stored), Ok(attributes));
                stored.flags = (stored.flags.get() | 0xffff_fff8).into();
                assert_eq!(Attributes::from_wire(&stored), Ok(attributes));
            }
        }
        assert!(Attributes::default().is_empty());
        assert_eq!(Time::new(0, 1_000_000_000), None);
    }

    #[test]
    fn a_time_that_is_not_kept_is_not_read() {
        // spec: R-NAME-19
        let time = Attributes { modified: Time::new(7, 8), executable: None };
        let mut stored = time.to_wire();
        stored.nanos = u32::MAX.into();
        assert_eq!(Attributes::from_wire(&stored), Err(u32::MAX));
        stored.flags = 0.into();
        assert_eq!(Attributes::from_wire(&stored), Ok(Attributes::default()));
    }
}
