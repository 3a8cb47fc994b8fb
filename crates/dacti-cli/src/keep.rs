//! `--keep-times` and `--keep-modes`: the attributes of files that the names list keeps.

use crate::outcome::Failure;
use crate::output::shown;
use core::time::Duration;
use dacti::{Attributes, Time};
use std::fs::Metadata;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// The options of verbs that take files.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Keep {
    /// Keep the modification times of files in the names list, so that `unpack` sets them. Without
    /// this option, the package does not depend on the times at which the files were written.
    #[arg(long)]
    keep_times: bool,
    /// Record which files their owner can execute, so that `unpack` makes them executable.
    #[arg(long)]
    keep_modes: bool,
}

impl Keep {
    /// Returns the attributes of a file that are kept.
    pub(crate) fn attributes(self, file: &Path) -> Result<Attributes, Failure> {
        if !self.keep_times && !self.keep_modes {
            return Ok(Attributes::default());
        }
        let found = std::fs::metadata(file)
            .map_err(|error| Failure::Failed(format!("cannot read {}: {error}", shown(file))))?;
        let modified = found.modified().ok().filter(|_| self.keep_times);
        Ok(Attributes {
            modified: modified.and_then(time),
            executable: self.keep_modes.then(|| is_executable(&found)).flatten(),
        })
    }

    /// Returns the part of a message that names the dropped attributes. The part is empty if all
    /// attributes are kept.
    pub(crate) const fn dropped(self) -> &'static str {
        match (self.keep_times, self.keep_modes) {
            (true, true) => "",
            (true, false) => "; executable bits are dropped",
            (false, true) => "; modification times are dropped",
            (false, false) => "; modification times and executable bits are dropped",
        }
    }
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems have no such bit")]
fn is_executable(found: &Metadata) -> Option<bool> {
    use std::os::unix::fs::PermissionsExt;
    Some(found.permissions().mode() & 0o100 != 0)
}

/// Returns `None`, because files of this system have no bit that makes them executable.
#[cfg(not(unix))]
const fn is_executable(_: &Metadata) -> Option<bool> {
    None
}

fn time(of: SystemTime) -> Option<Time> {
    match of.duration_since(UNIX_EPOCH) {
        Ok(since) => Time::new(i64::try_from(since.as_secs()).ok()?, since.subsec_nanos()),
        Err(before) => {
            let before = before.duration();
            let secs = i64::try_from(before.as_secs()).ok()?.checked_neg()?;
            match before.subsec_nanos() {
                0 => Time::new(secs, 0),
                nanos => Time::new(secs.checked_sub(1)?, 1_000_000_000_u32.checked_sub(nanos)?),
            }
        }
    }
}

/// Converts a kept time to the system's type; `None` if the system cannot hold it.
pub(crate) fn system_time(kept: Time) -> Option<SystemTime> {
    let whole = Duration::from_secs(kept.secs().unsigned_abs());
    let time =
        if kept.secs() < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    time?.checked_add(Duration::from_nanos(kept.nanos().into()))
}

/// Returns a time in UTC for people, such as `2026-11-29T22:12:27.5Z`. A time outside of the years
/// 0 to 9999 is given as seconds since 1970.
pub(crate) fn text(kept: Time) -> String {
    let (secs, nanos) = (kept.secs(), kept.nanos());
    let fraction = match nanos {
        0 => String::new(),
        nanos => format!(".{nanos:09}").trim_end_matches('0').into(),
    };
    let (days, of_day) = (secs.div_euclid(86_400), secs.rem_euclid(86_400));
    let Some((year, month, day)) = date(days) else { return format!("{secs}{fraction}") };
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// Returns the date of a day, counted from the start of 1970, in the years 0 to 9999.
#[expect(clippy::arithmetic_side_effects, reason = "the parts of an era are small numbers")]
fn date(days: i64) -> Option<(i64, i64, i64)> {
    /// The days of 400 years, after which the calendar repeats.
    const ERA: i64 = 146_097;
    // Counts days from 1 March of the year 0, so that the leap day is the last day of a year.
    let days = days.checked_add(719_468)?;
    let (era, of_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era.checked_mul(400)? + year_of_era + i64::from(month <= 2);
    (0..=9_999).contains(&year).then_some((year, month, day))
}

#[cfg(test)]
mod tests {
    use super::{Time, system_time, text, time};
    use core::time::Duration;
    use std::time::UNIX_EPOCH;

    #[test]
    fn times_are_shown_as_dates() {
        for (secs, nanos, shown) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (-1, 0, "1969-12-31T23:59:59Z"),
            (951_782_400, 0, "2000-02-29T00:00:00Z"),
            (951_868_799, 500_000_000, "2000-02-29T23:59:59.5Z"),
            (4_107_542_400, 1, "2100-03-01T00:00:00.000000001Z"),
            (1_795_903_947, 0, "2026-11-28T22:12:27Z"),
            (253_402_300_799, 0, "9999-12-31T23:59:59Z"),
            (253_402_300_800, 0, "253402300800"),
            (-62_167_219_200, 0, "0000-01-01T00:00:00Z"),
            (-62_167_219_201, 0, "-62167219201"),
            (i64::MAX, 0, "9223372036854775807"),
            (i64::MIN, 7, "-9223372036854775808.000000007"),
        ] {
            assert_eq!(text(Time::new(secs, nanos).unwrap()), shown);
        }
    }

    #[test]
    fn times_of_the_system_come_back() {
        let half = Duration::from_millis(500);
        for of in [UNIX_EPOCH, UNIX_EPOCH + half, UNIX_EPOCH - half, UNIX_EPOCH - 2 * half] {
            assert_eq!(time(of).and_then(system_time), Some(of));
        }
        assert_eq!(time(UNIX_EPOCH - half), Time::new(-1, 500_000_000));
    }
}
