//! Pages with measurements. A program writes all their numbers.
//!
//! A page has two marks, and the results of a run lie between the marks. The results include the
//! command, the commit, the day and the machine. All verbs that measure use this module.

use crate::run::{Context, Result, output};
use std::time::{SystemTime, UNIX_EPOCH};

/// A page with the results of a verb.
pub struct Page<'a> {
    /// The path of the page, from the root of the workspace.
    pub path: &'a str,
    /// The verb that measures, with its arguments. The page's marks contain this text.
    pub verb: &'a str,
}

/// When a run began, and at which commit.
pub struct Begun {
    commit: String,
    day: String,
}

impl Begun {
    /// Records the time and the commit. Call this before the run, because the run changes the page.
    pub fn now(context: &Context) -> Result<Self> {
        let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Self { commit: commit(context)?, day: date(begun.as_secs()) })
    }
}

impl Page<'_> {
    /// Writes the results of a run into the page. The page states the command with `flags` after
    /// the verb.
    pub fn write(&self, context: &Context, begun: &Begun, flags: &str, found: &str) -> Result<()> {
        let Self { path, verb } = self;
        let Begun { commit, day } = begun;
        let about = format!("One run of `cargo xtask {verb}{flags}`, commit {commit}, {day}.");
        let run = format!("{about}\nMachine: {}.\n\n{}\n", machine(), found.trim());
        let file = context.root.join(path);
        let page = std::fs::read_to_string(&file).map_err(|error| format!("{path}: {error}"))?;
        let page = self.spliced(&page, &run)?;
        std::fs::write(&file, page).map_err(|error| format!("{path}: {error}"))?;
        eprintln!("wrote {path}");
        Ok(())
    }

    /// Returns the two marks, which are the lines before and after the results.
    fn marks(&self) -> (String, String) {
        let verb = self.verb;
        let begin = format!("<!-- begin of a run; written by `cargo xtask {verb} --write` -->");
        (begin, format!("<!-- end of the run of `{verb}` -->"))
    }

    /// Returns the page with the new results between its marks.
    fn spliced(&self, page: &str, run: &str) -> Result<String> {
        let (begin, end) = self.marks();
        let marked = page.split_once(&begin).and_then(|(before, rest)| {
            let (_, behind) = rest.split_once(&end)?;
            Some(format!("{before}{begin}\n\n{run}\n{end}{behind}"))
        });
        let path = self.path;
        marked.ok_or_else(|| format!("{path} lacks its marks, `{begin}` and `{end}`").into())
    }
}

/// Returns the commit that was measured, and whether the working tree had other changes.
fn commit(context: &Context) -> Result<String> {
    let commit = output(&mut context.git(["rev-parse", "--short", "HEAD"]))?;
    let changes = output(&mut context.git(["status", "--porcelain", "--untracked-files=no"]))?;
    let more = if changes.trim().is_empty() { "" } else { ", with changes" };
    Ok(format!("{}{more}", commit.trim()))
}

/// Returns the processor, the cores, the memory and the operating system, if the system reports
/// them.
fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let processor = field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown".into());
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let memory = field(&read("/proc/meminfo"), "MemTotal").and_then(|total| {
        let kib: u64 = total.strip_suffix(" kB")?.parse().ok()?;
        Some(format!(", {} GiB of memory", kib.div_ceil(1 << 20)))
    });
    let system = std::env::consts::OS;
    let release = read("/proc/sys/kernel/osrelease");
    let memory = memory.unwrap_or_default();
    format!("{processor}, {cores} virtual cores{memory}, {system} {}", release.trim())
}

/// Returns the value of the first line of the form `name : value`.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == name).then(|| value.trim().to_owned())
    })
}

/// Returns the day of a time as YYYY-MM-DD. The time is in seconds since 1970.
fn date(seconds: u64) -> String {
    // This is Howard Hinnant's `civil_from_days`, for days since 1970. Its years begin in March.
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::{Page, date, field};

    #[test]
    fn days_have_dates() {
        for (seconds, expected) in [
            (0, "1970-01-01"),
            (86_399, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_735_689_599, "2024-12-31"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(date(seconds), expected);
        }
    }

    #[test]
    fn a_run_takes_the_place_of_the_one_before() {
        let [x, y] = ["x", "y"].map(|verb| Page { path: "page", verb });
        let ((begin, end), (other, _)) = (x.marks(), y.marks());
        let page = format!("a\n{other}\n{begin}\nold\n{end}\nz\n");
        let expected = format!("a\n{other}\n{begin}\n\nnew\n\n{end}\nz\n");
        assert_eq!(x.spliced(&page, "new\n").as_deref(), Ok(&expected[..]));
        assert_eq!(x.spliced(&expected, "new\n").as_deref(), Ok(&expected[..]));
        assert!(x.spliced("no marks", "new").is_err());
        assert!(y.spliced(&page, "new").is_err(), "the end of another");
    }

    #[test]
    fn fields_of_the_system() {
        let text = "processor\t: 0\nmodel name\t: A: B\nmodel name\t: C\n";
        assert_eq!(field(text, "model name").as_deref(), Some("A: B"));
        assert_eq!(field(text, "MemTotal"), None);
    }
}
