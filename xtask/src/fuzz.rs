//! `fuzz`: runs the fuzz tests of the conformance suite for longer than `test` does. `fuzz TARGET`
//! runs one of their entry points with inputs that coverage chooses.
//!
//! The fuzz tests are ordinary tests, so they run on every machine. Two environment variables
//! control them: `DACTI_FUZZ_ITERATIONS` is the number of rounds of each test, and
//! `DACTI_FUZZ_SEED` is a seed, as a decimal number.

use crate::coverage;
use crate::run::{Context, Failure, Outcome, Result, output, run};
use crate::test::of_workspace;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const ITERATIONS: &str = "DACTI_FUZZ_ITERATIONS";
const SEED: &str = "DACTI_FUZZ_SEED";

/// The number of rounds of each test, if the variable does not set it.
const ITERATIONS_DEFAULT: &str = "20000";

#[derive(Debug, Default, PartialEq, Eq)]
struct Wish {
    target: Option<String>,
    seconds: Option<u64>,
}

pub fn fuzz(context: &Context, args: &[String]) -> Result<Outcome> {
    let wish = wish(args)?;
    if let Some(target) = wish.target {
        return coverage::fuzz(context, &target, wish.seconds);
    }
    let list = output(suite(context).args(["--", "--list"]))?;
    let names = chosen(&list);
    if names.is_empty() {
        return Err("the conformance suite has no fuzz test".into());
    }
    let Some(seconds) = wish.seconds else {
        run(suite(context).args(["--", "--exact"]).args(&names))?;
        return Ok(Outcome::Done);
    };
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut seed = fresh_seed();
    while Instant::now() < end {
        // `run` prints the command with its seed. Running that command again shows the same
        // failure.
        let mut command = suite(context);
        command.env(SEED, seed.to_string()).args(["--", "--exact"]).args(&names);
        run(&mut command)?;
        seed = next_seed(seed);
    }
    Ok(Outcome::Done)
}

fn suite(context: &Context) -> Command {
    let mut command = of_workspace(context);
    command.args(["--quiet", "--test", "conformance"]);
    let iterations = std::env::var(ITERATIONS).unwrap_or_else(|_| ITERATIONS_DEFAULT.to_owned());
    command.env(ITERATIONS, iterations);
    command
}

fn wish(args: &[String]) -> Result<Wish> {
    let mut wish = Wish::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--seconds" {
            let number = args.next().and_then(|number| number.parse().ok());
            wish.seconds = Some(number.ok_or("--seconds needs a whole number")?);
        } else if arg.starts_with('-') || wish.target.is_some() {
            return Err(Failure::from(format!("does not take `{arg}`")));
        } else {
            wish.target = Some(arg.clone());
        }
    }
    Ok(wish)
}

/// Returns those tests in the list of libtest that have `fuzz` in their path.
fn chosen(list: &str) -> Vec<String> {
    let names = list.lines().filter_map(|line| line.strip_suffix(": test"));
    names.filter(|name| name.contains("fuzz")).map(str::to_owned).collect()
}

fn fresh_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    next_seed(u64::try_from(now.as_nanos() & u128::from(u64::MAX)).unwrap_or_default())
}

/// Returns the next seed, by one step of splitmix64. So consecutive seeds give very different
/// numbers.
fn next_seed(seed: u64) -> u64 {
    let sum = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (sum ^ (sum >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::{Wish, chosen, next_seed, wish};

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn arguments() {
        let some = |target: &str, seconds| Wish { target: Some(target.to_owned()), seconds };
        assert_eq!(wish(&[]), Ok(Wish::default()));
        assert_eq!(wish(&words("walk")), Ok(some("walk", None)));
        assert_eq!(wish(&words("--seconds 9 walk")), Ok(some("walk", Some(9))));
        assert_eq!(wish(&words("walk --seconds")), Err("--seconds needs a whole number".into()));
        assert_eq!(wish(&words("walk index")), Err("does not take `index`".into()));
        assert_eq!(wish(&words("--minutes")), Err("does not take `--minutes`".into()));
    }

    #[test]
    fn tests_are_chosen_from_the_list() {
        let list = "container::fuzz::walk: test\nindex::fuzz_find: test\nindex::find: test\n\
            fuzz_speed: benchmark\n\n3 tests, 1 benchmark\n";
        assert_eq!(chosen(list), ["container::fuzz::walk", "index::fuzz_find"]);
    }

    #[test]
    fn seeds_follow_splitmix64() {
        // This is the published test vector of splitmix64 for the state 1234567.
        assert_eq!(next_seed(1_234_567), 6_457_827_717_110_365_317);
    }
}
