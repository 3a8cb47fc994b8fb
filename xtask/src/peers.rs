//! `bench peers` and `bench update`: packages beside other people's crates, and the page that has
//! the tables.
//!
//! The benches measure and make the tables; this says on which machine, at which commit and when,
//! and puts all that into the page, so that no number is ever typed.

use crate::run::{Context, Outcome, Result, output};
use std::time::{SystemTime, UNIX_EPOCH};

/// The page, below the root.
const PAGE: &str = "docs/performance.md";

/// Runs the bench `name` and prints what it found; `--write` puts it into the page, too. Everything
/// else is handed on.
pub fn peers(context: &Context, name: &str, args: &[String]) -> Result<Outcome> {
    let (write, rest): (Vec<_>, Vec<_>) = args.iter().partition(|&arg| arg == "--write");
    let mut command = context.cargo(["bench", "-p", "dacti-benches", "--features", "peers"]);
    command.args(["--bench", name, "--"]).args(&rest);
    let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    // Before the run: the page itself is about to change.
    let commit = commit(context)?;
    let found = output(&mut command)?;
    print!("{found}");
    if !write.is_empty() {
        let flags: String = rest.iter().map(|arg| format!(" {arg}")).collect();
        let about = format!(
            "One run of `cargo xtask bench {name}{flags}`, commit {commit}, {}.\nMachine: {}.\n",
            date(begun),
            machine()
        );
        let path = context.root.join(PAGE);
        let page = std::fs::read_to_string(&path).map_err(|error| format!("{PAGE}: {error}"))?;
        let page = spliced(&page, name, &format!("{about}\n{}\n", found.trim()))?;
        std::fs::write(&path, page).map_err(|error| format!("{PAGE}: {error}"))?;
        eprintln!("wrote {PAGE}");
    }
    Ok(Outcome::Done)
}

/// The lines between which a bench's run stands in the page.
fn marks(name: &str) -> (String, String) {
    let begin = format!("<!-- begin of a run; written by `cargo xtask bench {name} --write` -->");
    (begin, format!("<!-- end of the run of {name} -->"))
}

/// Which commit is measured, and whether it is all that is.
fn commit(context: &Context) -> Result<String> {
    let commit = output(&mut context.git(["rev-parse", "--short", "HEAD"]))?;
    let changes = output(&mut context.git(["status", "--porcelain", "--untracked-files=no"]))?;
    let more = if changes.trim().is_empty() { "" } else { ", with changes" };
    Ok(format!("{}{more}", commit.trim()))
}

/// Processor, cores, memory and system, as far as the system tells.
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

/// The value of the first line `name : value`.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == name).then(|| value.trim().to_owned())
    })
}

/// The page with a new run of a bench between its marks.
fn spliced(page: &str, name: &str, run: &str) -> Result<String> {
    let (begin, end) = marks(name);
    let marked = page.split_once(&begin).and_then(|(before, rest)| {
        let (_, behind) = rest.split_once(&end)?;
        Some(format!("{before}{begin}\n\n{run}\n{end}{behind}"))
    });
    marked.ok_or_else(|| format!("{PAGE} lacks its marks, `{begin}` and `{end}`").into())
}

/// The day of a time in seconds since 1970, as YYYY-MM-DD.
fn date(seconds: u64) -> String {
    // Howard Hinnant's `civil_from_days`, for days after 1970: years begin in March there.
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
    use super::{date, field, marks, spliced};

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
        let ((begin, end), (other, _)) = (marks("x"), marks("y"));
        let page = format!("a\n{other}\n{begin}\nold\n{end}\nz\n");
        let expected = format!("a\n{other}\n{begin}\n\nnew\n\n{end}\nz\n");
        assert_eq!(spliced(&page, "x", "new\n").as_deref(), Ok(&expected[..]));
        assert_eq!(spliced(&expected, "x", "new\n").as_deref(), Ok(&expected[..]));
        assert!(spliced("no marks", "x", "new").is_err());
        assert!(spliced(&page, "y", "new").is_err(), "the end of another");
    }

    #[test]
    fn fields_of_the_system() {
        let text = "processor\t: 0\nmodel name\t: A: B\nmodel name\t: C\n";
        assert_eq!(field(text, "model name").as_deref(), Some("A: B"));
        assert_eq!(field(text, "MemTotal"), None);
    }
}
