//! `fixtures`: writes or compares the committed fixture files. A program of the tests package does
//! this, and shares no code with the crates.

use crate::run::{Context, Outcome, Result, one_flag, run};

pub fn fixtures(context: &Context, args: &[String]) -> Result<Outcome> {
    let check = one_flag(args, "--check")?;
    let call = ["run", "--quiet", "-p", "dacti-tests", "--bin", "fixtures", "--"];
    run(context.cargo(call).args(check.then_some("--check")))?;
    Ok(Outcome::Done)
}
