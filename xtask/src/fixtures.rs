//! `fixtures`: writes the committed fixtures, or compares them with new ones. A program of the
//! tests package does the work. It shares no code with the crates.

use crate::run::{Context, Outcome, Result, one_flag, run};

pub fn fixtures(context: &Context, args: &[String]) -> Result<Outcome> {
    let check = one_flag(args, "--check")?;
    let call = ["run", "--quiet", "-p", "dacti-tests", "--bin", "fixtures", "--"];
    run(context.cargo(call).args(check.then_some("--check")))?;
    Ok(Outcome::Done)
}
