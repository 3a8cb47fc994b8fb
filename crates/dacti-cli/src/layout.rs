//! The layout of a new package, and the length of its slices.

use clap::ValueEnum;
use dacti::LayoutChoice;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Layout {
    Cdn,
    Compact,
}

impl From<Layout> for LayoutChoice {
    fn from(layout: Layout) -> Self {
        match layout {
            Layout::Cdn => Self::Cdn,
            Layout::Compact => Self::Compact,
        }
    }
}

/// Reads a length with an optional unit, or `auto`.
pub(crate) fn slice_len(text: &str) -> Result<u64, String> {
    if text == "auto" {
        return Ok(dacti::layout::SLICE_LEN);
    }
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match text.get(digits.len()..).unwrap_or_default() {
        "" | "B" => 1,
        "K" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        unit => return Err(format!("unknown unit {unit:?}: use KiB, MiB or GiB")),
    };
    let number: u64 = digits.parse().map_err(|_| "expected auto or a length such as 64KiB")?;
    let len = number.checked_mul(unit).ok_or("too large")?;
    dacti::layout::check_slice_len(len).map(|()| len).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::slice_len;

    #[test]
    fn slices_are_read_with_units() {
        assert_eq!(slice_len("auto"), Ok(65_536));
        assert_eq!(slice_len("4096"), Ok(4096));
        assert_eq!(slice_len("64KiB"), Ok(65_536));
        assert_eq!(slice_len("2M"), Ok(2 << 20));
        for wrong in ["", "KiB", "64kb", "3MiB", "2KiB", "99999999999999999999", "-1"] {
            assert!(slice_len(wrong).is_err(), "{wrong}");
        }
    }
}
