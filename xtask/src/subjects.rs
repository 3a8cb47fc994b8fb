//! Checks subjects of commits, which must fit on one line of a list.

use crate::run::{Context, Result, output};

const SUBJECT_CHARS_MAX: usize = 72;

/// Commits before this time may have longer subjects.
const SINCE: &str = "2026-11-29T00:00:00Z";

/// Returns the commits since `SINCE` whose subjects are too long.
pub fn long(context: &Context) -> Result<Vec<String>> {
    let since = format!("--since={SINCE}");
    Ok(findings(&output(&mut context.git(["log", "--no-merges", "--format=%h %s", &since]))?))
}

fn findings(log: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (commit, subject) in log.lines().filter_map(|line| line.split_once(' ')) {
        let chars = subject.chars().count();
        if chars > SUBJECT_CHARS_MAX {
            findings.push(format!(
                "commit {commit}: the subject has {chars} characters, at most {SUBJECT_CHARS_MAX}"
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::findings;

    #[test]
    fn a_subject_has_72_characters() {
        let log = format!("abc {}\ndef {}\nghi \n", "é".repeat(72), "x".repeat(73));
        let expected = ["commit def: the subject has 73 characters, at most 72"];
        assert_eq!(findings(&log), expected);
    }
}
