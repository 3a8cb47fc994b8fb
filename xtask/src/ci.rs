//! `ci`: runs the verbs that judge the repository, one after the other, until one fails.

use crate::run::{Context, Outcome, Result, no_args, output, under_ci};
use crate::{find, snapshots};
use std::time::Instant;

/// The verbs that judge a release instead of a change. RELEASING.md says when to run them.
#[cfg(test)]
const BEFORE_A_RELEASE: &[&str] = &["release", "semver"];

/// The verbs in the order of their run. Fast verbs come first, and verbs whose results a person
/// reads come last. `snapshots` must follow `test`, because it needs the list of snapshots that the
/// tests have read.
const STEPS: &[(&str, &[&str])] = &[
    ("tidy", &[]),
    ("layers", &[]),
    ("spec", &[]),
    ("check", &[]),
    ("features", &[]),
    ("msrv", &[]),
    ("no-std", &[]),
    ("fixtures", &["--check"]),
    ("bench", &["--test"]),
    ("fuzz", &[]),
    ("test", &[]),
    ("web", &["--check"]),
    ("browser", &[]),
    ("lab", &[]),
    ("snapshots", &["--check"]),
];

pub fn ci(context: &Context, args: &[String]) -> Result<Outcome> {
    no_args(args)?;
    let before = state(context)?;
    // If the lock file in the commit was incomplete, cargo has completed it when it built this
    // program.
    if under_ci() && before.lines().any(|line| line.ends_with(" Cargo.lock")) {
        return Err("the committed Cargo.lock is not complete: build once and commit it".into());
    }
    let mut times = Vec::new();
    for &(name, args) in STEPS {
        eprintln!("ci: {name}");
        let start = Instant::now();
        let result = step(context, name, args);
        let time = format!("{name} {:.1} s", start.elapsed().as_secs_f64());
        match result {
            Ok(Outcome::Done) => eprintln!("ci: {time}"),
            Ok(Outcome::Skipped(why)) => return Err(format!("stopped at {name}: {why}").into()),
            Err(failure) => return Err(format!("stopped at {time}: {failure}").into()),
        }
        times.push(time);
    }
    // In CI, no verb may change the tree. Elsewhere, a person may edit files during the run, so
    // this is not checked.
    if under_ci() && state(context)? != before {
        return Err(format!("a verb changed the tree:\n{}", state(context)?).into());
    }
    eprintln!("ci: passed ({})", times.join(", "));
    Ok(Outcome::Done)
}

fn step(context: &Context, name: &str, args: &[&str]) -> Result<Outcome> {
    if name == "snapshots" {
        return snapshots::check_recorded(context);
    }
    let task = find(name).ok_or_else(|| format!("there is no verb `{name}`"))?;
    let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
    (task.run)(context, &args)
}

fn state(context: &Context) -> Result<String> {
    output(&mut context.git(["status", "--porcelain"]))
}

#[cfg(test)]
mod tests {
    use super::{BEFORE_A_RELEASE, STEPS};
    use crate::TASKS;

    #[test]
    fn every_verb_but_ci_itself_is_a_step() {
        let mut verbs: Vec<_> = TASKS.iter().map(|task| task.name).collect();
        let mut steps: Vec<_> = STEPS
            .iter()
            .map(|&(name, _)| name)
            .chain(["ci"])
            .chain(BEFORE_A_RELEASE.iter().copied())
            .collect();
        verbs.sort_unstable();
        steps.sort_unstable();
        assert_eq!(verbs, steps);
    }

    #[test]
    fn snapshots_are_judged_after_the_tests_ran() {
        let at = |verb| STEPS.iter().position(|&(name, _)| name == verb);
        assert!(at("test") < at("snapshots"));
    }
}
