//! `check`: formatting, lints and documentation, every warning a failure.

use crate::peers;
use crate::run::{Context, Outcome, Result, no_args, run};

pub fn check(context: &Context, args: &[String]) -> Result<Outcome> {
    no_args(args)?;
    run(&mut context.cargo(["fmt", "--all", "--check"]))?;
    run(&mut context.cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    // Other people's crates change nothing in ours, but a rename of ours breaks their benches.
    run(peers::cargo(context, "fmt")?.arg("--check"))?;
    run(peers::cargo(context, "clippy")?.args(["--benches", "--", "-D", "warnings"]))?;
    // Libraries alone: the program is called as its library is, and one page would overwrite the
    // other's.
    let doc = ["doc", "--workspace", "--no-deps", "--lib"];
    run(context.cargo(doc).env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(Outcome::Done)
}
